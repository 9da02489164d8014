"""Objective and feasibility of every state agree between a model in its library and the problem made of it."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import dimod
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qubo_dnn.conversion import to_problem
from qubo_dnn.problem import Decoded, Problem

pytestmark = pytest.mark.slow

Term = tuple[int, ...]
NAMES = ("a", "b", "n", "m")


@dataclass(frozen=True)
class Drawn:
    """A program over two binary variables and two integers, before a library builds it.

    Attributes:
        bounds: range of each of `NAMES`; a range of one value fixes it.
        objective: positions of the variables -> coefficient.
        rows: terms, sense and right side.
        sense: "min" or "max".
    """

    bounds: tuple[tuple[int, int], ...]
    objective: dict[Term, float]
    rows: tuple[tuple[dict[Term, float], str, float], ...]
    sense: Literal["min", "max"]


def drawn(degree: int = 2) -> st.SearchStrategy[Drawn]:
    """Draw programs; terms above degree two have binary variables alone."""

    @st.composite
    def programs(draw: st.DrawFn) -> Drawn:
        bounds = [draw(st.sampled_from([(0, 1), (0, 1), (0, 1), (1, 1), (0, 0)])) for _ in NAMES[:2]]
        for _ in NAMES[2:]:
            low = draw(st.integers(-2, 2))
            bounds.append((low, low + draw(st.integers(0, 3))))
        pairs = list(itertools.combinations_with_replacement(range(len(NAMES)), 2))
        coefficients = st.integers(-6, 6).map(lambda k: k / 2.0)

        def terms(quadratic: bool) -> dict[Term, float]:
            singles: list[Term] = [(k,) for k in range(len(NAMES))]
            chosen = draw(st.lists(st.sampled_from([*singles, *pairs] if quadratic else singles), unique=True))
            found = {term: draw(coefficients) for term in chosen}
            if quadratic and degree > 2:
                found[(0, 0, 1)] = draw(coefficients)
                found[(0, 1, 4)], found[(1, 4, 4)] = draw(coefficients), draw(coefficients)
            return found

        rows = tuple(
            (terms(draw(st.booleans())), draw(st.sampled_from(("<=", ">=", "=="))), draw(coefficients))
            for _ in range(draw(st.integers(0, 3)))
        )
        return Drawn(
            tuple(bounds), {(): draw(coefficients), **terms(True)}, rows, draw(st.sampled_from(("min", "max")))
        )

    return programs()


def decoded_states(problem: Problem[Any]) -> Iterator[Decoded[Any]]:
    """Generate all states whose encodings and products are valid."""
    problem = pickle.loads(pickle.dumps(problem))
    for bits in itertools.product((0, 1), repeat=len(problem.variables)):
        found = problem.decode(dict(zip(problem.variables, bits, strict=True)))
        if "products" not in found.violations:
            yield found


def check(program: Drawn, problem: Problem[Any], judge: Callable[[Any], tuple[float, bool]]) -> None:
    """Compare all states with what the library says of them, and count them."""
    seen = set()
    for each in decoded_states(problem):
        objective, feasible = judge(each.value)
        assert each.objective == pytest.approx(objective)
        assert each.feasible == feasible
        assert problem.native is not None
        seen.add(tuple(each.value.values()))
    expected = 1
    for low, high in program.bounds:
        expected *= high - low + 1
    assert len(seen) == expected
    assert problem.sense == program.sense


@given(drawn())
@settings(max_examples=40)
def test_quadratic_programs(program: Drawn) -> None:
    optimization = pytest.importorskip("qiskit_optimization")
    made = optimization.QuadraticProgram()
    for name, (low, high), kind in zip(NAMES, program.bounds, "bbii", strict=True):
        if kind == "b":
            variable = made.binary_var(name)
            variable.lowerbound, variable.upperbound = low, high
        else:
            made.integer_var(low, high, name)
    set_objective = made.minimize if program.sense == "min" else made.maximize
    set_objective(program.objective[()], linear(program.objective), quadratic(program.objective))
    for terms, sense, rhs in program.rows:
        if quadratic(terms):
            made.quadratic_constraint(linear(terms), quadratic(terms), sense, rhs)
        else:
            made.linear_constraint(linear(terms), sense, rhs)

    def judge(value: dict[str, float]) -> tuple[float, bool]:
        x = [value[name] for name in NAMES]
        return made.objective.evaluate(x), made.is_feasible(x)

    check(program, to_problem(made), judge)
    assert len(to_problem(made).constraints) == len(program.rows)


@given(drawn())
@settings(max_examples=40)
def test_docplex_models(program: Drawn) -> None:
    models = pytest.importorskip("docplex.mp.model")
    made = models.Model()
    variables = []
    for name, (low, high), kind in zip(NAMES, program.bounds, "bbii", strict=True):
        variables.append(made.binary_var(name) if kind == "b" else made.integer_var(low, high, name))
        variables[-1].lb, variables[-1].ub = low, high

    def expression(terms: dict[Term, float]) -> Any:
        total = made.quad_expr() if quadratic(terms) else made.linear_expr()
        for term, weight in terms.items():
            part: Any = weight
            for position in term:
                part = variables[position] * part
            total = total + part
        return total

    (made.minimize if program.sense == "min" else made.maximize)(expression(program.objective))
    rows = []
    for terms, sense, rhs in program.rows:
        lhs = expression(terms)
        rows.append((lhs, sense, rhs))
        made.add(lhs <= rhs if sense == "<=" else lhs >= rhs if sense == ">=" else lhs == rhs)

    problem = to_problem(made)

    def judge(value: dict[str, float]) -> tuple[float, bool]:
        solution = made.new_solution({variable: value[variable.name] for variable in variables})
        return (
            solution.get_value(made.objective_expr),
            all(holds(solution.get_value(lhs), sense, rhs) for lhs, sense, rhs in rows),
        )

    check(program, problem, judge)


@given(drawn(degree=3), st.booleans())
@settings(max_examples=40)
def test_ommx_instances(program: Drawn, fix: bool) -> None:
    ommx = pytest.importorskip("ommx.v1", reason="OMMX is not installed")
    variables = [
        ommx.DecisionVariable.binary(k) if kind == "b" else ommx.DecisionVariable.integer(k, lower=low, upper=high)
        for k, ((low, high), kind) in enumerate(zip((*program.bounds, (0, 1)), "bbiib", strict=True))
    ]

    def function(terms: dict[Term, float]) -> Any:
        return ommx.Function(ommx.Polynomial(terms=terms))

    constraints = []
    for number, (terms, sense, rhs) in enumerate(program.rows):
        lhs = function(terms) - rhs
        made = lhs <= 0 if sense == "<=" else lhs >= 0 if sense == ">=" else lhs == 0
        constraints.append(made.set_id(number))
    instance = ommx.Instance.from_components(
        decision_variables=variables,
        objective=function(program.objective),
        constraints=constraints,
        sense=ommx.Instance.MINIMIZE if program.sense == "min" else ommx.Instance.MAXIMIZE,
    )
    # OMMX's binary variables have no other bounds.
    for position, (low, high) in enumerate(program.bounds[:2]):
        if low == high:
            instance = instance.partial_evaluate({position: low})
    if fix:
        instance = instance.partial_evaluate({4: 1})

    def judge(value: dict[int, float]) -> tuple[float, bool]:
        solution = instance.evaluate(value)
        return solution.objective, solution.feasible

    problem = to_problem(instance)
    for each in decoded_states(problem):
        objective, feasible = judge(each.value)
        assert each.objective == pytest.approx(objective)
        assert each.feasible == feasible
    assert problem.sense == program.sense


@given(drawn(), st.sampled_from(("binary", "unary", "bounded-coefficient:2")))
@settings(max_examples=40)
def test_cqms(program: Drawn, integers: str) -> None:
    made = dimod.ConstrainedQuadraticModel()
    for name, (low, high), kind in zip(NAMES, program.bounds, "bsii", strict=True):
        if kind == "i":
            made.add_variable("INTEGER", name, lower_bound=low, upper_bound=high)
        else:
            made.add_variable("BINARY" if kind == "b" else "SPIN", name)

    def model(terms: dict[Term, float]) -> dimod.QuadraticModel:
        found = dimod.QuadraticModel()
        for name in NAMES:
            bounds = {"lower_bound": made.lower_bound(name), "upper_bound": made.upper_bound(name)}
            found.add_variable(made.vartype(name), name, **bounds)
        for term, weight in terms.items():
            names = [NAMES[position] for position in term]
            if len(names) == 2 and (names[0] != names[1] or names[0] in NAMES[2:]):
                found.add_quadratic(*names, weight)
            elif names:
                found.add_linear(names[0], weight)
            else:
                found.offset += weight
        return found

    made.set_objective(model(program.objective))
    for number, (terms, sense, rhs) in enumerate(program.rows):
        soft = {"weight": 1.5} if number == 1 and sense != "==" and not quadratic(terms) else {}
        made.add_constraint_from_model(model(terms), sense, rhs, label=f"r{number}", **soft)
    problem = to_problem(made, sense=program.sense, integers=integers)
    assert problem.native is not None
    found = list(decoded_states(problem))
    rows = problem.native(found)
    plain = made.objective.energies(dimod.as_samples([each.value for each in found]))
    for each, row, objective in zip(found, rows.record, plain, strict=True):
        assert row.energy == each.objective
        assert row.is_feasible == (not set(each.violations) & set(made.constraints))
        if not each.soft:
            assert each.objective == pytest.approx(objective)


def linear(terms: dict[Term, float]) -> dict[str, float]:
    return {NAMES[term[0]]: weight for term, weight in terms.items() if len(term) == 1}


def quadratic(terms: dict[Term, float]) -> dict[tuple[str, str], float]:
    return {(NAMES[term[0]], NAMES[term[1]]): weight for term, weight in terms.items() if len(term) == 2}


def holds(lhs: float, sense: str, rhs: float) -> bool:
    return {"<=": lhs <= rhs + 1e-6, ">=": lhs >= rhs - 1e-6, "==": abs(lhs - rhs) <= 1e-6}[sense]
