"""Every adapter solves small models of both vartypes, and `pt` is called by its public contract."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import dimod
import numpy as np
import pytest

import qubo_backends
from bench.solvers.clock import CpuClock
from bench.solvers.instance import BenchmarkInstance
from bench.solvers.longer import rows, worse
from bench.solvers.peers.peer import Ising
from bench.solvers.peers.pt import NAME
from bench.solvers.peers.roster import SOLVERS, available
from bench.solvers.scaling import TABLE, ScalingRow, cells, make, timed
from qubo_dnn.errors import OptionError


def random_model(n: int, vartype: dimod.Vartype, seed: int) -> dimod.BinaryQuadraticModel:
    rng = np.random.default_rng(seed)
    rows, columns = np.triu_indices(n, 1)
    pairs = (rows, columns, rng.integers(-9, 10, len(rows)).astype(float))
    return dimod.BinaryQuadraticModel.from_numpy_vectors(rng.integers(-9, 10, n).astype(float), pairs, 2.5, vartype)


def ground(bqm: dimod.BinaryQuadraticModel) -> float:
    return float(dimod.ExactSolver().sample(bqm).first.energy)


@pytest.mark.parametrize("vartype", [dimod.BINARY, dimod.SPIN])
@pytest.mark.parametrize("name", [name for name in SOLVERS if name != NAME])
def test_a_small_model_is_solved(name: str, vartype: dimod.Vartype) -> None:
    peer = SOLVERS[name]
    if peer.missing:
        pytest.skip(f"{peer.missing}: the extra bench brings it")
    bqm = random_model(12, vartype, 1)
    before = bqm.copy()
    # Ends at the target long before.
    clock = CpuClock(bqm, 30.0, ground(bqm))
    peer.prepare(bqm)(clock, 3)
    clock.check(name)
    assert clock.reached
    assert bqm == before


def test_one_preparation_serves_several_runs() -> None:
    bqm = random_model(12, dimod.SPIN, 2)
    run = SOLVERS["dwave SA tuned"].prepare(bqm)
    for seed in (1, 2):
        clock = CpuClock(bqm, 30.0, ground(bqm))
        run(clock, seed)
        assert clock.reached
        assert clock.flips_per_second is not None


def test_sigma_is_the_deviation_of_the_local_field() -> None:
    bqm = random_model(14, dimod.BINARY, 3)
    ising = Ising.of(bqm)
    spins = 1.0 - 2.0 * np.array(list(np.ndindex(*(2,) * 14)))
    coupling = np.zeros((14, 14))
    coupling[ising.rows, ising.columns] = ising.couplings
    fields = spins @ (coupling + coupling.T) + ising.fields
    assert ising.scale == pytest.approx(float(np.sqrt(fields.var(axis=0).mean())))


def test_who_is_missing_is_said_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openjij", None)
    there, missing = available(None)
    assert "dwave SA" in {peer.name for peer in there}
    assert "openjij is not installed" in missing["OpenJij SA"]
    assert set(missing) | {peer.name for peer in there} == set(SOLVERS)
    with pytest.raises(OptionError, match="no solver can run: openjij is not installed"):
        available(["OpenJij SA"])


def test_unknown_solvers_are_refused() -> None:
    with pytest.raises(OptionError, match="unknown solver 'tabo'; did you mean 'tabu'"):
        available(["tabo"])


class Sampler:
    """Stands for `qubo_backends.ParallelTemperingSampler`: draws at random, reports, and stops when it is told to."""

    asked: ClassVar[list[dict[str, Any]]] = []
    passed: ClassVar[list[float]] = [0.0]

    def sample(self, bqm: dimod.BinaryQuadraticModel, **options: Any) -> dimod.SampleSet:
        self.asked.append(options)
        rng = np.random.default_rng(options["seed"])
        best: tuple[float, Any] = (float("inf"), None)
        for _ in range(options.get("num_sweeps", 20)):
            state = rng.integers(0, 2, len(bqm)) * (2 if bqm.vartype is dimod.SPIN else 1)
            state -= bqm.vartype is dimod.SPIN
            best = min(best, (float(bqm.energy(dict(enumerate(state)))), tuple(state)))
            if (progress := options.get("progress")) is not None:
                try:
                    progress(SimpleNamespace(best_energy=best[0], seconds=0.1, sweeps=1))
                except StopIteration:
                    break
        answer = dimod.SampleSet.from_samples_bqm(dict(enumerate(best[1])), bqm)
        self.passed[0] = 4.0
        answer.info.update(flips_per_second=50.0, seconds=2.0, temperatures=[1.0, 2.0])
        return answer


@pytest.fixture
def sampler(monkeypatch: pytest.MonkeyPatch) -> type[Sampler]:
    monkeypatch.setattr(qubo_backends, "ParallelTemperingSampler", Sampler, raising=False)
    monkeypatch.setattr(Sampler, "asked", [])
    monkeypatch.setattr(Sampler, "passed", [0.0])
    return Sampler


def test_pt_reports_by_its_callback_and_ends_when_the_clock_is_over(sampler: type[Sampler]) -> None:
    bqm = random_model(12, dimod.SPIN, 4)
    assert SOLVERS[NAME].missing is None
    run = SOLVERS[NAME].prepare(bqm)
    passed = [0.0]
    clock = CpuClock(bqm, 50.0, target=-1e9, now=lambda: passed[0])
    sampler.passed = passed
    run(clock, 7)
    clock.check(NAME)
    assert len(clock.trace) > 1
    # 50 a second for 2 seconds, says the sampler; how long it took, the clock says.
    assert clock.flips_per_second == 25.0
    assert sampler.asked[-1]["target_energy"] == -1e9
    assert sampler.asked[-1]["seed"] == 7
    spent = CpuClock(bqm, 0.0)
    run(spent, 7)
    spent.check(NAME)
    assert len(spent.trace) == 1


@pytest.mark.usefixtures("sampler")
def test_more_sweeps_that_are_worse_are_found() -> None:
    assert worse([1, 2, 4, 8], [3.0, 2.0, 2.5, 2.0]) == [4]
    assert worse([1, 2], [1e6, 1e6 * (1 + 1e-12)]) == []
    instance = BenchmarkInstance("it", "", random_model(12, dimod.BINARY, 5), "max")
    (row,) = rows(Sampler(), [instance], [1, 10, 100], [3])
    assert row["worse"] == []
    assert row["values"] == sorted(row["values"])
    assert row["values"][0] < row["values"][-1]


@pytest.mark.parametrize(("kind", "interactions"), [("3-regular", 60), ("20-regular", 400), ("dense", 780)])
def test_sizes_are_those_asked_for(kind: str, interactions: int, sampler: type[Sampler]) -> None:
    assert make(kind, 40).num_interactions == interactions
    seconds, replicas = timed(kind, 40, 5)
    assert [asked["num_sweeps"] for asked in sampler.asked] == [1, 1, 5, 10]
    assert len(seconds) == 3
    assert min(seconds) > 0
    assert replicas == 2


def test_a_row_of_the_scaling_table() -> None:
    row = ScalingRow("dense", 1000, 499500, 32, 0.0125, 0.5, 2**20, 3 * 2**20)
    assert len(cells(row)) == len(TABLE.headings.split(" | "))
    assert cells(row) == ("dense", "1,000", "499,500", "32", "12.5", "0.5", "1", "3", "4")
    with pytest.raises(OptionError, match="unknown kind 'flat'"):
        make("flat", 10)
