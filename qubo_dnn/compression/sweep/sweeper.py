"""Run a sweep: measure once, and search at one budget after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from qubo_dnn.compression.budgeted_task import BudgetedTask
from qubo_dnn.compression.compress import Compressor, check_inputs
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.outcome import Compression
from qubo_dnn.compression.preparation import PreparedNetwork
from qubo_dnn.compression.result import result, write_run
from qubo_dnn.compression.rewriting.compressed_file import compressed_bytes
from qubo_dnn.compression.search.progress import CompressionReporter, SearchRound, StageClock
from qubo_dnn.compression.sweep.baselines import SEPARABLE, UNIFORM, separable_settings, uniform_plans, uniform_point
from qubo_dnn.compression.sweep.folder import SweepFolder
from qubo_dnn.compression.sweep.identity import identity
from qubo_dnn.compression.sweep.points import SweepPoint
from qubo_dnn.compression.sweep.record import SweepRecord, write_sweep
from qubo_dnn.compression.task.budgets import BOPS, MACS, SIZE, Budget, TaskBudget
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.compression.task.task import CompressionTask
from qubo_dnn.errors import BudgetError, OptionError
from qubo_dnn.solving.solution import BackendCall
from qubo_dnn.support.allocation import keeping_freed_memory

_UNITS = {SIZE: "bytes", BOPS: "bit operations", MACS: "multiply-accumulates"}


class Sweeper:
    """Compress a network to several budgets of one quantity, with one measurement.

    Each point goes through the same tuning, trials, repairs and rounds as a single compression; its solver knows the
    plan of the next tighter budget.

    Args:
        compressor: formulation, backend and settings. The last budget of the settings is one of `budgets`; those before
            it are kept by all points.
        budgets: budgets of one quantity, see `qubo_dnn.compression.task.budget_ranges`.
        baselines: True adds two curves: all weights at one width, for every width; and the plans of a loss model
            without pairs, at the same budgets.

    Raises:
        OptionError: a target accuracy drop is set, or the formulation has no objective without pairs to compare with.

    Example:
        >>> def curve(sweeper: Sweeper, network: nn.Module, images: Data, out: SweepFolder) -> list[float | None]:
        ...     record = sweeper.run(network, images, None, out, {}, SilentReporter())
        ...     return [point.divergence for point in record.points.values()]
    """

    def __init__(self, compressor: Compressor, budgets: Sequence[Budget], *, baselines: bool = False) -> None:
        if compressor.settings.target_accuracy_drop is not None:
            raise OptionError("a sweep has budgets; it takes no target accuracy drop")
        self.compressor, self.budgets, self.baselines = compressor, tuple(budgets), baselines
        self.kept = compressor.settings.budgets[:-1]
        self.separable = separable_settings(compressor) if baselines else None

    def run(
        self,
        model: nn.Module,
        calibration: Data,
        test: Data | None,
        folder: SweepFolder,
        about: Mapping[str, Any],
        reporter: CompressionReporter,
        on_point: Callable[[SweepPoint], None] | None = None,
    ) -> SweepRecord:
        """Run the points that a folder does not have yet, by increasing budget, and keep each as soon as it is done.

        Args:
            model: the network; it is not changed.
            calibration: images to measure on; a part is held out to choose between plans.
            test: images for the final evaluation only, or None.
            folder: the output folder.
            about: further entries of sweep.json and of every result.json.
            reporter: receives progress events.
            on_point: called with every point of this run as soon as it is kept; not with those of baselines.

        Returns:
            The record, also in sweep.json; `interrupted` if Ctrl-C ended it after at least one point.

        Raises:
            BudgetError: no plan is within any of the budgets.
            OutputExistsError: the folder holds a sweep with other settings, or other files.
            KeyboardInterrupt: Ctrl-C ended it before the first point.
            QuboDnnError: measuring, solving or evaluating fails; finished points stay.
        """
        check_inputs(model, calibration, test)
        settings = identity(self.compressor, self.budgets, model, calibration, test)
        record = folder.begin(settings, about)
        if not record.is_complete or (self.baselines and not record.baselines_done):
            record.interrupted = False
            clock = StageClock(reporter)
            try:
                with keeping_freed_memory():
                    prepared = self.compressor.prepare(model, calibration, test, clock)
                    clock.finish()
                    _Run(self, model, prepared, record, folder, about, clock, reporter).all(on_point)
            except KeyboardInterrupt:
                if not any(each.is_met for each in record.points.values()):
                    raise
                record.interrupted = True
            finally:
                for stage, seconds in clock.finish().items():
                    record.seconds[stage] = record.seconds.get(stage, 0.0) + seconds
                write_sweep(folder.path, record)
        if not any(each.is_met for each in record.points.values()):
            *_, last = record.points.values()
            raise BudgetError(f"none of the budgets can be met; the largest: {last.reason}")
        return record


class _Run:
    """One run of a sweep: what is left of its points and of its baselines."""

    def __init__(
        self,
        sweeper: Sweeper,
        model: nn.Module,
        prepared: PreparedNetwork,
        record: SweepRecord,
        folder: SweepFolder,
        about: Mapping[str, Any],
        clock: StageClock,
        reporter: CompressionReporter,
    ) -> None:
        self.sweeper, self.model, self.prepared, self.record = sweeper, model, prepared, record
        self.folder, self.about, self.clock, self.reporter = folder, about, clock, reporter
        self._measured: CompressionTask | None = None
        # In units of different kinds, or with and without the rest of the file, what is left for the decisions counts.
        rooms = {budget: _room(prepared.network.converted(budget)) for budget in sweeper.budgets}
        self.budgets = sorted(sweeper.budgets, key=rooms.__getitem__)
        record.unit = _UNITS.get(self.budgets[0].name, self.budgets[0].name)
        record.budgets = [budget.text for budget in self.budgets]

    def all(self, on_point: Callable[[SweepPoint], None] | None) -> None:
        """Run what is left, and write the record after every point; see `Sweeper.run`."""
        start: Plan | None = None
        for number, budget in enumerate(self.budgets, 1):
            if number not in self.record.points:
                name = f"point {number} of {len(self.budgets)}, {budget.text}"
                self._keep(self.record.points, self._point(number, budget, name, self.prepared, start))
                if on_point:
                    on_point(self.record.points[number])
            if self.record.points[number].is_met:
                start = self.folder.plan(number)
        if self.sweeper.baselines and not self.record.baselines_done:
            self._baselines()
            self.record.baselines_done = True

    def _baselines(self) -> None:
        """Run what is left of the two further curves."""
        curve = self.record.baselines.setdefault(UNIFORM, {})
        for number, (width, plan) in enumerate(uniform_plans(self.prepared.network.task), 1):
            if number not in curve:
                own = StageClock(_Named(self.reporter, f"uniform, {width}"), self.clock.warnings)
                self._keep(curve, uniform_point(number, width, plan, self.prepared, self.budgets[0], own))
        if self.sweeper.separable is None:
            return
        curve = self.record.baselines.setdefault(SEPARABLE, {})
        settings = replace(self.prepared.settings, search=self.sweeper.separable)
        prepared = replace(self.prepared, settings=settings)
        for number, budget in enumerate(self.budgets, 1):
            if number not in curve:
                name = f"separable {number} of {len(self.budgets)}, {budget.text}"
                self._keep(curve, self._point(number, budget, name, prepared, None, written=False))

    def _keep(self, points: dict[int, SweepPoint], point: SweepPoint) -> None:
        points[point.number] = point
        write_sweep(self.folder.path, self.record)

    def _point(
        self,
        number: int,
        budget: Budget,
        name: str,
        prepared: PreparedNetwork,
        start: Plan | None,
        *,
        written: bool = True,
    ) -> SweepPoint:
        """Search within a budget, and write the folder of the point.

        Raises:
            KeyboardInterrupt: Ctrl-C has ended the search early; the point is run again, since it would be better.
        """
        begun = time.perf_counter()
        try:
            made = prepared.network.within((*self.sweeper.kept, budget))
            if self._measured is None:
                prepared.rehearse(made.task)
                self._measured = prepared.search(made, self.clock).measured()
                self.clock.finish()
                begun = time.perf_counter()
            own = StageClock(_Named(self.reporter, name), self.clock.warnings)
            search = prepared.search(made, own, self._measured, start)
            found = search.run()
        except BudgetError as cause:
            seconds = time.perf_counter() - begun
            return SweepPoint(number=number, budget=budget.text, reason=str(cause), seconds=seconds)
        if found.interrupted:
            raise KeyboardInterrupt
        done = prepared.finished(made, search, found, own)
        if written:
            options = [str(option) for option in made.task.options]
            about = {**self.about, "options": options, "sweep": {"point": number, "budget": budget.text}}
            path = self.folder.point(number)
            figures = write_run(path, self.model, done, prepared.calibration, about, overwrite=True)
        else:
            applied = done.found.applied
            figures = result(done, len(compressed_bytes(applied.network, applied.plan, applied.quantized)))
        self.record.reference = figures["reference"]
        return _described(number, budget, made, done, figures, time.perf_counter() - begun)


def _room(limit: TaskBudget) -> float:
    return limit.limit - limit.overhead


def _described(
    number: int, budget: Budget, made: BudgetedTask, done: Compression, figures: Mapping[str, Any], seconds: float
) -> SweepPoint:
    """Return the point of a compression, from its figures as `result` gives them."""
    after, found = figures["compressed"], done.found
    limit = made.budgets[-1]
    removed = figures["removal"]
    failed = [] if found.failed is None else [f"a later round broke off: {found.failed}"]
    return SweepPoint(
        number=number,
        budget=budget.text,
        cost=after["bytes"] if budget.name == SIZE else limit.used(found.task.choice(found.applied.plan)),
        divergence=found.applied.held_out.divergence,
        accuracy=after["accuracy"],
        loss=after["loss"],
        metric=after["metric"],
        test_divergence=after["divergence"],
        bytes=after["bytes"],
        bits_per_weight=after["bits_per_weight"],
        macs=removed["macs"][1] if removed else sum(made.macs.values()),
        seconds=seconds,
        warnings=(*done.warnings, *failed),
    )


class _Named(CompressionReporter):
    """Forwards events, and names the point that a stage belongs to."""

    def __init__(self, reporter: CompressionReporter, name: str) -> None:
        self._reporter, self._name = reporter, name

    def stage(self, name: str) -> None:
        """Begin a stage."""
        self._reporter.stage(f"{self._name}: {name}")

    def progress(self, done: int, total: int) -> None:
        """Forward the number of steps done."""
        self._reporter.progress(done, total)

    def backend_call(self, done: BackendCall) -> None:
        """Forward the answer of a backend."""
        self._reporter.backend_call(done)

    def search_round(self, done: SearchRound) -> None:
        """Forward the end of a round."""
        self._reporter.search_round(done)

    def warning(self, text: str) -> None:
        """Forward a warning."""
        self._reporter.warning(text)
