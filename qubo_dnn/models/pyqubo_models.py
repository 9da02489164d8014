"""Problems from pyqubo's expressions and compiled models, whose products of more than two variables are kept right.

pyqubo replaces a pair of variables by a variable of its own, named `x * y`, and adds `strength` times Rosenberg's
penalty (see `qubo_dnn.encodings.rosenberg`) to the model, with a strength that does not depend on the coefficients (5.0
where the user says nothing). Where these are larger, the minimum of the compiled model breaks the products, and is no
answer at all: the minimum of `-100 x y z + 49 (x + y + z)` is 0, and that of the compiled model -36. Here the penalty
is taken out again, which leaves the very polynomial, and the products become a constraint of a sufficient weight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, TypeVar

import dimod

from qubo_dnn.encodings.rosenberg import Pair, product_constraint, sufficient_weight
from qubo_dnn.errors import FormulationError
from qubo_dnn.problem import Problem, Sample, Variable

T = TypeVar("T")
LABEL = "products"
_SIGN = " * "


def problem_from_pyqubo(
    source: Any, sense: Literal["min", "max"] = "min", feed_dict: Mapping[str, float] | None = None
) -> Problem[dict[Variable, int]]:
    """An unconstrained problem, of any degree.

    Args:
        source: a pyqubo expression, or a model that its `compile` has made with any strength.
        sense: whether it is minimised or maximised.
        feed_dict: values of its placeholders.

    Returns:
        A problem whose answers are the values of the variables of the expression, 0 and 1; a `Spin` is -1 where its
        value is 0. Variables that pyqubo put in for products are in the problem, but not in the answers.

    Raises:
        FormulationError: it is neither, a placeholder has no value, or a bias is not finite.
    """
    from pyqubo import Base, Model

    if not isinstance(source, Base | Model):
        raise FormulationError(f"expected an expression or a compiled model of pyqubo, not {type(source).__name__}")
    # Any strength would do, since it is taken out again; a small one costs the least rounding.
    model = source.compile(strength=1.0) if isinstance(source, Base) else source
    try:
        bqm = model.to_bqm(feed_dict=dict(feed_dict or {}))
    except ValueError as cause:
        raise FormulationError(f"pyqubo: {cause}") from cause
    products = find_products(bqm)
    own = [variable for variable in bqm.variables if variable not in products]
    if sense == "max":
        bqm.scale(-1.0)

    def decode(sample: Sample) -> dict[Variable, int]:
        return {variable: int(sample[variable]) for variable in own}

    return with_exact_products(Problem(objective=bqm, decoder=decode, sense=sense))


def with_exact_products(problem: Problem[T]) -> Problem[T]:
    """The same problem, its objective and constraints without the penalties that pyqubo put in for products.

    Args:
        problem: its models may have been compiled by pyqubo, with any strength.

    Returns:
        The problem itself where there are none; else one with the constraint "products". States whose products are
        right have the same objective in both, and no others are feasible.
    """
    objective, products = separated(problem.objective)
    constraints = dict(problem.constraints)
    for label, constraint in problem.constraints.items():
        lhs, more = separated(constraint.lhs)
        # What is nothing but penalties keeps these products already.
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
    """Variables that pyqubo put in for products, and what they are the products of.

    Such a variable is named `x * y`, and both its couplings, to x and to y, are -2 times the strength, since no other
    term has these pairs. They are there even where the strength is 0.

    Args:
        bqm: BINARY.
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
    """A model without pyqubo's penalties, and the products that they were to keep.

    Args:
        bqm: BINARY; not changed.
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


def broken_products(bqm: dimod.BinaryQuadraticModel, sample: Mapping[Variable, int]) -> list[Variable]:
    """Products that pyqubo's strength does not keep in a state.

    Args:
        bqm: of either vartype.
        sample: in its own values.
    """
    if not any(isinstance(name, str) and _SIGN in name for name in bqm.variables):
        return []
    binary = bqm.change_vartype(dimod.BINARY, inplace=False)
    state = {variable: int(value > 0) for variable, value in sample.items()}
    return [product for product, (x, y) in find_products(binary).items() if state[product] != state[x] * state[y]]


def _strength(bqm: dimod.BinaryQuadraticModel, product: Variable, x: Variable, y: Variable) -> float | None:
    """Of the penalty that makes a variable the product of two others, None where it is not."""
    if x not in bqm.variables or y not in bqm.variables:
        return None
    one, other = (bqm.get_quadratic(product, factor, default=math.nan) for factor in (x, y))
    return -one / 2.0 if math.isclose(one, other, rel_tol=1e-9) else None


def _unused(label: str, taken: set[str]) -> str:
    """`label`, with as many primes as it needs to be none of those taken."""
    return label if label not in taken else _unused(f"{label}'", taken)
