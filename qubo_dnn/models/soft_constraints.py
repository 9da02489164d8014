"""Soft constraints: a state may break them at a price, which is part of the objective.

The price of a violation v is `weight * v` or `weight * v^2`. Let d be the amount by which the left side exceeds the
right side. The violation is `v = max(0, d)`, or `v = |d|` for an equality. These prices are exact:

- `weight * d` or `weight * d^2` if no state has d < 0, and `weight * d^2` for an equality;
- `weight * (d + s)^2` with a slack s >= 0, for the quadratic price of an inequality;
- `weight * e + penalty * (d - e + s)^2` with an excess e >= 0 and a slack s >= 0, for a linear price; for an equality,
  s has the weight too. An e that is too small by r saves `weight * r` and costs `penalty * r^2`, so that
  `penalty = weight / (smallest r)` is sufficient.

Unless the price is `weight * d`, a quadratic d is made linear first: a new variable replaces every product, and
Rosenberg's penalty keeps it correct. Its weight is the largest change of the price that one wrong product can cause.

Excess and slack are integers in binary encoding, in the common unit of the coefficients. The best values of all these
variables follow from the others, so that no search for them is necessary (`Auxiliary.settled`).

Source: slack as in Lucas 2014, "Ising formulations of many NP problems", section 5; prices as in dimod's
`ConstrainedQuadraticModel.add_constraint`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import floor

import dimod
import numpy as np

from qubo_dnn.auxiliary import Auxiliary
from qubo_dnn.constraint import Constraint, SoftConstraint
from qubo_dnn.encodings.binary import binary
from qubo_dnn.encodings.rosenberg import consistency
from qubo_dnn.encodings.slack import common_unit
from qubo_dnn.problem import Variable


@dataclass(frozen=True)
class Price:
    """The price of a soft constraint as part of a minimised objective, with its auxiliary variables.

    Attributes:
        model: to be added to the objective.
        auxiliaries: auxiliary variables of the model, in the order in which their best values are computed.

    Example:
        >>> price = Price()
        >>> price.add(dimod.BinaryQuadraticModel({"a": 2.0}, {}, -1.0, "BINARY"), weight=10.0)
        >>> float(price.model.energy({"a": 1}))
        10.0
    """

    model: dimod.BinaryQuadraticModel = field(default_factory=lambda: dimod.BinaryQuadraticModel(dimod.BINARY))
    auxiliaries: list[Auxiliary] = field(default_factory=list)

    def add(self, model: dimod.BinaryQuadraticModel, weight: float) -> None:
        """Add a model times a weight."""
        weighted = model.copy()
        weighted.scale(weight)
        self.model.update(weighted)


def price_of(label: str, soft: SoftConstraint) -> Price:
    """Return the exact price of a soft constraint.

    Args:
        label: label of the constraint. New variables are named `product[label][k]`, `excess[label][k]` and
            `slack[label][k]`.
        soft: soft constraint over binary variables.

    Raises:
        UnsupportedProblemError: the constraint needs slack, but its coefficients are not multiples of a common unit.

    Example:
        >>> total = dimod.BinaryQuadraticModel({"a": 1.0, "b": 1.0}, {}, 0.0, "BINARY")
        >>> price = price_of("few", SoftConstraint(Constraint(total, "<=", 1.0), 5.0, "linear"))
        >>> list(price.model.variables)
        ['a', 'b', 'excess[few][0]', 'slack[few][0]']
    """
    price, sense = Price(), soft.constraint.sense
    beyond = soft.constraint.lhs.copy()
    beyond.offset -= soft.constraint.rhs
    if sense == ">=" or (sense == "==" and _extent(beyond)[1] <= 0.0):
        beyond.scale(-1.0)
    least, most = _extent(beyond)
    rounding = 1e-9 * max(1.0, abs(soft.constraint.rhs))
    if most <= rounding and sense != "==":
        return price
    if least >= -rounding and soft.penalty == "linear":
        price.add(beyond, soft.weight)
        return price
    if not beyond.is_linear():
        steepest = soft.weight * (1.0 if soft.penalty == "linear" else 2.0 * max(most, -least))
        beyond = _linear(price, label, beyond, steepest)
    if soft.penalty == "quadratic" and (sense == "==" or least >= -rounding):
        price.add(_squared(beyond), soft.weight)
        return price
    step = float(common_unit(label, [float(bias) for bias in beyond.linear.values() if bias]))
    unused = beyond.copy()
    unused.scale(-1.0)
    slack = _amount(f"slack[{label}]", unused, step)
    price.auxiliaries.append(slack)
    if soft.penalty == "quadratic":
        price.add(_squared(_sum(beyond, slack, 1.0)), soft.weight)
        return price
    excess = _amount(f"excess[{label}]", beyond, step)
    price.auxiliaries.append(excess)
    smallest = min([step, *excess.first.values(), *slack.first.values()])
    price.add(_squared(_sum(_sum(beyond, excess, -1.0), slack, 1.0)), soft.weight / smallest)
    for amount in (excess, slack) if sense == "==" else (excess,):
        price.model.add_linear_from({variable: soft.weight * worth for variable, worth in amount.worth.items()})
    return price


def _extent(model: dimod.BinaryQuadraticModel) -> tuple[float, float]:
    """Return bounds of a model's values."""
    vectors = model.to_numpy_vectors()
    biases, offset = np.concatenate([vectors.linear_biases, vectors.quadratic.biases]), float(model.offset)
    return offset + float(np.minimum(biases, 0.0).sum()), offset + float(np.maximum(biases, 0.0).sum())


