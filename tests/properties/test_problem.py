"""A problem keeps the energies and constraints of what it was made from."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import product
from typing import Any

import dimod
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qubo_dnn.constraint import Constraint, Sense
from qubo_dnn.problem import Problem, natural_key
from tests.drawn import drawn

pytestmark = pytest.mark.slow

labels = st.one_of(
    st.integers(-20, 20),
    st.text("abx01[]", min_size=1, max_size=4),
    st.tuples(st.text("ab", max_size=2), st.integers(0, 12)),
    st.frozensets(st.integers(0, 12), min_size=1, max_size=2),
)
fast = settings(max_examples=drawn(60), deadline=None, derandomize=True)


def random_model(names: list[Any], vartype: str, seed: int) -> dimod.BinaryQuadraticModel:
    """Biases over `names` in an order of their own."""
    rng = np.random.default_rng(seed)
    pairs = {(u, v): rng.normal() for i, u in enumerate(names) for v in names[i + 1 :] if rng.random() < 0.5}
    bqm = dimod.BinaryQuadraticModel({v: rng.normal() for v in names}, pairs, rng.normal(), vartype)
    assert bqm.num_variables == len(names)
    return bqm


@fast
@given(st.lists(labels, min_size=1, max_size=6, unique=True), st.sampled_from(["SPIN", "BINARY"]), st.integers(0, 999))
def test_energies_are_kept_and_variables_sorted(names: list[Any], vartype: str, seed: int) -> None:
    bqm = random_model(names, vartype, seed)
    problem = Problem(objective=bqm, decoder=dict, constraints={"c": Constraint(bqm, "==", 0.5)})
    backwards = names[::-1]
    assert list(problem.variables) == sorted(names, key=natural_key) == sorted(backwards, key=natural_key)
    for state in product((0, 1), repeat=len(names)):
        sample = dict(zip(names, state, strict=True))
        given_in = sample if vartype == "BINARY" else {v: 2 * value - 1 for v, value in sample.items()}
        decoded = problem.decode(sample)
        assert decoded.objective == pytest.approx(bqm.energy(given_in), abs=1e-9)
        assert decoded.violations.get("c", 0.0) == pytest.approx(abs(bqm.energy(given_in) - 0.5), abs=1e-8)


@fast
@given(st.integers(0, 999), st.sampled_from(["<=", "==", ">="]), st.integers(1, 5))
def test_the_constrained_model_of_dimod_is_feasible_for_the_same_states(seed: int, sense: Sense, size: int) -> None:
    names = [f"v{index}" for index in range(6)]
    lhs = random_model(names, "SPIN", seed + 1)
    # The right side is the value of some state, so that equalities can be met as well.
    rhs = lhs.energy(dict.fromkeys(names, 1))
    problem = Problem(
        objective=random_model(names, "BINARY", seed),
        decoder=dict,
        one_hot={"g": tuple(names[:size])},
        constraints={"c": Constraint(lhs, sense, rhs)},
    )
    cqm = problem.to_cqm()
    for state in product((0, 1), repeat=6):
        sample: dict[Hashable, int] = dict(zip(names, state, strict=True))
        assert cqm.check_feasible(sample) == problem.decode(sample).feasible
