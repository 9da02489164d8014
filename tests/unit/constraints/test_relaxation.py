from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any, ClassVar, cast

import dimod
import numpy as np
import pytest

from qubo_dnn.backend import Capabilities, SolveOptions
from qubo_dnn.constraint import Constraint, ConstraintKind
from qubo_dnn.constraints.penalties import MARGIN
from qubo_dnn.constraints.relaxation import RelaxedProblem
from qubo_dnn.errors import BackendFailedError, UnsupportedProblemError
from qubo_dnn.problem import Problem

Choices = Callable[..., Problem[Any]]
ALL, ONE_HOT = frozenset(ConstraintKind), frozenset({ConstraintKind.ONE_HOT})


class Recorder:
    """Answers every call with the row of zeros and keeps what it was asked."""

    name: ClassVar[str] = "recorder"
    summary: ClassVar[str] = "records"
    options_type: ClassVar[type[SolveOptions]] = SolveOptions
    capabilities = Capabilities()

    def __init__(self) -> None:
        self.asked: list[dimod.BinaryQuadraticModel | Problem[Any]] = []

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:  # noqa: ARG002 (part of the contract)
        self.asked.append(bqm)
        return dimod.SampleSet.from_samples_bqm(dict.fromkeys(bqm.variables, 0), bqm)

    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        answer = self.sample(problem.objective, options)
        self.asked[-1] = problem
        return answer


def relaxation(problem: Problem[Any], native: frozenset[ConstraintKind] = frozenset()) -> RelaxedProblem:
    return RelaxedProblem(problem, Capabilities(native_constraints=native))


def asked(relaxed: RelaxedProblem) -> dimod.BinaryQuadraticModel | Problem[Any]:
    backend = Recorder()
    relaxed.sample(backend, SolveOptions())
    (question,) = backend.asked
    return question


def bits(*values: int) -> np.ndarray[Any, np.dtype[np.int8]]:
    return np.array(values, np.int8)


def test_a_backend_that_keeps_all_kinds_is_asked_the_problem_itself(choices: Choices) -> None:
    problem = choices(2, "<=", 4.0)
    relaxed = relaxation(problem, ALL)
    assert asked(relaxed) is problem
    assert not relaxed.relaxed
    assert relaxed.settled


def test_a_backend_that_keeps_groups_is_asked_with_the_budget_as_a_linear_term(choices: Choices) -> None:
    problem = choices(2, "<=", 4.0)
    relaxed = relaxation(problem, ONE_HOT)
    question = asked(relaxed)
    assert isinstance(question, Problem)
    assert question.one_hot == problem.one_hot
    assert question.constraints == {}
    assert relaxed.multipliers["budget"] > 0.0
    assert relaxed.penalties == {}
    for sample in ((0, 0, 1, 0, 0, 1), (1, 0, 0, 0, 1, 0)):
        named = dict(zip(problem.variables, sample, strict=True))
        cost = problem.constraints["budget"].lhs.energy(named)
        expected = problem.objective.energy(named) + relaxed.multipliers["budget"] * cost
        assert question.objective.energy(named) == pytest.approx(expected)
    assert question.objective.num_interactions == 0


def test_a_plain_backend_is_asked_with_penalties_as_well(choices: Choices) -> None:
    problem = choices(2, "<=", 4.0)
    relaxed = relaxation(problem)
    question = asked(relaxed)
    assert isinstance(question, dimod.BinaryQuadraticModel)
    assert question.energy(dict.fromkeys(problem.variables, 0)) == pytest.approx(sum(relaxed.penalties.values()))
    assert set(relaxed.penalties) == set(problem.one_hot)


def test_a_problem_without_constraints_is_asked_as_it_is() -> None:
    objective = dimod.BinaryQuadraticModel({"a": 1.0}, {}, 0.0, dimod.BINARY)
    relaxed = relaxation(Problem(objective=objective, decoder=dict))
    assert asked(relaxed) == objective
    assert not relaxed.relaxed


def test_penalties_of_broken_groups_are_at_least_doubled_and_others_kept(choices: Choices) -> None:
    relaxed = relaxation(choices(3))
    before = dict(relaxed.penalties)
    assert relaxed.learn(bits(0, 0, 1, 1, 1, 0, 0, 0, 0)) == ("unit 1", "unit 2")
    assert relaxed.penalties == {
        "unit 0": before["unit 0"],
        "unit 1": 2 * before["unit 1"],
        "unit 2": 2 * before["unit 2"],
    }
    assert not relaxed.settled
    assert relaxed.learn(bits(0, 0, 1, 0, 0, 1, 0, 0, 1)) == ()
    assert relaxed.settled


