"""Presolve keeps an optimum, whatever the problem."""

from __future__ import annotations

from typing import Any

import dimod
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qubo_dnn.presolve.dominance import dominated
from qubo_dnn.presolve.reduction import expand, reduce
from qubo_dnn.problem import Problem
from qubo_dnn.testing.formulation_cases.enumeration import feasible_states

pytestmark = pytest.mark.slow

# Two digits, so that the natural order of labels is not that of texts.
SIZE = 12


@st.composite
def problems(draw: st.DrawFn) -> Problem[Any]:
    """Sparse integer problems, so that ties occur, with up to two groups."""
    seed = draw(st.integers(0, 2**32 - 1))
    density = draw(st.sampled_from((0.1, 0.3, 0.8)))
    field = draw(st.sampled_from((1, 4, 12)))
    rng = np.random.default_rng(seed)
    objective = dimod.BinaryQuadraticModel(dimod.BINARY)
    for i in range(SIZE):
        objective.add_linear(f"x[{i}]", float(rng.integers(-field, field + 1)))
        for j in range(i):
            if rng.random() < density:
                objective.add_quadratic(f"x[{j}]", f"x[{i}]", float(rng.integers(-4, 5)))
    groups = draw(st.sampled_from(((), (3,), (4, 3))))
    labels = iter([f"x[{i}]" for i in range(SIZE)])
    one_hot = {f"group {k}": tuple(next(labels) for _ in range(size)) for k, size in enumerate(groups)}
    return Problem(objective=objective, decoder=dict, one_hot=one_hot)


def optima(problem: Problem[Any]) -> tuple[float, np.ndarray[Any, Any]]:
    """Least objective and all feasible states that have it."""
    size = len(problem.variables)
    states = (np.arange(2**size)[:, None] >> np.arange(size) & 1).astype(np.int8)
    states = states[feasible_states(problem, states)]
    energies = problem.objective.energies((states, list(problem.variables)))
    return float(energies.min()), states[energies <= energies.min() + 1e-9]


@given(problems())
def test_every_optimum_has_what_dominance_fixes_and_some_optimum_all_that_is_fixed(problem: Problem[Any]) -> None:
    _, best = optima(problem)
    agrees = {
        name: np.all([best[:, problem.variables.index(v)] == value for v, value in fixed.items()], axis=0)
        for name, fixed in (("dominance", dominated(problem)), ("all", reduce(problem).fixed))
    }
    assert np.all(agrees["dominance"])
    assert np.any(agrees["all"])


@given(problems())
def test_the_optima_of_the_parts_make_an_optimum_of_the_whole(problem: Problem[Any]) -> None:
    reduction = reduce(problem)
    answers = []
    for part in reduction.parts:
        _, states = optima(part)
        answers.append(dimod.SampleSet.from_samples_bqm((states, list(part.variables)), part.objective))
    whole = expand(problem, reduction, answers)
    least, _ = optima(problem)
    assert len(whole) == max(map(len, answers), default=1)
    for row in whole.data(["sample", "energy"]):
        assert row.energy == pytest.approx(least)
        assert not problem.violations(row.sample)


@given(problems())
def test_parts_share_neither_variables_nor_interactions_and_add_up(problem: Problem[Any]) -> None:
    reduction = reduce(problem)
    left = [variable for part in reduction.parts for variable in part.variables]
    assert len(left) == len(set(left))
    assert set(left) | set(reduction.fixed) == set(problem.variables)
    assert sum(len(part.one_hot) for part in reduction.parts) <= len(problem.one_hot)
    summary = reduction.summary()
    assert summary["variables_left"] + summary["fixed_by_dominance"] + summary["fixed_by_roof_duality"] == SIZE
