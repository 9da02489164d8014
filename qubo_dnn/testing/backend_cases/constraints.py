"""Cases of the backend kit for native constraints and for bounds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.backend import Backend, ConstrainedBackend, make_options
from qubo_dnn.constraint import Constraint, ConstraintKind
from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.problem import LowRank, Problem
from qubo_dnn.solving.solve import solve
from qubo_dnn.testing.backend_cases.answers import (
    ask,
    require_size,
    require_well_formed,
    rounding,
    rows_of,
    seeded_options,
)
from qubo_dnn.testing.backend_cases.models import BQM, EDGE_MODELS, all_states, rugged_model
from qubo_dnn.testing.common import NotApplicable, expect

TIME_LIMIT = 0.25


def constrained_problem(kinds: frozenset[ConstraintKind], seed: int, with_form: bool = False) -> Problem[Any]:
    """Make a problem of 8 variables with the given kinds of constraints; its unconstrained minimum breaks most of them.

    Args:
        kinds: kinds of its constraints.
        seed: random seed of its objective.
        with_form: add a low-rank form on some of the variables.

    Example:
        >>> problem = constrained_problem(frozenset({ConstraintKind.ONE_HOT}), seed=1)
        >>> problem.one_hot
        {'three': ('x[2]', 'x[0]', 'x[1]'), 'alone': ('x[3]',)}
    """
    objective = rugged_model(8, seed)
    for variable in objective.variables:
        objective.add_linear(variable, -2.0)
    x = list(objective.variables)
    constraints = {}
    if ConstraintKind.INEQUALITY in kinds:
        constraints["budget"] = Constraint(_weighted(dict.fromkeys(x[4:7], 1.0)), "<=", 1.0)
        constraints["demand"] = Constraint(_weighted({x[0]: 2.5, x[2]: 1.5, x[7]: 1.0, x[4]: -0.5}), ">=", 1.0)
    if kinds & {ConstraintKind.ASSIGNMENT, ConstraintKind.EQUALITY}:
        constraints["count"] = Constraint(_weighted({x[1]: 2.0, x[6]: 2.0, x[7]: 2.0}), "==", 2.0)
    if ConstraintKind.EQUALITY in kinds:
        constraints["balance"] = Constraint(_weighted({x[4]: 1.0, x[5]: -1.0}), "==", 0.0)
    if ConstraintKind.QUADRATIC_INEQUALITY in kinds:
        products = {(x[0], x[4]): 2.0, (x[1], x[5]): 1.5, (x[4], x[6]): 2.0, (x[3], x[7]): 1.0, (x[6], x[7]): 2.5}
        constraints["products"] = Constraint(BQM({x[2]: 1.0, x[3]: 0.5}, products, 0.25, "BINARY"), "<=", 2.5)
        signed = {(x[0], x[6]): -1.5, (x[1], x[3]): 1.0, (x[2], x[6]): 1.0, (x[4], x[7]): -1.0}
        constraints["signed"] = Constraint(BQM({x[5]: 0.5}, signed, 0.0, "BINARY"), ">=", -0.75)
    if ConstraintKind.QUADRATIC_EQUALITY in kinds:
        constraints["pair"] = Constraint(BQM({}, {(x[5], x[7]): 1.0}, 0.0, "BINARY"), "==", 0.0)
    one_hot = {"three": (x[2], x[0], x[1]), "alone": (x[3],)} if ConstraintKind.ONE_HOT in kinds else {}
    form = LowRank((x[6], x[1], x[3]), np.random.default_rng(seed).normal(size=(3, 2)).astype(np.float32))
    low_rank = form if with_form else None
    return Problem(objective=objective, decoder=dict, one_hot=one_hot, constraints=constraints, low_rank=low_rank)


def _weighted(weights: Mapping[str, float]) -> BQM:
    return BQM(weights, {}, 0.0, "BINARY")


def native_constraints_are_kept(backend: Backend) -> None:
    """Every row of `sample_constrained` is feasible and has the energy of the objective.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> native_constraints_are_kept(get_backend("steepest-descent"))
        Traceback (most recent call last):
        qubo_dnn.testing.common.NotApplicable: capabilities.native_constraints is empty
    """
    kinds = backend.capabilities.native_constraints
    if not kinds:
        raise NotApplicable("capabilities.native_constraints is empty")
    # Each kind alone, and all kinds together.
    for some in dict.fromkeys([*(frozenset({kind}) for kind in sorted(kinds)), kinds]):
        _require_kept(backend, some, with_form=False)


def other_constraints_are_refused(backend: Backend) -> None:
    """`sample_constrained` refuses constraints of a kind that is not native, and names the backend.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> other_constraints_are_refused(get_backend("exact"))
    """
    if not isinstance(backend, ConstrainedBackend):
        raise NotApplicable("capabilities.native_constraints is empty, and sample_constrained is missing")
    others = sorted(frozenset(ConstraintKind) - backend.capabilities.native_constraints)
    if not others:
        raise NotApplicable("capabilities.native_constraints has all kinds")
    for kind in others:
        problem = constrained_problem(frozenset({kind}), seed=1)
        # An assignment is an equality, too.
        if backend.capabilities.supports(problem):
            continue
        try:
            backend.sample_constrained(problem, seeded_options(backend, {}))
        except UnsupportedProblemError as refusal:
            expect(
                backend.name in str(refusal), f"the refusal of {kind} constraints does not name the backend: {refusal}"
            )
        else:
            raise AssertionError(f"constraints of the kind {kind} are taken, which is not in native_constraints")


def quadratic_budgets_are_met(backend: Backend) -> None:
    """`solve` finds good answers within a budget of products, and so does a backend that keeps it by itself.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> quadratic_budgets_are_met(get_backend("steepest-descent"))
    """
    seed = {"seed": 1} if backend.capabilities.seeded else {}
    better = []
    for number in range(2):
        problem = product_budget(number)
        require_size(backend, len(problem.variables))
        solution = solve(problem, backend, seed)
        broken = problem.violations(solution.sample)
        expect(not broken, f"the answer of solve breaks a quadratic budget: {broken}")
        states = [dict(zip(problem.variables, row, strict=True)) for row in all_states(problem.objective).tolist()]
        energies = [float(problem.objective.energy(state)) for state in states if not problem.violations(state)]
        reached = [solution.best.objective]
        if isinstance(backend, ConstrainedBackend) and backend.capabilities.supports(problem):
            # What it finds by itself: `solve` improves that by local moves.
            own = backend.sample_constrained(problem, make_options(backend, seed))
            reached.append(float(own.first.energy))
        better.append(float(np.mean(np.array(energies) < max(reached) - rounding(problem.objective))))
    share = float(np.mean(better))
    expect(share < 0.25, f"{share:.0%} of all states within a quadratic budget are better than the answer")


def product_budget(seed: int) -> Problem[Any]:
    """Make a problem of three layers of kept parts, with a budget of the products of neighbouring layers.

    Example:
        >>> product_budget(0).kinds["budget"]
        <ConstraintKind.QUADRATIC_INEQUALITY: 'quadratic-inequality'>
    """
    rng = np.random.default_rng(seed)
    labels = [f"x[{i}]" for i in range(7)]
    layers = [labels[:2], labels[2:4], labels[5:]]
    objective = BQM(dict(zip(labels, (-rng.uniform(1.0, 2.0, 7)).tolist(), strict=True)), {}, 0.0, "BINARY")
    cost = BQM(dict.fromkeys(layers[0], 1.0), {}, 1.0, "BINARY")
    for mine, theirs in pairwise(layers):
        cost.add_quadratic_from((one, other, float(rng.integers(1, 5))) for one in mine for other in theirs)
    full = float(cost.energy(dict.fromkeys(labels, 1)))
    # A group whose first option takes part, and whose second does not.
    return Problem(
        objective=objective,
        decoder=dict,
        one_hot={"part": (labels[3], labels[4])},
        constraints={"budget": Constraint(cost, "<=", round(0.5 * full))},
    )


def low_rank_is_kept(backend: Backend) -> None:
    """`sample_constrained` includes a low-rank form, without constraints and with all native kinds.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> low_rank_is_kept(get_backend("steepest-descent"))
        Traceback (most recent call last):
        qubo_dnn.testing.common.NotApplicable: capabilities.low_rank is False
    """
    if not backend.capabilities.low_rank:
        raise NotApplicable("capabilities.low_rank is False")
    for some in dict.fromkeys([frozenset[ConstraintKind](), backend.capabilities.native_constraints]):
        _require_kept(backend, some, with_form=True)


def bounds_hold(backend: Backend) -> None:
    """Every sample set has a bound, no bound is above the optimum, and rows reported as optimal are optimal.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> bounds_hold(get_backend("steepest-descent"))
        Traceback (most recent call last):
        qubo_dnn.testing.common.NotApplicable: capabilities.bounds is False
    """
    if not backend.capabilities.bounds:
        raise NotApplicable("capabilities.bounds is False")
    for seed in range(4):
        for model in (rugged_model(9, seed), rugged_model(9, seed, "SPIN", 1e3), *EDGE_MODELS.values()):
            energies = model.energies((all_states(model), list(model.variables)))
            for limit in (None, TIME_LIMIT) if backend.capabilities.timed else (None,):
                values = {} if limit is None else {"time_limit": limit}
                _require_bound(ask(backend, model, **values), float(energies.min()), rounding(model))
    if not isinstance(backend, ConstrainedBackend):
        return
    able = backend.capabilities
    for seed in range(4):
        for with_form in (False, True) if able.low_rank else (False,):
            problem = constrained_problem(able.native_constraints, seed, with_form)
            found = backend.sample_constrained(problem, seeded_options(backend, {}))
            least = float(_feasible_energies(able.native_constraints, seed, with_form).min())
            _require_bound(found, least, rounding(problem.objective) + 1e-9 * with_form)


def _require_bound(found: Any, least: float, rounded: float) -> None:
    bound, optimal = found.info.get("bound"), found.info.get("optimal")
    expect(isinstance(bound, float) and bound == bound, f"info['bound'] is {bound!r}, not a number")
    expect(bound <= least + rounded, f"the bound is {bound}, above the least energy, which is {least}")
    expect(isinstance(optimal, bool), f"info['optimal'] is {optimal!r}, not True or False")
    lowest = float(found.first.energy)
    expect(
        not optimal or lowest <= least + rounded,
        f"the answer of energy {lowest} is called optimal, but the least energy is {least}",
    )


def _require_kept(backend: Backend, kinds: frozenset[ConstraintKind], with_form: bool) -> None:
    """Fail unless all rows are feasible and well formed, low on average, and optimal for an exact backend."""
    if not isinstance(backend, ConstrainedBackend):
        raise AssertionError("the method sample_constrained is missing")
    better = []
    for seed in range(4):
        problem = constrained_problem(kinds, seed, with_form)
        before = problem.objective.copy()
        found = backend.sample_constrained(problem, seeded_options(backend, {"num_reads": 3}))
        expect(problem.objective == before, "the objective was changed")
        require_well_formed(found, before, problem.low_rank)
        for row in rows_of(found):
            broken = problem.violations(row)
            expect(not broken, f"a row breaks constraints that are kept natively: {broken}")
        energies = _feasible_energies(kinds, seed, with_form)
        lowest, rounded = float(found.first.energy), rounding(before) + 1e-9 * with_form
        better.append(float((energies < lowest - rounded).mean()))
        expect(
            not backend.capabilities.exact or lowest <= energies.min() + rounded,
            f"capabilities.exact is True, but the least feasible energy is {energies.min()}, not {lowest}",
        )
    share = float(np.mean(better))
    expect(
        share < 0.5,
        f"with constraints, energies are maximised or ignored: {share:.0%} of all feasible states are better "
        "than the best row",
    )


@cache
def _feasible_energies(kinds: frozenset[ConstraintKind], seed: int, with_form: bool) -> NDArray[np.float64]:
    """Return the energies of all feasible states of a `constrained_problem`, by brute force; backends share them."""
    problem = constrained_problem(kinds, seed, with_form)
    order = list(problem.objective.variables)
    states = [dict(zip(order, state, strict=True)) for state in all_states(problem.objective).tolist()]
    feasible = [state for state in states if not problem.violations(state)]
    return np.array([float(problem.objective.energy(state)) + problem.low_rank_energy(state) for state in feasible])
