"""The instances of the broad comparison: those of the table, which nothing was tuned on, and those of tuning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import dimod

from bench.solvers.broad import planted, planted_problems
from bench.solvers.generators import (
    gaussian,
    palubeckis,
    planar_union_edges,
    random_edges,
    regular_edges,
    sherrington_kirkpatrick,
    toroidal_edges,
    weighted,
)
from bench.solvers.instance import BenchmarkInstance, renumbered
from bench.solvers.roster import Maker, stored
from qubo_dnn.errors import OptionError, suggestion
from qubo_dnn.files.common.model import ObjectiveSense
from qubo_formulations.max_sat import MaxSat
from qubo_formulations.number_partitioning import NumberPartitioning

Use = Literal["table", "tuning"]

# Instances that defaults of `pt` were chosen on, or that its changes were judged by.
TUNED = frozenset(
    {
        *("G1", "G11", "G14", "G22", "G32", "G35", "G39", "torusg3-15", "t2g20", "t3g7", "ising3.0-300"),
        *("bqp1000_1", "gka5f", "p3000_1", "jeu_200_100_4", "jeu_300_50_1", "nug12", "tai20a", "tai25a", "ste36a"),
        *("berlin52", "ft06", "queen7_7"),
    }
)
PROVEN = {"tour-random-40": 5192.0, "shop-6x6": 50.0, "shop-8x5": 46.0}
"""Optima of generated instances by `bench.solvers.broad.exact`."""
# What the problems of a folder begin with -> family.
_FAMILIES = {
    "max-cut": "maximum cut",
    "QUBO": "QUBO",
    "quadratic assignment": "quadratic assignment",
    "quadratic knapsack": "quadratic knapsack",
    "travelling salesman": "tours",
    "job shop": "job shop",
}


@dataclass(frozen=True)
class Entry:
    """An instance to be made.

    Attributes:
        name: unique.
        use: whether it counts in the table, or is shown apart since something was tuned on it.
        make: the instance.
    """

    name: str
    use: Use
    make: Maker


def entries(folder: Path | None) -> dict[str, Entry]:
    """All of them, by name.

    Args:
        folder: of further instances, see `bench.solvers.roster.stored`; None for those that are generated.

    Raises:
        FileFormatError: see there.
    """
    found = {name: Entry(name, "tuning" if name in TUNED else "table", make) for name, make in _generated().items()}
    if folder is not None:
        for name, make in stored(folder, constrained=True).items():
            found[name] = Entry(name, "tuning" if name in TUNED else "table", partial(_with_family, make))
    return found


def chosen(found: dict[str, Entry], names: Sequence[str] | None, uses: Sequence[Use]) -> list[Entry]:
    """The entries of these names, or else of these uses.

    Raises:
        OptionError: there is none of that name.
    """
    for name in names or ():
        if name not in found:
            raise OptionError(f"unknown instance {name!r}{suggestion(name, found)}")
    return [found[name] for name in names] if names else [each for each in found.values() if each.use in uses]


def _with_family(make: Maker) -> BenchmarkInstance:
    instance = make()
    family = next((name for start, name in _FAMILIES.items() if instance.family.startswith(start)), instance.family)
    return replace(instance, family=family)


def _generated() -> dict[str, Maker]:
    makers: dict[str, Maker] = {}

    def add(name: str, family: str, make: Callable[..., BenchmarkInstance], *arguments: Any) -> None:
        makers[name] = partial(make, name, family, *arguments)

    cut = "maximum cut"
    add("random-2000", cut, _free, "max", lambda: weighted(2000, random_edges(2000, 19990, 101)))
    add("regular3-2000", cut, _free, "max", lambda: weighted(2000, regular_edges(2000, 3, 102), 102))
    add("planar-800", cut, _free, "max", lambda: weighted(800, planar_union_edges(800, 103)))
    add("planar-signs-2000", cut, _free, "max", lambda: weighted(2000, planar_union_edges(2000, 104), 104))
    add("toroidal-3000", cut, _free, "max", lambda: weighted(3000, toroidal_edges(60, 50), 105))
    add("cubic-signs-1000", cut, _free, "max", lambda: weighted(1000, toroidal_edges(10, 10, 10), 106))
    add("cubic-gauss-1728", cut, _free, "max", lambda: gaussian(1728, toroidal_edges(12, 12, 12), 107))
    for sizes, largest, seed in (((40, 40), 1, 101), ((60, 60), 10, 102), ((10, 10, 10), 1, 103)):
        name = f"tiles-{'x'.join(map(str, sizes))}-{largest}"
        add(name, "planted lattices", _known, "max", lambda s=sizes, w=largest, k=seed: _cut(planted.tiles(s, w, k)))
    add("palubeckis-1500-30", "QUBO", _free, "max", lambda: palubeckis(1500, 30, 41001))
    add("palubeckis-1000-100", "QUBO", _free, "max", lambda: palubeckis(1000, 100, 41002))
    add("spin-glass-400", "QUBO", _free, "min", lambda: sherrington_kirkpatrick(400, 101))
    add("spin-glass-1500", "QUBO", _free, "min", lambda: sherrington_kirkpatrick(1500, 102))
    for n, columns, seed in ((60, 30, 101), (100, 75, 102), (150, 150, 103)):
        add(f"wishart-{n}-{columns}", "Wishart planted", _known, "min", partial(planted.wishart, n, columns, seed))
    for n, seed in ((40, 101), (80, 102), (160, 103)):
        add(f"xorsat-{n}", "3-regular XORSAT", _known, "max", partial(planted.xorsat, n, seed))
    for n, seed in ((1000, 101), (5000, 102)):
        add(f"tree-{n}", "trees", _known, "min", partial(planted.tree, n, seed))
    for cliques, size, seed in ((30, 15, 101), (30, 15, 102), (50, 23, 103)):
        make = partial(planted.independent_set, cliques, size, seed)
        add(f"frb{cliques}-{size}-{seed}", "independent set", _known, "max", make)
    add("sat-planted-200", "MaxSAT", _satisfied, planted.satisfiable, True, 200, 840, 101)
    add("sat-planted-400", "MaxSAT", _satisfied, planted.satisfiable, True, 400, 1680, 102)
    add("max2sat-200", "MaxSAT", _satisfied, planted.random_clauses, False, 200, 1000, 2, 103)
    add("max3sat-150", "MaxSAT", _satisfied, planted.random_clauses, False, 150, 900, 3, 104)
    add("partition-60", "number partitioning", _divided, 60, 16, 101)
    add("partition-200", "number partitioning", _divided, 200, 20, 102)

    posed = planted_problems
    add("queen8_8", "colouring", _proven, lambda: (posed.queens(8, 11), 9.0))
    add("queen9_9", "colouring", _proven, lambda: (posed.queens(9, 12), 10.0))
    add("colours-90-5", "colouring", _proven, lambda: (posed.planted_coloring(90, 5, 900, 7, 101), 5.0))
    add("knapsack-300", "knapsack", _proven, partial(posed.strongly_correlated, 300, 101))
    add("knapsack-1000", "knapsack", _proven, partial(posed.strongly_correlated, 1000, 102))
    add("subset-sum-200", "knapsack", _proven, partial(posed.subset_sums, 200, 103))
    add("qkp-100-50", "quadratic knapsack", _posed, partial(posed.quadratic_knapsack, 100, 50, 101))
    add("qkp-200-25", "quadratic knapsack", _posed, partial(posed.quadratic_knapsack, 200, 25, 102))
    add("qap-planted-5x5", "quadratic assignment", _proven, partial(posed.planted_assignment, 5, 5, 600, 101))
    add("qap-planted-6x6", "quadratic assignment", _proven, partial(posed.planted_assignment, 6, 6, 1200, 102))
    add("qap-random-22", "quadratic assignment", _posed, partial(posed.random_assignment, 22, 103))
    add("tour-lattice-6x6", "tours", _proven, partial(posed.lattice_tour, 6, 6, 101))
    add("tour-lattice-8x7", "tours", _proven, partial(posed.lattice_tour, 8, 7, 102))
    add("tour-random-40", "tours", _stored, partial(posed.random_tour, 40, 103))
    add("shop-6x6", "job shop", _stored, partial(posed.random_shop, 6, 6, 9, 102))
    add("shop-8x5", "job shop", _stored, partial(posed.random_shop, 8, 5, 7, 102))
    add("queen7_7", "colouring", _proven, lambda: (posed.queens(7, 9), 7.0))
    return makers


def _free(
    name: str, family: str, sense: ObjectiveSense, make: Callable[[], dimod.BinaryQuadraticModel]
) -> BenchmarkInstance:
    """Nothing is known of it."""
    return BenchmarkInstance(name, family, make(), sense)


def _known(name: str, family: str, sense: ObjectiveSense, make: Callable[[], planted.Known]) -> BenchmarkInstance:
    bqm, energy = make()
    instance = BenchmarkInstance(name, family, bqm, sense)
    return instance.known(instance.value(energy), "proven")


def _cut(known: planted.Known) -> planted.Known:
    bqm, cut = planted.as_max_cut(known)
    return bqm, -cut


def _satisfied(
    name: str, family: str, make: Callable[..., MaxSat], satisfiable: bool, *arguments: int
) -> BenchmarkInstance:
    """As many satisfied clauses as possible, since a gap to no unsatisfied clause has no percentages."""
    formulation = make(*arguments)
    bqm = renumbered(formulation.compile().bqm())
    bqm.offset -= len(formulation.clauses)
    instance = BenchmarkInstance(name, family, bqm, "max")
    return instance.known(float(len(formulation.clauses)) if satisfiable else None, "proven")


def _divided(name: str, family: str, n: int, bits: int, seed: int) -> BenchmarkInstance:
    """The mean square of the difference over random halves, less the square of the difference."""
    numbers = planted.partition(n, bits, seed)
    bqm = renumbered(NumberPartitioning(numbers).compile().bqm())
    mean = float(numbers @ numbers)
    bqm.offset -= mean
    return BenchmarkInstance(name, family, bqm, "max").known(mean, "proven")


def _posed(name: str, family: str, make: Callable[[], Any]) -> BenchmarkInstance:
    return BenchmarkInstance.of_problem(name, family, make().compile())


def _stored(name: str, family: str, make: Callable[[], Any]) -> BenchmarkInstance:
    return _posed(name, family, make).known(PROVEN[name], "proven")


def _proven(name: str, family: str, make: Callable[[], tuple[Any, float]]) -> BenchmarkInstance:
    formulation, optimum = make()
    return BenchmarkInstance.of_problem(name, family, formulation.compile()).known(optimum, "proven")
