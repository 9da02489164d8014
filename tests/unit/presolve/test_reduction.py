from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar

import dimod
import numpy as np
import pytest

from qubo_dnn.backend import Capabilities, SolveOptions
from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.presolve.dominance import substitute
from qubo_dnn.presolve.reduction import reduce, shares
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve


class Recorder:
    """The exact backend, keeping what it was asked."""

    name: ClassVar[str] = "recorder"
    summary: ClassVar[str] = "records"
    options_type: ClassVar[type[SolveOptions]] = SolveOptions

    def __init__(self, remote: bool) -> None:
        self.capabilities = Capabilities(remote=remote)
        self.asked: list[dimod.BinaryQuadraticModel] = []

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:  # noqa: ARG002 (part of the contract)
        self.asked.append(bqm)
        return get_backend("exact").sample(bqm, get_backend("exact").options_type())


def triangles(*names: str) -> Problem[dict[Any, int]]:
    """Frustrated triangles that share nothing, and a variable that everything pulls to 1."""
    objective = dimod.BinaryQuadraticModel({"pulled": -9.0, "idle": 0.0}, {}, 2.0, dimod.BINARY)
    for index, name in enumerate(names):
        a, b, c = (f"{name}{k}" for k in range(3))
        objective.add_linear_from({a: -2.0 - index, b: -2.0, c: -2.0})
        objective.add_quadratic_from({(a, b): 4.0, (b, c): 4.0, (a, c): 4.0})
        objective.add_quadratic("pulled", a, 1.0)
    return Problem(objective=objective, decoder=dict)


@pytest.mark.parametrize(("remote", "calls"), [(False, 2), (True, 1)])
def test_a_local_backend_is_asked_for_every_component_and_a_remote_one_once(remote: bool, calls: int) -> None:
    problem, backend = triangles("x", "y"), Recorder(remote)
    solution = solve(problem, backend)
    assert len(backend.asked) == calls
    assert solution.best.objective == solve(problem, get_backend("exact"), presolve=False).best.objective
    assert solution.calls[0].presolve == {
        "fixed_by_dominance": 2,
        "fixed_by_roof_duality": 0,
        "interactions_dropped": 0,
        "eliminated": 0,
        "elimination_width": 0,
        "components": calls,
        "variables_left": 6,
    }


def test_fixed_values_are_put_in_as_dimod_does_it() -> None:
    rng = np.random.default_rng(0)
    objective = dimod.BinaryQuadraticModel(rng.normal(size=(12, 12)), dimod.BINARY)
    objective.offset = 1.5
    fixed: dict[Hashable, int] = {0: 1, 2: 0, 4: 0, 6: 1, 8: 1, 10: 0}
    left = substitute(Problem(objective=objective, decoder=dict, one_hot={"gone": (0, 2), "open": (3, 4, 5)}), fixed)
    wanted = objective.copy()
    wanted.fix_variables(fixed)
    assert left.objective.is_almost_equal(wanted, places=12)
    assert set(left.objective.variables) == set(wanted.variables)
    assert left.one_hot == {"open": (3, 5)}


def test_a_problem_that_is_fixed_whole_asks_no_backend() -> None:
    objective = dimod.BinaryQuadraticModel({"a": -3.0, "b": 1.0}, {("a", "b"): 1.0}, 0.5, dimod.BINARY)
    backend = Recorder(remote=False)
    solution = solve(Problem(objective=objective, decoder=dict), backend)
    assert backend.asked == []
    assert (solution.best.value, solution.best.objective) == ({"a": 1, "b": 0}, -2.5)


def test_without_presolve_the_backend_is_asked_for_the_problem_itself() -> None:
    problem, backend = triangles("x"), Recorder(remote=False)
    solution = solve(problem, backend, presolve=False)
    assert backend.asked == [problem.objective]
    assert solution.calls[0].presolve == {}


def test_roof_duality_fixes_what_bounds_do_not() -> None:
    """A chain of equal spins with a pull at its end: no single variable is fixed by bounds, all by the flow."""
    objective = dimod.BinaryQuadraticModel(dimod.SPIN)
    objective.add_linear("s0", -0.5)
    objective.add_quadratic_from({(f"s{i}", f"s{i + 1}"): -1.0 for i in range(5)})
    reduction = reduce(Problem(objective=objective, decoder=dict))
    assert reduction.summary()["fixed_by_roof_duality"] == 6
    assert set(reduction.fixed.values()) == {1}


def test_interactions_below_rounding_are_dropped_and_energies_still_count_them() -> None:
    objective = dimod.BinaryQuadraticModel({"a": 1e9, "b": -1.0}, {("b", "c"): 1e-9}, 0.0, dimod.BINARY)
    problem = Problem(objective=objective, decoder=dict)
    assert reduce(problem).dropped == 1
    solution = solve(problem, get_backend("exact"))
    assert solution.best.objective == problem.objective.energy(solution.sample)


