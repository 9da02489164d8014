"""Elimination against brute force on small models, and against closed forms and transfer matrices on large ones."""

from __future__ import annotations

import math
from itertools import product

import networkx as nx
import numpy as np
import pytest
from numpy.typing import NDArray

from qubo_dnn.presolve.eliminable import eliminable, worth_eliminating
from qubo_dnn.presolve.elimination import Elimination, eliminate
from tests.drawn import drawn

pytestmark = pytest.mark.kernels

Floats = NDArray[np.float64]
Model = tuple[Floats, NDArray[np.int64], Floats]


def all_states(n: int) -> NDArray[np.int8]:
    return np.array(list(product([0, 1], repeat=n)), np.int8).reshape(2**n, n)


def random_model(rng: np.random.Generator) -> Model:
    """1 to 10 variables, dense or sparse; real biases, or whole ones with many ties."""
    n = int(rng.integers(1, 11))
    pairs = np.array(np.nonzero(np.triu(rng.random((n, n)) < rng.random(), 1)))
    if rng.random() < 0.5:
        return rng.normal(size=n), pairs, rng.normal(size=len(pairs[0]))
    return rng.integers(-2, 3, n).astype(float), pairs, rng.integers(-2, 3, pairs.shape[1]).astype(float)


def of_graph(graph: nx.Graph, rng: np.random.Generator) -> Model:
    """Gaussian biases and couplings of a graph, whose vertices get random numbers."""
    names = dict(zip(graph, rng.permutation(len(graph)).tolist(), strict=True))
    pairs = np.array([(names[u], names[v]) for u, v in graph.edges()]).T
    return rng.normal(size=len(graph)), pairs, rng.normal(size=len(pairs[0]))


def energies(model: Model, states: NDArray[np.int8], low: float) -> Floats:
    linear, pairs, couplings = model
    values = np.where(states == 1, 1.0, low)
    found: Floats = values @ linear + (values[:, pairs[0]] * values[:, pairs[1]]) @ couplings
    return found


def left_energies(found: Elimination, states: NDArray[np.int8], low: float) -> Floats:
    return found.offset + energies((found.linear, found.pairs, found.couplings), states, low)


def best_of(model: Model, low: float) -> tuple[Elimination, float]:
    """Return the elimination of a whole model, and the energy of the state that it gives."""
    found = eliminate(*model, low=low)
    assert found is not None
    assert not len(found.left)
    return found, float(energies(model, found.completed(np.zeros((1, 0), np.int8)), low)[0])


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_what_is_left_has_the_least_energy_over_the_eliminated_variables(low: float) -> None:
    rng = np.random.default_rng(0)
    partial = 0
    for _ in range(drawn(2000)):
        model = random_model(rng)
        found = eliminate(*model, low=low, most_width=int(rng.integers(2, 4)))
        if found is None:
            continue
        partial += bool(len(found.left))
        every, left = all_states(len(model[0])), all_states(len(found.left))
        least = np.full(len(left), np.inf)
        powers = 1 << np.arange(len(found.left))
        np.minimum.at(least, every[:, found.left].astype(np.int64) @ powers, energies(model, every, low))
        least = least[left.astype(np.int64) @ powers]
        np.testing.assert_allclose(left_energies(found, left, low), least, rtol=0.0, atol=found.rounding + 1e-300)
        np.testing.assert_allclose(energies(model, found.completed(left), low), least, rtol=0.0, atol=1e-12)
    assert partial > drawn(2000) / 25


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_the_lowest_states_are_those_of_brute_force(low: float) -> None:
    rng = np.random.default_rng(1)
    for _ in range(drawn(1000)):
        model, count = random_model(rng), int(rng.integers(2, 60))
        found = eliminate(*model, low=low, count=count)
        assert found is not None
        states = found.lowest(count)
        every = np.sort(energies(model, all_states(len(model[0])), low))
        np.testing.assert_allclose(energies(model, states, low), every[: len(states)], rtol=0.0, atol=1e-12)
        assert len(states) == min(count, len(every)) == len({bytes(state) for state in states})


def test_a_chain_with_fields_has_the_energy_of_the_transfer_matrix() -> None:
    n, rng = 100_000, np.random.default_rng(2)
    linear, couplings = rng.normal(size=n), rng.normal(size=n - 1)
    down, up = -linear[0], linear[0]
    for field, coupling in zip(linear[1:].tolist(), couplings.tolist(), strict=True):
        down, up = min(down + coupling, up - coupling) - field, min(down - coupling, up + coupling) + field
    found, energy = best_of((linear, np.array([np.arange(n - 1), np.arange(1, n)]), couplings), -1.0)
    assert found.order.width == 1
    assert energy == pytest.approx(min(down, up), abs=1e-6)
    assert abs(found.offset - energy) <= found.rounding < 1e-4


@pytest.mark.parametrize("shape", ["random", "star", "path"])
def test_a_tree_without_fields_satisfies_every_coupling(shape: str) -> None:
    n, rng = 100_000, np.random.default_rng(3)
    parents = {
        "random": rng.integers(0, np.arange(1, n)),
        "star": np.zeros(n - 1, np.int64),
        "path": np.arange(n - 1),
    }[shape]
    couplings = rng.normal(size=n - 1)
    _, energy = best_of((np.zeros(n), rng.permutation(n)[np.array([parents, np.arange(1, n)])], couplings), -1.0)
    assert energy == pytest.approx(-math.fsum(np.abs(couplings)), rel=1e-12)


