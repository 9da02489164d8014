"""Recursive QAOA: exact correlations, spins eliminated without loss, good cuts."""

from __future__ import annotations

from collections.abc import Callable

import dimod
import networkx as nx
import numpy as np
import pytest

from qubo_backends._qaoa.simulator import energies_of_states, evolved
from qubo_backends._qaoa.single_layer import amplitudes, expectations
from qubo_backends.rqaoa import RqaoaBackend
from qubo_dnn.backend import make_options
from qubo_dnn.errors import CancelledError, TimeLimitError
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.max_cut import MaxCut
from tests.unit.backends.samplers import Sampler

RandomBqm = Callable[..., dimod.BinaryQuadraticModel]
BACKEND = RqaoaBackend()


@pytest.mark.parametrize("seed", range(5))
def test_the_closed_form_is_that_of_the_state(seed: int) -> None:
    n, rng = 6, np.random.default_rng(seed)
    fields = rng.normal(size=n) * (seed % 2)
    couplings = np.triu(rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.7), 1)
    couplings += couplings.T
    rows, columns = np.nonzero(np.triu(couplings))
    gamma, beta = rng.normal(size=2)
    chances = np.abs(evolved(fields, couplings, np.array([gamma]), np.array([beta]))) ** 2
    spins = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    single, pairs = expectations(*amplitudes(fields, couplings, rows, columns, gamma), beta)
    np.testing.assert_allclose(single, chances @ spins, atol=1e-12)
    np.testing.assert_allclose(pairs, chances @ (spins[:, rows] * spins[:, columns]), atol=1e-12)
    # And so the energy is that of the expectation.
    energies = energies_of_states(fields, couplings)
    assert fields @ single + couplings[rows, columns] @ pairs == pytest.approx(chances @ energies)


def test_what_is_small_enough_is_enumerated(random_bqm: RandomBqm) -> None:
    for seed in range(5):
        bqm = random_bqm(12, seed)
        found = BACKEND.sample(bqm, make_options(BACKEND, {"seed": 0}))
        assert found.first.energy == pytest.approx(dimod.ExactSolver().sample(bqm).first.energy)
        assert found.info["steps"] == [0]


def test_ferromagnets_and_trees_are_solved_exactly() -> None:
    """There all correlations have the sign they have in the ground state."""
    for graph in (nx.random_regular_graph(3, 40, seed=1), nx.random_labeled_tree(60, seed=2)):
        ferromagnet = dimod.BinaryQuadraticModel({}, dict.fromkeys(graph.edges, -1.0), 0.0, dimod.SPIN)
        found = BACKEND.sample(ferromagnet, make_options(BACKEND, {"seed": 0}))
        assert found.first.energy == -graph.number_of_edges()
    tree = nx.random_labeled_tree(60, seed=3)
    found = BACKEND.sample(MaxCut(tree).compile().objective, make_options(BACKEND, {"seed": 0}))
    assert found.first.energy == -59.0


def test_three_regular_graphs_are_cut_well() -> None:
    ratios = []
    for seed in range(5):
        problem = MaxCut(nx.random_regular_graph(3, 60, seed=seed)).compile()
        best = solve(problem, get_backend("pt"), {"seed": 0}).best.objective
        ratios.append(solve(problem, BACKEND, {"seed": 0}).best.objective / best)
    assert np.mean(ratios) >= 0.96


def test_fields_are_eliminated_too(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(18, 3, density=0.3)
    best = dimod.ExactSolver().sample(bqm).first.energy
    found = BACKEND.sample(bqm, make_options(BACKEND, {"seed": 0, "cutoff": 4, "num_reads": 5}))
    assert found.info["steps"] == [14] * 5
    assert found.first.energy <= best + 0.1 * abs(best)


def test_further_runs_differ_and_the_first_needs_no_seed(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(30, 4)
    one, other = (BACKEND.sample(bqm, make_options(BACKEND, {"seed": s, "num_reads": 6})) for s in (1, 2))
    rows = [found.record.sample for found in (one, other)]
    np.testing.assert_array_equal(rows[0][0], rows[1][0])
    assert (rows[0][1:] != rows[1][1:]).any()
    assert len(np.unique(rows[0], axis=0)) > 1


def test_at_the_time_limit_the_rest_is_fixed_by_its_fields(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(200, 5)
    found = BACKEND.sample(bqm, make_options(BACKEND, {"seed": 0, "time_limit": 0.01}))
    assert 1 <= found.info["steps"][0] < 188
    drawn = np.random.default_rng(0).integers(0, 2, (2000, 200))
    assert found.first.energy < bqm.energies((drawn, list(range(200)))).min()


@pytest.mark.parametrize(("answers", "steps"), [(3, [3]), (6, [6]), (7, [6, 1])])
def test_what_was_found_is_kept_when_a_later_circuit_has_no_answer(
    random_bqm: RandomBqm, answers: int, steps: list[int]
) -> None:
    """Six spins are eliminated in every run, one with every circuit."""
    bqm = random_bqm(10, 6)
    sampler = Sampler(answers, interrupts=True)
    backend = RqaoaBackend(sampler=sampler)
    found = backend.sample(bqm, make_options(backend, {"cutoff": 4, "num_reads": 4}))
    assert sampler.cancelled
    assert (sampler.circuits, found.info["circuits"]) == (answers + 1, 24)
    assert (found.info["steps"], found.info["interrupted"]) == (steps, True)
    drawn = np.random.default_rng(0).integers(0, 2, (2000, 10))
    assert found.first.energy <= np.quantile(bqm.energies((drawn, list(range(10)))), 0.05)


def test_without_any_circuit_there_is_no_answer(random_bqm: RandomBqm) -> None:
    for sampler, error in ((Sampler(0, interrupts=True), CancelledError), (Sampler(0), TimeLimitError)):
        backend = RqaoaBackend(sampler=sampler)
        values = {} if sampler.interrupts else {"time_limit": 0.2}
        with pytest.raises(error, match="the job was cancelled"):
            backend.sample(random_bqm(14, 6), make_options(backend, values))


def test_the_cost_of_all_circuits_is_said_before(random_bqm: RandomBqm, caplog: pytest.LogCaptureFixture) -> None:
    backend = RqaoaBackend("aer")
    with caplog.at_level("DEBUG", logger="qubo_dnn.backend"):
        found = backend.sample(random_bqm(10, 1), make_options(backend, {"seed": 1, "cutoff": 8, "num_reads": 3}))
    info = found.info
    assert (info["circuits"], info["two_qubit_gates"], info["bytes"]) == (6, 45, 16 << 10)
    # The second circuit of a run has half as many states.
    assert info["seconds_of_circuits"] == pytest.approx(3 * 1.5 * info["seconds_of_circuit"])
    first, *_, last = (record.getMessage() for record in caplog.records)
    assert "6 circuits of at most 10 qubits, 45 two-qubit gates" in first
    assert "run 3 of 3, 2 spins eliminated" in last


def test_a_circuit_that_cannot_end_in_time_is_not_begun(random_bqm: RandomBqm) -> None:
    backend = RqaoaBackend("mps")
    with pytest.raises(TimeLimitError, match="first circuit alone takes about"):
        backend.sample(random_bqm(60, 1), make_options(backend, {"time_limit": 1.0}))
