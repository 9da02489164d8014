"""Conformance kit for backends: what each of them has to satisfy, on small models.

    from qubo_dnn.testing.backends import BACKEND_CASES

    @pytest.mark.parametrize("case", BACKEND_CASES.values(), ids=BACKEND_CASES)
    def test_conformance(case):
        case(MyBackend())

A case raises `AssertionError` when the backend breaks the contract and `NotApplicable` when the backend lacks
the capability it is about; the text names which.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from qubo_dnn.backend import Backend, Capabilities, ConstrainedBackend, SolveOptions, make_options
from qubo_dnn.constraint import ConstraintKind
from qubo_dnn.errors import BackendFailedError, TimeLimitError
from qubo_dnn.problem import Problem
from qubo_dnn.testing.backend_models import (
    BQM,
    EDGE_MODELS,
    all_states,
    ask,
    constrained_problem,
    require_well_formed,
    rounding,
    rows_of,
    rugged_model,
    uneven_model,
)
from qubo_dnn.testing.backend_refusals import (
    bad_options_are_refused,
    not_finite_is_refused,
    too_large_is_refused,
    unsupported_options_are_refused,
)
from qubo_dnn.testing.common import NotApplicable, require
from qubo_dnn.testing.elsewhere import call_elsewhere

Case = Callable[[Backend], None]

TIME_LIMIT = 0.25
SECONDS_OVER = 5.0
"""How much longer than `TIME_LIMIT` a call may take: no read fits exactly, and machines are busy."""


def check_backend(backend: Backend) -> dict[str, str]:
    """Run every case.

    Args:
        backend: instance to examine.

    Returns:
        The cases that do not apply -> the capability that is missing.

    Raises:
        AssertionError: the backend breaks the contract.
    """
    not_applicable = {}
    for name, case in BACKEND_CASES.items():
        try:
            case(backend)
        except NotApplicable as reason:
            not_applicable[name] = str(reason)
    return not_applicable


def describes_itself(backend: Backend) -> None:
    """The attributes are there, of their types, and fit for a command line."""
    require(isinstance(backend, Backend), "an attribute or the method of qubo_dnn.backend.Backend is missing")
    name, summary, options = backend.name, backend.summary, backend.options_type
    require(isinstance(name, str) and name and name == "".join(name.split()), f"name is {name!r}, not a word")
    require(isinstance(summary, str) and summary.strip(), f"summary is {summary!r}, not a text")
    require("\n" not in summary, "summary has more than one line")
    require(inspect.isclass(options) and issubclass(options, SolveOptions), f"options_type is {options!r}")
    silent = [field for field, about in options.model_fields.items() if not about.description]
    require(not silent, f"options without a description: {silent}")
    able = backend.capabilities
    require(isinstance(able, Capabilities), f"capabilities is a {type(able).__name__}")
    require(
        not (able.native_constraints or able.low_rank) or isinstance(backend, ConstrainedBackend),
        "capabilities.native_constraints is not empty or low_rank is True, but there is no sample_constrained",
    )


def answers(model: BQM, backend: Backend) -> None:
    """A model that is easy to get wrong is answered by the contract."""
    ask(backend, model)


def both_vartypes(backend: Backend) -> None:
    """SPIN and BINARY models are answered in their own vartype, from coefficients of 1e-6 to 1e9."""
    for vartype in ("SPIN", "BINARY"):
        for scale in (1e-6, 1.0, 1e9):
            ask(backend, rugged_model(6, 1, vartype, scale), num_reads=5)
        ask(backend, uneven_model(vartype), num_reads=5)


def num_reads_is_honoured(backend: Backend) -> None:
    """As many samples come back as were asked for."""
    for reads in (1, 7):
        found = ask(backend, rugged_model(6, 2), num_reads=reads)
        count = int(found.record.num_occurrences.sum())
        require(count == reads, f"num_reads is {reads}, but {count} samples came back")


def seed_reproduces(backend: Backend) -> None:
    """Equal seeds give equal samples, on a model where every state is equally good too."""
    _require_seeded(backend)
    for model in _seed_models():
        first, second = (rows_of(ask(backend, model, seed=3, num_reads=5)) for _ in range(2))
        require(first == second, "equal seeds gave different samples")


def seed_reproduces_in_another_process(backend: Backend) -> None:
    """A fresh interpreter, with other hashes of strings, draws the same samples."""
    _require_seeded(backend)
    for model, elsewhere in zip(_seed_models(), call_elsewhere(_seeded_rows, backend), strict=True):
        here = rows_of(ask(backend, model, seed=3, num_reads=5))
        require(here == elsewhere, "equal seeds gave different samples in another process")


def order_of_variables_does_not_matter(backend: Backend) -> None:
    """Equal seeds give equal samples however the caller built the model (see `qubo_dnn.backend.natural_key`)."""
    _require_seeded(backend)
    for model in _seed_models():
        backwards = BQM(model.vartype)
        for v in reversed(list(model.variables)):
            backwards.add_variable(v, model.get_linear(v))
        backwards.add_quadratic_from([(v, u, bias) for (u, v), bias in model.quadratic.items()])
        backwards.offset = model.offset
        one, other = (rows_of(ask(backend, m, seed=3, num_reads=5)) for m in (model, backwards))
        require(one == other, "the order of variables changed the samples")


def time_limit_is_kept(backend: Backend) -> None:
    """A call with far too many reads ends soon after its time limit."""
    able = backend.capabilities
    if not able.timed:
        raise NotApplicable("capabilities.timed is False")
    model = rugged_model(min(30, able.max_variables or 30), 4)
    ask(backend, rugged_model(2, 4))  # whatever a first call has to load is not sampling
    start = time.perf_counter()
    try:
        ask(backend, model, time_limit=TIME_LIMIT, num_reads=5000)
    except BackendFailedError as failed:
        gives_up = able.exact or isinstance(failed, TimeLimitError)
        require(gives_up, f"only an exact backend or a service may give up at the time limit: {failed}")
    seconds = time.perf_counter() - start
    require(seconds < TIME_LIMIT + SECONDS_OVER, f"time_limit is {TIME_LIMIT} s, the call took {seconds:.1f} s")


def exact_is_exact(backend: Backend) -> None:
    """A backend that claims proven optima finds what enumeration finds."""
    if not backend.capabilities.exact:
        raise NotApplicable("capabilities.exact is False")
    models = [rugged_model(9, seed, vartype) for seed in range(4) for vartype in ("SPIN", "BINARY")]
    for model in (*models, uneven_model("BINARY"), *EDGE_MODELS.values()):
        best = float(model.energies((all_states(model), list(model.variables))).min())
        found = float(ask(backend, model).first.energy)
        require(found <= best + rounding(model), f"the least energy is {best}, the backend found {found}")


def native_constraints_are_kept(backend: Backend) -> None:
    """Every row of `sample_constrained` is feasible and carries the energy of the objective."""
    kinds = backend.capabilities.native_constraints
    if not kinds:
        raise NotApplicable("capabilities.native_constraints is empty")
    # Each kind by itself, and all of them together.
    for some in dict.fromkeys([*(frozenset({kind}) for kind in sorted(kinds)), kinds]):
        _require_kept(backend, some, with_form=False)


def low_rank_is_kept(backend: Backend) -> None:
    """`sample_constrained` counts a low-rank form, without constraints and with all kinds that are kept."""
    if not backend.capabilities.low_rank:
        raise NotApplicable("capabilities.low_rank is False")
    for some in dict.fromkeys([frozenset[ConstraintKind](), backend.capabilities.native_constraints]):
        _require_kept(backend, some, with_form=True)


def bounds_hold(backend: Backend) -> None:
    """No bound lies above the optimum, none is missing, and what is called optimal is."""
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
            values = {"seed": 1} if able.seeded else {}
            found = backend.sample_constrained(problem, make_options(backend, values))
            _require_bound(found, _least_feasible(problem), rounding(problem.objective) + 1e-9 * with_form)


def _require_bound(found: Any, least: float, rounded: float) -> None:
    bound, optimal = found.info.get("bound"), found.info.get("optimal")
    require(isinstance(bound, float) and bound == bound, f"info['bound'] is {bound!r}, not a number")
    require(bound <= least + rounded, f"the bound is {bound}, above the least energy, which is {least}")
    require(isinstance(optimal, bool), f"info['optimal'] is {optimal!r}, not True or False")
    lowest = float(found.first.energy)
    require(
        not optimal or lowest <= least + rounded,
        f"the answer of energy {lowest} is called optimal, but the least energy is {least}",
    )


def _least_feasible(problem: Problem[Any]) -> float:
    """The least energy of all feasible states, by brute force."""
    order = list(problem.objective.variables)
    states = [dict(zip(order, state, strict=True)) for state in all_states(problem.objective).tolist()]
    return min(
        float(problem.objective.energy(state)) + problem.low_rank_energy(state)
        for state in states
        if not problem.violations(state)
    )


def _require_kept(backend: Backend, kinds: frozenset[ConstraintKind], with_form: bool) -> None:
    """Fail unless all rows are feasible and well formed, and the lowest of an exact backend is optimal."""
    if not isinstance(backend, ConstrainedBackend):
        raise AssertionError("there is no sample_constrained")
    for seed in range(4):
        problem = constrained_problem(kinds, seed, with_form)
        before = problem.objective.copy()
        values = {"num_reads": 3, "seed": 1} if backend.capabilities.seeded else {"num_reads": 3}
        found = backend.sample_constrained(problem, make_options(backend, values))
        require(problem.objective == before, "the objective was changed")
        require_well_formed(found, before, problem.low_rank)
        for row in rows_of(found):
            broken = problem.violations(row)
            require(not broken, f"a row breaks constraints that are kept natively: {broken}")
        if backend.capabilities.exact:
            best = _least_feasible(problem)
            require(
                found.first.energy <= best + rounding(before),
                f"the least feasible energy is {best}, the backend found {found.first.energy}",
            )


BACKEND_CASES: Mapping[str, Case] = {
    "describes_itself": describes_itself,
    **{f"answers_{name}": partial(answers, model) for name, model in EDGE_MODELS.items()},
    **{
        case.__name__: case
        for case in (
            both_vartypes,
            num_reads_is_honoured,
            seed_reproduces,
            seed_reproduces_in_another_process,
            order_of_variables_does_not_matter,
            time_limit_is_kept,
            too_large_is_refused,
            not_finite_is_refused,
            bad_options_are_refused,
            unsupported_options_are_refused,
            exact_is_exact,
            native_constraints_are_kept,
            low_rank_is_kept,
            bounds_hold,
        )
    },
}


def _require_seeded(backend: Backend) -> None:
    if not backend.capabilities.seeded:
        raise NotApplicable("capabilities.seeded is False")


def _seed_models() -> tuple[BQM, ...]:
    flat = BQM(dict.fromkeys((f"x[{i}]" for i in range(12)), 0.0), {}, 0.0, "BINARY")
    return flat, rugged_model(12, 3, "SPIN")


def _seeded_rows(backend: Backend) -> list[list[dict[Any, int]]]:
    return [rows_of(ask(backend, model, seed=3, num_reads=5)) for model in _seed_models()]
