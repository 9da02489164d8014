"""Programs as D-Wave's examples have them, with one changed line: the sampler.

The programs follow maximum-cut, graph-partitioning, antenna-selection, nurse-scheduling, structural-imbalance and
knapsack of https://github.com/dwave-examples; each optimum is found here by other means.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable

import dimod
import dwave.graphs
import networkx as nx
import numpy as np
import pytest
from dimod.exceptions import SamplerUnknownArgWarning

from qubo_dnn.models.ocean_sampler import BackendSampler

BACKENDS = ("pt", "neal", "tabu")


def subsets(items: Iterable[int]) -> Iterable[tuple[int, ...]]:
    chosen = list(items)
    return itertools.chain.from_iterable(itertools.combinations(chosen, k) for k in range(len(chosen) + 1))


def cut(graph: nx.Graph, side: Iterable[int]) -> int:
    inside = set(side)
    return sum((u in inside) != (v in inside) for u, v in graph.edges)


@pytest.mark.parametrize("name", BACKENDS)
def test_maximum_cut(name: str) -> None:
    graph = nx.Graph([(1, 2), (1, 3), (2, 4), (3, 4), (3, 5), (4, 5)])
    qubo: dict[tuple[int, int], float] = defaultdict(float)
    for u, v in graph.edges:
        qubo[u, u] -= 1
        qubo[v, v] -= 1
        qubo[u, v] += 2
    sampler = BackendSampler(name)  # was EmbeddingComposite(DWaveSampler())
    # Without a chip there are no chains; as dimod's samplers do, the program goes on with a warning.
    with pytest.warns(SamplerUnknownArgWarning, match="'chain_strength'"):
        response = sampler.sample_qubo(qubo, chain_strength=8, num_reads=10, label="Example - Maximum Cut")
    sizes = [int(-energy) for _, energy in response.data(fields=["sample", "energy"])]
    assert max(sizes) == max(cut(graph, side) for side in subsets(graph.nodes)) == 5
    assert cut(graph, [node for node, bit in response.first.sample.items() if bit]) == 5


@pytest.mark.parametrize("name", BACKENDS)
def test_graph_partitioning(name: str) -> None:
    graph = nx.gnp_random_graph(14, 0.4, seed=2)
    n, gamma = len(graph), 5
    qubo: dict[tuple[int, int], float] = defaultdict(float)
    for u, v in graph.edges:
        qubo[u, u] += 1
        qubo[v, v] += 1
        qubo[u, v] -= 2
    for node in graph.nodes:
        qubo[node, node] += gamma * (1 - n)
    for u, v in itertools.combinations(graph.nodes, 2):
        qubo[u, v] += 2 * gamma
    sampler = BackendSampler(name)  # was EmbeddingComposite(DWaveSampler())
    response = sampler.sample_qubo(qubo, num_reads=200, label="Example - Graph Partitioning")
    half = [node for node, bit in response.first.sample.items() if bit]
    assert len(half) == n // 2
    assert cut(graph, half) == min(cut(graph, side) for side in itertools.combinations(graph.nodes, n // 2))


@pytest.mark.parametrize("name", BACKENDS)
def test_antenna_selection(name: str) -> None:
    graph = nx.Graph([(1, 2), (1, 3), (2, 3), (3, 4), (3, 5), (4, 5), (4, 6), (5, 6), (6, 7)])
    sampler = BackendSampler(name)  # was EmbeddingComposite(DWaveSampler())
    chosen = dwave.graphs.maximum_independent_set(
        graph, sampler=sampler, num_reads=10, label="Example - Antenna Selection"
    )
    assert dwave.graphs.is_independent_set(graph, chosen)
    assert len(chosen) == max(len(s) for s in subsets(graph.nodes) if not graph.subgraph(s).edges) == 3


@pytest.mark.parametrize("name", BACKENDS)
def test_nurse_scheduling(name: str) -> None:
    nurses, days, rest, cover, fair = 3, 11, 3.5, 1.3, 0.3
    least = days // nurses
    index = {(nurse, day): nurse * days + day for nurse in range(nurses) for day in range(days)}
    qubo: dict[tuple[int, int], float] = defaultdict(float)
    for (nurse, day), place in index.items():
        qubo[place, place] += -cover + fair * (1 - 2 * least)
        if day + 1 < days:
            qubo[place, index[nurse, day + 1]] += rest
        for later in range(day + 1, days):
            qubo[place, index[nurse, later]] += 2 * fair
        for other in range(nurse + 1, nurses):
            qubo[place, index[other, day]] += 2 * cover
    bqm = dimod.BinaryQuadraticModel.from_qubo(qubo, offset=cover * days + fair * nurses * least**2)
    sampler = BackendSampler(name)  # was LeapHybridSampler()
    results = sampler.sample(bqm, num_reads=20, label="Example - Nurse Scheduling")
    schedule = {divmod(place, days) for place, bit in results.first.sample.items() if bit}
    assert sorted(day for _, day in schedule) == list(range(days))
    assert not any((nurse, day + 1) in schedule for nurse, day in schedule)
    shifts = sorted(sum(nurse == each for each, _ in schedule) for nurse in range(nurses))
    # Eleven days in three parts: two nurses have one day more than the least, at 0.3 each.
    assert shifts == [3, 4, 4]
    assert results.first.energy == pytest.approx(0.6)


@pytest.mark.parametrize("name", BACKENDS)
def test_structural_imbalance(name: str) -> None:
    network = nx.gnp_random_graph(10, 0.5, seed=4)
    signs = np.random.default_rng(4).choice([-1, 1], network.number_of_edges())
    nx.set_edge_attributes(network, dict(zip(network.edges, signs.tolist(), strict=True)), "sign")
    sampler = BackendSampler(name)  # was LeapHybridSampler()
    edges, colors = dwave.graphs.structural_imbalance(
        network, sampler, num_reads=10, label="Example - Structural Imbalance"
    )

    def frustrated(side: set[int]) -> int:
        return sum(((u in side) == (v in side)) != (sign > 0) for u, v, sign in network.edges(data="sign"))

    assert len(edges) == frustrated({node for node, colour in colors.items() if colour})
    assert len(edges) == min(frustrated(set(side)) for side in subsets(network.nodes)) > 0


@pytest.mark.parametrize("name", [*BACKENDS, "exact-milp"])
def test_knapsack(name: str) -> None:
    costs, weights = [35, 85, 30, 50, 70, 80, 55], [12, 27, 11, 17, 20, 10, 15]
    capacity = int(0.6 * sum(weights))
    cqm = dimod.ConstrainedQuadraticModel()
    objective, load = dimod.BinaryQuadraticModel("BINARY"), dimod.QuadraticModel()
    for item, (cost, weight) in enumerate(zip(costs, weights, strict=True)):
        objective.add_linear(item, -cost)
        load.add_variable("BINARY", item)
        load.set_linear(item, weight)
    cqm.set_objective(objective)
    cqm.add_constraint(load, sense="<=", rhs=capacity, label="capacity")
    sampler = BackendSampler(name)  # was LeapHybridCQMSampler()
    sampleset = sampler.sample_cqm(cqm, label="Example - Knapsack")
    best = sampleset.filter(lambda row: row.is_feasible).first
    chosen = [item for item, bit in best.sample.items() if bit == 1.0]
    assert sum(weights[item] for item in chosen) <= capacity
    fitting = [side for side in subsets(range(7)) if sum(weights[item] for item in side) <= capacity]
    assert -best.energy == sum(costs[i] for i in chosen) == max(sum(costs[i] for i in side) for side in fitting)
