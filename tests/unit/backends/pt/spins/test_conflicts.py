"""Models of conflicts are known as such, and searched among the sets without conflicts."""

from __future__ import annotations

from typing import Any

import dimod
import networkx as nx
import numpy as np
import pytest
from numpy.typing import NDArray

from qubo_backends._pt.ladder import new_ladder
from qubo_backends._pt.spins.conflict_tabu import ConflictTabu, search_sets
from qubo_backends._pt.spins.conflicts import Conflicts, conflicts_of
from qubo_backends._pt.spins.engine import CONFLICT, TABU
from qubo_backends._pt.spins.model import SpinModel, spin_model
from qubo_backends.parallel_tempering import ParallelTemperingBackend, ParallelTemperingOptions


def posed(graph: nx.Graph, weights: NDArray[np.float64], penalty: float, cover: bool = False) -> SpinModel:
    """The independent set of most weight, or the cover of least, of a graph with nodes 0, ..., n - 1."""
    return spin_model(in_binary(graph, weights, penalty, cover).change_vartype("SPIN", inplace=False))


def in_binary(
    graph: nx.Graph, weights: NDArray[np.float64], penalty: float, cover: bool = False
) -> dimod.BinaryQuadraticModel:
    """The same; an edge costs `penalty` times the weight of its lighter node."""
    sign = 1.0 if cover else -1.0
    bqm = dimod.BinaryQuadraticModel({v: sign * weights[v] for v in sorted(graph)}, {}, 0.0, "BINARY")
    for one, other in graph.edges:
        cost = penalty * min(weights[one], weights[other])
        bqm.add_quadratic(one, other, cost)
        if cover:
            bqm.add_linear(one, -cost)
            bqm.add_linear(other, -cost)
            bqm.offset += cost
    return bqm


def found(model: SpinModel) -> Conflicts:
    """The conflicts, which exist."""
    conflicts = conflicts_of(model)
    assert conflicts is not None
    return conflicts


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("cover", [False, True])
def test_independent_sets_and_covers_are_models_of_conflicts(cover: bool, dense: bool) -> None:
    graph = nx.gnp_random_graph(40, 0.6 if dense else 0.1, seed=1)
    weights = np.random.default_rng(1).integers(1, 9, 40).astype(float)
    model = posed(graph, weights, 1.0, cover)
    assert model.dense == dense
    conflicts = found(model)
    # The nodes that are in no cover are an independent set.
    assert conflicts.chosen == (-1 if cover else 1)
    np.testing.assert_allclose(conflicts.weights * model.unit, weights)
    assert {(i, j) for i in range(40) for j in conflicts.neighbours[conflicts.starts[i] : conflicts.starts[i + 1]]} == {
        pair for edge in graph.edges for pair in (edge, edge[::-1])
    }
    # A conflict that costs less than its lighter node may pay.
    assert conflicts_of(posed(graph, weights, 0.9, cover)) is None


def test_other_models_are_not() -> None:
    assert conflicts_of(posed(nx.path_graph(3), np.ones(3), 2.0)) is not None
    cut = dimod.BinaryQuadraticModel({}, dict.fromkeys(nx.complete_graph(5).edges, 1.0), 0.0, "SPIN")
    assert conflicts_of(spin_model(cut)) is None
    bqm = in_binary(nx.path_graph(3), np.ones(3), 2.0)
    bqm.add_quadratic(0, 2, -0.5)
    assert conflicts_of(spin_model(bqm.change_vartype("SPIN"))) is None
    assert conflicts_of(spin_model(dimod.BinaryQuadraticModel({0: 1.0, 1: -1.0}, {}, 0.0, "SPIN"))) is None


def is_independent(conflicts: Conflicts, members: NDArray[np.int8]) -> bool:
    """Whether no two members are neighbours."""
    rows = np.repeat(np.arange(len(members)), np.diff(conflicts.starts))
    return not (members[rows] & members[conflicts.neighbours]).any()


def searched(model: SpinModel, start: NDArray[np.int8], patience: int, seed: int) -> tuple[Any, Any, float]:
    """State, best set and its weight after a search."""
    searches = ConflictTabu(model, found(model), 1)
    best = start.copy()
    random = np.array([seed], np.uint64)
    weight, _ = search_sets(searches._conflicts, searches._state, best, patience, model.least_gain, random)
    return searches._state, best, weight


