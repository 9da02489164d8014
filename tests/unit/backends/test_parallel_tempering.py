"""The `pt` backend finds brute force's minima, keeps groups, time and seeds, and reports what it did."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager

import dimod
import numpy as np
import pytest

from qubo_backends import ParallelTemperingSampler
from qubo_backends.parallel_tempering import ParallelTemperingBackend
from qubo_dnn.backend import SolveOptions, make_options
from qubo_dnn.constraint import Constraint
from qubo_dnn.errors import OptionError, UnsupportedProblemError
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from tests.drawn import drawn

RandomBqm = Callable[..., dimod.BinaryQuadraticModel]
CtrlC = Callable[[float], AbstractContextManager[None]]
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
    for constraint, kind in (
        (Constraint(product, "==", 1.0), "quadratic-equality"),
        (Constraint(uneven, "==", 1.0), "equal"),
    ):
        problem = Problem(objective=random_bqm(3, 0), decoder=dict, constraints={"budget": constraint})
        with pytest.raises(UnsupportedProblemError, match=f"'budget' is of the kind .*{kind}"):
            BACKEND.sample_constrained(problem, options())


@pytest.mark.parametrize(("n", "density"), [(12, 1.0), (200, 0.05)], ids=["dense", "sparse"])
def test_reads_are_the_best_different_states(random_bqm: RandomBqm, n: int, density: float) -> None:
    bqm = random_bqm(n, 1, density=density)
    found = BACKEND.sample(bqm, options(seed=7, num_reads=6, num_sweeps=300))
    assert len(np.unique(found.record.sample, axis=0)) == 6
    assert (np.diff(found.record.energy) >= 0).all()
    if n == 12:
        exact = dimod.ExactSolver().sample(bqm)
        assert found.first.energy == pytest.approx(exact.first.energy)
    fewer = BACKEND.sample(bqm, options(seed=7, num_reads=2, num_sweeps=300))
    assert fewer.first.energy == found.first.energy


def test_a_model_with_fewer_states_than_reads_gives_them_again() -> None:
    found = BACKEND.sample(dimod.BinaryQuadraticModel({"a": 1.0}, {}, 0.0, "SPIN"), options(seed=1, num_reads=5))
    assert len(found) == 5
    assert found.first.energy == -1.0


def test_answers_do_not_depend_on_the_order_of_variables(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(40, 2)
    shuffled = dimod.BinaryQuadraticModel("BINARY")
    for v in reversed(range(40)):
        shuffled.add_linear(v, bqm.get_linear(v))
    shuffled.update(dimod.BinaryQuadraticModel({}, bqm.quadratic, bqm.offset, "BINARY"))
    one, other = (BACKEND.sample(m, options(seed=3, num_sweeps=2, num_reads=3)) for m in (bqm, shuffled))
    assert [dict(row.sample) for row in one.data()] == [dict(row.sample) for row in other.data()]


def test_a_time_limit_alone_is_used_up_and_kept(random_bqm: RandomBqm) -> None:
    found = BACKEND.sample(random_bqm(30, 1), options(seed=1, time_limit=0.4))
    assert found.info["seconds"] >= 0.4
    assert found.info["sweeps"][0] > 10
    short = BACKEND.sample(random_bqm(200, 1), options(seed=1, time_limit=1e-6))
    assert short.info["sweeps"] == [1]


@pytest.mark.parametrize(("n", "density"), [(60, 1.0), (200, 0.05)], ids=["dense", "sparse"])
def test_the_target_ends_the_run_when_it_is_reached(random_bqm: RandomBqm, n: int, density: float) -> None:
    bqm = random_bqm(n, 4, density=density)
    best = BACKEND.sample(bqm, options(seed=1, num_sweeps=500)).first.energy
    found = BACKEND.sample(bqm, options(seed=2, num_sweeps=100_000, target_energy=best))
    assert found.info["target_reached"]
    assert found.first.energy == pytest.approx(best)
    assert found.info["sweeps"][0] < 100_000
    missed = BACKEND.sample(bqm, options(seed=2, num_sweeps=50, target_energy=best - 1.0))
    assert not missed.info["target_reached"]
    assert missed.info["sweeps"] == [50]


@pytest.mark.parametrize(("n", "density"), [(70, 1.0), (200, 0.05)], ids=["dense", "sparse"])
def test_threads_run_ladders_of_their_own_and_reproduce(random_bqm: RandomBqm, n: int, density: float) -> None:
    bqm = random_bqm(n, 5, density=density)
    one, again, alone = (
        BACKEND.sample(bqm, options(seed=3, num_sweeps=20, num_reads=4, threads=threads)) for threads in (3, 3, 1)
    )
    np.testing.assert_array_equal(one.record.sample, again.record.sample)
    assert one.info["sweeps"] == [20, 20, 20]
    assert one.info["threads"] == 3
    assert one.first.energy <= alone.first.energy


@pytest.mark.parametrize(("n", "density"), [(80, 1.0), (200, 0.05)], ids=["dense", "sparse"])
@pytest.mark.parametrize("vartype", ["SPIN", "BINARY"])
def test_initial_states_are_started_from_and_never_lost(
    random_bqm: RandomBqm, n: int, density: float, vartype: str
) -> None:
    bqm = random_bqm(n, 6, density=density, vartype=vartype)
    best = BACKEND.sample(bqm, options(seed=1, num_sweeps=500))
    found = BACKEND.sample(
        bqm, options(seed=2, num_sweeps=1, initial_states=best.first.sample, temperature_range="100,1000")
    )
    assert found.first.energy <= best.first.energy + 1e-9


@pytest.mark.parametrize(
    ("states", "words"),
    [({0: 1}, "80 variables"), (dict.fromkeys(range(80), 2), "0 and 1"), (dict.fromkeys(range(80), "x"), "0 and 1")],
)
def test_initial_states_that_are_none_are_refused(random_bqm: RandomBqm, states: object, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        BACKEND.sample(random_bqm(80, 6), options(initial_states=states))


def test_progress_is_told_and_can_end_the_run(random_bqm: RandomBqm) -> None:
    told: list[tuple[float, int, float]] = []

    def listen(progress: object) -> None:
        told.append((progress.seconds, progress.sweeps, progress.best_energy))  # type: ignore[attr-defined]  # Progress
        if len(told) == 5:
            raise StopIteration

    bqm = random_bqm(50, 7)
    found = ParallelTemperingSampler().sample(bqm, seed=1, time_limit=60, progress=listen)
    seconds, sweeps, energies = zip(*told, strict=True)
    assert len(told) == 5
    assert list(seconds) == sorted(seconds)
    assert list(sweeps) == sorted(sweeps)
    assert list(energies) == sorted(energies, reverse=True)
    assert found.first.energy == pytest.approx(energies[-1])
    assert not found.info["interrupted"]


@pytest.mark.parametrize("time_limit", [None, 60.0])
def test_a_model_without_moves_does_not_spend_the_time_limit(time_limit: float | None) -> None:
    empty = dimod.BinaryQuadraticModel({}, {}, 2.5, "SPIN")
    found = BACKEND.sample(empty, options(time_limit=time_limit))
    assert found.info["sweeps"] == [1]
    assert found.record.energy.tolist() == [2.5]


def test_ctrl_c_returns_the_best_so_far(random_bqm: RandomBqm, ctrl_c: CtrlC) -> None:
    BACKEND.sample(random_bqm(3, 1), options())
    with ctrl_c(0.3):
        found = BACKEND.sample(random_bqm(100, 1), options(seed=1, time_limit=600, num_reads=2))
    assert found.info["interrupted"]
    assert len(found) == 2
    assert found.info["seconds"] < 600
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_drawn_seed_is_reported_and_repeats_the_run(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(80, 1)
    first = BACKEND.sample(bqm, options(num_sweeps=1, num_replicas=2))
    again = BACKEND.sample(bqm, options(num_sweeps=1, num_replicas=2, seed=first.info["seed"]))
    np.testing.assert_array_equal(first.record.sample, again.record.sample)


@pytest.mark.parametrize(("n", "density", "left"), [(50, 1.0, 50), (200, 0.05, 192)], ids=["dense", "sparse"])
def test_info_describes_the_run(random_bqm: RandomBqm, n: int, density: float, left: int) -> None:
    bqm = random_bqm(n, 3, density=density)
    info = BACKEND.sample(bqm, options(seed=1, num_replicas=32, num_sweeps=300, temperature_range="0.5,8")).info
    temperatures = info["temperatures"]
    assert temperatures == sorted(temperatures)
    assert [temperatures[0], temperatures[-1]] == pytest.approx([0.5, 8])
    assert info["sweeps"] == [300]
    assert 0 < info["move_acceptance"] < 1
    assert len(info["exchange_acceptance"]) == 31
    assert 0 < min(info["exchange_acceptance"]) <= max(info["exchange_acceptance"]) <= 1
    assert info["round_trips"] > 0
    assert info["flips_per_second"] > 0
    swept, searched = info["portfolio"]["sweeps"], info["portfolio"]["tabu"]
    assert (swept["calls"], swept["moves"]) == (300, 300 * 32 * left)
    assert searched["calls"] == info["tabu_searches"] > 0
    assert searched["moves"] % left == 0
    assert sum(each["share"] for each in info["portfolio"].values()) == pytest.approx(1.0)
    assert sum(each["gains"] for each in info["portfolio"].values()) > 0
    assert info["portfolio"][info["found_by"]]["gains"] > 0
    assert info["interrupted"] is False
    assert info["kernel"] == ("dense" if density == 1.0 else "sparse")
    assert info["elimination"]["left"] == left
    assert not info["optimal"]


@pytest.mark.parametrize("kind", ["uneven", "tiny", "huge"])
def test_coefficients_of_every_size_are_exact(random_bqm: RandomBqm, kind: str) -> None:
    for seed in range(5):
        bqm = random_bqm(14, seed)
        for i, v in enumerate(list(bqm.variables)):
            factor = {"uneven": 10.0 ** (-6 + 15 * i / 13), "tiny": 1e-300, "huge": 1e300}[kind]
            bqm.set_linear(v, bqm.get_linear(v) * factor)
        for u, v in list(bqm.quadratic):
            size = {"uneven": 10.0 ** (-6 + 15 * ((u + v) % 14) / 13), "tiny": 1e-300, "huge": 1e300}[kind]
            bqm.set_quadratic(u, v, bqm.get_quadratic(u, v) * size)
        best = dimod.ExactSolver().sample(bqm).first.energy
        found = BACKEND.sample(bqm, options(seed=seed, num_sweeps=500))
        assert found.first.energy == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize(("density", "count"), [(0.15, 60), (1.0, 16)])
def test_small_models_are_always_solved(random_bqm: RandomBqm, density: float, count: int) -> None:
    exact = get_backend("exact")
    for seed in range(drawn(count)):
        bqm = random_bqm(5 + seed % 16, seed, density=density)
        best = exact.sample(bqm, make_options(exact, {})).first.energy
        assert BACKEND.sample(bqm, options(seed=seed)).first.energy == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize(
    "values",
    [
        {"num_replicas": 0},
        {"num_sweeps": 0},
        {"temperature_range": "2,1"},
        {"temperature_range": "0,1"},
        {"sweeps": 3},
        {"threads": 0},
    ],
)
def test_refuses_bad_options(values: dict[str, object]) -> None:
    with pytest.raises(OptionError, match="pt"):
        options(**values)


def test_refuses_options_of_another_backend(random_bqm: RandomBqm) -> None:
    with pytest.raises(OptionError, match="ParallelTemperingOptions"):
        BACKEND.sample(random_bqm(3, 1), SolveOptions())
