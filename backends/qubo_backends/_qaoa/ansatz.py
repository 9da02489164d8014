"""What every ansatz of QAOA offers, and the one of all qubits: a transverse mixer, from a uniform or a tilted start.

Source: Farhi, Goldstone & Gutmann 2014, arXiv 1411.4028; tilted ("warm") starts, Egger, Marecek & Woerner 2021,
arXiv 2009.10095.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from qubo_backends._qaoa.angles import typical_energy
from qubo_backends._qaoa.gates import MOST_DRAWN, Gate
from qubo_backends._qaoa.simulator import energies_of_states, evolved, evolved_from_tilts
from qubo_backends._qaoa.states import MOST_QUBITS, Bits, Floats, State


class Ansatz(Protocol):
    """A family of states with p gammas and p betas, whose gammas have the problem's own unit of energy.

    Attributes:
        qubits: n.
        mixer: its name.
        states: how many there are.
        simulable: whether `energies` and `evolved` can be had.
    """

    mixer: str

    @property
    def qubits(self) -> int: ...
    @property
    def states(self) -> int: ...
    @property
    def simulable(self) -> bool: ...
    @property
    def energies(self) -> Floats:
        """[states] of the basis states, without the model's offset."""
        ...

    def evolved(self, gammas: Floats, betas: Floats) -> State:
        """[states] amplitudes after all layers."""
        ...

    def bits(self, numbers: NDArray[np.int64]) -> Bits:
        """[rows, n] values of the variables in states of these numbers."""
        ...

    def uniform(self, rng: np.random.Generator, rows: int) -> Bits:
        """[rows, n] states drawn uniformly."""
        ...

    def keeps(self, bits: Bits) -> NDArray[np.bool_]:
        """[rows] whether a state is one of the ansatz; without errors every state measured is."""
        ...

    def start(self) -> list[Gate]:
        """Gates that make the first state of |0...0>."""
        ...

    def layer(self, gamma: float, beta: float) -> list[Gate]:
        """Gates of one layer."""
        ...

    def part(self, most: int) -> Self:
        """The ansatz of a part of the variables, `most` of them, which belong together."""
        ...


class Transverse:
    """All states of n qubits; qubit i is 1 where spin i is 1.

    Args:
        fields: [n] of a SPIN model.
        couplings: [n, n], symmetric with an empty diagonal.
        tilts: [n] angles in radians from |0> in which the qubits begin; None: all at pi / 2, the uniform state.
    """

    def __init__(self, fields: Floats, couplings: Floats, tilts: Floats | None = None) -> None:
        self._spin_fields, self._tilts = fields, tilts
        # A qubit that is 0 has Z = 1.
        self._fields, self._couplings = -fields, couplings
        self._unit = typical_energy(fields, couplings)
        self.mixer = "x" if tilts is None else "x, tilted"

    @property
    def qubits(self) -> int:
        return len(self._fields)

    @property
    def states(self) -> int:
        return 1 << self.qubits

    @property
    def simulable(self) -> bool:
        return self.qubits <= MOST_QUBITS

    @cached_property
    def energies(self) -> Floats:
        found: Floats = energies_of_states(self._fields, self._couplings)
        return found

    def evolved(self, gammas: Floats, betas: Floats) -> State:
        scaled = gammas / self._unit
        found: State = (
            evolved(self._fields, self._couplings, scaled, betas)
            if self._tilts is None
            else evolved_from_tilts(self._fields, self._couplings, scaled, betas, self._tilts)
        )
        return found

    def bits(self, numbers: NDArray[np.int64]) -> Bits:
        found: Bits = ((numbers[:, None] >> np.arange(self.qubits)) & 1).astype(np.int8)
        return found

    def uniform(self, rng: np.random.Generator, rows: int) -> Bits:
        return rng.integers(0, 2, (rows, self.qubits), dtype=np.int8)

    def keeps(self, bits: Bits) -> NDArray[np.bool_]:
        return np.ones(len(bits), np.bool_)

    def start(self) -> list[Gate]:
        if self._tilts is None:
            return [Gate("h", (i,)) for i in range(self.qubits)]
        return [Gate("ry", (i,), tilt) for i, tilt in enumerate(self._tilts.tolist())]

    def layer(self, gamma: float, beta: float) -> list[Gate]:
        made = phases(self._fields, self._couplings, 2.0 * gamma / self._unit)
        if self._tilts is None:
            return [*made, *(Gate("rx", (i,), 2.0 * beta) for i in range(self.qubits))]
        for i, tilt in enumerate(self._tilts.tolist()):
            made += [Gate("ry", (i,), -tilt), Gate("rz", (i,), 2.0 * beta), Gate("ry", (i,), tilt)]
        return made

    def part(self, most: int) -> Transverse:
        chosen = grown(np.abs(self._couplings), most)
        tilts = None if self._tilts is None else self._tilts[chosen]
        couplings = np.ascontiguousarray(self._couplings[np.ix_(chosen, chosen)])
        return Transverse(self._spin_fields[chosen], couplings, tilts)


def phases(fields: Floats, couplings: Floats, factor: float) -> list[Gate]:
    """Gates of exp(-i factor / 2 E) of an Ising model in Z."""
    rows, columns = np.nonzero(np.triu(couplings, 1))
    pairs = zip(rows.tolist(), columns.tolist(), couplings[rows, columns].tolist(), strict=True)
    made = [Gate("rzz", (u, v), factor * bias) for u, v, bias in pairs]
    return made + [Gate("rz", (u,), factor * float(fields[u])) for u in np.flatnonzero(fields).tolist()]


def grown(strengths: Floats, most: int) -> list[int]:
    """A set of strongly coupled nodes: from the strongest one, always the one most coupled to the set.

    Args:
        strengths: [m, m] >= 0, symmetric.
        most: nodes to choose, >= 1.
    """
    felt = strengths.sum(axis=1)
    chosen = [int(np.argmax(felt))]
    within = strengths[chosen[0]].astype(float)
    while len(chosen) < min(most, len(strengths)):
        # Of those equally coupled to the set, the one that is strongest by itself.
        ranks = np.lexsort((felt, within))
        taken = set(chosen)
        chosen.append(next(int(i) for i in ranks[::-1] if i not in taken))
        within += strengths[chosen[-1]]
    return sorted(chosen)


def drawable(ansatz: Ansatz) -> Sequence[Gate] | None:
    """Start and one layer, for a picture; None where there would be too much to see."""
    made = [*ansatz.start(), *ansatz.layer(1.0, 1.0)]
    return made if len(made) <= MOST_DRAWN else None
