from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from fractions import Fraction
from itertools import product

import dimod
import numpy as np
import pytest

from qubo_dnn.backend import Capabilities
from qubo_dnn.constraint import Constraint, ConstraintKind, Sense
from qubo_dnn.errors import ArgumentError, FormulationError, UnsupportedProblemError
from qubo_dnn.problem import Decoded, LowRank, Problem, natural_key
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.local_answer import solve_locally
from qubo_dnn.solving.solve import solve


def linear(biases: dict[object, float], offset: float = 0.0) -> dimod.BinaryQuadraticModel:
    return dimod.BinaryQuadraticModel(biases, {}, offset, dimod.BINARY)


def two_groups() -> Problem[dict[object, int]]:
    """Groups a0 a1 and b0 b1, a free variable c, a linear budget and a quadratic constraint."""
    objective = linear({"a0": 1.0, "a1": -2.0, "b0": 0.5, "b1": 0.0, "c": -1.0}, 3.0)
    objective.add_quadratic("a1", "b1", 1.5)
    product_of_two = dimod.BinaryQuadraticModel({"c": 1.0}, {("a0", "b0"): 1.0}, 0.25, dimod.BINARY)
    return Problem(
        objective=objective,
        decoder=dict,
        one_hot={"a": ("a0", "a1"), "b": ("b0", "b1")},
        constraints={
            "budget": Constraint(linear({"a1": 2.0, "b1": 3.0, "c": 1.0}, 0.5), "<=", 4.0),
            "pair": Constraint(product_of_two, ">=", 1.0),
        },
    )


@pytest.mark.parametrize(
    ("mixed", "ordered"),
    [
        (["x[10]", "x[2]", "x[1]"], ["x[1]", "x[2]", "x[10]"]),
        ([("x", 10), ("x", 2)], [("x", 2), ("x", 10)]),
        ([10, 2, 1], [1, 2, 10]),
        ([np.int64(10), 2, 1.5], [1.5, 2, np.int64(10)]),
        ([2**60 + 1, 2**60, Fraction(1, 2)], [Fraction(1, 2), 2**60, 2**60 + 1]),
        (["b", ("a", 1), 3, "x²", "²"], [3, "b", "x²", "²", ("a", 1)]),
        (["x1", "x01"], ["x01", "x1"]),
        ([frozenset("ba"), frozenset("ac"), "z"], ["z", frozenset("ab"), frozenset("ac")]),
    ],
)
def test_variables_are_in_natural_order_however_they_came(mixed: list[object], ordered: list[object]) -> None:
    for labels in (mixed, mixed[::-1]):
        assert Problem(objective=linear(dict.fromkeys(labels, 1.0)), decoder=dict).variables == tuple(ordered)
    assert sorted(mixed, key=natural_key) == ordered


def test_ordering_moves_biases_along() -> None:
    bqm = dimod.BinaryQuadraticModel({"x[10]": 1.0, "x[2]": 2.0, "x[1]": 3.0}, {("x[10]", "x[1]"): 4.0}, 5.0, "BINARY")
    problem = Problem(objective=bqm, decoder=dict)
    assert problem.objective == bqm
    assert next(iter(bqm.variables)) == "x[10]"


def test_the_order_of_the_variables_does_not_change_converted_biases() -> None:
    rng = np.random.default_rng(0)
    labels = [f"s[{i}]" for i in range(12)]
    pairs = {(u, v): rng.normal() for i, u in enumerate(labels) for v in labels[i + 1 :]}
    forward = dimod.BinaryQuadraticModel(dict.fromkeys(labels, 0.1), pairs, 0.0, dimod.SPIN)
    backward = dimod.BinaryQuadraticModel(dict.fromkeys(labels[::-1], 0.1), dict(reversed(pairs.items())), 0.0, "SPIN")
    one, other = (Problem(objective=bqm, decoder=dict).objective for bqm in (forward, backward))
    assert one == other


def test_a_spin_objective_and_a_spin_constraint_keep_their_values() -> None:
    spin = dimod.BinaryQuadraticModel({"a": 1.0, "b": -0.5}, {("a", "b"): 2.0}, 0.25, dimod.SPIN)
    problem = Problem(objective=spin, decoder=dict, constraints={"c": Constraint(spin, "<=", -1e9)})
    assert problem.objective.vartype is dimod.BINARY
    for a, b in product((0, 1), repeat=2):
        energy = spin.energy({"a": 2 * a - 1, "b": 2 * b - 1})
        decoded = problem.decode({"a": a, "b": b})
        assert decoded.objective == pytest.approx(energy)
        assert decoded.violations["c"] == pytest.approx(energy + 1e9)


