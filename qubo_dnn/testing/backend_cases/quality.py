"""Cases of the backend kit for the quality of samples: they must have low energies of the given model.

The models are so easy that one descent from a random state solves them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dimod

from qubo_dnn.backend import Backend
from qubo_dnn.errors import BackendFailedError
from qubo_dnn.testing.backend_cases.answers import ask, fitting, rounding, rows_of
from qubo_dnn.testing.backend_cases.models import (
    BQM,
    EDGE_MODELS,
    all_states,
    fields_model,
    pairs_model,
    rugged_model,
    subset_sum_model,
    uneven_model,
)
from qubo_dnn.testing.common import NotApplicable, expect

READS = 5
ENOUGH = 0.75
"""Share of the least energy of `fields_model` that the best of `READS` rows must reach."""


def low_energies_are_found(backend: Backend) -> None:
    """Samples follow the fields, also without a time limit, and after the caller changes the model in place.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> low_energies_are_found(get_backend("steepest-descent"))
    """
    model = fields_model(_size(backend))
    first = ask(backend, model, num_reads=READS)
    if not _is_low(first, model):
        raise AssertionError(_what_is_done_instead(backend, first, model))
    model.scale(-1.0)
    second = ask(backend, model, num_reads=READS)
    expect(
        _is_low(second, model),
        "states are kept from one call to the next: when the biases of a model are changed, and its variables are not, "
        + ("the rows are those of the model before" if rows_of(second) == rows_of(first) else "the rows do not follow"),
    )


def biases_have_their_weights(backend: Backend) -> None:
    """Couplings stronger than the fields win, and weaker ones lose: none is halved, doubled or negated.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> biases_have_their_weights(get_backend("steepest-descent"))
    """
    for vartype in ("SPIN", "BINARY"):
        model, strong, weak = pairs_model(_size(backend) // 2 * 2, vartype)
        best = ask(backend, model, num_reads=5 * READS).first.sample
        won = sum(_equal(best, pair, model) for pair in strong)
        expect(
            2 * won > len(strong),
            f"couplings weigh too little: in a {vartype} model, of {len(strong)} couplings that outweigh the fields "
            f"{won} win; are quadratic biases halved, dropped or of the wrong sign?",
        )
        lost = sum(not _equal(best, pair, model) for pair in weak)
        expect(
            2 * lost > len(weak),
            f"couplings weigh too much: in a {vartype} model, of {len(weak)} couplings that the fields outweigh "
            f"{len(weak) - lost} win; are quadratic biases counted twice, or linear ones dropped?",
        )


def exact_is_exact(backend: Backend) -> None:
    """A backend that claims proven optima finds the same optima as enumeration, also if descent fails.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> exact_is_exact(get_backend("steepest-descent"))
        Traceback (most recent call last):
        qubo_dnn.testing.common.NotApplicable: capabilities.exact is False
    """
    if not backend.capabilities.exact:
        raise NotApplicable("capabilities.exact is False")
    models = [rugged_model(9, seed, vartype) for seed in range(4) for vartype in ("SPIN", "BINARY")]
    for model in (*models, uneven_model("BINARY"), *EDGE_MODELS.values()):
        best = float(model.energies((all_states(model), list(model.variables))).min())
        _require_exact(backend, model, best)
    for seed in range(4):
        _require_exact(backend, *subset_sum_model(fitting(backend, 16), seed))


def _require_exact(backend: Backend, model: BQM, least: float) -> None:
    found = float(ask(backend, model).first.energy)
    expect(
        found <= least + rounding(model),
        f"capabilities.exact is True, but the least energy is {least}, the backend found {found}",
    )


def _size(backend: Backend) -> int:
    size = fitting(backend, 16)
    if size < 4:
        raise NotApplicable(f"capabilities.max_variables is {size}: too few to tell a descent from luck")
    return size


def _least(model: BQM) -> float:
    """Return the energy of the state in which every spin follows its field, the ground state of a `fields_model`."""
    return float(model.energy({v: -1 if bias > 0 else 1 for v, bias in model.linear.items()}))


def _is_low(found: dimod.SampleSet, model: BQM) -> bool:
    return float(found.first.energy) <= ENOUGH * _least(model)


def _what_is_done_instead(backend: Backend, found: dimod.SampleSet, model: BQM) -> str:
    """Describe the fault of rows with high energies."""
    best, least = float(found.first.energy), _least(model)
    figures = f"the least of {len(found)} energies is {best:.1f}, any descent ends near {least:.1f}"
    if best > -ENOUGH * least:
        return f"energies are maximised, not minimised: {figures}"
    if backend.capabilities.timed:
        try:
            timed = ask(backend, model, num_reads=READS, time_limit=1.0)
        except BackendFailedError:
            timed = found
        if _is_low(timed, model):
            return f"without a time limit no work is done: {figures}, with one it is {timed.first.energy:.1f}"
    return f"the rows are no better than random states: {figures}, random states have 0 on average"


def _equal(sample: Mapping[Any, int], pair: tuple[str, str], model: BQM) -> bool:
    """Return whether both variables of a pair have the value that the field of the first one favours."""
    one, other = pair
    wanted = max(model.vartype.value) if model.get_linear(one) < 0 else min(model.vartype.value)
    return bool(sample[one] == wanted and sample[other] == wanted)
