"""Contraction of dominant couplings: pairs of spins that are alike, or opposite, in an optimum become one spin.

If a spin has a coupling that is no weaker than all its other couplings and its bias together, it follows that
neighbour in some optimum. Biases count as couplings to one more spin, which is 1. The couplings of the two add up, so
that further ones may become dominant: models whose couplings span decades, such as chains with long-range interactions
and glasses in few dimensions, become much smaller, and some vanish.

Source: Lange, Andres & Swoboda 2019, "Combinatorial persistency criteria for multicut and max-cut" (the criterion of
    single edges, with the star of a vertex as the cut).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Share of the variables that have a dominant coupling, for the work to be done; spins between two looks at the clock.
_WORTH, _LOOKED_EVERY = 0.01, 256
_UNIT_ROUNDOFF = float(np.finfo(float).eps) / 2.0
# Sums that are kept up to date have rounding errors: where so much of one decides, it is computed anew.
_KEPT = 1.0 - 1e-6


@dataclass(frozen=True, eq=False)
class Contraction:
    """A model after the contraction of couplings.

    Attributes:
        size: n, number of variables of the model.
        left: [m] the variables that are left, in ascending order.
        linear: [m] their biases.
        pairs: [2, p] pairs of positions in `left`, each once.
        couplings: [p] their couplings.
        offset: energy of the model minus that of what is left.
        rounding: upper bound on the rounding errors of the energies of what is left, with the offset.
        follows: [n] position in `left` of the variable that each one follows, m where it has a fixed value.
        opposite: [n] True for a variable with the opposite value; of a fixed one, True for the lower value.

    Example:
        >>> chain = contract(np.array([0.5, 0.0, 0.0]), np.array([[0, 1], [1, 2]]), np.array([1.0, -2.0]), low=-1.0)
        >>> len(chain.left), chain.offset, chain.completed(np.zeros((1, 0), np.int8)).tolist()
        (0, -3.5, [[0, 1, 1]])
    """

    size: int
    left: NDArray[np.int64]
    linear: Floats
    pairs: NDArray[np.int64]
    couplings: Floats
    offset: float
    rounding: float
    follows: NDArray[np.int64]
    opposite: NDArray[np.bool_]

    @property
    def width(self) -> int:
        """1, since every variable follows one other; see `Elimination.width`."""
        return 1

    def completed(self, states: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return [k, n] states of 0 and 1 from [k, m] states of what is left."""
        known = np.concatenate([states, np.ones((len(states), 1), np.int8)], axis=1)
        return np.where(self.opposite, 1 - known[:, self.follows], known[:, self.follows]).astype(np.int8)


def contract(
    linear: Floats,
    pairs: NDArray[np.integer],
    couplings: Floats,
    *,
    low: float,
    over: Callable[[], bool] = lambda: False,
) -> Contraction | None:
    """Contract dominant couplings until there are none.

    Args:
        linear: [n] biases.
        pairs: [2, m] pairs of variables, each once.
        couplings: [m] their couplings.
        low: the lower value of every variable, 0.0 or -1.0; the higher one is 1.
        over: asked now and then; True ends the work, and what was contracted until then counts.

    Returns:
        The result; None if hardly any variable has a dominant coupling to begin with.

    Example:
        >>> triangle = np.array([[0, 1, 2], [1, 2, 0]])
        >>> contract(np.zeros(3), triangle, np.array([3.0, 1.0, 1.0]), low=-1.0).left.tolist()
        []
        >>> contract(np.zeros(4), np.array(np.triu_indices(4, 1)), np.ones(6), low=-1.0) is None
        True
    """
    spins = _Spins(np.asarray(linear, float), np.asarray(pairs, np.int64), np.asarray(couplings, float), low)
    return spins.result(low) if spins.contract(over) else None


