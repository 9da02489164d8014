"""The `neal` backend is the plain sampler, with seeds, time limits and Ctrl-C as everywhere else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import dimod
import neal
import numpy as np
import pytest

from qubo_backends.neal import NealBackend
from qubo_dnn.backend import make_options
from qubo_dnn.errors import OptionError

RandomBqm = Callable[..., dimod.BinaryQuadraticModel]
CtrlC = Callable[[float], AbstractContextManager[None]]
BACKEND = NealBackend()


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"num_sweeps": 50},
        {"num_sweeps": 50, "beta_range": (0.1, 3.0), "beta_schedule_type": "linear"},
        {"num_sweeps": 20, "randomize_order": True, "proposal_acceptance_criteria": "Gibbs"},
    ],
)
def test_gives_the_answers_of_the_plain_sampler(random_bqm: RandomBqm, values: dict[str, object]) -> None:
    bqm = random_bqm(60, 1, vartype="SPIN")
    ours = BACKEND.sample(bqm, make_options(BACKEND, {"seed": 12, "num_reads": 4} | values))
    plain = neal.SimulatedAnnealingSampler().sample(bqm, seed=12, num_reads=4, **values)
    np.testing.assert_array_equal(ours.record.sample, plain.record.sample)
    assert len(np.unique(ours.record.sample, axis=0)) > 1


def test_reports_seed_sweeps_and_range(random_bqm: RandomBqm) -> None:
    info = BACKEND.sample(random_bqm(5, 1), make_options(BACKEND, {"seed": 4, "beta_range": "0.5,3"})).info
    assert (info["seed"], info["sweeps"], info["beta_range"], info["interrupted"]) == (4, 1000, (0.5, 3.0), False)


def test_a_time_limit_alone_draws_many_reads(random_bqm: RandomBqm) -> None:
    found = BACKEND.sample(random_bqm(5, 1), make_options(BACKEND, {"time_limit": 0.2, "num_sweeps": 20}))
    assert 10 < len(found) <= 10_000


def test_ctrl_c_returns_the_rows_so_far(random_bqm: RandomBqm, ctrl_c: CtrlC) -> None:
    with ctrl_c(0.3):
        found = BACKEND.sample(random_bqm(100, 1), make_options(BACKEND, {"num_reads": 100_000}))
    assert found.info["interrupted"]
    assert 1 <= len(found) < 100_000


@pytest.mark.parametrize(
    "values",
    [{"beta_range": "0,1"}, {"beta_range": "-1,1", "beta_schedule_type": "linear"}, {"beta_schedule_type": "custom"}],
)
def test_refuses_schedules_it_cannot_follow(values: dict[str, object]) -> None:
    with pytest.raises(OptionError, match="beta"):
        make_options(BACKEND, values)


def test_a_linear_schedule_may_start_at_zero(random_bqm: RandomBqm) -> None:
    options = make_options(BACKEND, {"beta_range": "0,1", "beta_schedule_type": "linear", "num_sweeps": "7"})
    assert BACKEND.sample(random_bqm(3, 1), options).info["sweeps"] == 7