@pytest.mark.parametrize(
    ("one_hot", "text"),
    [
        ({"g": ()}, "one-hot group 'g' is empty"),
        ({"g": ("a", "z")}, "one-hot group 'g' names the unknown variable 'z'"),
        ({"g": ("a", "b"), "h": ("b",)}, "variable 'b' is in more than one one-hot group"),
        ({"c": ("a",)}, "the label 'c' is used for a group and for a constraint"),
    ],
)
def test_malformed_groups_are_refused(one_hot: dict[str, tuple[str, ...]], text: str) -> None:
    constraints = {"c": Constraint(linear({"a": 1.0}), "<=", 1.0)}
    with pytest.raises(FormulationError, match=text):
        Problem(objective=linear({"a": 1.0, "b": 1.0}), decoder=dict, one_hot=one_hot, constraints=constraints)


def test_a_constraint_on_an_unknown_variable_is_refused() -> None:
    constraints = {"c": Constraint(linear({"z": 1.0}), "<=", 1.0)}
    with pytest.raises(FormulationError, match="constraint 'c' names the unknown variable 'z'"):
        Problem(objective=linear({"a": 1.0}), decoder=dict, constraints=constraints)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_refused(value: float) -> None:
    pair = dimod.BinaryQuadraticModel({}, {("a", "b"): value}, 0.0, dimod.BINARY)
    for bqm in (linear({"a": value}), linear({"a": 1.0}, value), pair):
        with pytest.raises(FormulationError, match="finite"):
            Problem(objective=bqm, decoder=dict)
        with pytest.raises(FormulationError, match="finite"):
            Constraint(bqm, "<=", 1.0)
    with pytest.raises(FormulationError, match="right side"):
        Constraint(linear({"a": 1.0}), "<=", value)


def test_an_unknown_sense_is_refused() -> None:
    with pytest.raises(ArgumentError, match="sense must be '<=' or '==' or '>=', not str: '<'"):
        Constraint(linear({"a": 1.0}), "<", 1.0)  # type: ignore[arg-type]  # the wrong type is the point


@pytest.mark.parametrize(
    ("sense", "activity", "violation"),
    [
        ("<=", 4.0, 0.0),
        ("<=", 4.0 + 1e-9, 0.0),
        ("<=", 4.0 + 1e-8, 1e-8),
        ("<=", 6.5, 2.5),
        ("<=", -9.0, 0.0),
        (">=", 4.0 - 1e-9, 0.0),
        (">=", 1.0, 3.0),
        (">=", 9.0, 0.0),
        ("==", 4.0, 0.0),
        ("==", 3.0, 1.0),
        ("==", 5.5, 1.5),
    ],
)
def test_a_violation_is_the_distance_beyond_the_tolerance(sense: Sense, activity: float, violation: float) -> None:
    assert Constraint(linear({"a": 1.0}), sense, 4.0).violation(activity) == pytest.approx(violation, rel=1e-6)


def test_the_tolerance_grows_with_the_right_side() -> None:
    constraint = Constraint(linear({"a": 1.0}), "<=", 1e6)
    assert constraint.violation(1e6 + 5e-4) == 0.0
    assert constraint.violation(1e6 + 2e-3) == pytest.approx(2e-3)


def test_excess_is_the_violation_of_every_entry() -> None:
    constraint = Constraint(linear({"a": 1.0}), "==", 2.0)
    activities = np.array([[2.0, 3.0], [0.0, 2.0 + 1e-12]])
    assert constraint.excess(activities).tolist() == [[0.0, 1.0], [2.0, 0.0]]


def test_kinds_of_constraints() -> None:
    problem, kind = two_groups(), ConstraintKind
    linear_ones = {"a": kind.ONE_HOT, "b": kind.ONE_HOT, "budget": kind.INEQUALITY}
    assert problem.kinds == {**linear_ones, "pair": kind.QUADRATIC_INEQUALITY}
    assert problem.constraint_kinds == {kind.ONE_HOT, kind.INEQUALITY, kind.QUADRATIC_INEQUALITY}
    assert problem.relaxed(problem.objective).constraint_kinds == {ConstraintKind.ONE_HOT}


