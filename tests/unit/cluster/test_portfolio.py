"""The best of several runs, the same for any number of workers."""

from __future__ import annotations

import copy
import pickle
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import dimod
import numpy as np
import pytest

import qubo_dnn as qd
from qubo_dnn.backend import Backend, Capabilities, SolveOptions, make_options
from qubo_dnn.cluster.cluster import Cluster, ExecutorCluster
from qubo_dnn.cluster.dask_cluster import DaskCluster
from qubo_dnn.cluster.portfolio import Portfolio, portfolio_of
from qubo_dnn.errors import BackendFailedError, OptionError, UnsupportedProblemError
from qubo_dnn.registry import get_backend
from qubo_dnn.support.interruption import interruptible
from qubo_dnn.testing.backends import BACKEND_CASES
from qubo_formulations.knapsack import Knapsack


def rugged(n: int = 60) -> dimod.BinaryQuadraticModel:
    rng = np.random.default_rng(3)
    couplings = np.triu(rng.integers(-9, 10, (n, n)).astype(float), 1)
    model: dimod.BinaryQuadraticModel = dimod.BinaryQuadraticModel(couplings, "SPIN")
    return model


def sampled(backend: Backend, bqm: dimod.BinaryQuadraticModel, **values: Any) -> dimod.SampleSet:
    return backend.sample(bqm, make_options(backend, values))


def rows(found: dimod.SampleSet) -> list[list[int]]:
    states: list[list[int]] = found.record.sample.tolist()
    return states


class Scripted:
    """Returns one row, the energy of which is the negative of its seed; runs may fail, take long, or last for ever."""

    name: ClassVar[str] = "scripted"
    summary: ClassVar[str] = "a script"
    options_type: ClassVar[type[SolveOptions]] = SolveOptions
    capabilities = Capabilities()

    def __init__(self, act: Callable[[int], None] = lambda _: None) -> None:
        self.act = act

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, _: dict[str, Any]) -> None:
        self.act = Scripted.acts

    acts: ClassVar[Callable[[int], None]] = staticmethod(lambda _: None)

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        assert options.seed is not None
        self.act(options.seed)
        states = dict.fromkeys(bqm.variables, 1)
        return dimod.SampleSet.from_samples([states], bqm.vartype, energy=[-float(options.seed)])


ONE = dimod.BinaryQuadraticModel({"a": 0.0}, {}, 0.0, "BINARY")


@pytest.mark.parametrize("slots", [1, 2, 4])
def test_workers_change_nothing(slots: int) -> None:
    portfolio = portfolio_of("neal", 5)
    here = sampled(portfolio, rugged(), seed=3, num_reads=4)
    with ThreadPoolExecutor(slots) as pool:
        there = sampled(Portfolio([get_backend("neal")], 5, ExecutorCluster(pool)), rugged(), seed=3, num_reads=4)
    assert rows(there) == rows(here)
    assert there.info["runs"] == here.info["runs"]


def test_the_first_run_has_the_given_seed_and_the_best_counts() -> None:
    neal = get_backend("neal")
    alone = sampled(neal, rugged(), seed=7, num_reads=2)
    found = sampled(Portfolio([neal], 6), rugged(), seed=7, num_reads=2)
    energies = [each["energy"] for each in found.info["runs"]]
    assert found.info["runs"][0] == {"backend": "neal", "seed": 7, "energy": min(alone.record.energy), "failed": None}
    assert len({each["seed"] for each in found.info["runs"]}) == 6
    assert found.first.energy == min(energies) <= energies[0]
    assert found.info["found_by_run"] == energies.index(min(energies))


def test_different_states_come_first() -> None:
    found = sampled(portfolio_of("pt", 4), rugged(12), seed=1, num_reads=3)
    states = {tuple(row) for row in rows(found)}
    assert len(states) == len(found) == 3
    assert (np.diff(found.record.energy) >= 0).all()


def test_several_backends_take_turns() -> None:
    found = sampled(portfolio_of("tabu+steepest-descent", 4), rugged(20), seed=1)
    assert [each["backend"] for each in found.info["runs"]] == ["tabu", "steepest-descent"] * 2
    with pytest.raises(OptionError, match="has no option 'tenure'"):
        sampled(portfolio_of("tabu+steepest-descent"), rugged(20), tenure=3)
    with pytest.raises(OptionError, match="2 backends needs at least as many runs, not 1"):
        portfolio_of("tabu+pt", 1)


def test_a_portfolio_can_do_what_all_of_its_backends_can() -> None:
    able = portfolio_of("pt+exact").capabilities
    assert able.max_variables == get_backend("exact").capabilities.max_variables
    assert not able.exact
    assert able.native_constraints == get_backend("exact").capabilities.native_constraints
    with pytest.raises(UnsupportedProblemError, match="takes at most 26 variables"):
        sampled(portfolio_of("pt+exact"), rugged(30))


