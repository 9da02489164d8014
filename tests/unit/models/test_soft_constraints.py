"""The price of a soft constraint is dimod's, exactly."""

from __future__ import annotations

from itertools import product
from typing import Any

import dimod
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.models.dimod_models import problem_from_cqm
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from tests.drawn import drawn

NAMES = "abc"


def cost(cqm: dimod.ConstrainedQuadraticModel, sample: Any, sign: float) -> float:
    """The objective and what dimod adds to a minimised one for every soft constraint that is broken."""
    total = float(cqm.objective.energy(sample))
    for each in cqm.constraints.values():
        beyond = float(each.lhs.energy(sample)) - float(each.rhs)
        broken = {"<=": max(beyond, 0.0), ">=": max(-beyond, 0.0), "==": abs(beyond)}[each.sense.value]
        total += sign * each.lhs.weight() * broken ** (2 if each.lhs.penalty() == "quadratic" else 1)
    return total


@st.composite
def programs(draw: st.DrawFn) -> dimod.ConstrainedQuadraticModel:
    """Three binary variables with a soft constraint of any kind."""
    x = dict(zip(NAMES, dimod.Binaries(NAMES), strict=True))
    whole = st.integers(-2, 2)
    cqm = dimod.ConstrainedQuadraticModel()
    cqm.set_objective(sum(draw(st.integers(-3, 3)) * v for v in x.values()) + draw(whole) * x["a"] * x["b"])
    unit = draw(st.sampled_from((0.5, 1.0, 2.0)))
    lhs = (
        sum(unit * draw(whole) * v for v in x.values()) + unit * draw(st.sampled_from((0, 0, 1, -2))) * x["b"] * x["c"]
    )
    cqm.add_constraint(
        lhs,
        draw(st.sampled_from(("<=", ">=", "=="))),
        rhs=draw(st.sampled_from((0, 1, -1, 0.5, 1.75))),
        label="soft",
        weight=draw(st.sampled_from((0.5, 1.0, 3.0))),
        penalty=draw(st.sampled_from(("linear", "quadratic"))),
    )
    return cqm


@settings(max_examples=drawn(60), deadline=None)
@given(cqm=programs(), sense=st.sampled_from(("min", "max")))
def test_the_best_state_costs_what_dimod_says(cqm: dimod.ConstrainedQuadraticModel, sense: Any) -> None:
    problem = problem_from_cqm(cqm, sense)
    assert not problem.constraint_kinds
    sign = 1.0 if sense == "min" else -1.0
    samples = [dict(zip(NAMES, bits, strict=True)) for bits in product((0, 1), repeat=3)]
    costs = [cost(cqm, sample, sign) for sample in samples]
    model, energies = problem.objective, []
    for sample, expected in zip(samples, costs, strict=True):
        for rest in (0, 1):  # whatever the auxiliary variables are, the answer is priced by the others
            decoded = problem.decode({v: sample.get(str(v), rest) for v in problem.variables})
            assert decoded.objective == pytest.approx(expected)
            assert decoded.feasible
        fixed = model.copy()
        fixed.fix_variables(sample)
        energies.append(float(dimod.ExactSolver().sample(fixed).first.energy) if fixed.variables else fixed.offset)
    assert [sign * energy for energy in energies] == pytest.approx(costs)


def knapsack(penalty: str, weight: float) -> dimod.ConstrainedQuadraticModel:
    x = list(dimod.Binaries(["a", "b", "c", "d"]))
    cqm = dimod.ConstrainedQuadraticModel()
    cqm.set_objective(-5 * x[0] - 4 * x[1] - 3 * x[2] - 2 * x[3])
    cqm.add_constraint(sum(x) <= 1, label="one", weight=weight, penalty=penalty)
    cqm.add_constraint(x[0] + x[1] >= 1, label="hard")
    return cqm


@pytest.mark.parametrize(
    ("penalty", "weight", "best", "violation"),
    [("linear", 2.5, -7.0, 2.0), ("quadratic", 2.5, -6.5, 1.0), ("linear", 100.0, -5.0, 0.0)],
)
@pytest.mark.parametrize("backend", ["exact", "exact-milp", "pt"])
def test_answers_tell_what_is_broken(backend: str, penalty: str, weight: float, best: float, violation: float) -> None:
    if backend == "exact-milp":
        pytest.importorskip("pyscipopt")
    options = {} if backend == "exact" else {"seed": 0}
    solution = solve(problem_from_cqm(knapsack(penalty, weight)), get_backend(backend), options)
    assert solution.best.objective == pytest.approx(best)
    assert dict(solution.best.soft) == ({"one": violation} if violation else {})
    assert solution.best.feasible


def test_a_price_without_a_common_unit_is_refused_by_name() -> None:
    x, y = dimod.Binaries(["x", "y"])
    cqm = dimod.ConstrainedQuadraticModel()
    cqm.add_constraint(x + 2**0.5 * y <= 1.5, label="odd", weight=1.0)
    with pytest.raises(UnsupportedProblemError, match="'odd' has the coefficient"):
        problem_from_cqm(cqm)
