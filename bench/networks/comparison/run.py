"""All rows of a run, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import packages_distributions, version
from itertools import product
from pathlib import Path

from bench.networks.comparison.methods import METHODS, Method
from bench.networks.comparison.results import Key, NetworkFacts, NetworkResults, NetworkRow
from bench.networks.shipped.network import BATCH, Entry, ShippedNetwork
from bench.networks.subject import UNIT_OPTIONS, Subject
from bench.processes import cpu_timed, measured, streamed
from qubo_dnn.compression.network.fitting import fit
from qubo_dnn.compression.network.inference import evaluate


@dataclass(frozen=True)
class NetworkJobs:
    """What is asked of a process: rows of a network that is loaded once.

    Attributes:
        entry: the network.
        bits, seed: see `bench.networks.comparison.results.NetworkRow`.
        methods: names.
        folder: of CIFAR-10, see `bench.networks.loading.load`.
        facts: whether the network is described, too.
    """

    entry: Entry
    bits: float
    seed: int
    methods: tuple[str, ...]
    folder: Path | None
    facts: bool


def run(
    entries: Sequence[Entry],
    methods: Sequence[str],
    bits: Sequence[float],
    folder: Path | None,
    processes: int,
    results: NetworkResults,
    heard: Callable[[str], None],
) -> None:
    """Add to `results` what is not there yet.

    Args:
        entries: the networks.
        methods: names.
        bits: per weight.
        folder: see `NetworkJobs`.
        processes: networks at a time, each with one method at a time.
        results: added to.
        heard: called with a text whenever there is more.

    Raises:
        BackendFailedError: a process fails.
    """
    works = [partial(_found, jobs) for jobs in _jobs(entries, methods, bits, folder, results)]
    for found in streamed(works, processes):
        if isinstance(found, NetworkFacts):
            results.networks[found.name] = found
        else:
            results.rows.append(found)
        heard(str(found))


def _jobs(
    entries: Sequence[Entry],
    methods: Sequence[str],
    bits: Sequence[float],
    folder: Path | None,
    results: NetworkResults,
) -> Iterator[NetworkJobs]:
    described = set(results.networks)
    seeds = max((entry.seeds for entry in entries), default=0)
    # Every network with the first seed, before any gets another.
    for seed, each, entry in product(range(seeds), bits, entries):
        left = tuple(name for name in methods if (entry.name, each, name, seed) not in results)
        if seed < entry.seeds and left:
            yield NetworkJobs(entry, each, seed, left, folder, facts=entry.name not in described)
            described.add(entry.name)


def _found(jobs: NetworkJobs) -> Iterator[NetworkFacts | NetworkRow]:
    entry = jobs.entry
    network = entry.load(jobs.seed, jobs.folder)
    if jobs.facts:
        yield facts(entry, network)
    for name in jobs.methods:
        key = (entry.name, jobs.bits, name, jobs.seed)
        done = measured(row, network, entry.granularity, METHODS[name], key, fresh=False)
        yield replace(done.value, peak_gib=done.peak_gib)


def row(network: ShippedNetwork, granularity: str, method: Method, key: Key) -> NetworkRow:
    """What a method makes of a network, tested; without the memory that it took.

    Args:
        network: the network.
        granularity: of the method.
        method: a method.
        key: of the row.
    """
    name, bits, method_name, seed = key
    interface, loss = fit(network.module, network.calibration, network.outputs, network.loss)
    chosen, seconds = cpu_timed(method, network, granularity, bits, seed)
    test = network.test.with_interface(interface)
    tested = evaluate(chosen.model, test, BATCH, loss=loss, reference=network.module)
    assert tested.divergence is not None  # there is a reference
    task = Subject.of(network.module, granularity, UNIT_OPTIONS).task
    return NetworkRow(
        network=name,
        bits=bits,
        method=method_name,
        seed=seed,
        stored_bits=task.stored_bits(chosen.plan) / task.weights,
        divergence=tested.divergence,
        metric=network.metric(chosen.model),
        held_out_divergence=chosen.held_out,
        bare_divergence=chosen.bare,
        cpu_seconds=seconds,
        peak_gib=0.0,
        note=chosen.note,
    )


def facts(entry: Entry, network: ShippedNetwork) -> NetworkFacts:
    """A network as it is shipped."""
    task = Subject.of(network.module, entry.granularity, UNIT_OPTIONS).task
    known = packages_distributions()
    distributions = dict.fromkeys(known[package][0] for package in entry.packages)
    return NetworkFacts(
        name=entry.name,
        task=entry.task,
        inputs=entry.inputs,
        metric_name=entry.metric,
        granularity=entry.granularity,
        seeds=entry.seeds,
        weights=int(task.weights),
        units=len(task.cost),
        metric=network.metric(network.module),
        packages=tuple(f"{each} {version(each)}" for each in distributions),
    )
