"""Local moves, repair and the multiplier search on random small problems, against enumeration."""

from __future__ import annotations

from itertools import product
from typing import Any

import dimod
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from qubo_dnn.constraint import Constraint
from qubo_dnn.constraints.lagrangian import bisect_locally, weights
from qubo_dnn.constraints.repair import repair
from qubo_dnn.local_search import LocalModel, LocalState, descend
from qubo_dnn.problem import Problem
from tests.drawn import drawn

pytestmark = pytest.mark.slow

States = NDArray[np.int8]
seeds = st.integers(0, 2**32 - 1)
fast = settings(max_examples=drawn(60), deadline=None, derandomize=True)


@st.composite
def problems(
    draw: st.DrawFn, constraints: int = 2, linear: bool = False, senses: tuple[str, ...] = ("<=", ">=", "==")
) -> Problem[Any]:
    """At most 3 groups of 4 options and 3 free variables; right sides about where half of the states are."""
    sizes = draw(st.lists(st.integers(1, 4), max_size=3))
    free = draw(st.integers(0 if sizes else 1, 3))
    rng = np.random.default_rng(draw(seeds))
    n = sum(sizes) + free
    labels = [f"v{index}" for index in rng.permutation(n)]
    starts = np.cumsum([0, *sizes])
    groups = {f"g{i}": tuple(labels[starts[i] : starts[i + 1]]) for i in range(len(sizes))}

    def model(quadratic: bool) -> dimod.BinaryQuadraticModel:
        couplings = np.triu(rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.6), 1) * quadratic
        bqm = dimod.BinaryQuadraticModel(rng.normal(size=n), couplings, rng.normal(), dimod.BINARY)
        return bqm.relabel_variables(dict(enumerate(labels)))

    rest = {}
    for index in range(draw(st.integers(constraints and 1, constraints))):
        lhs = model(not linear and draw(st.booleans()))
        rest[f"c{index}"] = Constraint(lhs, draw(st.sampled_from(senses)), float(rng.normal()))
    return Problem(objective=model(True), decoder=dict, one_hot=groups, constraints=rest)


def one_hot_states(problem: Problem[Any]) -> States:
    """All states with exactly one option chosen in every group; [states, n]."""
    states = np.array(list(product((0, 1), repeat=len(problem.variables))), np.int8)
    place = {variable: index for index, variable in enumerate(problem.variables)}
    for group in problem.one_hot.values():
        states = states[states[:, [place[v] for v in group]].sum(axis=1) == 1]
    return states


def random_state(problem: Problem[Any], seed: int) -> States:
    states = one_hot_states(problem)
    return np.asarray(states[seed % len(states)])


def recomputed(problem: Problem[Any], states: States) -> NDArray[np.float64]:
    """Values of the objective and of all left sides by dimod; [states, forms]."""
    models = [problem.objective, *(constraint.lhs for constraint in problem.constraints.values())]
    return np.stack([model.energies((np.atleast_2d(states), list(problem.variables))) for model in models], axis=1)


def total_violation(problem: Problem[Any], x: States) -> float:
    broken = problem.violations(dict(zip(problem.variables, x.tolist(), strict=True)))
    return sum(amount / max(1.0, abs(problem.constraints[label].rhs)) for label, amount in broken.items())


def moved(state: LocalState, variable: int) -> States:
    other = LocalState(state.model, state.x)
    other.move(variable)
    return other.x


@fast
@given(problems(), seeds, st.lists(st.integers(0, 100), max_size=30))
def test_fields_and_values_stay_what_they_are_when_recomputed(
    problem: Problem[Any], seed: int, moves: list[int]
) -> None:
    state = LocalState(LocalModel(problem), random_state(problem, seed))
    for move in moves:
        state.move(move % len(state.x))
    fresh = LocalState(state.model, state.x)
    assert np.allclose(state.fields, fresh.fields, atol=1e-10)
    assert state.chosen.tolist() == fresh.chosen.tolist()
    assert state.values == pytest.approx(recomputed(problem, state.x)[0], abs=1e-10)
    assert state.violation == pytest.approx(total_violation(problem, state.x), abs=1e-9)
    assert (one_hot_states(problem) == state.x).all(axis=1).any()


@fast
@given(problems(), seeds)
def test_changes_are_the_differences_that_moves_make(problem: Problem[Any], seed: int) -> None:
    state = LocalState(LocalModel(problem), random_state(problem, seed))
    after = recomputed(problem, np.array([moved(state, variable) for variable in range(len(state.x))]))
    assert np.allclose(state.changes(), (after - state.values).T, atol=1e-10)


@fast
@given(problems(), seeds, seeds)
def test_any_state_is_reached_by_its_moves(problem: Problem[Any], seed: int, other: int) -> None:
    state = LocalState(LocalModel(problem), random_state(problem, seed))
    goal = random_state(problem, other)
    state.go_to(goal)
    assert state.x.tolist() == goal.tolist()
    assert state.values == pytest.approx(recomputed(problem, goal)[0], abs=1e-10)


