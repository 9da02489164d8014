"""The schedule of temperatures: an annealing down to the coldest one, a spaced ladder, and another annealing."""

from __future__ import annotations

import numpy as np
import pytest

from qubo_backends._pt.choices.schedule import Schedule

BLOCK, COUNT = 16, 4


def run(schedule: Schedule, sweeps: int, heat: float) -> list[float]:
    """Inverse temperatures of all replicas in the sweeps of annealings, whose energies are `heat` per temperature."""
    path, energies = [], np.empty((BLOCK, COUNT))
    for sweep in range(sweeps):
        beta = schedule.annealing(sweep)
        path.extend([] if beta is None else [beta])
        energies[sweep % BLOCK] = heat / schedule.betas if beta is None else heat / beta
        if (sweep + 1) % BLOCK == 0:
            schedule.space(sweep + 1, energies)
    return path


def test_an_annealing_ends_at_the_coldest_temperature_and_the_ladder_is_even_then() -> None:
    schedule = Schedule(0.1, 10.0, COUNT, annealed_from=10.0)
    path = run(schedule, 192, heat=0.5)
    assert len(path) == 64
    assert [path[0], path[-1]] == pytest.approx([0.1, 10.0])
    assert np.all(np.diff(path) > 0.0)
    # Its heat capacity does not change, which makes a ladder geometric.
    ratios = schedule.betas[:-1] / schedule.betas[1:]
    assert schedule.betas[0] == pytest.approx(10.0)
    assert ratios == pytest.approx(ratios[0], rel=0.05)


def test_events_are_told_once() -> None:
    schedule = Schedule(0.1, 10.0, COUNT, annealed_from=10.0)
    assert [sweeps for sweeps in range(16, 400, 16) if schedule.annealed(sweeps)] == [64]
    assert [sweeps for sweeps in range(16, 400, 16) if schedule.settled(sweeps)] == [128]


def test_without_an_annealing_the_ladder_is_there_at_once() -> None:
    schedule = Schedule(0.1, 10.0, COUNT, annealed_from=None)
    assert run(schedule, 128, heat=0.5) == []
    assert not schedule.annealed(0)
    assert 1.0 / schedule.betas[0] == pytest.approx(0.1)


def test_where_replicas_are_too_few_for_the_heat_all_are_annealed_again_for_twice_as_long() -> None:
    schedule = Schedule(0.1, 10.0, COUNT, annealed_from=10.0)
    path = run(schedule, 256, heat=1e4)
    assert len(path) == 64 + 128
    # From where a tenth of the energy was still to fall.
    assert 1.0 / path[64] == pytest.approx(0.1 + 0.1 * (10.0 - 0.1), rel=0.1)
    assert path[-1] == pytest.approx(10.0)
