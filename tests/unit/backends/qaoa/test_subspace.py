"""The XY mixer keeps one-hot groups, and is that of the qubits' own Hamiltonian."""

from __future__ import annotations

from functools import reduce
from itertools import product
from typing import Any

import dimod
import numpy as np
import pytest
import scipy.linalg

from qubo_backends._qaoa.cost import gates_of
from qubo_backends._qaoa.gates import circuit
from qubo_backends._qaoa.subspace import Subspace
from qubo_backends.qaoa import QaoaBackend
from qubo_dnn.backend import make_options
from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.sites import OFF
from qubo_dnn.solving.solve import solve

GROUPS = [[0, 2, 5], [1, 3], [6, 7, 8, 9]]  # 4 is free
BACKEND = QaoaBackend()


@pytest.fixture
def arrays() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    upper = np.triu(rng.normal(size=(10, 10)), 1)
    return rng.normal(size=10), upper + upper.T


def test_states_are_those_that_keep_the_groups(arrays: tuple[np.ndarray, np.ndarray]) -> None:
    subspace = Subspace(*arrays, GROUPS)
    states = subspace.bits(np.arange(3 * 2 * 4 * 2))
    assert len(np.unique(states, axis=0)) == 48
    for group in GROUPS:
        assert (states[:, group].sum(axis=1) == 1).all()
    linear, matrix = arrays
    expected = states @ linear + np.einsum("xi,ij,xj->x", states, matrix, states) / 2
    np.testing.assert_allclose(subspace.energies, expected, atol=1e-12)


def xy_ring(size: int, beta: float) -> np.ndarray:
    """exp(-i beta (XX + YY) / 2) of all neighbours on a ring of qubits, those at even places first."""
    x, y = np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]])
    whole = np.eye(2**size, dtype=complex)
    places = [0] if size == 2 else [*range(0, size, 2), *range(1, size, 2)]
    for place in places:
        pair = {place, (place + 1) % size}
        total = np.sum(
            [reduce(np.kron, [p if i in pair else np.eye(2) for i in range(size)]) / 2 for p in (x, y)], axis=0
        )
        whole = scipy.linalg.expm(-1j * beta * total) @ whole
    return whole


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_mixing_is_that_of_the_qubits(size: int) -> None:
    """From the W state, with a phase of its own for every state, the qubits never leave the group."""
    rng = np.random.default_rng(size)
    linear = rng.normal(size=size)
    gammas, betas = rng.normal(size=2), rng.normal(size=2)
    one_hot = [2 ** (size - 1 - i) for i in range(size)]
    full = np.zeros(2**size, complex)
    full[one_hot] = size**-0.5
    energies = np.array([np.dot(linear, bits) for bits in product((0, 1), repeat=size)])
    for gamma, beta in zip(gammas, betas, strict=True):
        full = xy_ring(size, beta) @ (np.exp(-1j * gamma * energies) * full)
    assert np.abs(np.delete(full, one_hot)).max() < 1e-12
    subspace = Subspace(linear, np.zeros((size, size)), [list(range(size))])
    state = subspace.evolved(gammas * subspace.unit, betas)
    np.testing.assert_allclose(state, full[one_hot], atol=1e-12)


def test_sites_are_mixed_apart(arrays: tuple[np.ndarray, np.ndarray]) -> None:
    """Without a phase between them, the state of several sites is the product of theirs."""
    subspace = Subspace(arrays[0], np.zeros((10, 10)), GROUPS)
    gammas, betas = np.array([0.4, 1.1]), np.array([-0.3, 0.8])
    alone: list[np.ndarray] = []
    for site in subspace.sites.each():
        members = [v for v in site.tolist() if v != OFF]
        groups = [] if OFF in site else [list(range(len(members)))]
        one = Subspace(arrays[0][members], np.zeros((len(members),) * 2), groups)
        alone.append(one.evolved(gammas * one.unit, betas))
    np.testing.assert_allclose(subspace.evolved(gammas * subspace.unit, betas), reduce(np.kron, alone), atol=1e-12)


def problem(seed: int, groups: int, options: int) -> Problem[Any]:
    rng = np.random.default_rng(seed)
    n = groups * options
    bqm = dimod.BinaryQuadraticModel(rng.normal(size=n), np.triu(rng.normal(size=(n, n)), 1), dimod.BINARY)
    one_hot = {f"g{g}": tuple(range(g * options, (g + 1) * options)) for g in range(groups)}
    return Problem(objective=bqm, decoder=dict, one_hot=one_hot)