@pytest.mark.parametrize(
    ("sense", "rhs", "room"), [("<=", 0.0, False), ("<=", 1.0, True), (">=", 1.0, True), ("==", 1.0, False)]
)
def test_a_quadratic_inequality_has_room(sense: Sense, rhs: float, room: bool) -> None:
    """Without any it is the equality that its penalty model makes of it."""
    edges = dimod.BinaryQuadraticModel({}, {("a", "b"): 1.0, ("b", "c"): 1.0}, 0.0, dimod.BINARY)
    problem = Problem(objective=edges, decoder=dict, constraints={"edges": Constraint(edges, sense, rhs)})
    kind = ConstraintKind.QUADRATIC_INEQUALITY if room else ConstraintKind.QUADRATIC_EQUALITY
    assert problem.kinds == {"edges": kind}
    assert Problem(objective=problem.objective, decoder=dict).constraint_kinds == set()


@pytest.mark.parametrize(
    ("equalities", "kinds"),
    [
        ({"one": {"a": 1.0, "b": 1.0}, "two": {"c": -2.0, "d": -2.0, "a": 0.0}}, ["assignment", "assignment"]),
        ({"one": {"a": 1.0, "b": 2.0}, "two": {"c": 1.0}}, ["linear-equality", "assignment"]),
        ({"one": {"a": 1.0, "b": 1.0}, "two": {"b": 1.0, "c": 1.0}}, ["linear-equality", "linear-equality"]),
        ({"one": {"a": 0.0}}, ["linear-equality"]),
    ],
)
def test_equalities_that_count_and_share_no_variable_are_assignments(
    equalities: dict[str, dict[object, float]], kinds: list[str]
) -> None:
    constraints = {label: Constraint(linear(weights), "==", 0.0) for label, weights in equalities.items()}
    constraints["limit"] = Constraint(linear({"a": 1.0, "c": 1.0}), "<=", 1.0)
    problem = Problem(objective=linear(dict.fromkeys("abcd", 1.0)), decoder=dict, constraints=constraints)
    assert list(problem.kinds.values()) == [*kinds, "linear-inequality"]


def test_who_keeps_equalities_keeps_assignments() -> None:
    constraints = {"one": Constraint(linear({"a": 1.0, "b": 1.0}), "==", 1.0)}
    problem = Problem(objective=linear({"a": 1.0, "b": 1.0}), decoder=dict, constraints=constraints)
    for native, kept in (("linear-equality", True), ("assignment", True), ("linear-inequality", False)):
        assert Capabilities(native_constraints=frozenset({ConstraintKind(native)})).supports(problem) is kept


def test_decode_gives_the_objective_without_penalties_and_all_violations() -> None:
    decoded = two_groups().decode({"a0": 1, "a1": 1, "b0": 0, "b1": 0, "c": 0})
    assert decoded == Decoded({"a0": 1, "a1": 1, "b0": 0, "b1": 0, "c": 0}, 2.0, {"a": 1.0, "b": 1.0, "pair": 0.75})
    assert not decoded.feasible
    assert two_groups().decode({"a0": 1, "a1": 0, "b0": 1, "b1": 0, "c": 0}).feasible


@pytest.mark.parametrize(
    ("sample", "text"),
    [({"a": 1}, "lacks the variable 'b'"), ({"a": 1, "b": -1}, "has -1 for the binary variable 'b'")],
)
def test_a_sample_of_another_model_is_refused(sample: dict[Hashable, int], text: str) -> None:
    with pytest.raises(FormulationError, match=text):
        Problem(objective=linear({"a": 1.0, "b": 1.0}), decoder=dict).decode(sample)


def test_penalties_are_added_for_every_broken_group() -> None:
    problem = two_groups().relaxed(two_groups().objective)
    bqm = problem.bqm({"a": 10.0, "b": 100.0})
    for state in product((0, 1), repeat=5):
        sample = dict(zip(problem.variables, state, strict=True))
        a, b = sample["a0"] + sample["a1"], sample["b0"] + sample["b1"]
        expected = problem.objective.energy(sample) + 10.0 * (a - 1) ** 2 + 100.0 * (b - 1) ** 2
        assert bqm.energy(sample) == pytest.approx(expected)
    assert problem.objective == two_groups().objective


