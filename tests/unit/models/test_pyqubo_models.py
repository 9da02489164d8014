"""Models of pyqubo mean the polynomial that was written, whatever the strength they were compiled with."""

from __future__ import annotations

import random
from itertools import product
from math import prod
from typing import Any

import dimod
import pytest
from pyqubo import Binary, Placeholder, Spin

from qubo_dnn.constraint import Constraint
from qubo_dnn.constraints.exact_products import find_products, with_exact_products
from qubo_dnn.errors import FormulationError
from qubo_dnn.models.dimod_models import problem_from_bqm, problem_from_cqm
from qubo_dnn.models.ocean_sampler import BackendSampler
from qubo_dnn.models.pyqubo_models import problem_from_pyqubo
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve

X, Y, Z = (Binary(name) for name in "xyz")
# With the default strength of 5.0 the minimum of the second compiled model is -36.
CUBIC = {"positive": (100 * X * Y * Z - 2 * X, -2.0), "negative": (-100 * X * Y * Z + 49 * (X + Y + Z), 0.0)}


def drawn(seed: int, degree: int, kind: type[Binary] | type[Spin]) -> tuple[Any, list[float]]:
    """An expression over 5 variables, and its values in all states."""
    rng = random.Random(seed)
    terms = {
        tuple(sorted(rng.sample(range(5), rng.randint(1, degree)))): rng.choice((-1, 1)) * rng.randint(1, 60)
        for _ in range(8)
    }
    variables = [kind(f"v{k}") for k in range(5)]
    expression = sum(prod((variables[k] for k in term), start=bias) for term, bias in terms.items())
    states = product((0, 1) if kind is Binary else (-1, 1), repeat=5)
    return expression, [sum(bias * prod(x[k] for k in term) for term, bias in terms.items()) for x in states]


def lowest(problem: Problem[Any]) -> Any:
    """The decoded minimum of a problem with its penalties."""
    return problem.decode(dimod.ExactSolver().sample(problem.bqm()).first.sample)


@pytest.mark.parametrize("backend", ["exact", "pt", "tabu", "neal", "genetic", "exact-milp"])
@pytest.mark.parametrize("name", CUBIC)
def test_a_cubic_term_is_minimised_with_every_backend(name: str, backend: str) -> None:
    expression, minimum = CUBIC[name]
    asked = get_backend(backend)
    options = {"seed": 1} if asked.capabilities.seeded else {}
    problems: list[Problem[Any]] = [problem_from_pyqubo(expression), problem_from_bqm(expression.compile().to_bqm())]
    for problem in problems:
        best = solve(problem, asked, options).best
        assert (best.feasible, best.objective) == (True, minimum)
    assert set(solve(problem_from_pyqubo(expression), asked, options).best.value) == set("xyz")


@pytest.mark.parametrize("kind", [Binary, Spin], ids=["binary", "spin"])
@pytest.mark.parametrize("degree", [2, 3, 4])
@pytest.mark.parametrize("strength", [None, 0.0, 0.25, 5.0, 1e4], ids=str)
def test_the_weight_suffices_whatever_the_strength_was(
    kind: type[Binary] | type[Spin], degree: int, strength: float | None
) -> None:
    for seed in range(4):
        expression, values = drawn(seed, degree, kind)
        source = expression if strength is None else expression.compile(strength=strength)
        for sense, best in (("min", min(values)), ("max", max(values))):
            problem = problem_from_pyqubo(source, sense)  # type: ignore[arg-type]  # one of the two
            found = lowest(problem)
            assert (found.feasible, found.objective) == (True, pytest.approx(best))
            assert set(found.value) <= {f"v{k}" for k in range(5)}
            if strength is not None:
                found = lowest(problem_from_bqm(source.to_bqm(), sense))  # type: ignore[arg-type]  # one of the two
                assert (found.feasible, found.objective) == (True, pytest.approx(best))


def test_constrained_models_of_compiled_expressions_are_mended_too() -> None:
    expression, minimum = CUBIC["negative"]
    cqm = dimod.ConstrainedQuadraticModel.from_bqm(expression.compile().to_bqm())
    cqm.add_constraint_from_iterable([("x", 1.0)], "==", rhs=1.0, label="x")
    found = solve(problem_from_cqm(cqm), get_backend("exact")).best
    assert (found.feasible, found.objective) == (True, 47.0)
    assert minimum < 47.0


def test_a_formulation_in_pyqubo_is_mended_where_it_is_solved() -> None:
    bqm = CUBIC["negative"][0].compile().to_bqm()
    cover = Constraint((3 * X * Y * Z + Y).compile().to_bqm(), ">=", 4.0)
    plain, covered = (
        Problem(objective=bqm, decoder=dict),
        Problem(objective=bqm, decoder=dict, constraints={"cover": cover}),
    )
    assert solve(plain, get_backend("exact")).best.objective == 0.0
    exact = with_exact_products(covered)
    assert set(exact.constraints) == {"cover", "products"}
    assert exact.decode({"x": 1, "y": 1, "z": 1, "x * y": 1}).objective == 47.0
    assert exact.decode({"x": 1, "y": 1, "z": 1, "x * y": 1}).feasible
    assert not exact.decode({"x": 0, "y": 1, "z": 1, "x * y": 1}).feasible


def test_mending_twice_changes_nothing() -> None:
    problem = problem_from_pyqubo(CUBIC["positive"][0])
    assert with_exact_products(problem) is problem
    quadratic = problem_from_pyqubo(X * Y - X)
    assert (dict(quadratic.constraints), quadratic.variables) == ({}, ("x", "y"))


def test_variables_of_the_users_own_are_no_products() -> None:
    bqm = dimod.BinaryQuadraticModel({"x": 1.0, "y": 1.0, "x * y": -3.0}, {("x * y", "x"): 1.0}, 0.0, dimod.BINARY)
    assert find_products(bqm) == {}
    assert problem_from_bqm(bqm).constraints == {}


def test_placeholders_take_their_values() -> None:
    expression = Placeholder("m") * X * Y * Z - X
    assert lowest(problem_from_pyqubo(expression, feed_dict={"m": -50.0})).objective == -51.0
    with pytest.raises(FormulationError, match="pyqubo: the value of m is not provided"):
        problem_from_pyqubo(expression)


@pytest.mark.parametrize("source", [3, None, [X], dimod.BinaryQuadraticModel("BINARY"), Binary], ids=repr)
def test_what_is_not_of_pyqubo_is_refused(source: Any) -> None:
    with pytest.raises(FormulationError, match="expected an expression or a compiled model of pyqubo"):
        problem_from_pyqubo(source)


def test_a_sampler_warns_where_its_best_sample_is_none_of_the_expression() -> None:
    expression, _ = CUBIC["negative"]
    with pytest.warns(UserWarning, match="breaks 1 of pyqubo's products, such as 'x \\* y'"):
        BackendSampler("exact").sample(expression.compile().to_bqm())
    assert BackendSampler("exact").sample(expression.compile(strength=200.0).to_bqm()).first.energy == 0.0