def test_a_run_that_fails_leaves_the_others(threads: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(seed: int) -> None:
        if seed == 5:
            raise BackendFailedError("the service is down")

    monkeypatch.setattr(Scripted, "acts", staticmethod(fail))
    for portfolio in (Portfolio([Scripted(fail)], 3), Portfolio([Scripted()], 3, threads)):
        found = portfolio.sample(ONE, SolveOptions(seed=5))
        assert [each["failed"] for each in found.info["runs"]] == ["the service is down", None, None]
    with pytest.raises(BackendFailedError, match="the service is down"):
        Portfolio([Scripted(fail)], 1).sample(ONE, SolveOptions(seed=5))


def test_another_error_is_raised_as_it_is(threads: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise UnsupportedProblemError("too large")

    monkeypatch.setattr(Scripted, "acts", staticmethod(refuse))
    for portfolio in (Portfolio([Scripted(refuse)], 3), Portfolio([Scripted()], 3, threads)):
        with pytest.raises(UnsupportedProblemError, match="too large"):
            portfolio.sample(ONE, SolveOptions(seed=5))


def test_a_target_ends_the_other_runs() -> None:
    pt = Portfolio([get_backend("pt")], 50)
    found = sampled(pt, rugged(20), seed=1, target_energy=0.0)
    assert found.first.energy <= 0.0
    assert len(found.info["runs"]) == 1
    assert not found.info["interrupted"]


def test_the_time_limit_is_shared() -> None:
    limits: list[float | None] = []

    class Timed(Scripted):
        def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
            limits.append(options.time_limit)
            return super().sample(bqm, options)

    Portfolio([Timed()], 4).sample(ONE, SolveOptions(seed=1, time_limit=100.0))
    assert limits == pytest.approx([25.0, 100 / 3, 50.0, 100.0], rel=0.01)


def test_ctrl_c_keeps_the_best_so_far() -> None:
    def press(seed: int) -> None:
        if seed != 5:
            raise KeyboardInterrupt

    found = Portfolio([Scripted(press)], 3).sample(ONE, SolveOptions(seed=5))
    assert found.info["interrupted"]
    assert len(found.info["runs"]) == 1
    with pytest.raises(KeyboardInterrupt):
        Portfolio([Scripted(press)], 3).sample(ONE, SolveOptions(seed=6))


def test_copies_leave_the_workers_behind(threads: Cluster) -> None:
    portfolio = Portfolio([get_backend("neal")], 3, threads)
    expected = rows(sampled(portfolio, rugged(), seed=1))
    for other in (pickle.loads(pickle.dumps(portfolio)), copy.deepcopy(portfolio)):
        assert rows(sampled(other, rugged(), seed=1)) == expected


def test_a_problem_with_constraints_is_solved_by_a_pool() -> None:
    knapsack = Knapsack(values=[4, 3, 2], weights=[3, 2, 2], capacity=4)
    with ThreadPoolExecutor(2) as pool:
        found = qd.solve(knapsack, "pt", seed=1, executor=pool)
    assert (found.best.value, found.best.objective) == (frozenset({1, 2}), 5.0)
    assert found.backend == "pt*8"
    assert found.best == qd.solve(knapsack, "pt", seed=1, portfolio=8).best


def test_comparisons_are_the_same_on_workers() -> None:
    def objectives(**given: Any) -> list[tuple[str, list[float], str | None]]:
        records = qd.compare(rugged(30), ["exact", "steepest-descent:num_reads=50"], 0.2, [1], **given)
        return [(each.contender.name, [run.objective for run in each.final()], each.refusal) for each in records]

    with ThreadPoolExecutor(2) as pool:
        assert objectives(executor=pool) == objectives()


def test_an_interrupt_reaches_a_thread() -> None:
    stopped, at_work = threading.Event(), threading.Event()

    def work() -> None:
        with interruptible(stopped.set):
            at_work.set()
            stopped.wait()

    from qubo_dnn.support.interruption import interrupt

    thread = threading.Thread(target=work)
    thread.start()
    at_work.wait()
    assert thread.ident is not None
    interrupt(thread.ident)
    thread.join(60)
    assert stopped.is_set()


@pytest.mark.slow
def test_remote_runs_end_when_one_has_reached_the_target(dask: DaskCluster) -> None:
    """Without the target they would take hours."""
    pt = get_backend("pt")
    lowest = sampled(pt, rugged(), seed=1).first.energy
    portfolio = Portfolio([pt], 4, dask)
    found = sampled(portfolio, rugged(), seed=1, target_energy=lowest, num_sweeps=10**9)
    assert found.first.energy <= lowest
    assert not found.info["interrupted"]


class Late(Scripted):
    """Does not keep its time limit."""

    name: ClassVar[str] = "late"

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        while bqm.num_variables and options.seed is not None:
            time.sleep(0.05)
        raise AssertionError("it never ends")


@pytest.mark.slow
def test_runs_that_overrun_their_time_are_interrupted(dask: DaskCluster) -> None:
    found = Portfolio([Late(), get_backend("neal")], 2, dask).sample(rugged(), SolveOptions(seed=1, time_limit=2.0))
    assert [each["backend"] for each in found.info["runs"]] == ["neal"]


@pytest.mark.slow
@pytest.mark.parametrize("case", BACKEND_CASES)
def test_conformance(dask: DaskCluster, case: str) -> None:
    BACKEND_CASES[case](Portfolio([get_backend("neal")], 2, dask))


@pytest.mark.parametrize("case", ["num_reads_is_honoured", "seed_reproduces", "answers_empty", "time_limit_is_kept"])
def test_conformance_with_threads(threads: Cluster, case: str) -> None:
    BACKEND_CASES[case](Portfolio([get_backend("steepest-descent")], 3, threads))
