"""Time per sweep and memory of `pt`, from a thousand variables to a million sparse and 20,000 densely coupled ones.

    python -m bench.solvers.scaling --json FILE

Every size runs in a process of its own. A sweep visits every variable of every replica once; its time is that of twice
as many sweeps less that of once as many, so that preparation is not in it; tabu searches on the way are. A call of one
sweep is nearly all preparation, and on dense models two such searches. Memory is the peak of the process beyond its
imports: of the model alone, and of the model and `pt`. Bytes per interaction are those that `pt` adds.
"""

from __future__ import annotations

from dataclasses import dataclass

import dimod

from bench.command import finish, make_parser
from bench.processes import cpu_timed, measured, one_thread
from bench.solvers.generators import regular_edges, sherrington_kirkpatrick, weighted
from bench.tables import Table
from qubo_dnn.errors import OptionError

# Sweeps of small models are so many that these see as many variables and interactions: a second or two.
_LEAST_WORK = 50_000_000
_KINDS = ("3-regular", "20-regular", "dense")


@dataclass(frozen=True)
class ScalingRow:
    """One size.

    Attributes:
        kind: one of the three.
        variables, interactions: of the model.
        replicas: of `pt`; None where it does not say.
        sweep_seconds: CPU seconds of a sweep of all replicas.
        call_seconds: CPU seconds of a call of one sweep.
        model_bytes: peak memory beyond imports when the model has been made.
        peak_bytes: when `pt` has been called too.
    """

    kind: str
    variables: int
    interactions: int
    replicas: int | None
    sweep_seconds: float
    call_seconds: float
    model_bytes: int
    peak_bytes: int


def make(kind: str, n: int) -> dimod.BinaryQuadraticModel:
    """The model.

    Raises:
        OptionError: there is no such kind.
    """
    if kind not in _KINDS:
        raise OptionError(f"unknown kind {kind!r}; known: {', '.join(_KINDS)}")
    return sherrington_kirkpatrick(n, 1) if kind == "dense" else weighted(n, regular_edges(n, int(kind[:-8]), 1))


def shape(kind: str, n: int) -> tuple[int, int]:
    """Make the model; its variables and interactions."""
    bqm = make(kind, n)
    return bqm.num_variables, bqm.num_interactions


def timed(kind: str, n: int, sweeps: int) -> tuple[list[float], int | None]:
    """Make the model and sample it for one sweep, for `sweeps` and for twice as many.

    Returns:
        CPU seconds of these calls, after one that compiles; replicas, where `pt` says them.
    """
    one_thread()
    from qubo_backends import ParallelTemperingSampler

    sampler, bqm = ParallelTemperingSampler(), make(kind, n)
    sampler.sample(bqm, num_sweeps=1, seed=1)
    runs = [cpu_timed(sampler.sample, bqm, num_sweeps=count, seed=1) for count in (1, sweeps, 2 * sweeps)]
    temperatures = runs[-1].value.info.get("temperatures")
    return [run.seconds for run in runs], None if temperatures is None else len(temperatures)


def row(kind: str, n: int, sweeps: int) -> ScalingRow:
    """Measure one size, in so many sweeps at least."""
    model = measured(shape, kind, n)
    variables, interactions = model.value
    sweeps = max(sweeps, _LEAST_WORK // (variables + interactions))
    both = measured(timed, kind, n, sweeps)
    (call, once, twice), replicas = both.value
    sweep = (twice - once) / sweeps
    return ScalingRow(kind, variables, interactions, replicas, sweep, call, model.added_bytes, both.added_bytes)


def cells(each: ScalingRow) -> tuple[str, ...]:
    """A row of the table."""
    added = (each.peak_bytes - each.model_bytes) / max(each.interactions, 1)
    replicas = "" if each.replicas is None else str(each.replicas)
    return (
        *(each.kind, f"{each.variables:,}", f"{each.interactions:,}", replicas),
        *(f"{1e3 * each.sweep_seconds:.3g}", f"{each.call_seconds:.2g}"),
        *(f"{each.model_bytes / 2**20:,.0f}", f"{each.peak_bytes / 2**20:,.0f}", f"{added:,.0f}"),
    )


TABLE = Table(
    "couplings | variables | interactions | replicas | ms a sweep | s of one sweep's call | model, MiB | with pt, MiB "
    "| bytes an interaction",
    cells,
)


def main() -> None:
    """Print the table as it comes."""
    parser = make_parser(__doc__, "--json")
    parser.add_argument("--sparse", type=int, nargs="*", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--dense", type=int, nargs="*", default=[1_000, 5_000, 10_000, 20_000])
    parser.add_argument("--sweeps", type=int, default=20)
    words = parser.parse_args()
    sizes = ((kind, n) for kind in _KINDS for n in (words.dense if kind == "dense" else words.sparse))
    TABLE.print((row(kind, n, words.sweeps) for kind, n in sizes), words.json)


if __name__ == "__main__":
    finish(main)