def test_every_sample_keeps_every_group() -> None:
    """28 variables, more than a state vector of all of them could have."""
    found = BACKEND.sample_constrained(problem(1, 7, 4), make_options(BACKEND, {"seed": 1, "max_evaluations": 20}))
    assert len(found) == 1000
    assert found.info["states"] == 4**7
    samples = found.record.sample[:, [found.variables.index(v) for v in range(28)]].reshape(1000, 7, 4)
    assert (samples.sum(axis=2) == 1).all()


@pytest.mark.parametrize("seed", range(3))
def test_solving_needs_no_penalty_and_finds_the_optimum(seed: int) -> None:
    asked = problem(seed, 5, 3)
    solution = solve(asked, BACKEND, {"seed": seed})
    assert solution.calls[0].penalties is None
    assert not solution.repaired
    assert solution.best.objective == pytest.approx(solve(asked, get_backend("exact")).best.objective)
    info = solution.sampleset.info
    uniform = Subspace(*_arrays(asked), [list(range(v, v + 3)) for v in range(0, 15, 3)]).energies
    assert info["expected_energy"] < uniform.mean() - uniform.std()


def _arrays(asked: Problem[Any]) -> tuple[np.ndarray, np.ndarray]:
    linear, (rows, columns, biases), _ = asked.objective.to_numpy_vectors(variable_order=asked.variables)
    matrix = np.zeros((len(linear),) * 2)
    matrix[rows, columns] = biases
    return linear, matrix + matrix.T


def test_too_many_states_are_refused_with_what_they_would_take() -> None:
    with pytest.raises(UnsupportedProblemError, match=r"at most 1,048,576 states.*1\.10e\+12, in 80 qubits.*16 TiB"):
        BACKEND.sample_constrained(problem(0, 20, 4), make_options(BACKEND, {}))
    with pytest.raises(UnsupportedProblemError, match=r"at most 20 qubits by aer; the problem needs 24.*256 MiB"):
        QaoaBackend("aer").sample_constrained(problem(0, 6, 4), make_options(BACKEND, {}))


def test_the_unit_is_that_of_all_energies(arrays: tuple[np.ndarray, np.ndarray]) -> None:
    subspace = Subspace(*arrays, GROUPS)
    assert subspace.unit == pytest.approx(np.sqrt(2 * subspace.energies.var() / 4) / 2)


def test_the_circuit_is_what_is_simulated(arrays: tuple[np.ndarray, np.ndarray]) -> None:
    """10 qubits: three groups and a free one; no state outside, and those inside as they are numbered."""
    from qiskit.quantum_info import Statevector

    subspace = Subspace(*arrays, GROUPS)
    gammas, betas = np.array([0.4, 0.9]), np.array([-0.6, -0.2])
    made = circuit(10, gates_of(subspace, gammas.tolist(), betas.tolist())).remove_final_measurements(inplace=False)
    theirs = np.asarray(Statevector(made))
    bits = subspace.bits(np.arange(subspace.states))
    within = theirs[bits @ (1 << np.arange(10))]
    assert abs(np.vdot(within, subspace.evolved(gammas, betas))) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("variant", ["aer", "mps"])
def test_groups_are_kept_on_aer(variant: str) -> None:
    backend, asked = QaoaBackend(variant), problem(4, 4, 3)
    found = backend.sample_constrained(asked, make_options(backend, {"seed": 1, "num_reads": 300}))
    assert found.info["shots_that_keep_the_groups"] == 1.0
    assert len(found) == 300
    for sample in found.samples(5):
        assert not asked.violations(sample)


def test_errors_of_a_device_break_groups_and_only_the_others_come_back() -> None:
    backend, asked = QaoaBackend("noisy"), problem(4, 3, 3)
    found = backend.sample_constrained(asked, make_options(backend, {"seed": 1, "num_reads": 400, "depth": 1}))
    kept = found.info["shots_that_keep_the_groups"]
    assert 0.0 < kept < 1.0
    assert len(found) == round(400 * kept)
    assert all(not asked.violations(sample) for sample in found.samples(5))
