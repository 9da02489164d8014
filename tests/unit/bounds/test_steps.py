"""The step of energies: where there is one, bounds are raised to it, never above the optimum, and close the gap."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from typing import Any

import dimod
import numpy as np
import pytest

from qubo_backends import exact_milp
from qubo_backends.exact_milp import ExactMilpBackend
from qubo_dnn.backend import make_options
from qubo_dnn.bounds import cut_tree, proof
from qubo_dnn.bounds.certificate import certify, enumerated
from qubo_dnn.bounds.convexify import tightening
from qubo_dnn.bounds.quick import field_bound, roof_bound
from qubo_dnn.bounds.site_model import site_model
from qubo_dnn.bounds.spin_model import spin_model
from qubo_dnn.bounds.steps import Steps, common_step, steps_of
from qubo_dnn.bounds.tree import search
from qubo_dnn.problem import LowRank, Problem
from tests.unit.bounds.problems import STEPS, stepped

VALUES = {
    "whole": ([6.0, -10.0, 15.0], 1.0),
    "even": ([6.0, -10.0, 0.0], 2.0),
    "halves": ([0.5, 3.0], 0.5),
    "quarters": ([0.75, 3.0, -1.25], 0.25),
    "hundredths": ([0.07, 12345.67, -0.5], 0.01),
    "tenths that sums have rounded": ([0.1 + 0.2, 0.7], 0.1),
    "thirds": ([1.0 / 3.0, 5.0 / 3.0, 2.0], 1.0 / 3.0),
    "scaled": ([2.0 / math.sqrt(10.0), 3.0 / math.sqrt(10.0)], 1.0 / math.sqrt(10.0)),
    "tiny": ([3e-6, 5e-6], 1e-6),
    "huge": ([3e15, 1e15 + 1.0], 1.0),
    "far apart": ([2.0**20, 2.0**-10], 2.0**-10),
    "one": ([0.3], 0.3),
}


@pytest.mark.parametrize("kind", VALUES)
def test_steps_of_values(kind: str) -> None:
    values, step = VALUES[kind]
    assert float(common_step(np.array(values)) or 0) == pytest.approx(step, rel=1e-14)


def test_real_numbers_and_zeros_have_no_step() -> None:
    assert common_step(np.zeros(3)) is None
    assert common_step(np.zeros(0)) is None
    assert common_step(np.array([1.0, math.pi])) is None
    assert common_step(np.array([1e-300, 1e300])) is None
    for seed in range(20):
        assert common_step(np.random.default_rng(seed).normal(size=30)) is None


def steps_of_model(linear: Any, offset: float = 0.0, pairs: Any = None) -> Steps:
    return steps_of(Problem(objective=dimod.BinaryQuadraticModel(linear, pairs or {}, offset, "BINARY"), decoder=dict))


def test_bounds_of_whole_energies_are_raised_to_the_next() -> None:
    steps = steps_of_model({0: -3.0, 1: 2.0}, 0.5)
    assert (steps.step, steps.deviation, steps.rounding, steps.tolerance) == (Fraction(1), 0.0, 0.0, 0.5)
    bounds = [-2.5, -2.4, math.nextafter(-2.5, 0.0), math.nextafter(-2.5, -3.0), -math.inf, math.inf]
    assert [*map(steps.raised, bounds)] == [-2.5, -1.5, -1.5, -2.5, -math.inf, math.inf]
    assert steps.enough(-2.5) == math.nextafter(-3.5, 0.0)
    assert steps.enough(math.inf) == math.inf


def test_energies_that_rounding_hides_have_no_step() -> None:
    assert steps_of_model({0: 1.0, 1: 1.0}, 1e15).step == 1
    assert not steps_of_model({0: 1.0, 1: 1.0}, 1e17).step
    assert not steps_of_model({0: 1e17, 1: 1.0}).step
    form = LowRank((0,), np.ones((1, 1), np.float32))
    whole = dimod.BinaryQuadraticModel({0: 1.0}, {}, 0.0, "BINARY")
    assert not steps_of(Problem(objective=whole, decoder=dict, low_rank=form)).step


def by_exact_milp(problem: Problem[Any]) -> list[float]:
    backend = ExactMilpBackend()
    return [backend.sample_constrained(problem, make_options(backend, {"seed": 0})).info["bound"]]


def by_relaxation(problem: Problem[Any]) -> list[float]:
    return [each.bound.value for each in islice(tightening(site_model(problem), lambda: False), 5)]


def by_tree(problem: Problem[Any]) -> list[float]:
    found = islice(tightening(site_model(problem), lambda: False), 1)
    return [search(each, math.inf, steps_of(problem).enough, lambda: False).bound for each in found]


def by_cut_tree(problem: Problem[Any]) -> list[float]:
    if problem.one_hot or problem.constraints:
        return []
    return [cut_tree.search(*spin_model(problem), math.inf, steps_of(problem).enough, lambda: False).bound]


def by_enumeration(problem: Problem[Any]) -> list[float]:
    found = enumerated(problem, None)
    assert found is not None
    return [found.bound]


def by_roof_duality(problem: Problem[Any]) -> list[float]:
    bound = roof_bound(problem)
    return [] if bound is None else [bound]


METHODS: dict[str, Callable[[Problem[Any]], list[float]]] = {
    "single fields": lambda problem: [field_bound(problem)],
    "roof duality": by_roof_duality,
    "convex relaxation": by_relaxation,
    "tree": by_tree,
    "cut tree": by_cut_tree,
    "enumeration": by_enumeration,
    "exact-milp": by_exact_milp,
}
CLOSING = ("tree", "cut tree", "enumeration", "exact-milp")


@pytest.mark.parametrize("kind", STEPS)
@pytest.mark.parametrize("method", METHODS)
def test_raised_bounds_are_no_higher_than_the_optimum_in_exact_arithmetic(method: str, kind: str) -> None:
    closed = []
    for seed in range(8):
        problem, least = stepped(seed, kind)
        steps = steps_of(problem)
        assert float(steps.step) >= 0.99 * STEPS[kind][0]
        for bound in METHODS[method](problem):
            raised = steps.raised(bound)
            assert raised >= bound
            assert least is None or Fraction(raised) <= least
            closed.append(raised == math.inf if least is None else float(least) - raised <= steps.tolerance)
    assert method not in CLOSING or all(closed)


@pytest.mark.parametrize("kind", STEPS)
def test_optima_are_certified_and_nothing_else(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "enumerated_optimum", lambda *_: None)
    for seed in range(4):
        problem, least = stepped(seed, kind)
        if least is None:
            assert certify(problem, None, 600.0).infeasible
            continue
        known = certify(problem, float(least), 600.0)
        assert (known.gap, known.optimal) == (0.0, True)
        assert known.bound == pytest.approx(float(least), abs=1e-9 * (1.0 + abs(float(least))))
        worse = certify(problem, float(least + steps_of(problem).step), 600.0)
        assert not worse.optimal
        assert worse.gap is None or worse.gap > 0.0


@pytest.mark.parametrize("sparse", [0.0, math.inf], ids=["convex", "linear"])
@pytest.mark.parametrize("kind", STEPS)
def test_exact_milp_says_optimal(kind: str, sparse: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_milp, "_SPARSE", sparse)
    backend = ExactMilpBackend()
    for seed in range(3):
        problem, least = stepped(seed, kind)
        steps = steps_of(problem)
        info = backend.sample_constrained(problem, make_options(backend, {"seed": 0})).info
        assert info["optimal"] == (least is not None)
        if least is None:
            assert info["bound"] == math.inf
        else:
            assert Fraction(info["bound"]) <= least
            assert float(least) - info["bound"] <= steps.tolerance


def test_a_large_offset_makes_no_answer_optimal() -> None:
    """Relative to the offset, every answer is near the bound."""
    rng = np.random.default_rng(5)
    for scale in (1.0, math.pi):
        pairs = np.triu(np.round(rng.normal(size=(24, 24)) * 10.0), 1) * scale
        model = dimod.BinaryQuadraticModel(np.zeros(24), pairs, 1e11, dimod.BINARY)
        problem: Problem[Any] = Problem(objective=model, decoder=dict)
        found = certify(problem, 1e11, 600.0)
        assert found.bound < 1e11 - 100.0
        assert not found.optimal
