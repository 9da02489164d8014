"""All rows of a run, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from importlib.metadata import packages_distributions, version
from itertools import product
from pathlib import Path

from bench.networks.comparison.methods import METHODS, Method
from bench.networks.comparison.results import NetworkFacts, NetworkResults, NetworkRow
from bench.networks.shipped.network import BATCH, Entry, ShippedNetwork
from bench.networks.shipped.roster import ENTRIES
from bench.networks.subject import UNIT_OPTIONS, Subject
from bench.processes import cpu_timed, measured
from qubo_dnn.compression.network.fitting import fit
from qubo_dnn.compression.network.inference import evaluate


@dataclass(frozen=True)
class NetworkJob:
    """What a process is asked to do.

    Attributes:
        network, method, bits, seed: see `bench.networks.comparison.results.NetworkRow`.
        folder: of CIFAR-10, see `bench.networks.loading.load`.
    """

    network: str
    bits: float
    method: str
    seed: int
    folder: Path | None


def run(
    entries: Mapping[str, Entry],
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
        folder: see `NetworkJob`.
        processes: at a time.
        results: added to.
        heard: called with a text whenever there is more.

    Raises:
        QuboDnnError: a process fails.
    """
    for name, entry in entries.items():
        if name not in results.networks:
            results.networks[name] = measured(facts, name, folder).value
            heard(f"{name}: {entry.task}")
    jobs = [job for job in _jobs(entries, methods, bits, folder) if _key(job) not in results]
    with ThreadPoolExecutor(processes) as pool:
        try:
            for done in as_completed([pool.submit(_measured_row, job) for job in jobs]):
                results.rows.append(done.result())
                heard(str(results.rows[-1]))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _jobs(
    entries: Mapping[str, Entry], methods: Sequence[str], bits: Sequence[float], folder: Path | None
) -> Iterator[NetworkJob]:
    seeds = max((entry.seeds for entry in entries.values()), default=0)
    # Every network with the first seed, before any gets another.
    for seed, each, (name, entry) in product(range(seeds), bits, entries.items()):
        if seed < entry.seeds:
            yield from (NetworkJob(name, each, method, seed, folder) for method in methods)


def _key(job: NetworkJob) -> tuple[str, float, str, int]:
    return job.network, job.bits, job.method, job.seed


def _measured_row(job: NetworkJob) -> NetworkRow:
    found = measured(row_of, job)
    return replace(found.value, peak_gib=found.peak_gib)


def row_of(job: NetworkJob) -> NetworkRow:
    """The row of a job, without the memory that it took."""
    entry = ENTRIES[job.network]
    return row(entry.load(job.seed, job.folder), entry.granularity, METHODS[job.method], job)


def row(network: ShippedNetwork, granularity: str, method: Method, job: NetworkJob) -> NetworkRow:
    """What a method makes of a network, tested."""
    interface, loss = fit(network.module, network.calibration, network.outputs, network.loss)
    chosen, seconds = cpu_timed(method, network, granularity, job.bits, job.seed)
    test = network.test.with_interface(interface)
    tested = evaluate(chosen.model, test, BATCH, loss=loss, reference=network.module)
    assert tested.divergence is not None  # there is a reference
    task = Subject.of(network.module, granularity, UNIT_OPTIONS).task
    return NetworkRow(
        network=job.network,
        bits=job.bits,
        method=job.method,
        seed=job.seed,
        stored_bits=task.stored_bits(chosen.plan) / task.weights,
        divergence=tested.divergence,
        metric=network.metric(chosen.model),
        held_out_divergence=chosen.held_out,
        bare_divergence=chosen.bare,
        cpu_seconds=seconds,
        peak_gib=0.0,
        note=chosen.note,
    )


def facts(name: str, folder: Path | None) -> NetworkFacts:
    """A network as it is shipped."""
    entry = ENTRIES[name]
    network = entry.load(0, folder)
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
