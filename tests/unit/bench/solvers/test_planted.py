"""Optima that the generators promise are those of all states."""

from __future__ import annotations

from itertools import combinations, permutations, product

import dimod
import networkx as nx
import numpy as np
import pytest

from bench.solvers.broad import planted, planted_problems
from bench.solvers.broad.exact import shortest_schedule, shortest_tour
from bench.solvers.broad.roster import PROVEN, entries
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.max_sat import MaxSat
from qubo_formulations.number_partitioning import NumberPartitioning


def least(bqm: dimod.BinaryQuadraticModel) -> float:
    return float(dimod.ExactSolver().sample(bqm).first.energy)


@pytest.mark.parametrize(
    ("bqm", "energy"),
    [
        planted.tiles((4, 4), 3, 1),
        planted.tiles((4, 4), 1, 2),
        planted.wishart(12, 4, 1),
        planted.wishart(11, 20, 2),
        planted.xorsat(7, 1),
        planted.xorsat(8, 2),
        planted.tree(14, 1),
        planted.tree(13, 2),
        planted.independent_set(4, 3, 1),
    ],
)
def test_no_state_is_below_the_planted_one(bqm: dimod.BinaryQuadraticModel, energy: float) -> None:
    assert least(bqm) == pytest.approx(energy)


def test_lattices_have_all_their_edges_once() -> None:
    bqm, energy = planted.tiles((4, 6, 4), 5, 1)
    assert len(bqm) == 96
    assert bqm.num_interactions == 3 * 96
    assert {bqm.degree(variable) for variable in bqm.variables} == {6}
    assert all(1 <= abs(bias) <= 5 for bias in bqm.quadratic.values())
    # More frustrated than a ferromagnet, so that the energy is above minus all couplings.
    assert energy > -sum(map(abs, bqm.quadratic.values()))
    cut, largest = planted.as_max_cut(planted.tiles((4, 4), 3, 1))
    assert least(cut) == pytest.approx(-largest)


def test_equations_have_three_different_bits_each() -> None:
    bqm, _ = planted.xorsat(50, 3)
    further = range(50, 100)
    assert {bqm.degree(variable) for variable in further} == {3}


def unsatisfied(sat: MaxSat) -> list[int]:
    """Of every assignment."""
    rows = product((False, True), repeat=sat.variables)
    return [
        sum(all(row[abs(literal) - 1] != (literal > 0) for literal in clause) for clause in sat.clauses) for row in rows
    ]


def test_formulas_are_satisfied_by_the_planted_assignment() -> None:
    sat = planted.satisfiable(10, 60, 1)
    assert all(len({abs(literal) for literal in clause}) == 3 for clause in sat.clauses)
    assert min(unsatisfied(sat)) == 0
    many = planted.random_clauses(5, 60, 2, 1)
    assert len(many.clauses) == 60
    assert min(unsatisfied(many)) > 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_numbers_have_a_perfect_partition(seed: int) -> None:
    numbers = planted.partition(10, 8, seed)
    assert solve(NumberPartitioning(numbers).compile(), get_backend("exact")).best.objective == 0.0


@pytest.mark.parametrize("make", [planted_problems.strongly_correlated, planted_problems.subset_sums])
def test_knapsacks_are_filled_as_well_as_can_be(make: type) -> None:
    knapsack, best = make(12, 1)
    rows = np.array(list(np.ndindex(*(2,) * 12)))
    fits = rows @ knapsack.weights <= knapsack.capacity
    assert best == (rows @ knapsack.values)[fits].max()


def test_the_planted_assignment_is_the_cheapest() -> None:
    formulation, cost = planted_problems.planted_assignment(2, 3, 40, 1)
    costs = [formulation.cost(places) for places in permutations(range(6))]
    assert min(costs) == cost
    assert max(costs) > cost


def test_a_lattice_has_a_tour_of_steps() -> None:
    salesman, length = planted_problems.lattice_tour(2, 4, 1)
    assert min(salesman.cost((0, *rest)) for rest in permutations(range(1, 8))) == length == 800.0


def test_planted_classes_need_their_number_of_colours() -> None:
    coloring = planted_problems.planted_coloring(12, 3, 20, 4, 1)
    assert coloring.graph.number_of_edges() == 20
    assert max(map(len, nx.find_cliques(coloring.graph))) == 3
    assert solve(coloring.compile(), get_backend("pt"), {"num_sweeps": 200, "seed": 1}).best.objective == 3.0
    queens = planted_problems.queens(4, 5).graph
    assert queens.number_of_nodes() == 16
    assert all(not queens.has_edge(*pair) for pair in combinations([(0, 1), (1, 3), (2, 0), (3, 2)], 2))


def test_the_roster_keeps_what_is_proven() -> None:
    pytest.importorskip("ortools", reason="the extra bench is not installed")
    distances = planted_problems.random_tour(7, 1).distances
    lengths = [
        sum(distances[a, b] for a, b in zip((0, *rest), (*rest, 0), strict=True)) for rest in permutations(range(1, 7))
    ]
    assert shortest_tour(distances) == min(lengths)
    assert shortest_schedule([[(0, 2), (1, 1)], [(0, 1), (1, 2)]]) == 4.0
    assert shortest_schedule(planted_problems.random_shop(6, 6, 9, 102).jobs) == PROVEN["shop-6x6"]


@pytest.mark.parametrize("name", ["sat-planted-200", "max2sat-200", "partition-60", "knapsack-300", "tree-1000"])
def test_instances_of_the_roster_know_their_optimum(name: str) -> None:
    instance = entries(None)[name].make()
    assert instance.name == name
    assert (instance.best is None) == (name == "max2sat-200")
    if instance.best is not None:
        assert instance.target == instance.value(instance.best.value)
    again = entries(None)[name].make()
    assert again.bqm == instance.bqm
