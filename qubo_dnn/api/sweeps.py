"""Compress a network to several budgets in one call."""

from __future__ import annotations

import copy
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from torch import nn

from qubo_dnn.api.networks import Images, Settings, as_images, make_compressor, shown
from qubo_dnn.api.tracked_networks import TrackedPoints, compress_parameters
from qubo_dnn.backend import Backend
from qubo_dnn.cluster.given import AnyExecutor, workers
from qubo_dnn.compression.rewriting.compressed_file import load_compressed_
from qubo_dnn.compression.search.progress import CompressionReporter
from qubo_dnn.compression.sweep.folder import SweepFolder
from qubo_dnn.compression.sweep.picture import sweep_picture
from qubo_dnn.compression.sweep.points import QUICK, SweepPoint
from qubo_dnn.compression.sweep.record import SweepRecord, write_sweep
from qubo_dnn.compression.sweep.report import write_sweep_report
from qubo_dnn.compression.sweep.sweeper import Sweeper
from qubo_dnn.compression.task.budget_ranges import parse_budgets
from qubo_dnn.compression.task.budgets import parse_budget
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.errors import OutputError
from qubo_dnn.pictures.image import write_image
from qubo_dnn.reports.charts import chart
from qubo_dnn.reports.notebook import cell, figure, small_columns
from qubo_dnn.support.arguments import checked
from qubo_dnn.tracking.callback import Callback
from qubo_dnn.tracking.tracker import Tracker

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["Sweep", "sweep"]


@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """A network at several budgets.

    Attributes:
        original: the given network.
        record: all figures.
        folder: where the points are.

    Example:
        >>> def cheapest(found: Sweep, divergence: float) -> float:
        ...     return min(each.cost for each in found.front if each.divergence <= divergence)
    """

    original: nn.Module
    record: SweepRecord
    folder: SweepFolder

    @property
    def points(self) -> tuple[SweepPoint, ...]:
        """The finished points by increasing budget; those that no plan meets have a `reason` and no figures."""
        return tuple(point for _, point in sorted(self.record.points.items()))

    @property
    def front(self) -> tuple[SweepPoint, ...]:
        """The Pareto front of cost and held-out divergence, see `qubo_dnn.compression.sweep.points.pareto_front`."""
        return tuple(self.record.points[number] for number in self.record.front)

    @property
    def knee(self) -> SweepPoint | None:
        """The knee of the front, or None; see `qubo_dnn.compression.sweep.points.knee`."""
        return None if self.record.knee is None else self.record.points[self.record.knee]

    @property
    def baselines(self) -> dict[str, tuple[SweepPoint, ...]]:
        """Name of a further curve -> its points."""
        return {
            name: tuple(point for _, point in sorted(curve.items())) for name, curve in self.record.baselines.items()
        }

    @property
    def interrupted(self) -> bool:
        """True if Ctrl-C ended the sweep early."""
        return self.record.interrupted

    def plan(self, point: int | str) -> Plan:
        """Return the plan of a point.

        Args:
            point: its number, or "knee".

        Raises:
            OptionError: there is no such point, or it has no plan.
        """
        return self.folder.plan(self.record.point(point).number)

    def model(self, point: int | str) -> nn.Module:
        """Return the compressed network of a point, a copy of the given one.

        Args:
            point: its number, or "knee".

        Raises:
            OptionError: there is no such point, or it has no plan.
        """
        network = copy.deepcopy(self.original)
        load_compressed_(network, self.folder.point(self.record.point(point).number) / "model.safetensors")
        return network

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain data, as in sweep.json."""
        return self.record.to_dict()

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write sweep.json, and model.safetensors, plan.json and result.json of every point.

        Args:
            folder: folder to create; `qubo-dnn apply FOLDER --point 3` carries a point out.
            overwrite: True to replace an earlier sweep.

        Raises:
            OutputExistsError: the folder holds a sweep, or other files.
            OutputError: the folder cannot be written.
        """
        target = SweepFolder(Path(folder), overwrite)
        if target.path.resolve() == self.folder.path.resolve():
            return target.path
        target.check_new()
        target.begin(self.record.settings, self.record.about)
        try:
            for point in self.points:
                if point.is_met:
                    shutil.copytree(self.folder.point(point.number), target.point(point.number))
        except OSError as cause:
            raise OutputError(f"{folder} cannot be written: {cause}") from cause
        write_sweep(target.path, self.record)
        return target.path

    def draw(self, path: str | Path) -> None:
        """Draw held-out divergence over cost, with the front, the knee and the baselines.

        Args:
            path: a .png or .svg file.

        Raises:
            OptionError: the name ends in neither.
            MissingExtraError: the extra `report` is not installed.
            OutputError: the file cannot be written.
        """
        write_image(Path(path), sweep_picture(self.record))

    def report(self, path: str | Path, title: str = "Sweep") -> Path:
        """Write a page about the sweep: its curves, points, front, knee and baselines.

        Args:
            path: path of the HTML file, which opens without a network; an existing file is replaced.
            title: title of the page.

        Returns:
            The path.

        Raises:
            MissingExtraError: jinja2 or plotly is not installed.
            OutputError: the file cannot be written.
        """
        write_sweep_report(Path(path), self.record, title)
        return Path(path)

    def plot(self) -> Figure:
        """Draw held-out divergence over cost.

        Returns:
            A figure of plotly.

        Raises:
            MissingExtraError: plotly is not installed.
        """
        return figure(chart(sweep_picture(self.record)))

    def _repr_html_(self) -> str:
        """Return the points, the front and the knee, for notebooks."""
        met = [point for point in self.points if point.is_met]
        rows: dict[str, Any] = {
            "points": f"{len(met)} of {len(self.record.budgets)} budgets have a plan",
            "front": ", ".join(point.budget for point in self.front),
            "knee": None if self.knee is None else f"{self.knee.budget}, divergence {self.knee.divergence:.4g}",
            "interrupted": self.interrupted or None,
        }
        picture = small_columns(
            f"Held-out divergence from {met[0].budget} to {met[-1].budget}", [each.divergence or 0.0 for each in met]
        )
        return cell([(name, value) for name, value in rows.items() if value], picture if len(met) > 1 else "")

    def __repr__(self) -> str:
        met = [point for point in self.points if point.is_met]
        unmet = len(self.points) - len(met)
        knee = "no knee" if self.knee is None else f"knee at {self.knee.budget}"
        left = len(self.record.budgets) - len(self.points)
        parts = [
            f"{len(met)} points from {met[0].budget} to {met[-1].budget}" if met else "no points",
            f"{len(self.front)} on the front",
            knee,
            *([f"{unmet} unmet"] if unmet else []),
            *([f"{left} left"] if left else []),
        ]
        return f"Sweep({', '.join(parts)})"