@pytest.mark.parametrize("seed", range(12))
def test_small_sets_of_most_weight_are_found_from_any_start(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = nx.gnp_random_graph(13, 0.35, seed=seed)
    weights = rng.integers(1, 6, 13).astype(float) if seed % 2 else rng.uniform(0.5, 2.0, 13)
    model = posed(graph, weights, 1.5, cover=seed % 3 == 0)
    conflicts = found(model)
    sets = (np.arange(2**13)[:, None] >> np.arange(13) & 1).astype(np.int8)
    heaviest = max(float(each @ weights) for each in sets if is_independent(conflicts, each))
    start = rng.integers(0, 2, 13, np.int8)
    _, best, weight = searched(model, start, 500, seed)
    assert is_independent(conflicts, best)
    assert weight * model.unit == pytest.approx(heaviest)
    assert best @ weights == pytest.approx(heaviest)
    least = min(model.energy(conflicts.states(each)) for each in sets)
    assert model.energy(conflicts.states(best)) == pytest.approx(least)


def test_what_is_kept_of_a_set_is_what_a_count_gives() -> None:
    graph = nx.gnp_random_graph(60, 0.1, seed=3)
    model = posed(graph, np.random.default_rng(3).integers(1, 4, 60).astype(float), 1.0)
    conflicts = found(model)
    state, _, _ = searched(model, np.zeros(60, np.int8), 1000, 3)
    inside = np.flatnonzero(state.inside)
    near = [set(graph[i]) & set(inside.tolist()) for i in range(60)]
    assert is_independent(conflicts, state.inside)
    assert state.counts.tolist() == list(map(len, near))
    assert state.sums.tolist() == list(map(sum, near))
    assert sorted(state.members[: state.sizes[0]].tolist()) == inside.tolist()
    outside = [i for i in range(60) if not state.inside[i] and len(near[i]) <= 1]
    assert sorted(state.near[: state.sizes[1]].tolist()) == outside


def test_nodes_that_bring_nothing_are_never_taken() -> None:
    weights = np.ones(30)
    bqm = in_binary(nx.cycle_graph(30), weights, 2.0)
    for node in (3, 4, 11):
        bqm.set_linear(node, 0.5)
    model = spin_model(bqm.change_vartype("SPIN"))
    state, best, weight = searched(model, np.ones(30, np.int8), 500, 1)
    assert not best[[3, 4, 11]].any()
    assert not state.inside[[3, 4, 11]].any()
    # What is left are paths of 6 and 21 nodes.
    assert weight * model.unit == best.sum() == 3 + 11


def test_searches_begin_at_cold_replicas_and_at_the_empty_set() -> None:
    graph = nx.gnp_random_graph(50, 0.2, seed=5)
    model = posed(graph, np.ones(50), 1.0)
    searches, ladder = ConflictTabu(model, found(model), 2), new_ladder(np.ones(4), np.array([7], np.uint64))
    asked = []

    def state(replica: int) -> NDArray[np.int8]:
        asked.append(replica)
        return np.ones(50, np.int8)

    for slot in (0, 1):
        assert searches.search(slot, ladder, state) > 0
        assert model.energy(searches.found[slot]) == pytest.approx(searches.energies[slot])
    assert len(asked) == 1


@pytest.mark.parametrize("kernel", ["sparse", "dense"])
def test_a_run_searches_sets_in_place_of_flips(kernel: str) -> None:
    if kernel == "sparse":
        # The largest independent set of a bipartite graph leaves out one node of every edge of a largest matching.
        graph = nx.bipartite.random_graph(60, 60, 0.1, seed=2)
        matching = nx.bipartite.maximum_matching(graph, range(60))
        largest = 120 - len(matching) // 2
    else:
        graph = nx.gnp_random_graph(120, 0.6, seed=2)
        largest = max(map(len, nx.find_cliques(nx.complement(graph))))
    bqm = in_binary(graph, np.ones(120), 2.0)
    answer = ParallelTemperingBackend().sample(bqm, ParallelTemperingOptions(num_sweeps=1000, seed=1))
    assert answer.info["kernel"] == kernel
    assert answer.info["portfolio"][CONFLICT]["calls"] > 0
    assert TABU not in answer.info["portfolio"]
    members = [v for v, value in answer.first.sample.items() if value]
    assert not graph.subgraph(members).edges
    assert len(members) == largest