def _linear(price: Price, label: str, model: dimod.BinaryQuadraticModel, steepest: float) -> dimod.BinaryQuadraticModel:
    """Replace every product in the model by a new variable, and add their penalties to the price.

    Args:
        price: takes the penalties and the auxiliary variables.
        label: label of the constraint.
        model: quadratic model.
        steepest: largest change of the price if the model changes by 1.
    """
    found = dimod.BinaryQuadraticModel(dict(model.linear), {}, float(model.offset), dimod.BINARY)
    pairs = {pair: float(bias) for pair, bias in model.quadratic.items() if bias}
    for index, (pair, bias) in enumerate(pairs.items()):
        name = f"product[{label}][{index}]"
        found.add_linear(name, bias)
        price.add(consistency({name: pair}), steepest * abs(bias))
        product = dimod.BinaryQuadraticModel({}, {pair: 1.0}, 0.0, dimod.BINARY)
        price.auxiliaries.append(Auxiliary(product, {name: 1.0}, {}))
    return found


def _amount(name: str, model: dimod.BinaryQuadraticModel, step: float) -> Auxiliary:
    """Return variables that can represent 0 and all positive values of a linear model with biases in steps."""
    most = max(_extent(model)[1], 0.0)
    first = float(model.offset) - step * floor(float(model.offset) / step)
    apart: dict[Variable, float] = {}
    if min(first, step - first) > 1e-9 * step:
        # The values above 0 are not multiples of the step, but `first` above a multiple.
        apart[f"{name}[first]"] = first
        most -= first
    coefficients = binary(name, 0, max(floor(most / step + 1e-6), 0)).coefficients
    return Auxiliary(model, apart, {variable: step * weight for variable, weight in coefficients.items()})


def _sum(model: dimod.BinaryQuadraticModel, amount: Auxiliary, sign: float) -> dimod.BinaryQuadraticModel:
    found = model.copy()
    found.add_linear_from({variable: sign * worth for variable, worth in amount.worth.items()})
    return found


def _squared(model: dimod.BinaryQuadraticModel) -> dimod.BinaryQuadraticModel:
    """Square a linear model."""
    square = Constraint(model, "==", 0.0).penalty
    assert square is not None
    return square
