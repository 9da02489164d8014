"""The `pt` backend finds brute force's minima, keeps groups, time and seeds, and reports what it did."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import dimod
import numpy as np
import pytest

from qubo_backends import _pt_kernels
from qubo_backends.parallel_tempering import ParallelTemperingBackend
from qubo_dnn.backend import SolveOptions, make_options
from qubo_dnn.constraint import Constraint
from qubo_dnn.errors import OptionError, UnsupportedProblemError
from qubo_dnn.problem import Problem

RandomBqm = Callable[..., dimod.BinaryQuadraticModel]
BACKEND = ParallelTemperingBackend()


def options(**values: object) -> SolveOptions:
    return make_options(BACKEND, values)


def grouped(bqm: dimod.BinaryQuadraticModel, *groups: tuple[int, ...]) -> Problem[object]:
    return Problem(objective=bqm, decoder=dict, one_hot={f"group {k}": group for k, group in enumerate(groups)})


@pytest.mark.parametrize("vartype", ["SPIN", "BINARY"])
@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_finds_the_minimum_of_small_models(random_bqm: RandomBqm, n: int, scale: float, vartype: str) -> None:
    for seed in range(3):
        bqm = random_bqm(n, seed, vartype=vartype, scale=scale, density=0.7)
        best = dimod.ExactSolver().sample(bqm).first.energy
        found = BACKEND.sample(bqm, options(seed=seed, num_sweeps=200, num_replicas=8))
        assert found.first.energy == pytest.approx(best, rel=1e-9, abs=0)


@pytest.mark.parametrize("groups", [[(0, 1, 2), (3, 4), (5, 6, 7, 8)], [(0, 11)], [(4,)], [tuple(range(12))]])
def test_finds_the_best_feasible_state_of_one_hot_problems(
    random_bqm: RandomBqm, groups: list[tuple[int, ...]]
) -> None:
    for seed in range(4):
        problem = grouped(random_bqm(12, seed), *groups)
        rows = dimod.ExactSolver().sample(problem.objective)
        best = min(row.energy for row in rows.data() if not problem.violations(row.sample))
        found = BACKEND.sample_constrained(problem, options(seed=seed, num_sweeps=200, num_replicas=8, num_reads=3))
        assert found.first.energy == pytest.approx(best)
        assert not any(problem.violations(row.sample) for row in found.data())


def test_refuses_constraints_it_cannot_keep(random_bqm: RandomBqm) -> None:
    product = dimod.BinaryQuadraticModel({}, {(0, 1): 1.0}, 0.0, "BINARY")
    uneven = dimod.BinaryQuadraticModel({0: 1.0, 1: 2.0}, {}, 0.0, "BINARY")
    for constraint, kind in ((Constraint(product, "<=", 1.0), "quadratic"), (Constraint(uneven, "==", 1.0), "equal")):
        problem = Problem(objective=random_bqm(3, 0), decoder=dict, constraints={"budget": constraint})
        with pytest.raises(UnsupportedProblemError, match=f"'budget' is of the kind .*{kind}"):
            BACKEND.sample_constrained(problem, options())


def test_reads_are_independent_and_do_not_depend_on_their_number(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(60, 1)
    few, many = (
        BACKEND.sample(bqm, options(seed=7, num_sweeps=1, num_replicas=1, num_reads=reads)).record.sample
        for reads in (2, 4)
    )
    np.testing.assert_array_equal(few, many[:2])
    assert len(np.unique(many, axis=0)) > 1


def test_answers_do_not_depend_on_the_order_of_variables(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(40, 2)
    shuffled = dimod.BinaryQuadraticModel("BINARY")
    for v in reversed(range(40)):
        shuffled.add_linear(v, bqm.get_linear(v))
    shuffled.update(dimod.BinaryQuadraticModel({}, bqm.quadratic, bqm.offset, "BINARY"))
    one, other = (BACKEND.sample(m, options(seed=3, num_sweeps=2, num_reads=3)) for m in (bqm, shuffled))
    assert [dict(row.sample) for row in one.data()] == [dict(row.sample) for row in other.data()]


@pytest.mark.parametrize("num_reads", [None, 3])
def test_a_time_limit_alone_is_used_up_and_kept(random_bqm: RandomBqm, num_reads: int | None) -> None:
    found = BACKEND.sample(random_bqm(30, 1), options(seed=1, time_limit=0.4, num_reads=num_reads))
    assert len(found) == (num_reads or 1)
    assert found.info["seconds"] >= 0.4
    assert min(found.info["sweeps"]) > 10


def test_a_time_limit_too_short_for_all_reads_returns_those_that_fit(random_bqm: RandomBqm) -> None:
    found = BACKEND.sample(random_bqm(200, 1), options(seed=1, time_limit=1e-6, num_reads=5))
    assert len(found) == 1
    assert found.info["sweeps"] == [1]


@pytest.mark.parametrize("time_limit", [None, 60.0])
def test_a_model_without_moves_does_not_spend_the_time_limit(time_limit: float | None) -> None:
    empty = dimod.BinaryQuadraticModel({}, {}, 2.5, "SPIN")
    found = BACKEND.sample(empty, options(time_limit=time_limit))
    assert found.info["sweeps"] == [1]
    assert found.record.energy.tolist() == [2.5]


def test_ctrl_c_returns_the_best_so_far(random_bqm: RandomBqm) -> None:
    BACKEND.sample(random_bqm(3, 1), options())
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    timer.start()
    found = BACKEND.sample(random_bqm(100, 1), options(seed=1, time_limit=60, num_reads=2))
    timer.join()
    assert found.info["interrupted"]
    assert len(found) == 1
    assert found.info["seconds"] < 30
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_drawn_seed_is_reported_and_repeats_the_run(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(80, 1)
    first = BACKEND.sample(bqm, options(num_sweeps=1, num_replicas=2))
    again = BACKEND.sample(bqm, options(num_sweeps=1, num_replicas=2, seed=first.info["seed"]))
    np.testing.assert_array_equal(first.record.sample, again.record.sample)


def test_info_describes_the_run(random_bqm: RandomBqm) -> None:
    info = BACKEND.sample(
        random_bqm(50, 3), options(seed=1, num_replicas=6, num_sweeps=100, temperature_range="0.5,8")
    ).info
    assert info["temperatures"] == pytest.approx(np.geomspace(0.5, 8, 6).tolist())
    assert info["sweeps"] == [100]
    assert np.all(np.diff(info["move_acceptance"]) > 0)
    assert len(info["exchange_acceptance"]) == 5
    assert 0 < min(info["exchange_acceptance"]) <= max(info["exchange_acceptance"]) <= 1
    assert info["interrupted"] is False


def test_models_of_every_shape_share_one_compiled_kernel(random_bqm: RandomBqm) -> None:
    BACKEND.sample(random_bqm(30, 1, density=0.1), options(num_sweeps=1))
    BACKEND.sample(random_bqm(30, 1, vartype="SPIN"), options(num_sweeps=1))
    BACKEND.sample(dimod.BinaryQuadraticModel("BINARY"), options(num_sweeps=1))
    BACKEND.sample_constrained(grouped(random_bqm(4, 1), (0, 1), (2, 3)), options(num_sweeps=1))
    assert len(_pt_kernels.temper.signatures) == 1


@pytest.mark.parametrize(
    "values",
    [{"num_replicas": 0}, {"num_sweeps": 0}, {"temperature_range": "2,1"}, {"temperature_range": "0,1"}, {"sweeps": 3}],
)
def test_refuses_bad_options(values: dict[str, object]) -> None:
    with pytest.raises(OptionError, match="pt"):
        options(**values)


def test_refuses_options_of_another_backend(random_bqm: RandomBqm) -> None:
    with pytest.raises(OptionError, match="ParallelTemperingOptions"):
        BACKEND.sample(random_bqm(3, 1), SolveOptions())
