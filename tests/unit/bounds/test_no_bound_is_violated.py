"""Thousands of small problems: no bound of any method lies above the optimum, and a wrong one would be seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache, partial
from itertools import islice, product
from typing import Any

import dimod
import numpy as np
import pytest

from qubo_dnn.bounds import cut_tree, factored
from qubo_dnn.bounds.certificate import certify
from qubo_dnn.bounds.convexify import relaxations, tightening
from qubo_dnn.bounds.interior_point import Point
from qubo_dnn.bounds.prices import local_prices, priced
from qubo_dnn.bounds.quick import field_bound, roof_bound
from qubo_dnn.bounds.relaxation import ConvexRelaxation, lower_bound
from qubo_dnn.bounds.site_model import site_model
from qubo_dnn.bounds.spin_model import spin_model
from qubo_dnn.bounds.steps import steps_of
from qubo_dnn.bounds.tree import search
from qubo_dnn.bounds.without import without_eliminated
from qubo_dnn.presolve import elimination
from qubo_dnn.problem import Problem
from tests.drawn import drawn
from tests.unit.bounds.problems import optimum, random_problem, with_quadratic

pytestmark = pytest.mark.slow

Bounds = Callable[[Problem[Any]], list[float]]


def first_relaxations(problem: Problem[Any], most: int) -> list[ConvexRelaxation]:
    options = site_model(problem)
    return list(islice(tightening(options, lambda: False), most))


def at_any_point(problem: Problem[Any]) -> list[float]:
    """Bounds far from the minimum too, with any multipliers: what a search that is cut short leaves behind."""
    rng, found = np.random.default_rng(len(problem.variables)), []
    for each in first_relaxations(problem, 1):
        options = each.options
        for scale in (0.1, 1.0, 10.0):
            point = Point(
                rng.random(len(each.linear)) * rng.integers(0, 2, len(each.linear)),
                rng.normal(size=len(options.limits)) * scale,
            )
            found.append(_bound(each, point, each.matrix, each.linear))
    return found


def _bound(each: ConvexRelaxation, point: Point, matrix: Any, linear: Any) -> float:
    options = each.options
    found = lower_bound(each.sites, matrix, linear, point, options.equal, options.tolerances, options.magnitude)
    return found.value


def of_tree(problem: Problem[Any]) -> list[float]:
    """The bound after every node, with the optimum known and unknown."""
    found: list[float] = []
    steps = steps_of(problem)
    for each in first_relaxations(problem, 1):
        for known in (math.inf, optimum(problem)):
            tree = search(each, known, steps.enough, lambda: False, lambda tree: found.append(tree.bound))
            found.append(tree.bound)
    return [*found, *map(steps.raised, found)]


def of_cut_tree(problem: Problem[Any]) -> list[float]:
    """The bound after every round, with the optimum known and unknown."""
    found: list[float] = []
    steps = steps_of(problem)
    for known in (math.inf, optimum(problem)):
        tree = cut_tree.search(
            *spin_model(problem), known, steps.enough, lambda: False, lambda tree: found.append(tree.bound)
        )
        found.append(tree.bound)
    return [*found, *map(steps.raised, found)]


def of_factor(problem: Problem[Any]) -> list[float]:
    """The bound after every step of Frank and Wolfe's method."""
    return [] if problem.low_rank is None else list(islice(factored.bounds(problem, lambda: False), 5))


def at_prices(problem: Problem[Any], factors: tuple[float, ...] = (0.1, 1.0, 3.0)) -> list[float]:
    """Relaxations with the quadratic constraint priced, by local descent and otherwise."""
    found: list[float] = []
    for label, price in local_prices(problem, math.inf).items():
        for factor in factors:
            relaxed = first_relaxations(priced(problem, {label: factor * price}), 3)
            found += [each.bound.value for each in relaxed]
    return found


def of_elimination(problem: Problem[Any], widths: tuple[int, ...] = (2, 3, 22)) -> list[float]:
    """The optimum of what is left, by brute force, where cliques are too large to eliminate all."""
    found = []
    for width in widths:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(elimination, "eliminate", partial(elimination.eliminate, most_width=width))
            left = without_eliminated(problem, math.inf)
        if left is not None:
            found.append(optimum(left[0]) - left[1])
    return [*found, *map(steps_of(problem).raised, found)]


METHODS: dict[str, tuple[Bounds, int]] = {
    "single fields": (lambda problem: [field_bound(problem)], 1000),
    "roof duality": (lambda problem: [b for b in [roof_bound(_bare(problem))] if b is not None], 1000),
    "elimination": (of_elimination, 1000),
    "convex relaxation": (lambda problem: [each.bound.value for each in first_relaxations(problem, 5)], 150),
    "any point": (at_any_point, 500),
    "factor": (of_factor, 150),
    "tree": (of_tree, 150),
    "cut tree": (of_cut_tree, 500),
    "certificate": (lambda problem: [certify(problem, None, 600.0).bound], 200),
    "prices": (at_prices, 200),
    "certificate with a quadratic constraint": (lambda problem: [certify(problem, None, 600.0).bound], 30),
}
# What is made of the random problems.
OF: dict[str, Callable[[Problem[Any]], Problem[Any]]] = {
    "roof duality": lambda problem: _bare(problem),
    "elimination": lambda problem: _bare(problem),
    "cut tree": lambda problem: _bare(problem),
    "prices": with_quadratic,
    "certificate with a quadratic constraint": with_quadratic,
}