def test_a_strip_has_the_energy_of_the_transfer_matrix() -> None:
    height, length, rng = 10, 60, np.random.default_rng(4)
    down, along = rng.normal(size=(length, height - 1)), rng.normal(size=(length - 1, height))
    columns = np.array(list(product([-1.0, 1.0], repeat=height)))
    inside = (columns[:, 1:] * columns[:, :-1]) @ down.T
    least = inside[:, 0]
    for column in range(1, length):
        between = columns @ (along[column - 1][:, None] * columns.T)
        least = (least[:, None] + between).min(axis=0) + inside[:, column]
    place = rng.permutation(height * length).reshape(length, height)
    pairs = np.concatenate(
        [[place[:, 1:].ravel(), place[:, :-1].ravel()], [place[:-1].ravel(), place[1:].ravel()]], axis=1
    )
    couplings = np.concatenate([down.ravel(), along.ravel()])
    found, energy = best_of((np.zeros(height * length), pairs, couplings), -1.0)
    assert found.order.width <= height + 1
    assert energy == pytest.approx(least.min(), abs=1e-9)


@pytest.mark.parametrize(("bonds", "low"), [(2, 0.0), (3, -1.0), (8, -1.0)])
def test_couplings_to_next_neighbours_are_as_wide_as_they_are_long(bonds: int, low: float) -> None:
    n, rng = 500, np.random.default_rng(5)
    graph = nx.Graph((i, i + d) for d in range(1, bonds + 1) for i in range(n - d))
    model = of_graph(graph, rng)
    found, energy = best_of(model, low)
    assert found.order.width == bonds
    assert abs(energy - found.offset) <= found.rounding
    # No change of one variable is an improvement.
    states = np.repeat(found.completed(np.zeros((1, 0), np.int8)), n, axis=0)
    states[np.arange(n), np.arange(n)] ^= 1
    assert (energies(model, states, low) >= energy - 1e-9).all()


def test_components_are_eliminated_whole_or_down_to_three_neighbours() -> None:
    rng = np.random.default_rng(6)
    whole = nx.complete_graph(30)
    graph = nx.disjoint_union_all([whole, nx.random_labeled_tree(50, seed=1), nx.grid_2d_graph(4, 20)])
    graph.add_edges_from((v, v + 1) for v in range(1000, 1050))
    graph.add_edges_from([(0, 1000), (1050, 1), (2, "leaf")])
    model = of_graph(graph, rng)
    found = eliminate(*model, low=-1.0)
    assert found is not None
    assert len(found.left) == 30
    assert 4 <= found.order.width <= 5
    left = rng.integers(0, 2, (20, 30)).astype(np.int8)
    wanted = energies(model, found.completed(left), -1.0)
    np.testing.assert_allclose(left_energies(found, left, -1.0), wanted, rtol=0.0, atol=found.rounding)


def test_a_limit_of_the_work_leaves_what_it_does_not_cover() -> None:
    model = of_graph(nx.grid_2d_graph(8, 30), np.random.default_rng(7))
    whole = eliminate(*model, low=0.0)
    assert whole is not None
    assert not len(whole.left)
    cut = eliminate(*model, low=0.0, most_entries=whole.order.entries // 2)
    assert cut is not None
    assert len(cut.left) == 240 - 4  # only the corners have two neighbours
    assert eliminate(*model, low=0.0, count=2, most_entries=whole.order.entries // 2) is None
    assert eliminate(*model, low=0.0, over=lambda: True) is None


def test_models_without_a_variable_of_few_neighbours_are_left_alone() -> None:
    pairs = np.array(np.triu_indices(40, 1))
    assert not eliminable(40, pairs)
    assert eliminate(np.zeros(40), pairs, np.ones(pairs.shape[1]), low=0.0) is None
    # Couplings of zero are none.
    found = eliminate(np.ones(40), pairs, np.zeros(pairs.shape[1]), low=0.0)
    assert found is not None
    assert found.offset == 0.0


def test_an_empty_model_is_left_alone() -> None:
    assert eliminate(np.zeros(0), np.zeros((2, 0), np.int64), np.zeros(0), low=0.0) is None


GRAPHS = {
    "chain": (nx.path_graph(200), True),
    "strip": (nx.grid_2d_graph(18, 40), True),
    "narrow torus": (nx.grid_2d_graph(8, 60, periodic=True), True),
    "tree with a clique": (nx.disjoint_union(nx.balanced_tree(2, 6), nx.complete_graph(60)), True),
    "strip beside a random graph": (
        nx.disjoint_union(nx.gnm_random_graph(200, 2000, seed=1), nx.grid_2d_graph(6, 40)),
        True,
    ),
    "cube": (nx.grid_graph((9, 9, 9)), False),
    "random": (nx.gnm_random_graph(300, 1500, seed=2), False),
    "random with few leaves": (nx.disjoint_union(nx.gnm_random_graph(300, 3000, seed=2), nx.path_graph(3)), False),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_kernels_are_compiled_only_where_a_good_part_goes(name: str) -> None:
    graph, worth = GRAPHS[name]
    pairs = np.array(list(nx.convert_node_labels_to_integers(graph).edges)).T
    size = graph.number_of_nodes()
    assert worth_eliminating(size, pairs) == worth
    found = eliminate(np.zeros(size), pairs, np.ones(pairs.shape[1]), low=-1.0)
    gone = 0 if found is None else size - len(found.left)
    assert (gone >= size // 10) == worth
