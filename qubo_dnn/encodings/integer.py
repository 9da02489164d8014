"""Common parts of all encodings of a bounded integer by binary variables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from qubo_dnn.constraint import Constraint
from qubo_dnn.errors import FormulationError
from qubo_dnn.problem import Sample, Variable

# Encodings with one variable per value refuse wider ranges.
MOST_VARIABLES = 100_000
# Larger integers are not exact as floats; dimod treats a bound of this size as no bound.
LARGEST = 2**53 - 1


@dataclass(frozen=True)
class EncodedInteger:
    """`low + sum of coefficients[v] v` over binary variables v.

    Attributes:
        low: value if all variables are 0. Not an integer only for a variable with a single value.
        coefficients: variable -> its coefficient.
        one_hot: variables of which exactly one is 1; empty if the encoding has no such group.
        valid: constraint that valid states of the encoding keep; None if every state is valid.

    Example:
        >>> EncodedInteger(low=-1, coefficients={"b0": 1, "b1": 2}).value({"b0": 1, "b1": 1})
        2
    """

    low: float
    coefficients: Mapping[Any, int]
    one_hot: tuple[str, ...] = ()
    valid: Constraint | None = field(default=None)

    @classmethod
    def of_bit(cls, variable: Variable) -> EncodedInteger:
        """Represent a variable with the values 0 and 1 without any new variable."""
        return cls(0, {variable: 1})

    @classmethod
    def of_spin(cls, variable: Variable) -> EncodedInteger:
        """Represent a variable with the values -1 and 1 by a binary variable of the same name."""
        return cls(-1, {variable: 2})

    def value(self, sample: Sample) -> float:
        """Return the value of a state, an int if `low` is an int."""
        return self.low + sum(weight for variable, weight in self.coefficients.items() if sample[variable])


class IntegerEncoding(Protocol):
    """Encodes the integers from `low` to `high` by variables named `label[0]`, `label[1]`, ...

    Example:
        >>> from qubo_dnn.encodings.names import integer_encoding
        >>> encoding: IntegerEncoding = integer_encoding("unary")
        >>> encoding("n", 0, 2).coefficients
        {'n[0]': 1, 'n[1]': 1}
    """

    def __call__(self, label: str, low: int, high: int) -> EncodedInteger:
        """Encode one integer.

        Raises:
            FormulationError: `high` is less than `low`, or the range needs more than 100,000 variables.
        """
        ...


def whole_range(name: object, low: float, high: float) -> tuple[int, int]:
    """Return the range of integers within two bounds, rounded inwards.

    Args:
        name: name of the variable, for the error.
        low: may be minus infinity.
        high: may be infinity.

    Returns:
        Smallest and largest integer; -`LARGEST` and `LARGEST` without a bound.

    Raises:
        FormulationError: no integer lies within the bounds.

    Example:
        >>> whole_range("n", 0.5, 3.7)
        (1, 3)
    """
    # False for NaN, and if both bounds are infinite on the same side.
    if low <= high and low < math.inf and high > -math.inf:
        least, most = math.ceil(max(low, -LARGEST)), math.floor(min(high, LARGEST))
        if least <= most:
            return least, most
    raise FormulationError(f"the integer variable {name!r} is within {low:g} and {high:g}, a range without integers")


def width(low: int, high: int, per_value: bool) -> int:
    """Return `high - low` after the checks of `IntegerEncoding`.

    Args:
        low: smallest value.
        high: largest value.
        per_value: True if the encoding has one variable per value.

    Raises:
        FormulationError: `high` is less than `low`, or the range needs more than 100,000 variables.

    Example:
        >>> width(2, 7, per_value=False)
        5
    """
    if high < low:
        raise FormulationError(f"there is no integer from {low} to {high}")
    if per_value and high - low > MOST_VARIABLES:
        raise FormulationError(
            f"the integers from {low} to {high} need more than {MOST_VARIABLES} variables; use the encoding 'binary'"
        )
    return high - low


def names(label: str, count: int) -> tuple[str, ...]:
    """Return the names `label[0]` to `label[count - 1]`.

    Example:
        >>> names("n", 3)
        ('n[0]', 'n[1]', 'n[2]')
    """
    return tuple(f"{label}[{k}]" for k in range(count))