def _bare(problem: Problem[Any]) -> Problem[Any]:
    return replace(problem, one_hot={}, constraints={}, low_rank=None)


def as_it_is(problem: Problem[Any]) -> Problem[Any]:
    return problem


@cache
def known(seed: int, of: Callable[[Problem[Any]], Problem[Any]]) -> tuple[Problem[Any], float]:
    """What is made of a random problem, and its optimum; several methods are tried on it."""
    problem = of(random_problem(seed))
    return problem, optimum(problem)


def violations(bounds: Bounds, count: int, of: Callable[[Problem[Any]], Problem[Any]] = as_it_is) -> list[int]:
    """Seeds of problems with a bound above the optimum, and a check that there were bounds at all."""
    seen, violated = 0, []
    for seed in range(count):
        problem, least = known(seed, of)
        found = bounds(problem)
        seen += any(bound > -math.inf for bound in found)
        if any(not bound <= least for bound in found):
            violated.append(seed)
    assert seen > count / 5
    return violated


@pytest.mark.parametrize("method", METHODS)
def test_no_bound_lies_above_the_optimum(method: str) -> None:
    bounds, count = METHODS[method]
    assert violations(bounds, drawn(count), OF.get(method, as_it_is)) == []


def test_bounds_of_what_is_not_convex_are_seen() -> None:
    def wrong(problem: Problem[Any]) -> list[float]:
        found = []
        for each in first_relaxations(problem, 1):
            linear = each.sites.linear + np.diagonal(each.sites.matrix) / 2.0
            matrix = each.sites.matrix - np.diag(np.diagonal(each.sites.matrix))
            found.append(_bound(each, each.point, matrix, linear))
        return found

    assert len(violations(wrong, 100)) > 5


def test_bounds_with_a_linear_term_forgotten_are_seen() -> None:
    def wrong(problem: Problem[Any]) -> list[float]:
        return [_bound(each, each.point, each.matrix, each.sites.linear) for each in first_relaxations(problem, 1)]

    assert len(violations(wrong, 100)) > 5


def test_prices_on_another_limit_are_seen() -> None:
    def wrong(problem: Problem[Any]) -> list[float]:
        pairs = problem.constraints["pairs"]
        tighter = replace(pairs, rhs=pairs.rhs + (6.0 if pairs.sense == ">=" else -6.0))
        return at_prices(replace(problem, constraints={**problem.constraints, "pairs": tighter}))

    assert len(violations(wrong, 100, with_quadratic)) > 5


def test_bounds_hold_in_exact_arithmetic() -> None:
    """Where terms of 1e8 cancel to leave what is 1e-6 of them: the margin has to be larger than the rounding."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(2, 7))
        sizes = 10.0 ** rng.uniform(-4, 4, n)
        linear = rng.normal(size=n) * sizes
        pairs = np.triu(rng.normal(size=(n, n)) * np.outer(sizes, sizes), 1)
        offset = -float(pairs.sum() + linear.sum())
        problem: Problem[Any] = Problem(
            objective=dimod.BinaryQuadraticModel(linear, pairs, offset, dimod.BINARY), decoder=dict
        )
        exact = [
            Fraction(offset)
            + sum(Fraction(float(linear[i])) for i in range(n) if x[i])
            + sum(Fraction(float(pairs[i, j])) for i in range(n) for j in range(i + 1, n) if x[i] and x[j])
            for x in product((0, 1), repeat=n)
        ]
        bounds = [each.bound.value for each in first_relaxations(problem, 4)] + of_tree(problem)
        bounds += of_elimination(problem) + of_cut_tree(problem)
        bounds += [field_bound(problem), *(b for b in [roof_bound(problem)] if b is not None)]
        assert all(Fraction(bound) <= min(exact) for bound in bounds if math.isfinite(bound)), seed


def test_margins_of_elimination_are_small() -> None:
    for seed in range(drawn(400)):
        problem = _bare(random_problem(seed))
        size = np.abs(problem.objective.to_numpy_vectors().linear_biases).sum() + sum(
            map(abs, problem.objective.quadratic.values())
        )
        for bound in of_elimination(problem):
            assert bound == pytest.approx(optimum(problem), rel=1e-13, abs=1e-13 * size + 1e-300)


def test_margins_are_small() -> None:
    """Of what has no rounding to speak of, the bound of a closed tree is the optimum."""
    for seed in range(60):
        problem = random_problem(seed)
        least, steps = optimum(problem), steps_of(problem)
        for each in first_relaxations(problem, 1):
            tree = search(each, math.inf, steps.enough, lambda: False)
            slack = 1e-12 * each.options.magnitude + 1e-300
            assert (tree.energy, steps.raised(tree.bound)) == pytest.approx((least, least), abs=slack)


def test_relaxations_go_on_as_long_as_they_are_asked_for() -> None:
    problem = random_problem(3)
    assert len(list(islice(relaxations(site_model(problem), lambda: False), 20))) == 20
