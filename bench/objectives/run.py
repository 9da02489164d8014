"""All rows of a run: the objectives of a network, a setting and a seed share their measurement."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from bench.networks.comparison.results import NetworkFacts
from bench.networks.comparison.run import facts
from bench.networks.shipped.network import BATCH, Entry, ShippedNetwork
from bench.objectives.results import ObjectiveResults, ObjectiveRow, Refusal
from bench.objectives.settings import OBJECTIVES, Setting
from bench.processes import streamed
from qubo_dnn.api.networks import compress
from qubo_dnn.compression.network.inference import evaluate
from qubo_dnn.compression.records import layer_records
from qubo_dnn.compression.search.progress import SilentReporter
from qubo_dnn.compression.task.options import FLOAT_BITS
from qubo_dnn.errors import BudgetError, ModelError, OptionError, UnsupportedProblemError

Cell = tuple[Setting, str]


@dataclass(frozen=True)
class Jobs:
    """What is asked of a process: rows of a network that is loaded once.

    Attributes:
        entry: the network.
        seed: see `bench.objectives.results.ObjectiveRow`.
        cells: settings with names of objectives, setting by setting.
        folder: see `bench.networks.loading.load`.
        facts: whether the network is described, too.
    """

    entry: Entry
    seed: int
    cells: tuple[Cell, ...]
    folder: Path | None
    facts: bool


class CpuClock(SilentReporter):
    """Sums the CPU seconds of every stage of `compress`.

    Example:
        >>> clock = CpuClock()
        >>> clock.stage("measure")
        >>> list(clock.finish())
        ['measure']
    """

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._stage, self._since = "prepare", time.process_time()

    def stage(self, name: str) -> None:
        """A stage begins, and the one before it ends."""
        now = time.process_time()
        self._seconds[self._stage] += now - self._since
        self._stage, self._since = name, now

    def finish(self) -> dict[str, float]:
        """End the last stage; stage -> CPU seconds of this process. What came before the first one counts with it."""
        self.stage("")
        preparing = self._seconds.pop("prepare", 0.0)
        first = next(iter(self._seconds))
        return {**self._seconds, first: self._seconds[first] + preparing}


def run(
    entries: Sequence[Entry],
    cells: Sequence[Cell],
    seeds: Sequence[int],
    folder: Path | None,
    processes: int,
    results: ObjectiveResults,
    heard: Callable[[str], None],
) -> None:
    """Add to `results` what is not there yet.

    Args:
        entries: the networks; all get the first seed before any gets another.
        cells: see `Jobs`.
        seeds: of the rows.
        folder: see `Jobs`.
        processes: networks at a time.
        results: added to.
        heard: called with a text whenever there is more.

    Raises:
        BackendFailedError: a process fails.
    """
    works = []
    described = set(results.networks)
    for seed in seeds:
        for entry in entries:
            left = tuple(cell for cell in cells if results.lacks((entry.name, cell[0].name, cell[1], seed)))
            if left:
                works.append(partial(found, Jobs(entry, seed, left, folder, entry.name not in described)))
                described.add(entry.name)
    for each in streamed(works, processes):
        if isinstance(each, NetworkFacts):
            results.networks[each.name] = each
        elif isinstance(each, Refusal):
            if each not in results.refusals:
                results.refusals.append(each)
        else:
            results.rows.append(each)
        heard(str(each))


def found(jobs: Jobs) -> Iterator[NetworkFacts | ObjectiveRow | Refusal]:
    """Load a network, and yield its rows."""
    entry = jobs.entry
    network = entry.load(jobs.seed, jobs.folder)
    if jobs.facts:
        yield facts(entry, network)
    with tempfile.TemporaryDirectory() as measurements:
        for setting, cells in groupby(jobs.cells, key=lambda cell: cell[0]):
            try:
                for _, objective in cells:
                    yield row(network, entry, setting, objective, jobs.seed, Path(measurements))
            except (BudgetError, ModelError, OptionError, UnsupportedProblemError) as cause:
                yield Refusal(entry.name, setting.name, str(cause))


def row(
    network: ShippedNetwork, entry: Entry, setting: Setting, objective: str, seed: int, measurements: Path
) -> ObjectiveRow:
    """What `compress` makes of a network with one objective, tested.

    Args:
        network: as loaded.
        entry: the same before.
        setting: see there.
        objective: a name.
        seed: of `compress`.
        measurements: folder that keeps measurements for further rows of this network and seed.
    """
    given, clock = setting.given(entry.granularity), CpuClock()
    done = compress(
        network.module,
        network.calibration,
        setting.budget,
        seed=seed,
        parameters=OBJECTIVES[objective],
        loss=network.loss,
        output=list(network.outputs),
        # Measurements depend on all arguments but the budget.
        checkpoints=measurements / " ".join(f"{name}={value}" for name, value in sorted(given.items())),
        progress=clock,
        **given,
    )
    stages = clock.finish()
    record = done.compression
    test = network.test.with_interface(record.interface)
    tested = evaluate(done.model, test, BATCH, loss=record.loss, reference=network.module)
    assert tested.divergence is not None  # there is a reference
    applied, task = record.found.applied, record.found.task
    before, after = (1, 1) if record.removal is None else record.removal.macs
    return ObjectiveRow(
        network=entry.name,
        setting=setting.name,
        objective=objective,
        seed=seed,
        stored_bits=task.stored_bits(done.plan) / task.weights,
        macs=after / before,
        divergence=tested.divergence,
        metric=network.metric(done.model),
        held_out_divergence=applied.held_out.divergence,
        bare_divergence=applied.bare.divergence,
        chosen=tuple(dict(each.parameters) for each in record.found.rounds if each.accepted),
        stages=stages,
        bops=sum(each["bops"] for each in layer_records(record)) / (FLOAT_BITS**2 * sum(record.macs.values())),
    )
