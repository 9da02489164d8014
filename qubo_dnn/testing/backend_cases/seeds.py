"""Cases of the backend kit for seeds: equal seeds reproduce samples, and different seeds change them."""

from __future__ import annotations

import itertools
from typing import Any

from qubo_dnn.backend import Backend
from qubo_dnn.testing.backend_cases.answers import ask, fitting, rows_of
from qubo_dnn.testing.backend_cases.models import BQM, frustrated_model, rugged_model
from qubo_dnn.testing.common import NotApplicable, expect
from qubo_dnn.testing.elsewhere import call_elsewhere

SEEDS = (0, 1, 42, 42 + 2**31, 42 + 97 * 36_036_000, 42 + 65535**2, 2**32 - 2)
"""Seeds of which some pair is equal modulo 2, ..., 18, modulo every power of 2 up to 2^31, modulo 97, 100, 255, 257,
1000, 65535, and 2^31 - 1. 0, 1 and 42 are included because they often replace a missing seed. 2^32 - 1 is excluded:
generators whose state must not be 0 often treat it as 0."""


def seed_reproduces(backend: Backend) -> None:
    """Equal seeds give equal samples, also for a model whose states all have the same energy.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> seed_reproduces(get_backend("steepest-descent"))
    """
    _require_seeded(backend)
    for model in _seed_models():
        first, second = (rows_of(ask(backend, model, seed=3, num_reads=5)) for _ in range(2))
        expect(first == second, "equal seeds gave different samples")
    flat = _seed_models()[0]
    first, second = (rows_of(ask(backend, flat, seed=0, num_reads=5)) for _ in range(2))
    expect(first == second, "the seed 0 is treated as no seed: two calls with it gave different samples")


def seed_reproduces_in_another_process(backend: Backend) -> None:
    """A new interpreter with other string hashes draws the same samples.

    Example:
        >>> from types import SimpleNamespace
        >>> from qubo_dnn.backend import Capabilities
        >>> seed_reproduces_in_another_process(SimpleNamespace(capabilities=Capabilities(seeded=False)))
        Traceback (most recent call last):
        qubo_dnn.testing.common.NotApplicable: capabilities.seeded is False
    """
    _require_seeded(backend)
    for model, elsewhere in zip(_seed_models(), call_elsewhere(_seeded_rows, backend), strict=True):
        here = rows_of(ask(backend, model, seed=3, num_reads=5))
        expect(here == elsewhere, "equal seeds gave different samples in another process")


def seeds_differ(backend: Backend) -> None:
    """Different seeds give different samples, unless the answer is proven to be optimal.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> seeds_differ(get_backend("steepest-descent"))
    """
    _require_seeded(backend)
    if backend.capabilities.exact:
        raise NotApplicable("capabilities.exact is True: an answer that is proven may be the same for every seed")
    same = _equal_pairs(backend)
    every = len(SEEDS) * (len(SEEDS) - 1) // 2
    expect(
        len(same) < every,
        "the seed is ignored: every seed gave the same samples (a backend that draws nothing at random has the "
        "capability seeded=False)",
    )
    expect(
        same not in ([(0, 1)], [(0, 42)]),
        f"the seed 0 is treated as no seed: it gave the same samples as another, by pairs {same}",
    )
    expect(not same, f"seeds are taken modulo a smaller number: equal samples for the pairs {same}")


def order_of_variables_does_not_matter(backend: Backend) -> None:
    """Equal seeds give equal samples for any order of the variables (see `qubo_dnn.problem.natural_key`).

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> order_of_variables_does_not_matter(get_backend("steepest-descent"))
    """
    _require_seeded(backend)
    for model in _seed_models():
        backwards = BQM(model.vartype)
        for v in reversed(list(model.variables)):
            backwards.add_variable(v, model.get_linear(v))
        backwards.add_quadratic_from([(v, u, bias) for (u, v), bias in model.quadratic.items()])
        backwards.offset = model.offset
        one, other = (rows_of(ask(backend, m, seed=3, num_reads=5)) for m in (model, backwards))
        expect(one == other, "the order of variables changed the samples")


def _equal_pairs(backend: Backend) -> list[tuple[int, int]]:
    """Return pairs of `SEEDS` with equal, unproven samples of a flat model and of one with many ground states."""
    size = fitting(backend, 18)
    pairs = list(itertools.combinations(SEEDS, 2))
    # Samples of the first model are hardly ever equal, so that fewer variables are enough.
    flat = BQM(dict.fromkeys((f"x[{i}]" for i in range(min(size, 13))), 0.0), {}, 0.0, "SPIN")
    for model in (flat, frustrated_model(size)):
        asked = dict.fromkeys(seed for pair in pairs for seed in pair)
        found = {seed: ask(backend, model, seed=seed, num_reads=5) for seed in asked}
        rows = {seed: rows_of(each) for seed, each in found.items() if each.info.get("optimal") is not True}
        pairs = [(one, other) for one, other in pairs if one in rows and other in rows and rows[one] == rows[other]]
    return pairs


def _require_seeded(backend: Backend) -> None:
    if not backend.capabilities.seeded:
        raise NotApplicable("capabilities.seeded is False")


def _seed_models() -> tuple[BQM, ...]:
    """Return models of 13 variables, since searches often enumerate all states of fewer variables."""
    flat = BQM(dict.fromkeys((f"x[{i}]" for i in range(13)), 0.0), {}, 0.0, "BINARY")
    return flat, rugged_model(13, 3, "SPIN")


def _seeded_rows(backend: Backend) -> list[list[dict[Any, int]]]:
    return [rows_of(ask(backend, model, seed=3, num_reads=5)) for model in _seed_models()]
