"""What all encodings of a bounded integer by binary variables have in common."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from qubo_dnn.constraint import Constraint
from qubo_dnn.errors import FormulationError
from qubo_dnn.problem import Sample, Variable

# A range wider than this needs no encoding with one variable per value.
MOST_VARIABLES = 100_000
# Integers beyond this have neighbours that are the same float; dimod takes a bound of this size for none.
LARGEST = 2**53 - 1


@dataclass(frozen=True)
class EncodedInteger:
    """`low + sum of coefficients[v] v` over binary variables v.

    Attributes:
        low: value where all variables are 0; of a variable with one value it may be no integer.
        coefficients: variable -> what it adds.
        one_hot: exactly one of these is 1; empty where the encoding does not ask for it.
        valid: what a state must keep to be of the encoding, None where every state is.
    """

    low: float
    coefficients: Mapping[Variable, int]
    one_hot: tuple[str, ...] = ()
    valid: Constraint | None = field(default=None)

    @classmethod
    def of_bit(cls, variable: Variable) -> EncodedInteger:
        """A variable of 0 and 1, as itself."""
        return cls(0, {variable: 1})

    @classmethod
    def of_spin(cls, variable: Variable) -> EncodedInteger:
        """A variable of -1 and 1, as itself."""
        return cls(-1, {variable: 2})

    def value(self, sample: Sample) -> float:
        """The number of a state, an int where `low` is one."""
        return self.low + sum(weight for variable, weight in self.coefficients.items() if sample[variable])


class IntegerEncoding(Protocol):
    """Encodes the integers from `low` to `high` by variables named `label[0]`, `label[1]`, ..."""

    def __call__(self, label: str, low: int, high: int) -> EncodedInteger:
        """The variables of one integer.

        Raises:
            FormulationError: `high` is less than `low`, or the range takes more than 100,000 variables.
        """
        ...


def whole_range(name: object, low: float, high: float) -> tuple[int, int]:
    """The integers within two bounds: both are rounded inwards.

    Args:
        name: of the variable, for the error.
        low: may be minus infinity.
        high: may be infinity.

    Returns:
        Smallest and largest integer; -`LARGEST` and `LARGEST` where there is no bound.

    Raises:
        FormulationError: there is no integer within the bounds.
    """
    # Not so of NaN, nor where both are infinite on the same side.
    if low <= high and low < math.inf and high > -math.inf:
        least, most = math.ceil(max(low, -LARGEST)), math.floor(min(high, LARGEST))
        if least <= most:
            return least, most
    raise FormulationError(f"the integer variable {name!r} is within {low:g} and {high:g}, where there is no integer")


def width(low: int, high: int, per_value: bool) -> int:
    """`high - low`, checked as in `IntegerEncoding`; `per_value` says that it takes that many variables."""
    if high < low:
        raise FormulationError(f"there is no integer from {low} to {high}")
    if per_value and high - low > MOST_VARIABLES:
        raise FormulationError(
            f"the integers from {low} to {high} take more than {MOST_VARIABLES} variables; use the encoding 'binary'"
        )
    return high - low


def names(label: str, count: int) -> tuple[str, ...]:
    """`label[0]` to `label[count - 1]`."""
    return tuple(f"{label}[{k}]" for k in range(count))
