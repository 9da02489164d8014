"""Problems from matrices and from dictionaries of coefficients."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import dimod
import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from qubo_dnn.encodings.integer import EncodedInteger
from qubo_dnn.encodings.rosenberg import quadratize, sufficient_weight
from qubo_dnn.errors import FormulationError
from qubo_dnn.models.sample_sets import SampleSets
from qubo_dnn.models.values import Bits, Values
from qubo_dnn.problem import Problem, Variable, natural_key
from qubo_dnn.support.arguments import checked

PRODUCTS = "products"
Sense = Literal["min", "max"]


@checked
def problem_from_matrix(matrix: Any, sense: Sense = "min") -> Problem[NDArray[np.int8]]:
    """Make the problem of the least (or largest) x'Qx over binary x.

    Args:
        matrix: [n, n] array, nested lists or scipy.sparse matrix Q; Q need not be symmetric.
        sense: "min" or "max".

    Returns:
        A problem over the variables 0, 1, ..., n - 1, whose answers are arrays [n] of 0 and 1.

    Raises:
        FormulationError: the matrix is not square, not of real numbers, or an entry is not finite.

    Example:
        >>> problem = problem_from_matrix([[-1.0, 2.0], [0.0, -1.0]])
        >>> problem.decode({0: 1, 1: 0}).value, problem.decode({0: 1, 1: 1}).objective
        (array([1, 0], dtype=int8), 0.0)
    """
    sparse: Any = matrix if scipy.sparse.issparse(matrix) else _dense(matrix)
    if len(sparse.shape) != 2 or sparse.shape[0] != sparse.shape[1]:
        raise FormulationError(f"a matrix of a QUBO is square, not of the shape {sparse.shape}")
    if sparse.dtype.kind not in "biuf":
        raise FormulationError(f"a matrix of a QUBO has real numbers, not {sparse.dtype}")
    entries = scipy.sparse.coo_array(sparse).astype(float)
    entries.sum_duplicates()
    rows, columns = entries.coords
    values = entries.data if sense == "min" else -entries.data
    n, diagonal = entries.shape[0], rows == columns
    linear = np.zeros(n)
    linear[rows[diagonal]] = values[diagonal]
    pairs = (rows[~diagonal], columns[~diagonal], values[~diagonal])
    bqm = dimod.BinaryQuadraticModel.from_numpy_vectors(linear, pairs, 0.0, "BINARY", variable_order=range(n))
    bits = Bits(n)
    return Problem(objective=bqm, decoder=bits, sense=sense, native=bits.stack)


@checked
def problem_from_terms(terms: Mapping[Any, Any], sense: Sense = "min") -> Problem[dict[Variable, int | float]]:
    """Make an unconstrained problem from the coefficients of a polynomial over binary variables, of any degree.

    Args:
        terms: variable or tuple of variables -> coefficient of their product. A variable that occurs twice in a tuple
            counts once, since x^2 = x, so that (x, x) is a linear term as in Ocean's QUBOs; the empty tuple has the
            offset. Coefficients of equal terms, such as (x, y) and (y, x), are added up. Terms of more than two
            variables are reduced, see `qubo_dnn.encodings.rosenberg`.
        sense: "min" or "max".

    Raises:
        FormulationError: a coefficient is not a finite number.

    Example:
        >>> problem = problem_from_terms({("a", "a"): -1, ("a", "b"): 2, "b": -1.5})
        >>> problem.decode({"a": 0, "b": 1}).objective
        -1.5
        >>> problem_from_terms({("a", "b", "c"): -1.0}).variables
        ('a', 'b', 'c', 'products[0]')
    """
    collected: dict[frozenset[Variable], float] = {}
    for key, coefficient in terms.items():
        term = frozenset(key) if isinstance(key, tuple | frozenset) else frozenset((key,))
        collected[term] = collected.get(term, 0.0) + _number(key, coefficient)
    names = sorted({v for term in collected for v in term}, key=natural_key)
    return reduced_problem(collected, {name: EncodedInteger.of_bit(name) for name in names}, sense)


def reduced_problem(
    terms: Mapping[frozenset[Variable], float],
    encoded: Mapping[Variable, EncodedInteger],
    sense: Sense,
    native: SampleSets | None = None,
) -> Problem[dict[Variable, int | float]]:
    """Make an unconstrained problem from a polynomial over binary variables of the names of `encoded`.

    Args:
        terms: set of variables -> coefficient of their product.
        encoded: variable -> how its value follows from the binary variable of the same name.
        sense: "min" or "max".
        native: see `Problem.native`.

    Example:
        >>> bits = {name: EncodedInteger.of_bit(name) for name in "xyz"}
        >>> reduced_problem({frozenset("xyz"): 2.0}, bits, "min").penalties
        {'products': 2.25}
    """
    sign = -1.0 if sense == "max" else 1.0
    reduced = quadratize({term: sign * value for term, value in terms.items()}, free_prefix(PRODUCTS, encoded))
    for name in encoded:
        reduced.model.add_linear(name, 0.0)
    valid, products = reduced.valid, reduced.products
    return Problem(
        objective=reduced.model,
        decoder=Values(encoded),
        sense=sense,
        constraints={} if valid is None else {PRODUCTS: valid},
        penalties={} if valid is None else {PRODUCTS: sufficient_weight(reduced.model, products)},
        native=native,
    )


def free_prefix(prefix: str, names: Iterable[Variable]) -> str:
    """Append primes to `prefix` until no name begins with it.

    Example:
        >>> free_prefix("products", ["products[0]", "x"])
        "products'"
    """
    taken = [str(name) for name in names]
    while any(name.startswith(f"{prefix}[") for name in taken):
        prefix += "'"
    return prefix


def _dense(matrix: Any) -> NDArray[Any]:
    try:
        return np.asarray(matrix)
    except ValueError as cause:
        raise FormulationError(f"a matrix of a QUBO has rows of equal length: {cause}") from cause


def _number(key: object, coefficient: Any) -> float:
    try:
        number = float(coefficient)
    except (TypeError, ValueError) as cause:
        raise FormulationError(f"the coefficient of {key!r} is not a number: {coefficient!r}") from cause
    if not math.isfinite(number):
        raise FormulationError(f"the coefficient of {key!r} is {number}, not a finite number")
    return number
