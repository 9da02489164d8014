"""Small models on which the backend kit looks, and what every answer must satisfy."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, TypeAlias

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.backend import Backend, make_options
from qubo_dnn.constraint import Constraint, ConstraintKind
from qubo_dnn.problem import LowRank, Problem
from qubo_dnn.testing.common import NotApplicable, require

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


def constrained_problem(kinds: frozenset[ConstraintKind], seed: int, with_form: bool = False) -> Problem[Any]:
    """A problem of 8 variables with every kind asked for, whose unconstrained minimum breaks most of them.

    Args:
        kinds: of its constraints.
        seed: of its objective.
        with_form: it has a low-rank form besides, on some of the variables.
    """
    objective = rugged_model(8, seed)
    for variable in objective.variables:
        objective.add_linear(variable, -2.0)
    x = list(objective.variables)
    constraints = {}
    if ConstraintKind.INEQUALITY in kinds:
        constraints["budget"] = Constraint(_weighted(dict.fromkeys(x[4:7], 1.0)), "<=", 1.0)
        constraints["demand"] = Constraint(_weighted({x[0]: 2.5, x[2]: 1.5, x[7]: 1.0, x[4]: -0.5}), ">=", 1.0)
    if kinds & {ConstraintKind.ASSIGNMENT, ConstraintKind.EQUALITY}:
        constraints["count"] = Constraint(_weighted({x[1]: 2.0, x[6]: 2.0, x[7]: 2.0}), "==", 2.0)
    if ConstraintKind.EQUALITY in kinds:
        constraints["balance"] = Constraint(_weighted({x[4]: 1.0, x[5]: -1.0}), "==", 0.0)
    if ConstraintKind.QUADRATIC in kinds:
        constraints["pair"] = Constraint(BQM({}, {(x[5], x[7]): 1.0}, 0.0, "BINARY"), "==", 0.0)
    one_hot = {"three": (x[2], x[0], x[1]), "alone": (x[3],)} if ConstraintKind.ONE_HOT in kinds else {}
    form = LowRank((x[6], x[1], x[3]), np.random.default_rng(seed).normal(size=(3, 2)).astype(np.float32))
    low_rank = form if with_form else None
    return Problem(objective=objective, decoder=dict, one_hot=one_hot, constraints=constraints, low_rank=low_rank)


def _weighted(weights: Mapping[str, float]) -> BQM:
    return BQM(weights, {}, 0.0, "BINARY")


def all_states(bqm: BQM) -> NDArray[np.int8]:
    """Every state of a small model, shape (2^n, n), columns in the order of `bqm.variables`."""
    values = (0, 1) if bqm.vartype is dimod.BINARY else (-1, 1)
    return np.array(list(itertools.product(values, repeat=bqm.num_variables)), np.int8)


def ask(backend: Backend, bqm: BQM, **values: Any) -> dimod.SampleSet:
    """Sample, seeded if the backend can be, and check the answer and that the model was left alone.

    Raises:
        NotApplicable: the backend takes smaller models only.
        AssertionError: the answer breaks the contract.
    """
    limit = backend.capabilities.max_variables
    if limit is not None and bqm.num_variables > limit:
        raise NotApplicable(f"capabilities.max_variables is {limit}, the case needs {bqm.num_variables}")
    if backend.capabilities.seeded:
        values = {"seed": 1} | values
    before, order = bqm.copy(), list(bqm.variables)
    found = backend.sample(bqm, make_options(backend, values))
    require(list(bqm.variables) == order and bqm == before, "the caller's model was changed")
    require_well_formed(found, before)
    return found


def require_well_formed(found: Any, bqm: BQM, form: LowRank | None = None) -> None:
    """Fail unless `found` has rows over exactly the variables of `bqm`, in its vartype, with its energies.

    Args:
        found: what the backend returned.
        bqm: what it was asked.
        form: added to the energies.
    """
    require(isinstance(found, dimod.SampleSet), f"the answer is a {type(found).__name__}, not a dimod.SampleSet")
    require(len(found) >= 1, "the answer has no row")
    require(found.vartype is bqm.vartype, f"the answer is {found.vartype}, the model {bqm.vartype}")
    given, known = set(found.variables), set(bqm.variables)
    require(given == known, f"variables lacking: {known - given}, unknown: {given - known}")
    allowed = sorted(bqm.vartype.value)
    require(bool(np.isin(found.record.sample, allowed).all()), f"a value is not one of {allowed}")
    true = bqm.energies((found.record.sample, list(found.variables)), dtype=np.float64)
    if form is not None:
        true = true + [form.energy(row) for row in rows_of(found)]
    wrong = np.abs(found.record.energy - true) > rounding(bqm) + (0.0 if form is None else 1e-9)
    require(not wrong.any(), f"energies {found.record.energy[wrong][:3]} of rows whose energies are {true[wrong][:3]}")


def rounding(bqm: BQM) -> float:
    """Largest error that float64 sums over `bqm` may have."""
    vectors = bqm.to_numpy_vectors()
    total = np.abs(vectors.linear_biases).sum() + np.abs(vectors.quadratic.biases).sum() + abs(float(bqm.offset))
    return 1e-12 * float(total)


def rows_of(found: dimod.SampleSet) -> list[dict[Any, int]]:
    """Samples in their order; unlike `==` of sample sets this leaves out timings and the order of labels."""
    return [{v: int(value) for v, value in row.sample.items()} for row in found.data(sorted_by=None)]
