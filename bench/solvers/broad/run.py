"""All runs that are still to be made, an instance and a seed after the other, in processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from bench.processes import streamed
from bench.solvers.broad.results import BroadInstance, BroadResults
from bench.solvers.broad.roster import Entry
from bench.solvers.peers.peer import Peer
from bench.solvers.run import InstanceSummary, SolverRun, run_once


@dataclass(frozen=True)
class Solvers:
    """Who runs.

    Attributes:
        free: on models without constraints.
        constrained: on problems with constraints.
    """

    free: Sequence[Peer]
    constrained: Sequence[Peer]


def run(
    entries: Sequence[Entry],
    solvers: Solvers,
    seeds: Sequence[int],
    processes: int,
    results: BroadResults,
    heard: Callable[[str], None],
) -> None:
    """Add to `results` what is not there yet.

    Args:
        entries: the instances; all get the first seed before any gets another.
        solvers: of the runs; those that an instance has already are left out.
        seeds: of the runs.
        processes: instances at a time.
        results: added to.
        heard: called with a text whenever there is more.

    Raises:
        BackendFailedError: a process fails.
    """
    works = []
    for seed in seeds:
        for entry in entries:
            known = results.instances.get(entry.name)
            wanted = solvers if known is None else _of_kind(solvers, known.constrained)
            left = Solvers(*(_lacking(results, entry, peers, seed) for peers in (wanted.free, wanted.constrained)))
            if left.free or left.constrained:
                works.append(partial(found, entry, left, results.seconds, seed))
    for each in streamed(works, processes):
        if isinstance(each, BroadInstance):
            results.instances[each.about.name] = each
        else:
            results.runs.append(each)
            heard(described(each))


def _of_kind(solvers: Solvers, constrained: bool) -> Solvers:
    return Solvers([], solvers.constrained) if constrained else Solvers(solvers.free, [])


def _lacking(results: BroadResults, entry: Entry, peers: Sequence[Peer], seed: int) -> list[Peer]:
    return [peer for peer in peers if results.lacks(entry.name, peer.name, seed)]


def found(entry: Entry, solvers: Solvers, seconds: float, seed: int) -> Iterator[BroadInstance | SolverRun]:
    """Make an instance, and yield what every solver finds, the first one in turn with the seed."""
    instance = entry.make()
    constrained = instance.problem is not None
    yield BroadInstance(InstanceSummary.of(instance), entry.use, constrained)
    peers = solvers.constrained if constrained else solvers.free
    first = seed % max(1, len(peers))
    for peer in (*peers[first:], *peers[:first]):
        prepared = peer.prepare(instance.problem if constrained else instance.bqm)
        yield run_once(peer.name, prepared, instance, seconds, instance.target, seed)


def described(each: SolverRun) -> str:
    """A run in a line.

    Example:
        >>> described(SolverRun("G2", "pt", 0, 1.25, [(0.5, 11620.0)], None))
        'G2, pt, seed 0: 11620 after 0.50 of 1.25 s'
    """
    label = f"{each.instance}, {each.solver}, seed {each.seed}"
    if not each.trace:
        return f"{label}: nothing feasible in {each.seconds:.2f} s"
    when, value = each.trace[-1]
    return f"{label}: {value:.10g} after {when:.2f} of {each.seconds:.2f} s"
