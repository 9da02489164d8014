"""Engines depend on their seed and their number of sweeps alone, start anew when stale, and end at their target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from typing import Any

import numpy as np
import pytest

from qubo_backends._pt.spins import engine as engine_module
from qubo_backends._pt.spins.dense import DenseEngine
from qubo_backends._pt.spins.engine import SpinEngine
from qubo_backends._pt.spins.model import SpinModel
from qubo_backends._pt.spins.sparse_engine import SparseEngine

RandomSpins = Callable[..., SpinModel]
KINDS = [SparseEngine, DenseEngine]


def make(kind: type[Any], model: SpinModel, seed: int = 1, **settings: Any) -> SpinEngine:
    settings = {"temperatures": (0.3, 3.0), "replicas": 32, "keep": 5, "states": None, "target": -np.inf, **settings}
    made: SpinEngine = kind(model, np.float32, np.random.default_rng(seed), **settings)
    return made


def model_for(kind: type[Any], random_spins: RandomSpins, n: int = 50, whole: bool = False) -> SpinModel:
    return random_spins(n, 3, density=0.1 if kind is SparseEngine else 1.0, dense=kind is DenseEngine, whole=whole)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("whole", [True, False])
def test_cutting_a_run_into_calls_does_not_change_it(random_spins: RandomSpins, kind: type[Any], whole: bool) -> None:
    model = model_for(kind, random_spins, whole=whole)
    whole_run, cut = (make(kind, model) for _ in range(2))
    whole_run.advance(700)
    for sweeps in (1, 2, 30, 31, 100, 256, 7, 273):
        cut.advance(sweeps)
    assert whole_run.sweeps == cut.sweeps == 700
    assert (whole_run.ledger.entries, whole_run.found_by) == (cut.ledger.entries, cut.found_by)
    assert (whole_run.improved, whole_run.settled) == (cut.improved, cut.settled)
    assert whole_run.elite.energies == cut.elite.energies
    for one, other in zip(whole_run.elite.states, cut.elite.states, strict=True):
        np.testing.assert_array_equal(one, other)
    for ours, theirs in zip(astuple(whole_run.ladder), astuple(cut.ladder), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert whole_run.report() == cut.report()


@pytest.mark.parametrize("kind", KINDS)
def test_more_sweeps_are_never_worse(random_spins: RandomSpins, kind: type[Any]) -> None:
    engine = make(kind, model_for(kind, random_spins, n=500))
    energies = []
    for sweeps in (1, 3, 10, 30, 100):
        engine.advance(sweeps)
        energies.append(engine.elite.best_energy)
    assert energies == sorted(energies, reverse=True)
    # The first searches of a dense model may find the best there is.
    assert kind is DenseEngine or energies[-1] < energies[0]


@pytest.mark.parametrize("kind", KINDS)
def test_elite_states_carry_their_exact_energies(random_spins: RandomSpins, kind: type[Any]) -> None:
    model = model_for(kind, random_spins)
    engine = make(kind, model)
    engine.advance(100)
    assert len(engine.elite) == 5
    for state, energy in zip(engine.elite.states, engine.elite.energies, strict=True):
        assert set(np.unique(state)) <= {0, 1}
        assert model.energy(2 * state - 1) == energy


@pytest.mark.parametrize("kind", KINDS)
def test_stale_runs_start_anew_and_keep_their_best(
    random_spins: RandomSpins, kind: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_STALE_BESIDES", 100)
    engine = make(kind, model_for(kind, random_spins, n=12))
    engine.advance(100)
    best = engine.elite.best_energy
    engine.advance(4000)
    assert engine.report()["restarts"] >= 3
    assert engine.elite.best_energy == best


@pytest.mark.parametrize("kind", KINDS)
def test_the_target_ends_it(random_spins: RandomSpins, kind: type[Any]) -> None:
    model = model_for(kind, random_spins)
    free = make(kind, model)
    free.advance(500)
    bound = make(kind, model, target=free.elite.best_energy + 1e-9)
    bound.advance(500)
    assert bound.reached
    assert bound.sweeps <= 500
    before = bound.sweeps
    bound.advance(10)
    assert bound.sweeps == before
    assert bound.attempts == before * 32 * model.n


@pytest.mark.parametrize("kind", KINDS)
def test_given_states_are_the_first_of_the_elite(random_spins: RandomSpins, kind: type[Any]) -> None:
    model = model_for(kind, random_spins)
    states = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (3, model.n))
    engine = make(kind, model, states=states)
    assert sorted(engine.elite.energies) == sorted(model.energy(state) for state in states)


@pytest.mark.parametrize("kind", KINDS)
def test_states_that_join_take_one_replica_after_the_annealing(random_spins: RandomSpins, kind: type[Any]) -> None:
    model = model_for(kind, random_spins)
    found = make(kind, model)
    found.advance(1000)
    best = 2 * found.elite.states[0] - 1
    engine, plain = (
        make(kind, model, 2, temperatures=(2.0, 3.0), states=states, joining=True) for states in (best[None], None)
    )
    assert engine.elite.best_energy == found.elite.best_energy
    engine.advance(32)
    plain.advance(32)
    states = [engine.state(replica).tolist() for replica in range(32)]
    others = [plain.state(replica).tolist() for replica in range(32)]
    assert states.count(best.tolist()) == 1 + others.count(best.tolist())
    assert sum(ours != theirs for ours, theirs in zip(states, others, strict=True)) == 1
    assert engine.ladder.energies.min() == pytest.approx(found.elite.best_energy, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_joining_does_not_depend_on_how_a_run_is_cut(random_spins: RandomSpins, kind: type[Any]) -> None:
    model = model_for(kind, random_spins)
    states = np.ones((2, model.n), np.int8)
    whole_run, cut = (make(kind, model, states=states, joining=True) for _ in range(2))
    whole_run.advance(100)
    for sweeps in (31, 1, 1, 67):
        cut.advance(sweeps)
    np.testing.assert_array_equal(whole_run.ladder.energies, cut.ladder.energies)


def test_a_run_is_settled_where_most_restarts_reach_its_best_state(
    random_spins: RandomSpins, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every run ends with its first period without a better state.
    for name in ("_STALE", "_STALE_BESIDES"):
        monkeypatch.setattr(engine_module, name, 0)
    easy = make(SparseEngine, model_for(SparseEngine, random_spins, n=20))
    easy.advance(10_000)
    # Too hot to reach the same state twice, and too large.
    hard = make(SparseEngine, model_for(SparseEngine, random_spins, n=400), temperatures=(20.0, 30.0))
    hard.advance(10_000)
    assert easy.restarts > 3
    assert hard.restarts > 3
    assert easy.settled
    assert not hard.settled
    assert 0 < easy.improved < 5000