def test_a_bqm_needs_every_penalty_and_no_constraint() -> None:
    problem = two_groups()
    with pytest.raises(UnsupportedProblemError, match="no penalty model of 'budget', 'pair'"):
        problem.bqm({"a": 1.0, "b": 1.0})
    with pytest.raises(FormulationError, match="no penalty for 'b'"):
        problem.relaxed(problem.objective).bqm({"a": 1.0})


def test_the_constrained_model_agrees_on_every_state() -> None:
    problem = two_groups()
    cqm = problem.to_cqm()
    assert cqm.discrete == {"a", "b"}
    feasible = 0
    for state in product((0, 1), repeat=5):
        sample = dict(zip(problem.variables, state, strict=True))
        decoded = problem.decode(sample)
        assert cqm.check_feasible(sample) == decoded.feasible
        assert cqm.objective.energy(sample) == pytest.approx(decoded.objective)
        feasible += decoded.feasible
    assert 0 < feasible < 32


def test_groups_given_as_lists_and_of_one_variable_are_kept() -> None:
    problem = Problem(objective=linear({"a": 1.0, "b": 2.0}), decoder=dict, one_hot={"g": ["a"]})  # type: ignore[dict-item]  # a list is not refused
    assert problem.one_hot == {"g": ("a",)}
    assert problem.violations({"a": 0, "b": 0}) == {"g": 1.0}
    assert problem.to_cqm().check_feasible({"a": 1, "b": 0})


def test_a_problem_without_variables() -> None:
    problem = Problem(objective=dimod.BinaryQuadraticModel({}, {}, 1.5, dimod.SPIN), decoder=dict)
    assert problem.variables == ()
    assert problem.decode({}) == Decoded({}, 1.5, {})
    assert problem.bqm({}).offset == 1.5


class TestLowRank:
    """Three variables; the form leaves out `b`, and has its variables in another order than the objective."""

    FACTOR = np.array([[1.0, 2.0], [3.0, -1.0]], np.float32)

    def problem(self) -> Problem[dict[object, int]]:
        objective = linear({"a": 1.0, "b": -2.0, "c": 0.5}, 3.0)
        return Problem(objective=objective, decoder=dict, low_rank=LowRank(("c", "a"), self.FACTOR))

    def test_its_energy_is_half_the_square_of_the_chosen_rows(self) -> None:
        form = LowRank(("c", "a"), self.FACTOR)
        assert form.energy({"a": 0, "b": 1, "c": 0}) == 0.0
        assert form.energy({"a": 0, "c": 1}) == 2.5  # (1 + 4) / 2
        assert form.energy({"a": 1, "c": 0}) == 5.0  # (9 + 1) / 2
        assert form.energy({"a": 1, "c": 1}) == 8.5  # (16 + 1) / 2

    def test_its_rows_are_added_up_in_double_precision(self) -> None:
        form = LowRank(("a", "b"), np.array([[2.0**24], [1.0]], np.float32))
        assert form.energy({"a": 1, "b": 1}) == (2.0**24 + 1) ** 2 / 2

    def test_it_counts_in_the_decoded_objective(self) -> None:
        decoded = self.problem().decode({"a": 1, "b": 1, "c": 1})
        assert decoded.objective == 3.0 + (1.0 - 2.0 + 0.5) + 8.5
        assert decoded.feasible

    def test_it_stays_when_constraints_are_relaxed(self) -> None:
        relaxed = self.problem().relaxed(linear({"a": 0.0, "b": 0.0, "c": 0.0}))
        assert relaxed.decode({"a": 1, "b": 1, "c": 1}).objective == 8.5

    def test_models_that_would_lack_it_are_refused(self) -> None:
        problem, refused = self.problem(), UnsupportedProblemError
        with pytest.raises(refused, match=r"2 densely coupled variables have 1 interactions.* factor of rank 2"):
            problem.check_expressible()
        with pytest.raises(refused, match="factor of rank 2"):
            problem.bqm({})
        with pytest.raises(refused, match="factor of rank 2"):
            problem.to_cqm()
        with pytest.raises(refused, match="factor of rank 2"):
            solve_locally(problem)

    def test_a_backend_that_cannot_take_it_is_named(self) -> None:
        with pytest.raises(UnsupportedProblemError, match=r"'exact' takes no low-rank objective: .* factor of rank 2"):
            solve(self.problem(), get_backend("exact"))
        product = dimod.BinaryQuadraticModel({}, {("a", "b"): 1.0}, 0.0, dimod.BINARY)
        problem = replace(self.problem(), constraints={"pair": Constraint(product, "<=", 0.0)})
        with pytest.raises(UnsupportedProblemError, match=r"'pt' takes a low-rank objective, but not .*'quadratic-eq"):
            solve(problem, get_backend("pt"))

    @pytest.mark.kernels
    def test_a_backend_that_takes_it_gets_all_of_it(self) -> None:
        """The form is least where neither `a` nor `c` is chosen; a demand makes it choose the cheaper one."""
        constraints = {"demand": Constraint(linear({"a": 1.0, "c": 1.0}), ">=", 1.0)}
        problem = replace(self.problem(), constraints=constraints)
        solution = solve(problem, get_backend("pt"), {"seed": 1})
        assert solution.sample == {"a": 0, "b": 1, "c": 1}
        assert solution.best.objective == 3.0 - 2.0 + 0.5 + 2.5
        assert (solution.best.feasible, solution.repaired, len(solution.calls)) == (True, False, 1)
        assert solution.sampleset.first.energy == solution.best.objective

    @pytest.mark.parametrize("shape", [(3, 2), (2,), (1, 2)])
    def test_other_than_one_row_for_every_variable_is_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(FormulationError, match="there are 2 variables"):
            LowRank(("a", "c"), np.zeros(shape, np.float32))

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_what_is_not_finite_is_refused(self, value: float) -> None:
        factor = self.FACTOR.copy()
        factor[1, 0] = value
        with pytest.raises(FormulationError, match="not a finite number"):
            LowRank(("c", "a"), factor)

    def test_an_unknown_variable_is_refused(self) -> None:
        with pytest.raises(FormulationError, match="low-rank form names a variable that the objective lacks"):
            Problem(objective=linear({"a": 1.0}), decoder=dict, low_rank=LowRank(("c", "a"), self.FACTOR))


