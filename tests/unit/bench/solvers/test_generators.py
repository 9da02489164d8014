"""Generated instances have the structure they are named after, and the same one for the same seed."""

from __future__ import annotations

import itertools
import math

import dimod
import networkx as nx
import numpy as np
import pytest

from bench.solvers.applications import assignment, assignment_penalty, grid
from bench.solvers.generators import (
    Edges,
    palubeckis,
    planar_union_edges,
    random_edges,
    regular_edges,
    sherrington_kirkpatrick,
    toroidal_edges,
    weighted,
)
from qubo_dnn.errors import OptionError


def graph(n: int, edges: Edges) -> nx.Graph:
    found = nx.Graph()
    found.add_nodes_from(range(n))
    found.add_edges_from(zip(*(end.tolist() for end in edges), strict=True))
    # Neither loops nor edges twice.
    assert found.number_of_edges() == len(edges[0])
    assert nx.number_of_selfloops(found) == 0
    return found


@pytest.mark.parametrize(("n", "degree"), [(10, 3), (7, 6), (200, 20), (501, 4)])
def test_every_node_of_a_regular_graph_has_its_degree(n: int, degree: int) -> None:
    assert set(dict(graph(n, regular_edges(n, degree, 3)).degree).values()) == {degree}


@pytest.mark.parametrize(("n", "degree"), [(5, 3), (4, 4), (4, 0)])
def test_impossible_degrees_are_refused(n: int, degree: int) -> None:
    with pytest.raises(OptionError, match=f"no graph of {n} nodes"):
        regular_edges(n, degree, 0)


def test_random_pairs_are_different_and_can_be_all_there_are() -> None:
    assert graph(30, random_edges(30, 100, 2)).number_of_edges() == 100
    assert nx.is_isomorphic(graph(12, random_edges(12, 66, 1)), nx.complete_graph(12))


def test_a_torus_is_a_lattice_that_closes_on_itself() -> None:
    assert nx.is_isomorphic(graph(20, toroidal_edges(4, 5)), nx.grid_2d_graph(4, 5, periodic=True))


def test_a_union_of_planar_graphs_has_almost_twice_as_many_edges_as_one() -> None:
    n = 300
    found = graph(n, planar_union_edges(n, 4))
    # One planar graph has 3 n - 6 at most; a triangulation lacks only as many as its hull has corners.
    assert 5.5 * n < found.number_of_edges() <= 2 * (3 * n - 6)
    assert nx.is_connected(found)
    assert not nx.check_planarity(found)[0]


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: regular_edges(50, 3, seed),
        lambda seed: random_edges(50, 60, seed),
        lambda seed: planar_union_edges(50, seed),
    ],
)
def test_graphs_follow_their_seed(make: object) -> None:
    assert callable(make)
    one, same, other = make(1), make(1), make(2)
    assert np.array_equal(one, same)
    assert not np.array_equal(one[0], other[0]) or not np.array_equal(one[1], other[1])


def test_max_cut_counts_minus_the_cut() -> None:
    edges = random_edges(20, 60, 0)
    bqm = weighted(20, edges, 5)
    signs = np.random.default_rng(5).choice([-1.0, 1.0], 60)
    assert set(signs) == {-1.0, 1.0}
    spins = np.random.default_rng(1).choice([-1, 1], 20)
    cut = sum(sign for sign, u, v in zip(signs, *edges, strict=True) if spins[u] != spins[v])
    assert bqm.energy(dict(enumerate(spins))) == pytest.approx(-cut)


def test_spins_of_the_dense_glass_are_all_coupled() -> None:
    bqm = sherrington_kirkpatrick(30, 1)
    assert bqm.num_interactions == 30 * 29 // 2
    assert bqm.vartype is dimod.SPIN
    assert set(bqm.quadratic.values()) == {-1.0, 1.0}
    assert set(bqm.linear.values()) == {0.0}
    assert abs(sum(bqm.quadratic.values())) < 4 * math.sqrt(435)
    assert bqm == sherrington_kirkpatrick(30, 1)
    assert bqm != sherrington_kirkpatrick(30, 2)


def test_palubeckis_draws_as_the_published_generator_in_floating_point_does() -> None:
    n, density, state = 12, 50, 31000.0
    modulus = 2048.0 * 1024 * 1024 - 1

    def drawn() -> float:
        nonlocal state
        product = 16807 * state
        state = product - math.floor(product / modulus) * modulus
        return state / (modulus + 1)

    matrix = np.zeros((n, n))
    for i in range(n):
        matrix[i, i] = int(drawn() * 201) - 100
        for j in range(i + 1, n):
            if drawn() * 100 <= density:
                matrix[i, j] = matrix[j, i] = int(drawn() * 201) - 100
    # 31000 * 16807 is below the modulus: 521017000 / 2^31 of 201 values is the 48th from -100.
    assert matrix[0, 0] == -52
    bqm = palubeckis(n, density, 31000)
    x = np.random.default_rng(0).integers(0, 2, n)
    assert bqm.energy(dict(enumerate(x))) == -(x @ matrix @ x)
    assert bqm.num_interactions == np.count_nonzero(np.triu(matrix, 1)) + _zeros_drawn(bqm)


def _zeros_drawn(bqm: dimod.BinaryQuadraticModel) -> int:
    return sum(bias == 0 for bias in bqm.quadratic.values())


def test_palubeckis_has_its_density() -> None:
    bqm = palubeckis(100, 30, 7)
    assert bqm.num_interactions / 4950 == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("seed", range(3))
def test_penalties_of_an_assignment_suffice(seed: int) -> None:
    rng = np.random.default_rng(seed)
    flow, distance = rng.integers(0, 9, (2, 3, 3)).astype(float)
    bqm = assignment(flow, distance)
    costs = [float((flow * distance[np.ix_(places, places)]).sum()) for places in itertools.permutations(range(3))]
    states = np.array(list(itertools.product((0, 1), repeat=9)))
    energies = bqm.energies((states, range(9)))
    assert energies.min() == pytest.approx(min(costs))
    feasible = states.reshape(-1, 3, 3)
    once = (feasible.sum(axis=1) == 1).all(axis=1) & (feasible.sum(axis=2) == 1).all(axis=1)
    assert sorted(energies[once]) == pytest.approx(sorted(costs))
    assert assignment_penalty(flow, distance) < max(costs)


def test_a_grid_assignment_follows_its_seed() -> None:
    assert assignment(*grid(2, 3, 1)) == assignment(*grid(2, 3, 1))
    assert assignment(*grid(2, 3, 1)) != assignment(*grid(2, 3, 2))
    assert len(assignment(*grid(2, 3, 1))) == 36
