"""Binary quadratic models: from pyqubo expressions if they are sparse, from arrays if they are dense."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import dimod
import numpy as np
from numpy.typing import ArrayLike

from qubo_dnn.errors import FormulationError

MOST_VARIABLES = 10_000_000
"""Larger problems do not fit into memory with their constraints; their size is a mistake of the user."""


def check_size(variables: int) -> None:
    """Refuse a problem that is too large, before its variables are created.

    Raises:
        FormulationError: there are more than `MOST_VARIABLES`.
    """
    if variables > MOST_VARIABLES:
        raise FormulationError(f"the problem would have {variables:,} variables, more than {MOST_VARIABLES:,}")


def compiled(expression: Any, labels: Iterable[str]) -> dimod.BinaryQuadraticModel:
    """Compile a pyqubo expression to a model.

    Args:
        expression: an expression in pyqubo's `Binary` variables, or a plain number.
        labels: variables of the model, whether or not the expression contains them.
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
    """Make `offset + sum of linear[i] x[i] + sum of biases[e] x[rows[e]] x[columns[e]]`; repeated pairs add up.

    Args:
        labels: names of the n variables.
        linear: [n] linear biases.
        rows: [m] indices of variables.
        columns: [m] indices of their partners, never equal to those of `rows`.
        biases: [m] quadratic biases.
        offset: constant term, in the unit of the biases.
    """
    pairs = (np.asarray(rows, np.int64), np.asarray(columns, np.int64), np.asarray(biases, float))
    return dimod.BinaryQuadraticModel.from_numpy_vectors(
        np.asarray(linear, float), pairs, float(offset), dimod.BINARY, variable_order=list(labels)
    )


def linear_model(labels: Iterable[str], biases: Iterable[float]) -> dimod.BinaryQuadraticModel:
    """Make the model `sum of biases[i] x[i]`."""
    pairs = {label: float(bias) for label, bias in zip(labels, biases, strict=True)}
    return dimod.BinaryQuadraticModel(pairs, {}, 0.0, dimod.BINARY)
