"""Small models that the backend kit asks about."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TypeAlias

import dimod
import numpy as np
from numpy.typing import NDArray

BQM: TypeAlias = dimod.BinaryQuadraticModel

EDGE_MODELS: Mapping[str, BQM] = {
    "empty": BQM("BINARY"),
    "offset_only": BQM({}, {}, 2.5, "SPIN"),
    "one_variable": BQM({"x": -1.5}, {}, 0.5, "BINARY"),
    "one_spin": BQM({"s": -1.5}, {}, 0.5, "SPIN"),
    "all_zero": BQM({"a": 0.0, "b": 0.0}, {}, 0.0, "SPIN"),
    "variable_without_bias": BQM({"a": 1.0, "free": 0.0}, {"ab": -2.0}, 0.0, "BINARY"),
    "tuple_labels": BQM({("x", 10): 1.0, ("x", 2): -1.0}, {(("x", 10), ("x", 2)): 0.5}, -1.0, "BINARY"),
    "mixed_labels": BQM({3: 1.0, "x": -2.0, ("x", 1): 0.5}, {(3, "x"): 1.5, ("x", ("x", 1)): -0.5}, 0.0, "SPIN"),
    "integers": BQM({v: v - 2 for v in range(5)}, {(u, v): u - v + 1 for u in range(5) for v in range(u)}, 3, "BINARY"),
}
"""Name -> a model that is easy to get wrong."""


def rugged_model(n: int, seed: int, vartype: str = "BINARY", scale: float = 1.0) -> BQM:
    """A complete model with normally distributed biases of both signs, labels `x[0]`, `x[1]`, ..."""
    rng = np.random.default_rng(seed)
    rows, columns = np.triu_indices(n, 1)
    couplings = (rows, columns, scale * rng.normal(size=len(rows)))
    labels = [f"x[{i}]" for i in range(n)]
    linear, offset = scale * rng.normal(size=n), scale * rng.normal()
    return BQM.from_numpy_vectors(linear, couplings, offset, vartype, variable_order=labels)


def uneven_model(vartype: str) -> BQM:
    """Biases from 1e-6 to 1e9 in one model."""
    model = rugged_model(6, 5, vartype)
    for power, v in zip((-6, -3, 0, 3, 6, 9), list(model.variables), strict=True):
        model.set_linear(v, 10.0**power * (-1) ** power)
    return model


def fields_model(n: int) -> BQM:
    """Spins with strong fields of both signs and weak couplings along a path: any descent ends in the ground state.

    For 16 spins the least energy is near -20; of 5 random states the best is hardly ever below three quarters of it.
    """
    rng = np.random.default_rng(11)
    signs = rng.permutation(np.where(np.arange(n) % 2, 1.0, -1.0))
    labels = [f"x[{i}]" for i in range(n)]
    model = BQM(dict(zip(labels, signs * rng.uniform(1.0, 1.5, n), strict=True)), {}, 0.0, "SPIN")
    for one, other, sign in zip(labels[:-1], labels[1:], rng.permutation(signs)[1:], strict=True):
        model.add_quadratic(one, other, 0.2 * sign)
    return model


def pairs_model(n: int, vartype: str) -> tuple[BQM, list[tuple[str, str]], list[tuple[str, str]]]:
    """Variables in pairs whose fields want them different and whose coupling wants them equal.

    Args:
        n: an even number of variables.
        vartype: of the model.

    Returns:
        The model; the pairs whose coupling wins, but would not if it were halved; and those whose coupling loses, but
        would win if it were doubled. From every state a descent leads to that one answer.
    """
    first, second, winning, losing = (-1.0, 0.65, -0.97, -0.45) if vartype == "SPIN" else (-1.0, 3.0, -4.0, -2.0)
    labels = [f"x[{i}]" for i in np.random.default_rng(12).permutation(n)]
    pairs = list(zip(labels[::2], labels[1::2], strict=True))
    strong = (len(pairs) + 1) // 2
    model = BQM(vartype)
    for number, (one, other) in enumerate(pairs):
        # Half of the spins are counted from the other side, so that no state of all equal values is an answer.
        sign = -1.0 if vartype == "SPIN" and number % 2 else 1.0
        model.add_linear_from({one: sign * first, other: sign * second})
        model.add_quadratic(other, one, winning if number < strong else losing)
    return model, pairs[:strong], pairs[strong:]


def frustrated_model(n: int) -> BQM:
    """Antiferromagnetic triangles of spins, up to two of them left over: 6 ground states for each."""
    labels = [f"x[{i}]" for i in range(n)]
    model = BQM(dict.fromkeys(labels, 0.0), {}, 0.0, "SPIN")
    for i in range(0, n - 2, 3):
        a, b, c = labels[i : i + 3]
        model.add_quadratic_from([(a, b, 1.0), (b, c, 1.0), (a, c, 1.0)])
    return model


def subset_sum_model(n: int, seed: int) -> tuple[BQM, float]:
    """`(sum of a x - target)^2` for whole `a` of 16 bits: no slope leads to the one state or two of energy 0.

    Returns:
        The model, and its least energy, 0.
    """
    rng = np.random.default_rng(seed)
    weights = rng.integers(2**15, 2**16, n)
    target = int(weights[rng.permutation(n)[: n // 2]].sum())
    rows, columns = np.triu_indices(n, 1)
    linear = (weights * (weights - 2 * target)).astype(float)
    couplings = (rows, columns, (2 * weights[rows] * weights[columns]).astype(float))
    labels = [f"x[{i}]" for i in range(n)]
    model = BQM.from_numpy_vectors(linear, couplings, float(target) ** 2, "BINARY", variable_order=labels)
    return model, 0.0


def all_states(bqm: BQM) -> NDArray[np.int8]:
    """Every state of a small model, shape (2^n, n), columns in the order of `bqm.variables`."""
    values = (0, 1) if bqm.vartype is dimod.BINARY else (-1, 1)
    return np.array(list(itertools.product(values, repeat=bqm.num_variables)), np.int8)