@checked
def sweep(
    model: nn.Module,
    calibration: Images,
    budgets: str | Sequence[str],
    *,
    keeping: str | Sequence[str] = (),
    folder: str | Path | None = None,
    overwrite: bool = False,
    baselines: bool = False,
    targets: Any = None,
    test: Images | None = None,
    backend: Backend | str | None = None,
    formulation: str = "pruning-quantization",
    seed: int = 0,
    calibration_size: int | None = None,
    batch_axis: int | Mapping[str, int] = 0,
    mask: str | None = None,
    progress: CompressionReporter | bool | None = None,
    callbacks: Sequence[Callback] = (),
    portfolio: int | None = None,
    client: Any = None,
    executor: AnyExecutor | None = None,
    **settings: Unpack[Settings],
) -> Sweep:
    """Compress a network to several budgets of one quantity, with one measurement.

    Every point goes through the search of `compress` at its budget, by default in one round that refits one plan for
    each loss model; the solver also knows the plan of the next tighter budget. Budgets that no plan meets are reported
    as such.

    Args:
        model: the network; it is not changed.
        calibration: images or other samples to measure on, see `compress`.
        budgets: single ones and ranges FIRST:LAST:STEP such as "2bits:4bits:0.25bits", "100KB,200KB,300KB",
            "40%bops:80%bops:10%bops" or "60%macs,80%macs"; or several such texts.
        keeping: further budgets, of other quantities, that all points keep.
        folder: keeps every point as soon as it is done; the same call with the same folder goes on after an
            interruption, and does not run finished points again. None: the points are kept as long as the result is.
        overwrite: True to replace the sweep in the folder.
        baselines: True adds curves of uniform widths, and of plans of a loss model without pairs.
        targets: as for `compress`, and so are the other arguments.
        test: samples for the final evaluation only.
        backend: name or instance.
        formulation: name of a formulation that compresses networks.
        seed: random seed.
        calibration_size: number of calibration images to draw.
        batch_axis: axis of the samples in the inputs.
        mask: name of an input that is False or 0 where the outputs are padding.
        progress: see `compress`.
        callbacks: receive parameters, metrics of every point and the result, see `compress`.
        portfolio: number of runs of the backend, see `compress`.
        client: a `distributed.Client`, whose workers measure, and do the runs of a portfolio.
        executor: an executor in its place, see `compress`.
        **settings: see `compress`; `rounds` and `rerank` are 1 by default.

    Returns:
        The points by increasing budget; after Ctrl-C, those that are finished.

    Raises:
        BudgetError: no plan is within any of the budgets.
        OptionError: a setting is unknown or invalid, or the budgets limit different quantities.
        OutputExistsError: the folder holds a sweep with other settings or images, or other files.
        QuboDnnError: see `compress`.

    Example:
        >>> import torch
        >>> network, images = nn.Sequential(nn.Flatten(), nn.Linear(16, 4)), torch.randn(32, 1, 4, 4)
        >>> found = sweep(network, images, "4bits:6bits:1bits", backend="tabu", rounds=1)
        >>> [point.budget for point in found.points], found.points[0].bytes < found.points[2].bytes
        (['4bits', '5bits', '6bits'], True)
    """
    tracker = Tracker(callbacks)
    asked = parse_budgets(budgets)
    kept = tuple(map(parse_budget, (keeping,) if isinstance(keeping, str) else keeping))
    images, tested = as_images(calibration, test, targets, calibration_size, batch_axis, mask, seed)
    about = {"network": type(model).__name__, "formulation": formulation, "calibration_size": len(images)}
    out = SweepFolder(Path(tempfile.mkdtemp(prefix="qubo-dnn-sweep-")) if folder is None else Path(folder), overwrite)
    # Files in a folder of its own go with the last reference to it, or here with an error.
    if folder is None:
        weakref.finalize(out, shutil.rmtree, out.path, ignore_errors=True)
    out.check()
    points, test_size = TrackedPoints(tracker), None if tested is None else len(tested)
    kept_texts = ", ".join(budget.text for budget in kept) or None
    parameters = {**about, "keeping": kept_texts, "baselines": baselines}
    quick: Settings = {**QUICK, **settings}  # type: ignore[typeddict-item]
    with workers(client, executor) as cluster:
        compressor = make_compressor((*kept, asked[0]), backend, formulation, seed, quick, portfolio).on(cluster)
        sweeper = Sweeper(compressor, asked, baselines=baselines)
        with tracker.run("sweep", compress_parameters(compressor, asked, parameters, test_size)):
            with shown(progress) as reporter:
                found = Sweep(model, sweeper.run(model, images, tested, out, about, reporter, points), out)
            points.finish(found.points, found.knee)
            tracker.finished(found)
    return found
