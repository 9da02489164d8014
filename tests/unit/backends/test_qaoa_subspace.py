"""The XY mixer keeps one-hot groups, and is that of the qubits' own Hamiltonian."""

from __future__ import annotations

from functools import reduce
from itertools import product
from typing import Any

import dimod
import numpy as np
import pytest
import scipy.linalg

from qubo_backends._qaoa_subspace import Subspace
from qubo_backends.qaoa import QaoaBackend
from qubo_dnn.backend import make_options
from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solve import solve

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


def xy_ring(size: int) -> np.ndarray:
    """Half of XX + YY over the couplings of a ring of qubits, on all of their states."""
    x, y = np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]])
    total = np.zeros((2**size, 2**size), complex)
    for pair in {frozenset((i, (i + 1) % size)) for i in range(size)}:
        for pauli in (x, y):
            total += reduce(np.kron, [pauli if i in pair else np.eye(2) for i in range(size)]) / 2
    return total


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
        full = scipy.linalg.expm(-1j * beta * xy_ring(size)) @ (np.exp(-1j * gamma * energies) * full)
    assert np.abs(np.delete(full, one_hot)).max() < 1e-12
    state = Subspace(linear, np.zeros((size, size)), [list(range(size))]).evolved(gammas, betas, 1.0)
    np.testing.assert_allclose(state, full[one_hot], atol=1e-12)


def test_sites_are_mixed_apart(arrays: tuple[np.ndarray, np.ndarray]) -> None:
    """Without a phase between them, the state of several sites is the product of theirs."""
    subspace = Subspace(arrays[0], np.zeros((10, 10)), GROUPS)
    gammas, betas = np.array([0.4, 1.1]), np.array([-0.3, 0.8])
    alone = []
    for site in subspace.sites:
        members = [v for v in site if v is not None]
        groups = [] if None in site else [list(range(len(members)))]
        one = Subspace(arrays[0][members], np.zeros((len(members),) * 2), groups)
        alone.append(one.evolved(gammas, betas, 1.0))
    np.testing.assert_allclose(subspace.evolved(gammas, betas, 1.0), reduce(np.kron, alone), atol=1e-12)


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
    assert solution.rounds[0].penalties is None
    assert not solution.repaired
    assert solution.best.objective == pytest.approx(solve(asked, get_backend("exact")).best.objective)
    info = solution.sampleset.info
    uniform = Subspace(*_arrays(asked), [list(group) for group in asked.one_hot.values()]).energies
    assert info["expected_energy"] < uniform.mean() - uniform.std()


def _arrays(asked: Problem[Any]) -> tuple[np.ndarray, np.ndarray]:
    linear, (rows, columns, biases), _ = asked.objective.to_numpy_vectors(variable_order=asked.variables)
    matrix = np.zeros((len(linear),) * 2)
    matrix[rows, columns] = biases
    return linear, matrix + matrix.T


def test_too_many_states_are_refused_with_what_they_would_take() -> None:
    with pytest.raises(UnsupportedProblemError, match=r"at most 1,048,576 states.*1\.1e\+12, in 80 qubits.*16 TiB"):
        BACKEND.sample_constrained(problem(0, 20, 4), make_options(BACKEND, {}))
    with pytest.raises(UnsupportedProblemError, match="qaoa:aer none"):
        QaoaBackend("aer").sample_constrained(problem(0, 2, 2), make_options(BACKEND, {}))