def test_a_penalty_rises_beyond_what_breaking_the_group_gained() -> None:
    """Descent ends at a, c, where the second group gains nothing by breaking; at b it would gain 100."""
    objective = dimod.BinaryQuadraticModel({"a": -101.0, "b": -1.0, "c": 0, "d": 0}, {}, 0.0, dimod.BINARY)
    objective.add_quadratic_from([("b", "c", 100.0), ("b", "d", 100.0)])
    problem = Problem(objective=objective, decoder=dict, one_hot={"one": ("a", "b"), "two": ("c", "d")})
    relaxed = relaxation(problem)
    start = relaxed.penalties["two"]
    assert start < 1.0
    relaxed.learn(bits(0, 1, 0, 0))
    assert relaxed.penalties["two"] == MARGIN * 100.0


def test_the_multiplier_grows_after_a_row_beyond_the_budget_and_falls_after_one_below(choices: Choices) -> None:
    relaxed = relaxation(choices(2, "<=", 4.0), ONE_HOT)
    first = relaxed.multipliers["budget"]
    relaxed.learn(bits(0, 0, 1, 0, 0, 1))
    second = relaxed.multipliers["budget"]
    assert second > first
    relaxed.learn(bits(1, 0, 0, 1, 0, 0))
    assert first < relaxed.multipliers["budget"] < second
    assert not relaxed.settled


def test_a_budget_that_is_spent_settles_the_multiplier(choices: Choices) -> None:
    relaxed = relaxation(choices(2, "<=", 4.0), ONE_HOT)
    relaxed.learn(bits(0, 1, 0, 0, 0, 1))
    assert relaxed.settled


def test_a_budget_that_does_not_bind_is_settled_by_a_row_that_keeps_it(choices: Choices) -> None:
    relaxed = relaxation(choices(2, "<=", 6.0), ONE_HOT)
    assert relaxed.multipliers["budget"] == 0.0
    relaxed.learn(bits(0, 1, 0, 0, 0, 1))
    assert relaxed.settled
    assert relaxed.multipliers["budget"] == 0.0


def test_a_backend_may_find_a_budget_binding_that_descent_did_not() -> None:
    """Descent from 00 stays at 00; the optimum 11 breaks the constraint, so a first multiplier has to be found."""
    objective = dimod.BinaryQuadraticModel({"a": 1.0, "b": 1.0}, {("a", "b"): -5.0}, 0.0, dimod.BINARY)
    load = dimod.BinaryQuadraticModel({"a": 1.0, "b": 1.0}, {}, 0.0, dimod.BINARY)
    problem = Problem(objective=objective, decoder=dict, constraints={"load": Constraint(load, "<=", 1.0)})
    relaxed = relaxation(problem)
    assert relaxed.multipliers["load"] == 0.0
    relaxed.learn(bits(1, 1))
    first = relaxed.multipliers["load"]
    assert first > 0.0
    assert not relaxed.settled
    relaxed.learn(bits(0, 0))
    assert relaxed.multipliers["load"] < first


def with_two_budgets(choices: Choices) -> Problem[Any]:
    """Unit u gives up 2 for 4u and the last one for 5u; unit 1 has to give up all."""
    problem = choices(2, "<=", 4.0)
    first = dimod.BinaryQuadraticModel(dict(zip(problem.variables, [0, 1, 3, 0, 0, 0], strict=True)), {}, 0.0, "BINARY")
    return replace(problem, constraints={**problem.constraints, "first": Constraint(first, "<=", 0.5)})


def test_several_budgets_are_a_linear_term_each(choices: Choices) -> None:
    problem = with_two_budgets(choices)
    relaxed = relaxation(problem, ONE_HOT)
    assert list(relaxed.multipliers) == ["budget", "first"]
    assert relaxed.multipliers == pytest.approx({"budget": 0.0, "first": 5.0})
    relaxed.multipliers["budget"] = 0.5
    question = asked(relaxed)
    assert isinstance(question, Problem)
    assert question.constraints == {}
    named = dict(zip(problem.variables, (0, 1, 0, 0, 0, 1), strict=True))
    assert question.objective.energy(named) == pytest.approx(4.0 + 0.5 * 4.0 + 5.0 * 1.0)


