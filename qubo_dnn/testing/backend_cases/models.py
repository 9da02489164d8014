"""Small models for the backend kit."""

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
"""Name -> an edge case that backends often handle incorrectly."""


def rugged_model(n: int, seed: int, vartype: str = "BINARY", scale: float = 1.0) -> BQM:
    """Make a complete model with normally distributed biases and the labels `x[0]`, `x[1]`, ...

    Args:
        n: number of variables.
        seed: random seed.
        vartype: "SPIN" or "BINARY".
        scale: standard deviation of the biases and the offset.

    Example:
        >>> model = rugged_model(4, seed=1)
        >>> model.num_variables, model.num_interactions
        (4, 6)
    """
    rng = np.random.default_rng(seed)
    rows, columns = np.triu_indices(n, 1)
    couplings = (rows, columns, scale * rng.normal(size=len(rows)))
    labels = [f"x[{i}]" for i in range(n)]
    linear, offset = scale * rng.normal(size=n), scale * rng.normal()
    return BQM.from_numpy_vectors(linear, couplings, offset, vartype, variable_order=labels)


def uneven_model(vartype: str) -> BQM:
    """Make a model with biases from 1e-6 to 1e9.

    Example:
        >>> [f"{bias:.0e}" for bias in uneven_model("SPIN").linear.values()]
        ['1e-06', '-1e-03', '1e+00', '-1e+03', '1e+06', '-1e+09']
    """
    model = rugged_model(6, 5, vartype)
    for power, v in zip((-6, -3, 0, 3, 6, 9), list(model.variables), strict=True):
        model.set_linear(v, 10.0**power * (-1) ** power)
    return model


def fields_model(n: int) -> BQM:
    """Make spins with strong fields of both signs and weak couplings along a path.

    Any descent ends in the ground state. For 16 spins the least energy is -18.8; the best of 5 random states is
    hardly ever below three quarters of it.

    Example:
        >>> model = fields_model(16)
        >>> round(float(model.energy({v: -1 if bias > 0 else 1 for v, bias in model.linear.items()})), 1)
        -18.8
    """
    rng = np.random.default_rng(11)
    signs = rng.permutation(np.where(np.arange(n) % 2, 1.0, -1.0))
    labels = [f"x[{i}]" for i in range(n)]
    model = BQM(dict(zip(labels, signs * rng.uniform(1.0, 1.5, n), strict=True)), {}, 0.0, "SPIN")
    for one, other, sign in zip(labels[:-1], labels[1:], rng.permutation(signs)[1:], strict=True):
        model.add_quadratic(one, other, 0.2 * sign)
    return model


def pairs_model(n: int, vartype: str) -> tuple[BQM, list[tuple[str, str]], list[tuple[str, str]]]:
    """Make pairs of variables whose fields favour different values and whose coupling favours equal values.

    Args:
        n: an even number of variables.
        vartype: "SPIN" or "BINARY".

    Returns:
        The model; the pairs whose coupling wins, but would lose if it were halved; and the pairs whose coupling loses,
        but would win if it were doubled. Every descent ends in the unique ground state.

    Example:
        >>> model, strong, weak = pairs_model(8, "SPIN")
        >>> len(strong), len(weak), model.num_interactions
        (2, 2, 4)
    """
    first, second, winning, losing = (-1.0, 0.65, -0.97, -0.45) if vartype == "SPIN" else (-1.0, 3.0, -4.0, -2.0)
    labels = [f"x[{i}]" for i in np.random.default_rng(12).permutation(n)]
    pairs = list(zip(labels[::2], labels[1::2], strict=True))
    strong = (len(pairs) + 1) // 2
    model = BQM(vartype)
    for number, (one, other) in enumerate(pairs):
        # Half of the spins are flipped, so that no state of all equal values is a ground state.
        sign = -1.0 if vartype == "SPIN" and number % 2 else 1.0
        model.add_linear_from({one: sign * first, other: sign * second})
        model.add_quadratic(other, one, winning if number < strong else losing)
    return model, pairs[:strong], pairs[strong:]


def frustrated_model(n: int) -> BQM:
    """Make antiferromagnetic triangles of spins with 6 ground states each; up to two spins remain free.

    Example:
        >>> frustrated_model(7).num_interactions
        6
    """
    labels = [f"x[{i}]" for i in range(n)]
    model = BQM(dict.fromkeys(labels, 0.0), {}, 0.0, "SPIN")
    for i in range(0, n - 2, 3):
        a, b, c = labels[i : i + 3]
        model.add_quadratic_from([(a, b, 1.0), (b, c, 1.0), (a, c, 1.0)])
    return model


def subset_sum_model(n: int, seed: int) -> tuple[BQM, float]:
    """Make the model `(sum of a x - target)^2` for integers `a` of 16 bits.

    Only one or two states have the energy 0, and descent does not lead to them.

    Returns:
        The model and its least energy, 0.

    Example:
        >>> model, least = subset_sum_model(6, seed=1)
        >>> float(model.energies((all_states(model), list(model.variables))).min()) == least
        True
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
    """Return [2^n, n] all states of a small model, columns in the order of `bqm.variables`.

    Example:
        >>> all_states(BQM({}, {("a", "b"): 1.0}, 0.0, "SPIN")).tolist()
        [[-1, -1], [-1, 1], [1, -1], [1, 1]]
    """
    values = (0, 1) if bqm.vartype is dimod.BINARY else (-1, 1)
    return np.array(list(itertools.product(values, repeat=bqm.num_variables)), np.int8)
