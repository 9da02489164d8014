"""Temperatures: how they are spaced, and which precision the coldest one needs."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from qubo_backends._pt.choices.energies import new_workspace
from qubo_backends._pt.choices.model import choice_problem
from qubo_backends._pt.choices.replicas import replicas_of
from qubo_backends._pt.choices.sweeps import quench
from qubo_backends._pt.choices.temperatures import float32_suffices, space_temperatures
from tests.unit.backends.pt.choices.problems import budget, with_form


def test_the_ladder_is_spaced_by_the_heat_between() -> None:
    """Energies that rise with the square of the temperature: steps of the same size in b * db / ... are even."""
    temperatures = np.geomspace(0.1, 10.0, 60)
    betas, energies = 1.0 / temperatures, 0.5 * temperatures
    found = space_temperatures(betas, energies, 8)
    assert found[0] == betas[0]
    assert found[-1] == pytest.approx(betas[-1])
    ratios = found[:-1] / found[1:]
    # A heat capacity that does not change makes the ladder geometric.
    assert ratios == pytest.approx(ratios[0], rel=0.05)


def test_a_ladder_too_long_for_its_replicas_gives_up_the_hot_end() -> None:
    temperatures = np.geomspace(0.1, 10.0, 60)
    found = space_temperatures(1.0 / temperatures, 1e4 * temperatures, 4)
    assert found[0] == 10.0
    assert found[-1] > 9.0


@pytest.mark.parametrize("heat", [0.0, 5e-324, 1e-290])
def test_a_ladder_with_next_to_no_heat_goes_from_end_to_end(heat: float) -> None:
    betas = np.array([2.4e8, 2.3e8, 2.1e8, 2.0e8])
    found = space_temperatures(betas, heat * np.arange(4.0), 7)
    assert (np.diff(found) < 0.0).all()
    assert (found[0], found[-1]) == (2.4e8, 2.0e8)


def test_a_ladder_without_heat_is_spaced_evenly() -> None:
    found = space_temperatures(np.array([2.4e8, 2.3e8, 2.1e8, 2.0e8]), np.zeros(4), 7)
    assert found == pytest.approx([2.4e8, 2.35e8, 2.3e8, 2.2e8, 2.1e8, 2.05e8, 2.0e8])


def test_single_precision_does_not_suffice_where_it_would_be_felt() -> None:
    """A large common part cancels: in float32 what is left of it is noise beside the coldest temperature."""
    problem = with_form(budget(1), 1, rank=3)
    model = choice_problem(problem).model
    states = np.zeros((2, len(model.sizes)), np.int32)
    assert float32_suffices(model, states, 1.0)
    assert not float32_suffices(model, states, 1e-6)


def test_a_quench_sweep_by_sweep_is_the_same_and_may_end_after_one(monkeypatch: pytest.MonkeyPatch) -> None:
    choices = choice_problem(with_form(budget(1), 8))
    model, ends = choices.model, []
    for large, over in ((10**9, False), (0, False), (0, True)):
        monkeypatch.setattr("qubo_backends._pt.choices.sweeps._LARGE", large)
        states = np.random.default_rng(0).integers(0, model.sizes, (4, len(model.sizes)), dtype=np.int32)
        replicas = replicas_of(model, states, np.random.default_rng(1))
        quench(model, replicas, 1e-3, 16, new_workspace(model, 4), thorough=False, over=partial(bool, over))
        ends.append((replicas.choices.tobytes(), int(replicas.moves.sum())))
    assert ends[0] == ends[1]
    assert 0 < ends[2][1] < ends[0][1]
