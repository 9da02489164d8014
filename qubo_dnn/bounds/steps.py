"""The step between the energies of a problem, which raises a lower bound to the next attainable energy.

If every bias is an integer multiple of one number, the step, the energy of every state is `offset + step * k` with an
integer k. A bound b on all energies then implies k >= (b - offset) / step. The smallest such k gives the lowest
attainable energy, to which the bound is raised.

In floating point, the biases c equal `step * k` only up to rounding (0.1 is not a multiple of 0.01 in binary). If
`deviation` is at least the sum of all |c - step * k|, every energy lies within `deviation` of its `offset + step * k`,
in exact arithmetic. Then b implies k >= (b - deviation - offset) / step, and every energy is at least `offset +
step * k - deviation`. Both are computed in rational numbers, and the result is rounded down. If offset and step have so
few binary digits that all sums of biases are exact, `deviation` is 0, and the bound is the exact energy in any order of
summation. Otherwise it is lowered by more than the rounding errors of a sum of all biases.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np

from qubo_dnn.bounds.quick import rounding_margin
from qubo_dnn.bounds.relaxation import UNIT_ROUNDOFF
from qubo_dnn.bounds.site_model import Floats
from qubo_dnn.problem import Problem

_LARGEST = 2.0**53
"""Integers up to this are exact in double precision."""
_FINEST = 2.0**40
"""Largest ratio of the largest bias to a fractional step, since all floats are multiples of some tiny step."""
_MOST_DIGITS = 12
"""Largest number of decimals of the biases."""
_DENOMINATORS = range(1, 17)
"""Denominators of steps as fractions of the smallest bias."""
_NOISE = 8.0 * UNIT_ROUNDOFF
"""Largest distance of biases from multiples of an inexact step, relative to the largest bias."""


@dataclass(frozen=True)
class Steps:
    """The attainable energies of a problem.

    Attributes:
        offset: offset of the objective.
        step: energies differ from the offset by integer multiples of it; 0 if no step is known.
        deviation: upper bound on the distance of an energy from such a multiple, in exact arithmetic.
        rounding: upper bound on the error of a computed energy, including the deviation; 0 if energies are exact.

    Example:
        >>> Steps(offset=0.0, step=Fraction(1), deviation=0.0, rounding=0.0).raised(-5.7)
        -5.0
    """

    offset: float
    step: Fraction
    deviation: float
    rounding: float

    @property
    def tolerance(self) -> float:
        """Energies with at most this difference are equal: half a step, or the effect of rounding errors."""
        return float(self.step) / 2.0 if self.step else 4.0 * self.rounding

    def raised(self, bound: float) -> float:
        """Return the lowest attainable energy above a proven bound; the bound itself without a step."""
        if not self.step or not math.isfinite(bound):
            return bound
        count = math.ceil((Fraction(bound) - Fraction(self.deviation) - Fraction(self.offset)) / self.step)
        return max(bound, _float_below(self._energy(count) - Fraction(self.rounding)))

    def enough(self, energy: float) -> float:
        """Return the smallest bound that proves that no state is better than one of this energy."""
        if not math.isfinite(energy):
            return math.inf
        if not self.step:
            return energy - self.tolerance / 2.0
        count = math.ceil((Fraction(energy) - 2 * Fraction(self.rounding) - Fraction(self.offset)) / self.step)
        below = self._energy(count - 1) + Fraction(self.deviation)
        return math.nextafter(-_float_below(-below), math.inf)

    def _energy(self, count: int) -> Fraction:
        return Fraction(self.offset) + count * self.step


def steps_of(problem: Problem[Any]) -> Steps:
    """Return the steps of a problem's objective; a problem with a low-rank form has none.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4).compile()
        >>> steps_of(knapsack).step
        Fraction(1, 1)
    """
    offset, rounding = float(problem.objective.offset), rounding_margin(problem)
    none = Steps(offset, Fraction(0), 0.0, rounding)
    if problem.low_rank is not None:
        return none
    vectors = problem.objective.to_numpy_vectors()
    sizes = np.abs(np.concatenate([vectors.linear_biases, vectors.quadratic.biases]).astype(float))
    step = common_step(sizes)
    if step is None:
        return none
    deviation = deviation_from(step, sizes)
    if not deviation and _is_short(step, offset, float(sizes.sum())):
        rounding = 0.0
    rounding += deviation
    return Steps(offset, step, deviation, rounding) if rounding < float(step) / 16.0 else none


def common_step(values: Floats) -> Fraction | None:
    """Return the largest number that divides all values, up to rounding if it is not a binary fraction.

    Args:
        values: finite values of any sign.

    Returns:
        The step. None if all values are 0, or if no step is clearly above the rounding errors of the largest value,
        unless all values are integers.

    Example:
        >>> common_step(np.array([0.5, -1.25])), common_step(np.array([0.1, 0.25]))
        (Fraction(1, 4), Fraction(1, 20))
    """
    sizes = np.unique(np.abs(values[values != 0.0]))
    if not len(sizes):
        return None
    largest = float(sizes[-1])
    # Euclid's algorithm; remainders of floating-point numbers are exact.
    step, rest = float(sizes[0]), sizes
    while largest / step < (_LARGEST if step >= 1.0 else _FINEST):
        rest = np.fmod(rest, step)
        rest = rest[rest > 0.0]
        if not len(rest):
            return Fraction(step)
        step, rest = float(rest.min()), np.append(rest, step)
    for unit in _units(float(sizes[0])):
        if largest >= _FINEST * float(unit):
            continue
        scaled = sizes / float(unit)
        counts = np.rint(scaled)
        if np.abs(scaled - counts).max() <= _NOISE * scaled[-1] and counts[0] >= 1.0:
            return unit * int(np.gcd.reduce(counts.astype(np.int64)))
    return None


def _units(least: float) -> Iterator[Fraction]:
    """Yield possible steps of values that are not binary fractions."""
    for digits in range(1, _MOST_DIGITS + 1):
        yield Fraction(1, 10**digits)
    for denominator in _DENOMINATORS:
        yield Fraction(least) / denominator


def deviation_from(step: Fraction, values: Floats) -> float:
    """Return an upper bound on the sum of the distances of values from multiples of a step; 0 if all are multiples.

    Example:
        >>> deviation_from(Fraction(1, 4), np.array([0.5, -1.25]))
        0.0
        >>> 0.0 < deviation_from(Fraction(1, 10), np.array([0.1, 0.3])) < 1e-14
        True
    """
    size = float(step)
    if Fraction(size) == step and not np.fmod(values, size).any():
        return 0.0
    far = np.abs(values - np.rint(values / size) * size)
    return 1.01 * float((far + 4.0 * UNIT_ROUNDOFF * np.abs(values)).sum())


def _is_short(step: Fraction, offset: float, size: float) -> bool:
    """Return whether all sums of multiples of a binary fraction and an offset are exact, in any order."""
    parts = [part for part in (step, abs(Fraction(offset))) if part]
    scale = math.lcm(*(part.denominator for part in parts))
    grid = Fraction(reduce(math.gcd, (int(part * scale) for part in parts)), scale)
    # Slightly below the exact limit, since the size is a rounded sum.
    return (abs(offset) + size) / float(grid) < 0.99 * _LARGEST


def _float_below(value: Fraction) -> float:
    """Return the largest floating-point number that is not above a value."""
    found = float(value)
    return math.nextafter(found, -math.inf) if Fraction(found) > value else found
