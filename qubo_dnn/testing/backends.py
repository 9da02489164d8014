"""Conformance kit for backends: cases that every backend must pass, on small models.

    from qubo_dnn.testing.backends import BACKEND_CASES

    @pytest.mark.parametrize("case", BACKEND_CASES)
    def test_conformance(case):
        BACKEND_CASES[case](MyBackend())

A case raises `AssertionError`, whose text names the fault, if the backend breaks the contract. It raises
`NotApplicable`, which pytest and unittest report as a skip, if the backend lacks the capability that the case tests.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial

from qubo_dnn.backend import Backend, Capabilities, ConstrainedBackend, SolveOptions
from qubo_dnn.testing.backend_cases.answers import ask
from qubo_dnn.testing.backend_cases.constraints import (
    bounds_hold,
    low_rank_is_kept,
    native_constraints_are_kept,
    other_constraints_are_refused,
    quadratic_budgets_are_met,
)
from qubo_dnn.testing.backend_cases.interrupts import ctrl_c_is_passed_on
from qubo_dnn.testing.backend_cases.models import BQM, EDGE_MODELS, rugged_model, uneven_model
from qubo_dnn.testing.backend_cases.options import own_options_have_an_effect
from qubo_dnn.testing.backend_cases.quality import biases_have_their_weights, exact_is_exact, low_energies_are_found
from qubo_dnn.testing.backend_cases.refusals import (
    bad_options_are_refused,
    not_finite_is_refused,
    too_large_is_refused,
    unsupported_options_are_refused,
)
from qubo_dnn.testing.backend_cases.seeds import (
    order_of_variables_does_not_matter,
    seed_reproduces,
    seed_reproduces_in_another_process,
    seeds_differ,
)
from qubo_dnn.testing.backend_cases.time import time_limit_is_kept
from qubo_dnn.testing.common import NotApplicable, expect

Case = Callable[[Backend], None]

# A description begins with the noun that the option sets.
_PREPOSITIONS = frozenset({"after", "by", "for", "in", "of", "on", "per", "to", "when", "with"})


def check_backend(backend: Backend) -> dict[str, str]:
    """Run all cases.

    Args:
        backend: instance to check.

    Returns:
        Case that does not apply -> the missing capability.

    Raises:
        AssertionError: the backend breaks the contract.

    Example:
        >>> check_backend(object())
        Traceback (most recent call last):
        AssertionError: an attribute or the method of qubo_dnn.backend.Backend is missing
    """
    not_applicable = {}
    for name, case in BACKEND_CASES.items():
        try:
            case(backend)
        except NotApplicable as reason:
            not_applicable[name] = str(reason)
    return not_applicable


def describes_itself(backend: Backend) -> None:
    """All attributes exist, have the right types and suit a command line.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> describes_itself(get_backend("steepest-descent"))
    """
    expect(isinstance(backend, Backend), "an attribute or the method of qubo_dnn.backend.Backend is missing")
    name, summary, options = backend.name, backend.summary, backend.options_type
    expect(isinstance(name, str) and name and name == "".join(name.split()), f"name is {name!r}, not a word")
    expect(isinstance(summary, str) and summary.strip(), f"summary is {summary!r}, not a text")
    expect("\n" not in summary, "summary has more than one line")
    expect(inspect.isclass(options) and issubclass(options, SolveOptions), f"options_type is {options!r}")
    described = {field: about.description or "" for field, about in options.model_fields.items()}
    silent = [field for field, text in described.items() if not text.strip()]
    expect(not silent, f"options without a description: {silent}")
    vague = [field for field, text in described.items() if text.split()[0].lower() in _PREPOSITIONS]
    expect(not vague, f"descriptions of options begin with a preposition in place of the thing that is set: {vague}")
    able = backend.capabilities
    expect(isinstance(able, Capabilities), f"capabilities is a {type(able).__name__}")
    expect(
        not (able.native_constraints or able.low_rank) or isinstance(backend, ConstrainedBackend),
        "capabilities.native_constraints is not empty or low_rank is True, but sample_constrained is missing",
    )


def answers(model: BQM, backend: Backend) -> None:
    """The samples of an edge case keep the contract.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> answers(EDGE_MODELS["empty"], get_backend("steepest-descent"))
    """
    ask(backend, model)


def both_vartypes(backend: Backend) -> None:
    """Samples of SPIN and BINARY models have the vartype of the model, for coefficients from 1e-6 to 1e9.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> both_vartypes(get_backend("steepest-descent"))
    """
    for vartype in ("SPIN", "BINARY"):
        for scale in (1e-6, 1.0, 1e9):
            ask(backend, rugged_model(6, 1, vartype, scale), num_reads=5)
        ask(backend, uneven_model(vartype), num_reads=5)


def num_reads_is_honoured(backend: Backend) -> None:
    """The number of samples equals `num_reads`.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> num_reads_is_honoured(get_backend("steepest-descent"))
    """
    for reads in (1, 7, 11, 101):
        found = ask(backend, rugged_model(8, 2), num_reads=reads)
        count = int(found.record.num_occurrences.sum())
        expect(count == reads, f"num_reads is {reads}, but {count} samples came back")


BACKEND_CASES: Mapping[str, Case] = {
    "describes_itself": describes_itself,
    **{f"answers_{name}": partial(answers, model) for name, model in EDGE_MODELS.items()},
    **{
        case.__name__: case
        for case in (
            both_vartypes,
            low_energies_are_found,
            biases_have_their_weights,
            exact_is_exact,
            num_reads_is_honoured,
            seed_reproduces,
            seed_reproduces_in_another_process,
            seeds_differ,
            order_of_variables_does_not_matter,
            time_limit_is_kept,
            ctrl_c_is_passed_on,
            too_large_is_refused,
            not_finite_is_refused,
            bad_options_are_refused,
            unsupported_options_are_refused,
            own_options_have_an_effect,
            native_constraints_are_kept,
            other_constraints_are_refused,
            quadratic_budgets_are_met,
            low_rank_is_kept,
            bounds_hold,
        )
    },
}