def test_parts_have_seeds_of_their_own_and_share_the_time() -> None:
    problem = triangles("x", "y", "z")
    settings = [options for _, options in shares(reduce(problem), SolveOptions(seed=7, time_limit=6000.0))]
    assert settings[0].seed == 7
    assert len({each.seed for each in settings}) == 3
    limits = [each.time_limit for each in settings]
    assert limits[0] == pytest.approx(2000.0, rel=0.01)
    assert [each.seed for each in settings] == [
        options.seed for _, options in shares(reduce(problem), SolveOptions(seed=7))
    ]


@pytest.mark.kernels
def test_one_hot_groups_stay_whole_and_dominated_options_go() -> None:
    labels = [f"x{k}" for k in range(5)]
    objective = dimod.BinaryQuadraticModel(
        dict(zip(labels, [0.0, 1.0, 9.0, -1.0, 0.0], strict=True)), {}, 0.0, "BINARY"
    )
    objective.add_quadratic_from({("x0", "x3"): 3.0, ("x1", "x4"): -2.0})
    problem = Problem(objective=objective, decoder=dict, one_hot={"g": ("x0", "x1", "x2"), "h": ("x3", "x4")})
    reduction = reduce(problem)
    assert reduction.fixed == {"x2": 0}
    assert [dict(part.one_hot) for part in reduction.parts] == [{"g": ("x0", "x1"), "h": ("x3", "x4")}]
    solution = solve(problem, get_backend("pt"), {"seed": 1})
    assert np.isclose(solution.best.objective, -1.0)


def chain(n: int) -> dimod.BinaryQuadraticModel:
    rng = np.random.default_rng(n)
    return dimod.BinaryQuadraticModel.from_ising(
        {f"s{i}": float(rng.normal()) for i in range(n)},
        {(f"s{i}", f"s{i + 1}"): float(rng.normal()) for i in range(n - 1)},
    )


@pytest.mark.kernels
def test_what_is_eliminated_is_not_asked_for_unless_several_answers_are_wanted() -> None:
    """A chain is solved, and of a dense part, joined to it, the backend gets all but the one that has a bias then."""
    rng = np.random.default_rng(0)
    objective = chain(500)
    values = rng.uniform(1.0, 2.0, 325) * rng.choice([-1.0, 1.0], 325)
    pairs = [(f"d{i}", f"d{j}") for i in range(26) for j in range(i)]
    objective.add_quadratic_from(dict(zip(pairs, values.tolist(), strict=True)))
    objective.add_quadratic("d0", "s7", 1.0)
    problem, backend = Problem(objective=objective, decoder=dict), Recorder(remote=False)
    solution = solve(problem, backend)
    assert [set(bqm.variables) for bqm in backend.asked] == [{f"d{i}" for i in range(1, 26)}]
    figures = solution.calls[0].presolve
    assert (figures["eliminated"], figures["elimination_width"], figures["variables_left"]) == (501, 1, 25)
    best = solution.best.objective
    assert best == pytest.approx(problem.objective.energy(solution.sample))
    # With either value of what joins them, the two are apart.
    sides = []
    for value in (0, 1):
        fixed = problem.objective.copy()
        fixed.fix_variable("s7", value)
        sides.append(solve(Problem(objective=fixed, decoder=dict), get_backend("pt"), {"seed": 1}).best.objective)
    assert best == pytest.approx(min(sides))


@pytest.mark.kernels
@pytest.mark.parametrize("name", ["steepest-descent", "tabu", "neal"])
def test_any_local_backend_solves_a_long_chain(name: str) -> None:
    problem = Problem(objective=chain(2000), decoder=dict)
    solution = solve(problem, get_backend(name), {"seed": 1})
    assert solution.best.objective == pytest.approx(solve(problem, get_backend("pt")).best.objective, abs=1e-9)
    assert solution.calls[0].presolve["eliminated"] == 2000
    assert solution.sampleset.info["optimal"]


@pytest.mark.parametrize("settings", [{"num_solutions": 2}, {"presolve": False}])
def test_nothing_is_eliminated_where_further_states_are_wanted(settings: dict[str, Any]) -> None:
    backend = Recorder(remote=False)
    with pytest.raises(UnsupportedProblemError, match="at most 26"):
        solve(Problem(objective=frustrated(40), decoder=dict), backend, **settings)
    assert len(backend.asked) == 1


def test_a_remote_backend_is_asked_for_what_could_be_eliminated() -> None:
    backend = Recorder(remote=True)
    with pytest.raises(UnsupportedProblemError, match="at most 26"):
        solve(Problem(objective=frustrated(40), decoder=dict), backend)
    assert len(backend.asked) == 1


def frustrated(n: int) -> dimod.BinaryQuadraticModel:
    """A ring without fields and with one broken coupling, which neither bounds nor roof duality fix."""
    return dimod.BinaryQuadraticModel.from_ising({}, {(i, (i + 1) % n): 1.0 if i else -1.0 for i in range(n)})
