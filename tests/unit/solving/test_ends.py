"""Answers without a backend, and rounds that end because the answer is provably near enough."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, ClassVar

import dimod
import numpy as np
import pytest

from qubo_dnn.backend import Capabilities, SolveOptions
from qubo_dnn.constraint import Constraint, Sense
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.local_answer import solve_locally
from qubo_dnn.solving.solve import MAX_CALLS, solve

# Scripted answers are for the whole problem, so presolve must leave it whole.
as_it_is = partial(solve, presolve=False)

UNITS = 4


def example(budget: float, offset: float = 0.0, sense: Sense = "<=") -> Problem[Any]:
    """4 coupled units of 3 options, which cost 0, 2 or 5; more is better."""
    rng = np.random.default_rng(3)
    names = [f"x[{u}][{k}]" for u in range(UNITS) for k in range(3)]
    factor = rng.normal(size=(len(names), 6)) * np.tile([1.0, 0.5, 0.1], UNITS)[:, None]
    matrix = factor @ factor.T
    apart = np.kron(1 - np.eye(UNITS), np.ones((3, 3)))
    objective = dimod.BinaryQuadraticModel(matrix.diagonal() / 2, np.triu(matrix * apart, 1), offset, dimod.BINARY)
    objective.relabel_variables(dict(enumerate(names)))
    return Problem(
        objective=objective,
        decoder=dict,
        one_hot={f"unit {u}": tuple(names[3 * u : 3 * u + 3]) for u in range(UNITS)},
        constraints={"budget": costs([0.0, 2.0, 5.0], budget, sense)},
    )


def costs(of_options: list[float], limit: float, sense: Sense = "<=") -> Constraint:
    each = {f"x[{u}][{k}]": cost for u in range(UNITS) for k, cost in enumerate(of_options)}
    return Constraint(dimod.BinaryQuadraticModel(each, {}, 0.0, dimod.BINARY), sense, limit)


def feasible_objectives(problem: Problem[Any]) -> list[float]:
    """By enumeration, least first."""
    zeros = dict.fromkeys(problem.variables, 0)
    samples = [zeros | dict.fromkeys(chosen, 1) for chosen in product(*problem.one_hot.values())]
    return sorted(float(problem.objective.energy(each)) for each in samples if not problem.violations(each))


class Recorded:
    """A backend that answers every call by one row."""

    name: ClassVar[str] = "recorded"
    summary: ClassVar[str] = "one row"
    options_type: ClassVar[type[SolveOptions]] = SolveOptions
    capabilities = Capabilities()

    def __init__(self, row: list[int]) -> None:
        self.row = row

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:  # noqa: ARG002 (contract)
        return dimod.SampleSet.from_samples_bqm((np.array([self.row], np.int8), list(bqm.variables)), bqm)


class TestLocally:
    @pytest.mark.parametrize("budget", [0.0, 4.0, 9.0, 13.0, 16.0, 20.0])
    def test_the_answer_is_feasible_and_among_the_best(self, budget: float) -> None:
        problem = example(budget)
        decoded = solve_locally(problem)
        every = feasible_objectives(problem)
        assert decoded.feasible
        assert decoded == problem.decode(decoded.value)
        assert decoded.objective <= every[len(every) // 20] + 1e-9

    def test_it_is_the_same_each_time(self) -> None:
        assert solve_locally(example(13.0)) == solve_locally(example(13.0))

    @pytest.mark.parametrize("limits", [(13.0, 7.0), (9.0, 9.0)])
    def test_several_constraints_are_kept(self, limits: tuple[float, float]) -> None:
        """The second one likes fewer bits less: its costs run the other way."""
        problem = example(limits[0])
        problem = replace(problem, constraints={**problem.constraints, "other": costs([4.0, 1.0, 0.0], limits[1])})
        assert 0 < len(feasible_objectives(problem)) < 3**UNITS
        assert solve_locally(problem).feasible

    def test_without_constraints_it_descends(self) -> None:
        objective = dimod.BinaryQuadraticModel({"a": -1.0, "b": 2.0, "c": 1.0}, {("a", "c"): -3.0}, 0.5, dimod.BINARY)
        decoded = solve_locally(Problem(objective=objective, decoder=dict))
        assert (decoded.value, decoded.objective) == ({"a": 1, "b": 0, "c": 1}, -2.5)

    def test_groups_alone_are_kept(self) -> None:
        problem = replace(example(0.0), constraints={})
        assert solve_locally(problem).feasible

    def test_out_of_reach_is_a_result_with_its_violation(self) -> None:
        assert solve_locally(example(-3.0)).violations == {"budget": pytest.approx(3.0)}

    def test_an_equality_is_met(self) -> None:
        assert solve_locally(example(12.0, sense="==")).feasible


class TestGap:
    """The gap between answer and bound counts relative to the answer, so an offset makes the same gap small."""

    def test_rounds_end_when_no_answer_can_be_much_better(self) -> None:
        far, near = (solve(example(13.0, offset), get_backend("exact")) for offset in (0.0, 1000.0))
        assert len(far.calls) == MAX_CALLS
        assert len(near.calls) == 1
        assert near.best.objective - 1000.0 == pytest.approx(far.best.objective)
        assert near.best.objective <= feasible_objectives(example(13.0, 1000.0))[0] * (1.0 + 2e-3)

    @pytest.mark.parametrize("row", [[0] * 12, [1] * 12])
    def test_a_row_that_breaks_groups_bounds_nothing(self, row: list[int]) -> None:
        assert len(as_it_is(example(13.0, 1000.0), Recorded(row)).calls) == MAX_CALLS

    @pytest.mark.parametrize("change", [1.0, -1.0])
    def test_it_is_relative_to_objectives_of_either_sign(self, change: float) -> None:
        assert len(solve(example(13.0, change * 1000.0), get_backend("exact")).calls) == 1

    def test_nothing_feasible_is_not_near_anything(self) -> None:
        rounds = solve(example(-3.0, 1000.0), get_backend("exact")).calls
        assert len(rounds) > 1
        assert all(done.objective is None for done in rounds)
