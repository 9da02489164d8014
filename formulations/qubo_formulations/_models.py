"""Binary quadratic models from pyqubo's expressions, where they are sparse, and from arrays, where they are dense."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import dimod
import numpy as np
from numpy.typing import ArrayLike

from qubo_dnn.errors import FormulationError

MOST_VARIABLES = 10_000_000
"""More would not fit into memory with their constraints, and are a slip of the user's."""


def check_size(variables: int) -> None:
    """Refuse a problem before its variables are made.

    Raises:
        FormulationError: there are more than `MOST_VARIABLES`.
    """
    if variables > MOST_VARIABLES:
        raise FormulationError(f"the problem would have {variables:,} variables, more than {MOST_VARIABLES:,}")


def compiled(expression: Any, labels: Iterable[str]) -> dimod.BinaryQuadraticModel:
    """The model of a pyqubo expression.

    Args:
        expression: of pyqubo's `Binary` variables, or a plain number.
        labels: variables the model has even where the expression does not name them.
    """
    if isinstance(expression, int | float):
        model = dimod.BinaryQuadraticModel({}, {}, float(expression), dimod.BINARY)
    else:
        model = expression.compile().to_bqm()
    model.add_linear_from(dict.fromkeys(labels, 0.0))
    return model


def from_arrays(
    labels: Sequence[str],
    linear: ArrayLike,
    rows: ArrayLike = (),
    columns: ArrayLike = (),
    biases: ArrayLike = (),
    offset: float = 0.0,
) -> dimod.BinaryQuadraticModel:
    """`offset + sum of linear[i] x[i] + sum of biases[e] x[rows[e]] x[columns[e]]`; pairs given twice add up.

    Args:
        labels: n variables.
        linear: [n].
        rows: [m] indices of variables.
        columns: [m] indices of their partners, nowhere equal to those of `rows`.
        biases: [m].
        offset: in the unit of the biases.
    """
    pairs = (np.asarray(rows, np.int64), np.asarray(columns, np.int64), np.asarray(biases, float))
    return dimod.BinaryQuadraticModel.from_numpy_vectors(
        np.asarray(linear, float), pairs, float(offset), dimod.BINARY, variable_order=list(labels)
    )


def linear_model(labels: Iterable[str], biases: Iterable[float]) -> dimod.BinaryQuadraticModel:
    """`sum of biases[i] x[i]`."""
    pairs = {label: float(bias) for label, bias in zip(labels, biases, strict=True)}
    return dimod.BinaryQuadraticModel(pairs, {}, 0.0, dimod.BINARY)
