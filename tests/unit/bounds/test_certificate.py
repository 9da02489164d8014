"""The certificate: its figures, its methods, and how it ends."""

from __future__ import annotations

import math
import os
import signal
import threading
from typing import Any

import dimod
import numpy as np
import pytest

from qubo_dnn.bounds import cut_tree, proof
from qubo_dnn.bounds.certificate import Certificate, certify, relative_gap
from qubo_dnn.bounds.quick import impossible
from qubo_dnn.constraint import Constraint, Sense
from qubo_dnn.errors import BackendUnavailableError, OptionError
from qubo_dnn.problem import LowRank, Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_dnn.testing.backend_cases.models import rugged_model

TREE = "branch and bound on the convex relaxation"


def layers(seed: int, sites: int = 9, options: int = 5, bits: float = 3.0) -> Problem[Any]:
    """What a network's layers look like: errors that fall with the bits, add up or cancel, within a budget."""
    rng = np.random.default_rng(seed)
    widths = np.array([0, 2, 3, 4, 6, 8][:options], float)
    errors = rng.normal(size=(sites, options, 40)) * 2.0 ** -widths[None, :, None]
    factor = errors.reshape(sites * options, 40)
    labels = [f"x[{s}][{k}]" for s in range(sites) for k in range(options)]
    matrix = np.triu(factor @ factor.T, 1)
    objective = dimod.BinaryQuadraticModel(np.square(factor).sum(axis=1) / 2.0, matrix, dimod.BINARY)
    objective.relabel_variables(dict(enumerate(labels)))
    budget = dimod.BinaryQuadraticModel(
        dict(zip(labels, np.tile(widths, sites).tolist(), strict=True)), {}, 0.0, dimod.BINARY
    )
    groups = {f"site {s}": tuple(labels[s * options : (s + 1) * options]) for s in range(sites)}
    return Problem(
        objective=objective,
        decoder=dict,
        one_hot=groups,
        constraints={"budget": Constraint(budget, "<=", bits * sites)},
    )


