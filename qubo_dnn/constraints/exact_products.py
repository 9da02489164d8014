"""Correct products in models that pyqubo compiled from terms of a degree above 2.

pyqubo replaces a pair of variables by a new variable, named `x * y`, and adds `strength` times Rosenberg's penalty (see
`qubo_dnn.encodings.rosenberg`) to the model. The strength (5.0 by default) does not depend on the coefficients. If they
are larger, the minimum of the compiled model breaks the products and is no valid answer: the minimum of
`-100 x y z + 49 (x + y + z)` is 0, but that of the compiled model is -36. This module removes the penalty, which leaves
the original polynomial, and keeps the products by a constraint with a sufficient weight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import dimod

from qubo_dnn.encodings.rosenberg import Pair, product_constraint, sufficient_weight
from qubo_dnn.problem import Problem, Variable

T = TypeVar("T")
LABEL = "products"
_SIGN = " * "


def with_exact_products(problem: Problem[T]) -> Problem[T]:
    """Replace pyqubo's product penalties in the objective and the constraints by a constraint.

    Args:
        problem: its models may be compiled by pyqubo, with any strength.

    Returns:
        An equivalent problem with the constraint "products": only states with correct products are feasible, and their
        objective is unchanged. The problem itself if it has no such penalties.

    Example:
        >>> from pyqubo import Binary
        >>> model = (Binary("x") * Binary("y") * Binary("z")).compile()
        >>> with_exact_products(Problem(objective=model.to_bqm(), decoder=dict)).kinds["products"]
        <ConstraintKind.QUADRATIC_EQUALITY: 'quadratic-equality'>
    """
    objective, products = separated(problem.objective)
    constraints = dict(problem.constraints)
    for label, constraint in problem.constraints.items():
        lhs, more = separated(constraint.lhs)
        # A left side of nothing but penalties keeps these products already.
        if more and any((*lhs.linear.values(), *lhs.quadratic.values())):
            constraints[label] = replace(constraint, lhs=lhs)
            products.update(more)
    if not products:
        return problem
    constraints[_unused(LABEL, {*problem.one_hot, *constraints})] = product_constraint(products)
    settled = not (problem.one_hot or problem.constraints)
    penalties = {LABEL: sufficient_weight(objective, products)} if settled and problem.low_rank is None else {}
    return replace(problem, objective=objective, constraints=constraints, penalties=penalties)


def find_products(bqm: dimod.BinaryQuadraticModel) -> dict[Variable, Pair]:
    """Find pyqubo's product variables and their factors.

    A product variable is named `x * y`, and its couplings to x and to y are both -2 times the strength, since no other
    term contains these pairs. The couplings exist even if the strength is 0.

    Args:
        bqm: BINARY.

    Example:
        >>> from pyqubo import Binary
        >>> model = (Binary("x") * Binary("y") * Binary("z")).compile()
        >>> [sorted(pair) for pair in find_products(model.to_bqm()).values()]
        [['x', 'y']]
    """
    found: dict[Variable, Pair] = {}
    for name in bqm.variables:
        if not (isinstance(name, str) and _SIGN in name):
            continue
        at = name.find(_SIGN)
        while at >= 0:
            x, y = name[:at], name[at + len(_SIGN) :]
            if _strength(bqm, name, x, y) is not None:
                found[name] = (x, y)
                break
            at = name.find(_SIGN, at + 1)
    return found


def separated(bqm: dimod.BinaryQuadraticModel) -> tuple[dimod.BinaryQuadraticModel, dict[Variable, Pair]]:
    """Separate a model from pyqubo's penalties; return it and the products that the penalties keep.

    Args:
        bqm: BINARY; it is not changed.

    Example:
        >>> from pyqubo import Binary
        >>> model = (7 * Binary("x") * Binary("y") * Binary("z")).compile(strength=5.0)
        >>> bqm, products = separated(model.to_bqm())
        >>> {float(bias) for bias in bqm.linear.values()}, len(products)
        ({0.0}, 1)
    """
    products = find_products(bqm)
    if not products:
        return bqm, products
    left = bqm.copy()
    for product, (x, y) in products.items():
        strength = _strength(bqm, product, x, y) or 0.0
        left.add_linear(product, -3.0 * strength)
        left.add_quadratic(x, y, -strength)
        left.remove_interaction(product, x)
        left.remove_interaction(product, y)
        if abs(left.get_quadratic(x, y)) <= 1e-12 * abs(strength):
            left.remove_interaction(x, y)
    return left, products


def broken_products(bqm: dimod.BinaryQuadraticModel, sample: Mapping[Any, int]) -> list[Variable]:
    """Return the product variables with wrong values in a state.

    Args:
        bqm: model of either vartype.
        sample: values in the vartype of `bqm`.

    Example:
        >>> from pyqubo import Binary
        >>> bqm = (Binary("x") * Binary("y") * Binary("z")).compile().to_bqm()
        >>> len(broken_products(bqm, dict.fromkeys(bqm.variables, 0)))
        0
        >>> len(broken_products(bqm, {v: int(" * " in v) for v in bqm.variables}))
        1
    """
    if not any(isinstance(name, str) and _SIGN in name for name in bqm.variables):
        return []
    binary = bqm.change_vartype(dimod.BINARY, inplace=False)
    state = {variable: int(value > 0) for variable, value in sample.items()}
    return [product for product, (x, y) in find_products(binary).items() if state[product] != state[x] * state[y]]


def _strength(bqm: dimod.BinaryQuadraticModel, product: Variable, x: Variable, y: Variable) -> float | None:
    """Return the strength of the penalty that makes a variable the product of two others; None if it is no product."""
    if x not in bqm.variables or y not in bqm.variables:
        return None
    one, other = (bqm.get_quadratic(product, factor, default=math.nan) for factor in (x, y))
    return -one / 2.0 if math.isclose(one, other, rel_tol=1e-9) else None


def _unused(label: str, taken: set[str]) -> str:
    """Append primes to `label` until it differs from all labels in `taken`."""
    return label if label not in taken else _unused(f"{label}'", taken)