class _Spins:
    """A model of spins without biases, whose last one is 1: the couplings of every spin, and what is known of it.

    Args:
        linear, pairs, couplings, low: see `contract`.
    """

    def __init__(self, linear: Floats, pairs: NDArray[np.int64], couplings: Floats, low: float) -> None:
        self._size = size = len(linear)
        self._offset = self._error = 0.0
        if low == 0.0:
            # A bit is half of a spin and a half.
            couplings, linear = couplings / 4.0, linear / 2.0
            self._offset = math.fsum(linear) + math.fsum(couplings)
            linear = linear + _felt(pairs, couplings, size)
            self._error = _errors(pairs, couplings, linear) + 2.0 * _UNIT_ROUNDOFF * abs(self._offset)
        self._linear, self._pairs, self._couplings = linear, pairs, couplings
        self._rows: list[dict[int, float]] = []
        # Of the magnitudes of every spin's couplings: the sum, and no less than the largest.
        self._sums: list[float] = []
        self._most: list[float] = []
        # The spin that each one follows, itself at first, and whether with the same sign.
        self._parents, self._signs = list(range(size + 1)), [1.0] * (size + 1)
        self._waiting: list[int] = []

    def contract(self, over: Callable[[], bool]) -> bool:
        """Contract until nothing is dominant, or until `over`; return whether anything was."""
        size, magnitudes, biases = self._size, np.abs(self._couplings), np.abs(self._linear)
        sums = _felt(self._pairs, magnitudes, size)
        # No coupling is above the largest: in dense models of similar ones that tells enough.
        possible = 2.0 * np.maximum(biases, magnitudes.max(initial=0.0)) >= _KEPT * (sums + biases)
        if np.count_nonzero(possible) <= _WORTH * size:
            return False
        most = biases.copy()
        for side in self._pairs:
            np.maximum.at(most, side, magnitudes)
        self._waiting = np.flatnonzero(2.0 * most >= _KEPT * (sums + biases)).tolist()
        # Nothing slow is done for little.
        if len(self._waiting) <= _WORTH * size:
            return False
        self._sums, self._most = [*(sums + biases).tolist(), float(biases.sum())], [*most.tolist(), float(biases.max())]
        self._rows = [{} for _ in range(size + 1)]
        for one, other, value in zip(*self._pairs.tolist(), self._couplings.tolist(), strict=True):
            if value:
                self._rows[one][other] = self._rows[other][one] = value
        for spin in np.flatnonzero(biases).tolist():
            self._rows[spin][size] = self._rows[size][spin] = float(self._linear[spin])
        self._waiting.append(size)
        found = False
        for number in itertools.count(1):
            if not self._waiting or (number % _LOOKED_EVERY == 0 and over()):
                return found
            found |= self._examine(self._waiting.pop())
        return found

    def result(self, low: float) -> Contraction:
        """Return what is left, in variables whose lower value is `low`."""
        size, roots, opposite = self._size, *self._followed()
        is_left = roots[:size] == np.arange(size)
        left, place = np.flatnonzero(is_left), np.cumsum(is_left) - 1
        linear = np.array([self._rows[spin].get(size, 0.0) for spin in left.tolist()])
        entries = [
            (spin, other, value)
            for spin in left.tolist()
            for other, value in self._rows[spin].items()
            if spin < other < size
        ]
        pairs = place[np.array([entry[:2] for entry in entries], np.int64).reshape(-1, 2).T]
        couplings = np.array([value for _, _, value in entries])
        offset, error = self._offset, self._error
        if low == 0.0:
            # A spin is twice a bit, less 1.
            offset += math.fsum(couplings) - math.fsum(linear)
            linear = 2.0 * (linear - _felt(pairs, couplings, len(left)))
            couplings = 4.0 * couplings
            error += _errors(pairs, couplings, linear) + 3.0 * _UNIT_ROUNDOFF * abs(offset)
        return Contraction(
            size=size,
            left=left,
            linear=linear,
            pairs=pairs,
            couplings=couplings,
            offset=offset,
            rounding=2.0 * error,
            follows=np.append(place, len(left))[roots[:size]],
            opposite=opposite[:size],
        )

    def _examine(self, spin: int) -> bool:
        """Contract the dominant coupling of a spin, if it has one."""
        row, size = self._rows[spin], self._size
        if self._parents[spin] != spin or 2.0 * self._most[spin] < _KEPT * self._sums[spin]:
            return False
        if not row:
            # Either value is as good as the other.
            self._parents[spin] = size
            return spin != size
        partner = max(row, key=lambda other: abs(row[other]))
        largest = abs(row[partner])
        rest = math.fsum(abs(value) for other, value in row.items() if other != partner)
        self._most[spin], self._sums[spin] = largest, largest + rest
        if largest < rest:
            return False
        sign = -math.copysign(1.0, row[partner])
        self._offset -= largest
        self._error += _UNIT_ROUNDOFF * (2.0 * rest + abs(self._offset))
        # The one with fewer couplings goes, but never the last one.
        goes_first = partner == size or (spin != size and len(row) <= len(self._rows[partner]))
        self._join(*((spin, partner) if goes_first else (partner, spin)), sign)
        return True

    def _join(self, gone: int, kept: int, sign: float) -> None:
        """Let a spin follow another one, which gets its couplings."""
        rows, sums, most = self._rows, self._sums, self._most
        target = rows[kept]
        for other, value in rows[gone].items():
            row = rows[other]
            del row[gone]
            if other == kept:
                sums[kept] -= abs(value)
                continue
            before = target.get(other, 0.0)
            after = before + sign * value
            if before:
                self._error += _UNIT_ROUNDOFF * abs(after)
            sums[other] += abs(after) - abs(before) - abs(value)
            sums[kept] += abs(after) - abs(before)
            if after:
                row[kept] = target[other] = after
                most[other], most[kept] = max(most[other], abs(after)), max(most[kept], abs(after))
            elif before:
                del row[kept], target[other]
            self._waiting.append(other)
        self._waiting.append(kept)
        rows[gone] = {}
        self._parents[gone], self._signs[gone] = kept, sign

    def _followed(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return [n + 1] the spin that each one follows in the end, and whether with the opposite sign."""
        parents, signs = np.array(self._parents), np.array(self._signs)
        while True:
            # Every step halves the way.
            further = parents[parents]
            if np.array_equal(further, parents):
                return parents, signs < 0.0
            parents, signs = further, signs * np.where(parents == np.arange(len(parents)), 1.0, signs[parents])


def _felt(pairs: NDArray[np.int64], couplings: Floats, size: int) -> Floats:
    """[size] sum of the couplings of every variable."""
    felt = np.zeros(size)
    for side in pairs:
        felt += np.bincount(side, couplings, size)
    return felt


def _errors(pairs: NDArray[np.int64], couplings: Floats, linear: Floats) -> float:
    """Bound on the rounding errors of such sums, added to biases."""
    size = len(linear)
    terms = np.bincount(pairs.ravel(), minlength=size) + 1.0
    return _UNIT_ROUNDOFF * float(terms @ (_felt(pairs, np.abs(couplings), size) + np.abs(linear)))