def without_exact_milp(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise BackendUnavailableError(f"{name} is not installed")

    monkeypatch.setattr(proof, "get_backend", missing)


@pytest.mark.parametrize(
    ("energy", "bound", "gap"),
    [
        (2.0, 1.5, 0.25),
        (-2.0, -2.5, 0.25),
        (-1.0, -4.0, 3.0),
        (1.0, -1.0, 2.0),
        (3.0, 3.0, 0.0),
        (3.0, 3.0 - 1e-10, 0.0),
        (3.0, 3.0 - 1e-8, 1e-8 / 3.0),
        (3.0, 3.0 + 1e-15, 0.0),
        (1e12, 1e12 - 1.0, 1e-12),
        (0.0, 0.0, 0.0),
        (0.0, -1.0, None),
        (1.0, -math.inf, None),
        (math.inf, 1.0, None),
    ],
)
def test_gap(energy: float, bound: float, gap: float | None) -> None:
    tolerance = 1e-9
    expected = None if gap is None else pytest.approx(gap, rel=1e-6, abs=0.0)
    assert relative_gap(energy, bound, tolerance) == expected
    known = Certificate(bound, relative_gap(energy, bound, tolerance), "", 0.0, tolerance)
    assert known.gap_of(energy) == known.gap
    assert known.optimal == (gap == 0.0)


def test_layers_are_proven_optimal_by_the_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    without_exact_milp(monkeypatch)
    monkeypatch.setattr("qubo_dnn.constraints.enumeration.MOST_STATES", 1)
    problem = layers(0, sites=6)
    found = certify(problem, None, 600.0)
    assert found.method == TREE
    assert found.gap is None
    again = certify(problem, found.bound, 600.0)
    assert (again.gap, again.method) == (0.0, TREE)
    worse = certify(problem, 1.5 * found.bound, 600.0)
    assert worse.gap == pytest.approx(1.0 / 3.0)


def test_few_states_are_listed() -> None:
    problem = layers(1, sites=4)
    found = certify(problem, None, 600.0)
    assert found.method == "enumeration"
    assert certify(problem, found.bound, 600.0).gap == 0.0


@pytest.mark.kernels
@pytest.mark.parametrize("whole", [False, True])
def test_models_of_low_treewidth_are_proven_by_elimination(monkeypatch: pytest.MonkeyPatch, whole: bool) -> None:
    without_exact_milp(monkeypatch)
    rng, n = np.random.default_rng(0), 1000
    values = rng.integers(-5, 6, 3 * n).astype(float) if whole else rng.normal(size=3 * n)
    model = dimod.BinaryQuadraticModel.from_ising(
        dict(enumerate(values[:n])),
        {(i, i + d): values[d * n + i] for d in (1, 2) for i in range(n - d)},
        0.1,
    )
    problem = Problem(objective=model, decoder=dict)
    best = solve(problem, get_backend("pt"), {"seed": 1}).best.objective
    found = certify(problem, best, 20.0)
    assert (found.optimal, found.method) == (True, "elimination")
    assert found.bound == pytest.approx(best, abs=1e-8)
    worse = certify(problem, best + 1.0, 20.0)
    assert not worse.optimal
    assert worse.bound == found.bound
    # A constraint only raises the optimum.
    budget = dimod.BinaryQuadraticModel(dict.fromkeys(problem.variables, 1.0), {}, 0.0, "BINARY")
    limited = Problem(objective=model, decoder=dict, constraints={"budget": Constraint(budget, "<=", 10.0)})
    told = certify(limited, None, 1e-3)
    assert (told.bound, told.method) == (found.bound, "elimination, without 1 constraint")


@pytest.mark.kernels
def test_what_elimination_leaves_is_bounded_by_other_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dense core, which takes most of the time, and long chains that hang on it."""
    without_exact_milp(monkeypatch)
    rng, core = np.random.default_rng(1), 24
    pairs = {(i, j): float(rng.integers(-3, 4)) or 1.0 for i in range(core) for j in range(i)}
    chains = {(10 * i + k, 10 * i + k + 10): float(rng.integers(-3, 4)) for k in range(4) for i in range(10, 100)}
    model = dimod.BinaryQuadraticModel.from_ising({}, {**pairs, **chains, (0, 100): 2.0, (1, 101): -1.0}, 0.5)
    problem = Problem(objective=model, decoder=dict)
    best = solve(problem, get_backend("pt"), {"seed": 1}).best.objective
    found = certify(problem, best, 60.0)
    assert found.optimal
    assert found.bound == best


def test_a_problem_without_feasible_states_is_said_to_be_so() -> None:
    for sites in (3, 9):
        found = certify(layers(0, sites=sites, bits=-1.0), None, 600.0)
        assert found.bound == math.inf
        assert (found.infeasible, found.optimal) == (True, False)
        figures = found.figures(layers(0))
        assert (figures["infeasible"], figures["optimal"], figures["bound"], figures["gap"]) == (
            True,
            False,
            None,
            None,
        )


@pytest.mark.parametrize("variables", [0, 2, 24, 3500])
@pytest.mark.parametrize(("sense", "right"), [("==", 1.0), (">=", 1.0), ("<=", -1.0)], ids=["equal", "above", "below"])
def test_a_constraint_without_terms_that_fails_is_infeasible(
    variables: int, sense: Any, right: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_exact_milp(monkeypatch)
    objective = dimod.BinaryQuadraticModel(dict.fromkeys(range(variables), -1.0), {}, 0.0, dimod.BINARY)
    empty = Constraint(dimod.BinaryQuadraticModel({}, {}, 0.0, dimod.BINARY), sense, right)
    problem: Problem[Any] = Problem(objective=objective, decoder=dict, constraints={"empty": empty})
    found = certify(problem, None, 600.0)
    assert (found.infeasible, found.gap) == (True, None)
    kept = Constraint(empty.lhs, sense, 0.0)
    found = certify(Problem(objective=objective, decoder=dict, constraints={"empty": kept}), -float(variables), 600.0)
    assert (found.optimal, found.bound) == (True, -variables)


def test_single_constraints_that_groups_leave_no_state_for_are_seen() -> None:
    weights = {0: 1.0, 1: 2.0, 2: 4.0}
    objective = dimod.BinaryQuadraticModel(dict.fromkeys(weights, 0.0), {}, 0.0, dimod.BINARY)
    left = dimod.BinaryQuadraticModel(weights, {}, 0.5, dimod.BINARY)
    cases: list[tuple[Sense, float, bool]] = [
        ("<=", 1.4, True),
        ("<=", 1.5, False),
        (">=", 6.6, True),
        (">=", 6.5, False),
    ]
    for sense, right, expected in cases:
        problem: Problem[Any] = Problem(
            objective=objective,
            decoder=dict,
            one_hot={"one": (0, 1)},
            constraints={"c": Constraint(left, sense, right)},
        )
        assert impossible(problem) == expected


def test_what_cannot_be_used_is_said_to_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    without_exact_milp(monkeypatch)
    bqm = rugged_model(24, 0)
    pairs = dimod.BinaryQuadraticModel({}, {("x[0]", "x[1]"): 1.0, ("x[2]", "x[3]"): -1.0}, 0.0, dimod.BINARY)
    equal = Constraint(pairs, "==", 0.0)
    found = certify(Problem(objective=bqm, decoder=dict, constraints={"equal": equal}), None, 600.0)
    assert found.method == f"{TREE}, without 1 constraint"
    assert found.bound <= certify(Problem(objective=bqm, decoder=dict), None, 600.0).bound


@pytest.mark.parametrize("sense", ["<=", ">="])
def test_quadratic_inequalities_get_a_price(monkeypatch: pytest.MonkeyPatch, sense: Any) -> None:
    without_exact_milp(monkeypatch)
    bqm = rugged_model(24, 0)
    bare = certify(Problem(objective=bqm, decoder=dict), None, 600.0)
    both = dimod.BinaryQuadraticModel({}, dict.fromkeys(bqm.quadratic, 1.0), 0.0, dimod.BINARY)
    both.scale(1.0 if sense == "<=" else -1.0)
    # No optimum of the bare problem has so few pairs of variables that are 1.
    pairs = Constraint(both, sense, 3.0 if sense == "<=" else -3.0)
    problem: Problem[Any] = Problem(objective=bqm, decoder=dict, constraints={"pairs": pairs})
    found = certify(problem, None, 600.0)
    assert found.method == f"{TREE}, with a price on 1 constraint"
    assert found.bound > bare.bound + 0.1 * abs(bare.bound)
    best = solve(problem, get_backend("pt"), {"seed": 0, "num_sweeps": 200}).best
    assert best.feasible
    assert found.bound <= best.objective


def test_a_low_rank_form_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    without_exact_milp(monkeypatch)
    bqm = dimod.BinaryQuadraticModel(dict.fromkeys(range(24), -1.0), {}, 0.0, dimod.BINARY)
    form = LowRank(tuple(range(24)), np.ones((24, 1), np.float32))
    found = certify(Problem(objective=bqm, decoder=dict, low_rank=form), -0.5, 600.0)
    assert found.gap == 0.0  # one or two of them: -k + k^2 / 2


def test_the_bound_of_a_maximum_is_in_its_own_sense() -> None:
    problem: Problem[Any] = Problem(
        objective=dimod.BinaryQuadraticModel({"a": -2.0}, {}, 0.0, dimod.BINARY), decoder=dict, sense="max"
    )
    assert certify(problem, -2.0, 5.0).figures(problem)["bound"] == pytest.approx(2.0)


def test_without_variables_the_offset_is_the_optimum() -> None:
    problem: Problem[Any] = Problem(objective=dimod.BinaryQuadraticModel({}, {}, 2.5, dimod.BINARY), decoder=dict)
    assert certify(problem, 2.5, 5.0).gap == 0.0


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.inf, math.nan])
def test_a_time_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(OptionError, match="time to certify"):
        certify(layers(0), None, seconds)


def test_equal_runs_prove_equal_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    without_exact_milp(monkeypatch)
    assert len({certify(layers(2), None, 600.0).bound for _ in range(2)}) == 1


def test_a_bound_of_the_backend_is_taken_where_the_gap_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Bounding:
        name = "bounding"
        capabilities = get_backend("exact").capabilities
        options_type = get_backend("exact").options_type

        def sample(self, bqm: dimod.BinaryQuadraticModel, options: Any) -> dimod.SampleSet:
            asked.append(options)
            found = dimod.SampleSet.from_samples_bqm(dict.fromkeys(bqm.variables, 0), bqm)
            found.info["bound"] = -1.0
            return found

    monkeypatch.setattr(proof, "get_backend", lambda _: Bounding())
    monkeypatch.setattr(proof, "_MOST_OPTIONS", 10)
    monkeypatch.setattr(cut_tree, "_MOST_SPINS", 10)
    found = certify(Problem(objective=rugged_model(26, 0), decoder=dict), None, 5.0, seed=7)
    assert (found.bound, found.method) == (-1.0, "exact-milp")
    assert asked[0].seed == 7
    assert 0.0 < asked[0].time_limit <= 5.0


def test_ctrl_c_leaves_what_was_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    without_exact_milp(monkeypatch)
    hard = Problem(objective=rugged_model(90, 0), decoder=dict)
    timer = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    found = certify(hard, None, 300.0)
    timer.join()
    assert found.bound > -math.inf
    assert found.seconds < 200.0
    assert found.method in (proof.CUT_RELAXATION, "convex relaxation", "roof duality", "single fields")
