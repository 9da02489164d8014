"""QAOA on a state vector, exactly: the problem is diagonal, so a layer is a phase per state and a rotation per qubit.

Source: Farhi, Goldstone & Gutmann 2014, arXiv 1411.4028.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qubo_backends._qaoa.states import Floats, State
from qubo_backends._shared.jit import compiled

# Qubits whose amplitudes fit into a core's own cache: they are rotated there, block after block.
_CACHED = 12


@compiled
def energies_of_states(fields: Floats, couplings: Floats) -> Floats:  # pragma: no cover  # compiled
    """[2^n] energy of every state of an Ising model; bit i of a state's number is 1 where spin i is -1.

    Args:
        fields: [n].
        couplings: [n, n], symmetric with an empty diagonal.
    """
    n = len(fields)
    energies = np.zeros(2**n)
    for i in range(n):
        for j in range(i):
            energies[0] += couplings[i, j]
        energies[0] += fields[i]
    field = np.empty(2**n)
    size = 1
    for i in range(n):
        # What spin i feels in every state of the spins before it, those after it being +1.
        field[0] = fields[i] + couplings[i].sum()
        width = 1
        for j in range(i):
            for x in range(width):
                field[width + x] = field[x] - 2.0 * couplings[i, j]
            width *= 2
        for x in range(size):
            energies[size + x] = energies[x] - 2.0 * field[x]
        size *= 2
    return energies


@compiled
def _phases(fields: Floats, couplings: Floats, gamma: float, phase: State, work: State) -> None:  # pragma: no cover
    """Fill `phase` with exp(-i gamma E) of every state, by products in place of sines: see `energies_of_states`."""
    n = len(fields)
    start = 0.0
    for i in range(n):
        start += fields[i]
        for j in range(i):
            start += couplings[i, j]
    phase[0] = np.exp(-1j * gamma * start)
    size = 1
    for i in range(n):
        work[0] = np.exp(2j * gamma * (fields[i] + couplings[i].sum()))
        width = 1
        for j in range(i):
            turn = np.exp(-4j * gamma * couplings[i, j])
            for x in range(width):
                work[width + x] = work[x] * turn
            width *= 2
        for x in range(size):
            phase[size + x] = phase[x] * work[x]
        size *= 2


@compiled
def _rotate(state: State, first: int, last: int, c: float, s: float) -> None:  # pragma: no cover  # compiled
    """Rotate qubits `first` to `last` - 1 of a state about X, two in a pass."""
    size = len(state)
    qubit = first
    while qubit < last:
        step = 1 << qubit
        if qubit + 1 < last:
            for block in range(0, size, 4 * step):
                for x in range(block, block + step):
                    a, b, d, e = state[x], state[x + step], state[x + 2 * step], state[x + 3 * step]
                    a, b = c * a + complex(s * b.imag, -s * b.real), c * b + complex(s * a.imag, -s * a.real)
                    d, e = c * d + complex(s * e.imag, -s * e.real), c * e + complex(s * d.imag, -s * d.real)
                    state[x] = c * a + complex(s * d.imag, -s * d.real)
                    state[x + 2 * step] = c * d + complex(s * a.imag, -s * a.real)
                    state[x + step] = c * b + complex(s * e.imag, -s * e.real)
                    state[x + 3 * step] = c * e + complex(s * b.imag, -s * b.real)
            qubit += 2
        else:
            for block in range(0, size, 2 * step):
                for x in range(block, block + step):
                    a, b = state[x], state[x + step]
                    state[x] = c * a + complex(s * b.imag, -s * b.real)
                    state[x + step] = c * b + complex(s * a.imag, -s * a.real)
            qubit += 1


@compiled
def evolved(fields: Floats, couplings: Floats, gammas: Floats, betas: Floats) -> State:  # pragma: no cover  # compiled
    """[2^n] amplitudes after all layers of exp(-i gamma E) and exp(-i beta X), from the uniform superposition.

    Args:
        fields: [n].
        couplings: [n, n], symmetric with an empty diagonal.
        gammas: [p] per unit of energy.
        betas: [p] radians.
    """
    n = len(fields)
    size = 2**n
    state = np.full(size, 1.0 / np.sqrt(size) + 0.0j)
    phase, work = np.empty(size, np.complex128), np.empty(max(size // 2, 1), np.complex128)
    low = min(n, _CACHED)
    for layer in range(len(gammas)):
        c, s = np.cos(betas[layer]), np.sin(betas[layer])
        _phases(fields, couplings, gammas[layer], phase, work)
        for block in range(0, size, 1 << low):
            part = state[block : block + (1 << low)]
            for x in range(len(part)):
                part[x] *= phase[block + x]
            _rotate(part, 0, low, c, s)
        _rotate(state, low, n, c, s)
    return state


@compiled
def evolved_from_tilts(
    fields: Floats, couplings: Floats, gammas: Floats, betas: Floats, tilts: Floats
) -> State:  # pragma: no cover  # compiled
    """As `evolved`, from qubits tilted by [n] angles from |0>, which the mixer leaves as they are.

    The mixer of a qubit is exp(-i beta (sin t X + cos t Z)).
    """
    n = len(fields)
    state = np.empty(2**n, np.complex128)
    state[0] = 1.0
    for i in range(n):
        for x in range(1 << i):
            state[(1 << i) + x] = np.sin(tilts[i] / 2.0) * state[x]
            state[x] *= np.cos(tilts[i] / 2.0)
    phase, work = np.empty(2**n, np.complex128), np.empty(max(2**n // 2, 1), np.complex128)
    for layer in range(len(gammas)):
        _phases(fields, couplings, gammas[layer], phase, work)
        state *= phase
        c, s = np.cos(betas[layer]), np.sin(betas[layer])
        for i in range(n):
            own, other = complex(c, -s * np.cos(tilts[i])), complex(0.0, -s * np.sin(tilts[i]))
            step = 1 << i
            for block in range(0, len(state), 2 * step):
                for x in range(block, block + step):
                    a, b = state[x], state[x + step]
                    state[x] = own * a + other * b
                    state[x + step] = other * a + own.conjugate() * b
    return state


@compiled
def mean_energy(state: State, energies: Floats) -> float:  # pragma: no cover  # compiled
    """Expectation of the energy."""
    total = 0.0
    for x in range(len(state)):
        total += (state[x].real ** 2 + state[x].imag ** 2) * energies[x]
    return total


def drawn(state: State, shots: int, seed: int) -> NDArray[np.int64]:
    """[shots] numbers of the basis states measured on a state.

    Args:
        state: [states] amplitudes.
        shots: >= 1.
        seed: of the draw.
    """
    chances = np.cumsum(np.abs(state) ** 2)
    places = np.searchsorted(chances, np.random.default_rng(seed).random(shots) * chances[-1], side="right")
    found: NDArray[np.int64] = np.minimum(places, len(state) - 1).astype(np.int64)
    return found