@fast
@given(problems(constraints=0), seeds)
def test_broken_groups_are_mended_from_their_chosen_options_and_nothing_else_changes(
    problem: Problem[Any], seed: int
) -> None:
    model = LocalModel(problem)
    x = np.random.default_rng(seed).integers(0, 2, len(model.variables), dtype=np.int8)
    before = x.copy()
    mended = LocalState(model, x).x
    assert x.tolist() == before.tolist()
    assert mended[model.free].tolist() == x[model.free].tolist()
    for group in model.groups:
        assert mended[group].sum() == 1
        if x[group].sum() == 1:
            assert mended[group].tolist() == x[group].tolist()
        elif x[group].any():
            assert x[group][mended[group] == 1].all()


@fast
@given(problems(constraints=0), seeds)
def test_a_single_broken_group_gets_the_least_costly_option(problem: Problem[Any], seed: int) -> None:
    assume(problem.one_hot)
    model = LocalModel(problem)
    x = random_state(problem, seed)
    group = model.groups[seed % len(model.groups)]
    x[group] = 0
    alternatives = np.repeat(x[None], len(group), axis=0)
    alternatives[np.arange(len(group)), group] = 1
    best = recomputed(problem, alternatives)[:, 0].min()
    assert LocalState(model, x).values[0] == pytest.approx(best, abs=1e-10)


@fast
@given(problems(), seeds)
def test_repair_ends_where_no_move_helps_and_never_raises_the_violation(problem: Problem[Any], seed: int) -> None:
    state = LocalState(LocalModel(problem), random_state(problem, seed))
    before, objective = total_violation(problem, state.x), state.values[0]
    repair(state)
    now = total_violation(problem, state.x)
    assert now <= before + 1e-9
    if before == 0.0:
        assert state.values[0] <= objective
    for variable in range(len(state.x)):
        other = moved(state, variable)
        violation, cost = total_violation(problem, other), recomputed(problem, other)[0, 0]
        assert violation >= now - 1e-9
        assert violation > now or cost >= state.values[0] - 1e-9


@fast
@given(problems(constraints=1, linear=True, senses=("<=", ">=")), seeds)
def test_one_linear_inequality_is_always_repaired_where_it_can_be_met(problem: Problem[Any], seed: int) -> None:
    state = LocalState(LocalModel(problem), random_state(problem, seed))
    repair(state)
    possible = any(total_violation(problem, x) == 0.0 for x in one_hot_states(problem))
    assert (state.violation == 0.0) == possible


@fast
@given(problems(), seeds, st.floats(0.0, 10.0))
def test_descent_ends_in_a_minimum_of_the_weighted_forms(problem: Problem[Any], seed: int, multiplier: float) -> None:
    state = LocalState(LocalModel(problem), random_state(problem, seed))
    weight = np.array([1.0, *[multiplier] * len(problem.constraints)])
    before = float(weight @ state.values)
    descend(state, weight)
    now = float(weight @ recomputed(problem, state.x)[0])
    assert now <= before + 1e-9
    neighbours = np.array([moved(state, variable) for variable in range(len(state.x))])
    assert (recomputed(problem, neighbours) @ weight).min() >= now - 1e-9


@fast
@given(problems(constraints=1, linear=True, senses=("<=", ">=")))
def test_the_bisected_multiplier_meets_the_constraint_where_it_can_be_met(problem: Problem[Any]) -> None:
    state = LocalState(LocalModel(problem), one_hot_states(problem)[0])
    multiplier = bisect_locally(state)
    assert 0.0 <= multiplier < np.inf
    possible = any(total_violation(problem, x) == 0.0 for x in one_hot_states(problem))
    assert (total_violation(problem, state.x) == 0.0) == possible
    weight = weights([problem.constraints["c0"].sense], np.array([multiplier]))
    neighbours = np.array([moved(state, variable) for variable in range(len(state.x))])
    assert (recomputed(problem, neighbours) @ weight).min() >= weight @ state.values - 1e-9 * max(1.0, multiplier)


@fast
@given(problems(constraints=1, linear=True, senses=("<=", ">=")))
def test_without_couplings_the_multiplier_is_the_least_that_meets_the_constraint(problem: Problem[Any]) -> None:
    """Then descent finds the true minimum, so that enumeration has to agree."""
    objective = problem.objective.copy()
    objective.remove_interactions_from(list(objective.quadratic))
    separable = Problem(
        objective=objective, decoder=dict, one_hot=problem.one_hot, constraints=dict(problem.constraints)
    )
    states = one_hot_states(separable)
    assume(any(total_violation(separable, x) == 0.0 for x in states))
    state = LocalState(LocalModel(separable), states[0])
    multiplier = bisect_locally(state)
    sense, values = separable.constraints["c0"].sense, recomputed(separable, states)
    weight = weights([sense], np.array([multiplier]))
    assert weight @ state.values == pytest.approx((values @ weight).min())
    if multiplier > 0.0:
        less = states[np.argmin(values @ weights([sense], np.array([multiplier * (1.0 - 2e-3)])))]
        assert total_violation(separable, less) > 0.0
