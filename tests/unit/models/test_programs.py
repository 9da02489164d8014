"""Programs of other libraries: what is refused, and by which name."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from qubo_dnn.conversion import to_problem
from qubo_dnn.errors import FormulationError, UnsupportedProblemError
from qubo_dnn.models.programs import Bounded, Program, Relation
from qubo_dnn.problem import Variable
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve

INFINITE = float("inf")


def program(**variables: Bounded) -> Program:
    named: dict[Variable, Bounded] = dict(variables.items())
    return Program("test model", "min", named, objective={(name,): 1.0 for name in variables})


@pytest.mark.parametrize(
    ("variable", "error", "text"),
    [
        (Bounded("continuous", 0.0, 1.0), UnsupportedProblemError, "variable 'x' of the test model is continuous"),
        (Bounded("semi-continuous", 0.0, 1.0), UnsupportedProblemError, "'x' of the test model is semi-continuous"),
        (Bounded("integer", 0.0, 1e20), UnsupportedProblemError, "integer variable 'x' has no bounds"),
        (Bounded("integer", -INFINITE, 3.0), UnsupportedProblemError, "integer variable 'x' has no bounds"),
        (Bounded("integer", 0.2, 0.8), FormulationError, "'x' is within 0.2 and 0.8, a range without integers"),
        (Bounded("integer", 3.0, 2.0), FormulationError, "'x' is within 3 and 2"),
        (Bounded("binary", 2.0, 1.0), FormulationError, "'x' is within 2 and 1"),
        (Bounded("integer", float("nan"), 1.0), FormulationError, "'x' is within nan"),
    ],
)
def test_variables_that_are_refused(variable: Bounded, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        program(x=variable).problem("binary", None)


@pytest.mark.parametrize("value", [0.5, 3.0])
def test_a_binary_or_integer_variable_may_not_be_fixed_at_other_values(value: float) -> None:
    with pytest.raises(FormulationError, match="'x' of the test model is fixed at"):
        program(x=Bounded("binary", value, value)).problem("binary", None)
    if value == 0.5:
        with pytest.raises(FormulationError, match=r"'x' of the test model is fixed at 0\.5"):
            program(x=Bounded("integer", value, value)).problem("binary", None)


def test_bounds_that_follow_from_constraints() -> None:
    made = program(n=Bounded("integer", 0.0, 1e20), m=Bounded("integer", 0.0, 1e30))
    made.relations.append(Relation("sum", {("n",): 1.0, ("m",): 2.0}, "<=", 4.0))
    assert len(made.problem("unary", None).variables) == 6


def test_degrees() -> None:
    n, x, y = Bounded("integer", 0.0, 3.0), Bounded("binary", 0.0, 1.0), Bounded("binary", 0.0, 1.0)
    made = program(n=n, x=x, y=y)
    made.objective = {("n", "x", "y"): 1.0}
    with pytest.raises(UnsupportedProblemError, match="product of degree 3 with the integer variable 'n'"):
        made.problem("binary", None)
    # With a fixed variable, or powers of a binary one, the degree is two.
    for made, term in (
        (program(n=n, x=x, y=Bounded("binary", 1.0, 1.0)), ("n", "x", "y")),
        (program(n=n, x=x), ("n", "x", "x")),
    ):
        made.objective = {term: 1.0}
        problem = made.problem("binary", None)
        assert problem.decode({"n[0]": 1, "n[1]": 1, "x": 1}).objective == 3.0


def test_names_are_unique() -> None:
    made = program(**{"x": Bounded("binary", 0.0, 1.0), "products[0]": Bounded("binary", 0.0, 1.0)})
    made.variables = {**made.variables, "y": Bounded("binary", 0.0, 1.0)}
    made.objective = {("x", "y", "products[0]"): -1.0}
    made.relations = [
        Relation("c", {("x",): 1.0}, "<=", 1.0),
        Relation("c", {("x", "y", "products[0]"): 1.0}, ">=", 0.0),
    ]
    problem = made.problem("binary", None)
    assert set(problem.constraints) == {"c", "c_2", "products"}
    # The product occurs twice, but has one variable.
    assert len(problem.variables) == 4
    assert solve(problem, get_backend("exact")).best.objective == -1.0


def test_a_polynomial_alone_has_a_proven_penalty() -> None:
    made = program(**{name: Bounded("binary", 0.0, 1.0) for name in "xyz"})
    made.objective = {("x", "y", "z"): -100.0, ("x",): 49.0, ("y",): 49.0, ("z",): 49.0}
    problem = made.problem("binary", None)
    assert problem.penalties.keys() == {"products"}
    states = itertools.product((0, 1), repeat=4)
    penalised = min(float(problem.bqm().energy(dict(zip(problem.variables, state, strict=True)))) for state in states)
    assert penalised == 0.0


def test_coefficients_that_are_not_finite() -> None:
    made = program(x=Bounded("binary", 0.0, 1.0))
    made.objective = {("x",): float("nan")}
    with pytest.raises(FormulationError, match="not a finite number"):
        made.problem("binary", None)


class TestDocplex:
    """What docplex can say and we cannot."""

    @pytest.fixture
    def model(self) -> Any:
        return pytest.importorskip("docplex.mp.model").Model("m")

    @pytest.mark.parametrize(
        ("part", "text"),
        [
            ("sos", "has special ordered sets"),
            ("several objectives", "has several objectives"),
            ("lazy", "has lazy constraints"),
            ("cut", "has user cuts"),
            ("maximum", "objective of the docplex model is max"),
            ("piecewise", "is of the kind PwlConstraint"),
            ("equivalence", "constraint 'e' of the docplex model is of the kind EquivalenceConstraint"),
            ("not equal", "is of the kind NotEqualConstraint"),
            ("if then", "is of the kind (Equivalence|IfThen)Constraint"),
            ("continuous", "the variable 'z' of the docplex model is continuous"),
            ("semi-continuous", "the variable 'z' of the docplex model is semi-continuous"),
            ("indicator", "constraint 'i' of the docplex model contains variables without bounds"),
            ("absolute value", "special ordered sets"),
        ],
    )
    def test_refused_by_name(self, model: Any, part: str, text: str) -> None:
        x, y = model.binary_var("x"), model.integer_var(0, 5, "y")
        if part == "sos":
            model.add_sos1([x, y])
        elif part == "several objectives":
            model.set_multi_objective("min", [x, y])
        elif part == "lazy":
            model.add_lazy_constraint(x + y <= 3)
        elif part == "cut":
            model.add_user_cut_constraint(x + y <= 3)
        elif part == "maximum":
            model.minimize(model.max(x, y))
        elif part == "piecewise":
            model.add(model.piecewise(0, [(0, 0), (2, 3)], 1)(y) <= 2)
        elif part == "equivalence":
            model.add_equivalence(x, y <= 2, name="e")
        elif part == "not equal":
            model.add(y != 3)
        elif part == "if then":
            model.add(model.if_then(y >= 2, x == 1))
        elif part == "continuous":
            model.continuous_var(0, 1, "z")
        elif part == "semi-continuous":
            model.semicontinuous_var(1, 2, "z")
        elif part == "indicator":
            model.add_indicator(x, model.integer_var(name="n") <= 3, name="i")
        else:
            model.add(model.abs(y - 2) <= 1)
        with pytest.raises(UnsupportedProblemError, match=text):
            to_problem(model)

    def test_a_function_within_an_objective(self, model: Any) -> None:
        x, y = model.binary_var("x"), model.integer_var(0, 5, "y")
        model.minimize(model.max(x, y) + x)
        with pytest.raises(UnsupportedProblemError):
            to_problem(model)

    @pytest.mark.parametrize("active", [0, 1])
    @pytest.mark.parametrize("sense", ["<=", ">=", "=="])
    def test_indicators_state_by_state(self, model: Any, active: int, sense: str) -> None:
        x, n = model.binary_var("x"), model.integer_var(-2, 4, "n")
        lhs = 2 * n - x
        inner = {"<=": lhs <= 3, ">=": lhs >= 3, "==": lhs == 3}[sense]
        model.add_indicator(x, inner, active, "i")
        problem = to_problem(model)
        assert problem.sense == "min"
        for bits in itertools.product((0, 1), repeat=len(problem.variables)):
            found = problem.decode(dict(zip(problem.variables, bits, strict=True)))
            value = 2 * found.value["n"] - found.value["x"]
            holds = {"<=": value <= 3, ">=": value >= 3, "==": value == 3}[sense]
            assert found.feasible == (holds or found.value["x"] != active)

    def test_logical_expressions_are_linear(self, model: Any) -> None:
        x, y = model.binary_var("x"), model.binary_var("y")
        model.add(model.logical_and(x, y) == 1)
        best = solve(to_problem(model), get_backend("exact")).best
        assert best.feasible
        assert (best.value["x"], best.value["y"]) == (1, 1)

    def test_open_ranges_and_constants(self, model: Any) -> None:
        x = model.integer_var(0, 5, "x")
        model.add_range(2, x + 1, 1e20, "low")
        model.add_range(4, x + 1, 4, "equal")
        model.minimize(7)
        problem = to_problem(model)
        assert {label: each.sense for label, each in problem.constraints.items()} == {"low": ">=", "equal": "=="}
        best = solve(problem, get_backend("exact")).best
        assert (best.value, best.objective) == ({"x": 3}, 7.0)


class TestOmmx:
    """What OMMX can say and we cannot."""

    @pytest.fixture
    def ommx(self) -> Any:
        return pytest.importorskip("ommx.v1", reason="OMMX is not installed")

    @pytest.mark.parametrize("kind", ["continuous", "semi_continuous", "semi_integer"])
    def test_kinds_refused_by_name(self, ommx: Any, kind: str) -> None:
        x = getattr(ommx.DecisionVariable, kind)(7, lower=1, upper=2)
        instance = ommx.Instance.from_components(
            decision_variables=[x], objective=x, constraints=[], sense=ommx.Instance.MINIMIZE
        )
        text = f"the variable 7 of the OMMX instance is {kind.replace('_', '-')}"
        with pytest.raises(UnsupportedProblemError, match=text):
            to_problem(instance)

    def test_labels(self, ommx: Any) -> None:
        x = ommx.DecisionVariable.binary(0)
        rows = [
            (x <= 1).set_id(0).add_name("row").add_subscripts([1, 2]),
            (x <= 1).set_id(1).add_name("row").add_subscripts([1, 2]),
            (x <= 1).set_id(2).add_name("row"),
            (x <= 1).set_id(5),
        ]
        instance = ommx.Instance.from_components(
            decision_variables=[x], objective=x, constraints=rows, sense=ommx.Instance.MINIMIZE
        )
        assert set(to_problem(instance).constraints) == {"row[1,2]", "row[1,2]_2", "row", "constraint 5"}
        instance.relax_constraint(5, "not needed")
        assert "constraint 5" not in to_problem(instance).constraints

    def test_dependent_variables_follow_from_the_others(self, ommx: Any) -> None:
        n = ommx.DecisionVariable.integer(0, lower=0, upper=5)
        instance = ommx.Instance.from_components(
            decision_variables=[n], objective=n * n - 4 * n, constraints=[], sense=ommx.Instance.MINIMIZE
        )
        instance.log_encode({0})
        solution = solve(to_problem(instance), get_backend("exact"))
        assert 0 not in solution.best.value
        assert solution.native().get(0).state.entries[0] == 2.0
        assert solution.native().get(0).objective == -4.0