def test_a_maximised_objective_is_reported_in_its_own_sense() -> None:
    problem = Problem(objective=linear({"a": -2.0, "b": 1.0}), decoder=dict, sense="max")
    assert problem.decode({"a": 1, "b": 0}).objective == 2.0
    assert str(problem.decode({"a": 0, "b": 0}).objective) == "0.0"
    assert solve(problem, get_backend("exact")).best.objective == 2.0


def test_own_penalties_make_the_bqm() -> None:
    edge = dimod.BinaryQuadraticModel({}, {("a", "b"): 1.0}, 0.0, dimod.BINARY)
    constraints = {"edge": Constraint(edge, "<=", 0.0), "sum": Constraint(linear({"a": 1.0, "c": 1.0}), "==", 1.0)}
    objective = linear({"a": -2.0, "b": -2.0, "c": 1.0})
    problem = Problem(objective=objective, decoder=dict, constraints=constraints, penalties={"edge": 3.0, "sum": 5.0})
    for a, b, c in product((0, 1), repeat=3):
        expected = -2 * a - 2 * b + c + 3 * a * b + 5 * (a + c - 1) ** 2
        assert problem.bqm().energy({"a": a, "b": b, "c": c}) == expected


@pytest.mark.parametrize(
    ("penalties", "text"),
    [
        ({"a": 1.0}, "other labels"),
        ({"a": 1.0, "b": 1.0, "z": 1.0}, "other labels"),
        ({"a": 1.0, "b": 0.0}, "penalty of 'b' is 0.0"),
        ({"a": 1.0, "b": float("inf")}, "penalty of 'b' is inf"),
    ],
)
def test_malformed_penalties_are_refused(penalties: dict[str, float], text: str) -> None:
    groups = {"a": ("x", "y"), "b": ("z",)}
    with pytest.raises(FormulationError, match=text):
        Problem(objective=linear({"x": 1.0, "y": 1.0, "z": 1.0}), decoder=dict, one_hot=groups, penalties=penalties)
    unpenalised = {"sum": Constraint(linear({"x": 1.0, "y": 1.0}), "<=", 1.0)}
    with pytest.raises(FormulationError, match="'sum' has no penalty model"):
        Problem(objective=linear({"x": 1.0, "y": 1.0}), decoder=dict, constraints=unpenalised, penalties=penalties)
