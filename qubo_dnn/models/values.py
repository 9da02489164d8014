"""Decoders: from a sample of a problem to values of the variables of the model that it was made of.

They are classes, because closures cannot be pickled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.encodings.integer import EncodedInteger
from qubo_dnn.problem import Decoded, Sample, Variable


@dataclass(frozen=True)
class Values:
    """Decodes a sample into the values of a model's variables.

    Attributes:
        encoded: variable of the model -> its encoding by variables of the problem.

    Example:
        >>> decoder = Values({"s": EncodedInteger.of_spin("s"), "n": EncodedInteger(2, {"n[0]": 1})})
        >>> decoder({"s": 0, "n[0]": 1})
        {'s': -1, 'n': 3}
    """

    encoded: Mapping[Variable, EncodedInteger]

    def __call__(self, sample: Sample) -> dict[Variable, int | float]:
        """Return variable -> value, an int except for variables that are fixed at another number."""
        return {variable: each.value(sample) for variable, each in self.encoded.items()}


@dataclass(frozen=True)
class Bits:
    """Decodes a sample over the variables 0, 1, ..., n - 1 into an array.

    Attributes:
        n: number of variables; further variables are left out.

    Example:
        >>> Bits(2)({0: 1, 1: 0})
        array([1, 0], dtype=int8)
    """

    n: int

    def __call__(self, sample: Sample) -> NDArray[np.int8]:
        """Return [n] 0 and 1."""
        return np.array([sample[index] for index in range(self.n)], np.int8)

    def stack(self, answers: Sequence[Decoded[Any]]) -> NDArray[np.int8]:
        """Return the values of k answers as an array [k, n]."""
        return np.array([each.value for each in answers], np.int8).reshape(len(answers), self.n)
