"""The simulator agrees with linear algebra and with Qiskit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg

from qubo_backends._qaoa.ansatz import Transverse
from qubo_backends._qaoa.cost import gates_of
from qubo_backends._qaoa.gates import circuit
from qubo_backends._qaoa.simulator import drawn, energies_of_states, evolved, mean_energy

RandomIsing = Callable[[int, int], tuple[np.ndarray, np.ndarray]]


def spins_of_states(n: int) -> np.ndarray:
    return 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_energies_are_those_of_all_states(n: int, ising: RandomIsing) -> None:
    fields, couplings = ising(n, n)
    spins = spins_of_states(n)
    expected = spins @ fields + np.einsum("xi,ij,xj->x", spins, couplings, spins) / 2
    np.testing.assert_allclose(energies_of_states(fields, couplings), expected, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_the_state_is_that_of_the_matrices(n: int, ising: RandomIsing) -> None:
    fields, couplings = ising(n, 10 + n)
    energies = energies_of_states(fields, couplings)
    gammas, betas = np.array([0.3, -0.7, 1.9]), np.array([-0.5, 0.2, 2.5])
    state = np.full(2**n, 2 ** (-n / 2), complex)
    for gamma, beta in zip(gammas, betas, strict=True):
        rotation = scipy.linalg.expm(-1j * beta * np.array([[0, 1], [1, 0]]))
        mixer: np.ndarray = np.ones((1, 1))
        for _ in range(n):
            mixer = np.kron(rotation, mixer)
        state = mixer @ (np.exp(-1j * gamma * energies) * state)
    np.testing.assert_allclose(evolved(fields, couplings, gammas, betas), state, atol=1e-12)


def test_a_state_beyond_the_cache_agrees_with_qiskit(ising: RandomIsing) -> None:
    """14 qubits: some are rotated in blocks, the others over the whole state."""
    from qiskit.quantum_info import Statevector

    fields, couplings = ising(14, 3)
    gammas, betas = np.array([0.2, 0.4]), np.array([-0.6, -0.3])
    for angles in (None, np.linspace(0.3, 2.8, 14)):
        ansatz = Transverse(fields, couplings, angles)
        made = circuit(14, gates_of(ansatz, gammas.tolist(), betas.tolist())).remove_final_measurements(inplace=False)
        theirs = np.asarray(Statevector(made))
        ours = ansatz.evolved(gammas, betas)
        assert abs(np.vdot(theirs, ours)) == pytest.approx(1.0, abs=1e-9)
        energies = ansatz.energies
        assert mean_energy(ours, energies) == pytest.approx(float(np.abs(theirs) ** 2 @ energies), abs=1e-9)


def test_measuring_a_basis_state_gives_its_bits() -> None:
    state = np.zeros(16, complex)
    state[0b0110] = 1.0
    ansatz = Transverse(np.zeros(4), np.zeros((4, 4)))
    assert ansatz.bits(drawn(state, 3, 0)).tolist() == [[0, 1, 1, 0]] * 3
