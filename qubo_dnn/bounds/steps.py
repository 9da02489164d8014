"""The step of a problem's energies, and what a lower bound proves of energies that have one.

Where every bias is a whole multiple of one number, the step, the energy of every state is `offset + step * k` with a
whole k. So a bound b on all energies implies k >= (b - offset) / step, and the smallest such k gives the least energy
that is still attainable: the bound is raised to it.

In floating point, the biases c are `step * k` only up to rounding (0.1 is no multiple of 0.01 in binary). With
`deviation` at least the sum of all |c - step * k|, every energy lies within `deviation` of its `offset + step * k`, in
exact arithmetic. So b implies k >= (b - deviation - offset) / step, and every energy is at least `offset + step * k -
deviation`. Both are computed in rational numbers, and the result is rounded down. Where offset and step are so short in
binary that all sums of biases are exact, `deviation` is 0, and the bound is an energy as any order of summation gives
it. Elsewhere it is lowered by more than the rounding errors of a sum of all biases.
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
"""Whole numbers up to this are exact in double precision."""
_FINEST = 2.0**40
"""A fraction so far below the largest bias is no step: all numbers in double precision are multiples of some."""
_MOST_DIGITS = 12
"""Decimal digits after the point that biases may have."""
_DENOMINATORS = range(1, 17)
"""Of ratios to the smallest bias."""
_NOISE = 8.0 * UNIT_ROUNDOFF
"""Relative to the largest bias: how far biases may be from multiples of a step that is not exact."""


@dataclass(frozen=True)
class Steps:
    """Which energies the states of a problem can have.

    Attributes:
        offset: of the objective.
        step: energies are whole multiples of it above the offset; 0 where none is known.
        deviation: at least by how much an energy misses such a multiple, in exact arithmetic.
        rounding: more than the errors of an energy that is computed, the deviation included; 0 where there are none.
    """

    offset: float
    step: Fraction
    deviation: float
    rounding: float

    @property
    def tolerance(self) -> float:
        """Energies that differ by no more are equal: half a step, or what rounding can make of one energy."""
        return float(self.step) / 2.0 if self.step else 4.0 * self.rounding

    def raised(self, bound: float) -> float:
        """The least energy that is attainable above a proven bound; the bound itself where there is no step."""
        if not self.step or not math.isfinite(bound):
            return bound
        count = math.ceil((Fraction(bound) - Fraction(self.deviation) - Fraction(self.offset)) / self.step)
        return max(bound, _float_below(self._energy(count) - Fraction(self.rounding)))

    def enough(self, energy: float) -> float:
        """A bound from which on it is proven that no state is better than one of this energy."""
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
    """The steps of a problem's objective; a low-rank form has none."""
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
    """The largest number of which all values are whole multiples, up to rounding where it is no binary fraction.

    Args:
        values: finite, of any sign.

    Returns:
        None where there is none that is clearly above the rounding errors of the largest value, unless all values are
        whole, and where all values are 0.
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
    """Of which values that are no binary fractions may be whole multiples."""
    for digits in range(1, _MOST_DIGITS + 1):
        yield Fraction(1, 10**digits)
    for denominator in _DENOMINATORS:
        yield Fraction(least) / denominator


def deviation_from(step: Fraction, values: Floats) -> float:
    """At least the sum of the distances of values from whole multiples of a step; 0 where all of them are multiples."""
    size = float(step)
    if Fraction(size) == step and not np.fmod(values, size).any():
        return 0.0
    far = np.abs(values - np.rint(values / size) * size)
    return 1.01 * float((far + 4.0 * UNIT_ROUNDOFF * np.abs(values)).sum())


def _is_short(step: Fraction, offset: float, size: float) -> bool:
    """Whether all sums of multiples of a binary fraction and an offset are exact, in any order."""
    parts = [part for part in (step, abs(Fraction(offset))) if part]
    scale = math.lcm(*(part.denominator for part in parts))
    grid = Fraction(reduce(math.gcd, (int(part * scale) for part in parts)), scale)
    # A little less than is exact, for the size itself is a rounded sum.
    return (abs(offset) + size) / float(grid) < 0.99 * _LARGEST


def _float_below(value: Fraction) -> float:
    """The largest floating-point number that is not above a value."""
    found = float(value)
    return math.nextafter(found, -math.inf) if Fraction(found) > value else found