def test_a_row_that_cuts_the_bound_gives_new_multipliers_and_another_one_moves_them_a_little() -> None:
    """Descent from 00 stays there, and so does not know of 11, which breaks both constraints."""
    objective = dimod.BinaryQuadraticModel({"a": 1.0, "b": 1.0}, {("a", "b"): -5.0}, 0.0, dimod.BINARY)
    load = dimod.BinaryQuadraticModel({"a": 1.0, "b": 1.0}, {}, 0.0, dimod.BINARY)
    constraints = {"load": Constraint(load, "<=", 1.0), "loose": Constraint(load, "<=", 1.5)}
    relaxed = relaxation(Problem(objective=objective, decoder=dict, constraints=constraints))
    assert relaxed.multipliers == {"load": 0.0, "loose": 0.0}
    relaxed.learn(bits(1, 1))
    # 0 + m (0 - 1) meets -3 + m (2 - 1) at 1.5.
    assert relaxed.multipliers == pytest.approx({"load": 1.5, "loose": 0.0})
    assert not relaxed.settled
    relaxed.learn(bits(1, 1))
    assert relaxed.multipliers["load"] == pytest.approx(1.5 * 1.2)
    relaxed.learn(bits(0, 0))
    assert 1.5 < relaxed.multipliers["load"] < 1.5 * 1.2


def test_a_quadratic_equality_is_refused_by_name_unless_the_backend_keeps_it() -> None:
    pair = dimod.BinaryQuadraticModel({"a": 1.0, "b": -1.0}, {("a", "b"): 1.0}, 0.0, dimod.BINARY)
    problem = Problem(objective=pair, decoder=dict, constraints={"pair": Constraint(pair, "==", 0.0)})
    with pytest.raises(UnsupportedProblemError, match="'pair' is an equality"):
        relaxation(problem)
    assert not relaxation(problem, ALL).relaxed


def test_an_equality_is_asked_as_its_square_and_its_weight_doubles_when_it_is_broken(choices: Choices) -> None:
    problem = choices(2, "==", 4.0)
    relaxed = relaxation(problem, ONE_HOT)
    weight = relaxed.weights["budget"]
    assert not relaxed.multipliers
    question = cast(Problem[Any], asked(relaxed)).objective
    for chosen in product(range(3), repeat=2):
        sample = {f"x[{u}][{k}]": int(k == chosen[u]) for u in range(2) for k in range(3)}
        cost = sum((0, 1, 3)[k] for k in chosen)
        assert question.energy(sample) == pytest.approx(problem.objective.energy(sample) + weight * (cost - 4) ** 2)
    assert relaxed.learn(bits(0, 0, 1, 0, 0, 1)) == ("budget",)
    assert relaxed.weights == {"budget": 2 * weight}
    assert not relaxed.settled
    assert relaxed.learn(bits(0, 1, 0, 0, 0, 1)) == ()
    assert relaxed.settled


def test_weights_rise_to_the_sufficient_penalty_and_no_further() -> None:
    """An independent set: two adjacent nodes of weight 1 and 3, of which the second is best."""
    objective = dimod.BinaryQuadraticModel({"a": -1.0, "b": -3.0}, {}, 0.0, dimod.BINARY)
    edge = dimod.BinaryQuadraticModel({"a": 0.0, "b": 0.0}, {("a", "b"): 1.0}, 0.0, dimod.BINARY)
    problem = Problem(
        objective=objective, decoder=dict, constraints={"edges": Constraint(edge, "<=", 0.0)}, penalties={"edges": 1.5}
    )
    relaxed = relaxation(problem)
    assert relaxed.weights["edges"] <= 1.5
    for _ in range(10):
        assert relaxed.learn(bits(1, 1)) == ("edges",)
    assert relaxed.weights["edges"] == 1.5
    assert relaxed.settled


def other_variables(bqm: dimod.BinaryQuadraticModel) -> dimod.SampleSet:
    return dimod.SampleSet.from_samples([{"z": 1}], energy=[0.0], vartype=bqm.vartype)


def no_rows(bqm: dimod.BinaryQuadraticModel) -> dimod.SampleSet:
    return dimod.SampleSet.from_samples(([], list(bqm.variables)), energy=[], vartype=bqm.vartype)


def spins(bqm: dimod.BinaryQuadraticModel) -> dimod.SampleSet:
    return dimod.SampleSet.from_samples([dict.fromkeys(bqm.variables, -1)], energy=[0.0], vartype=dimod.SPIN)


@pytest.mark.parametrize(
    ("answer", "text"), [(no_rows, "no sample"), (other_variables, "another model"), (spins, "another model")]
)
def test_an_answer_that_breaks_the_contract_is_a_failed_backend(
    choices: Choices, monkeypatch: pytest.MonkeyPatch, answer: Callable[[Any], dimod.SampleSet], text: str
) -> None:
    backend = Recorder()
    monkeypatch.setattr(backend, "sample", lambda bqm, _options: answer(bqm))
    with pytest.raises(BackendFailedError, match=f"'recorder' returned .*{text}"):
        relaxation(choices(1)).sample(backend, SolveOptions())
