"""The engine over choices against brute force: optima, energies, feasibility, and the distribution it samples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2

from qubo_backends._pt.choices import sweeps
from qubo_backends._pt.choices.energies import new_workspace
from qubo_backends._pt.choices.engine import ChoiceEngine
from qubo_backends._pt.choices.model import ChoiceModel, choice_problem
from qubo_backends._pt.choices.replicas import replicas_of
from qubo_dnn.problem import Problem
from tests.unit.backends.pt.choices.problems import KINDS, feasible_states, large_groups, selection


def engine_of(problem: Problem[Any], seed: int = 0, **options: Any) -> ChoiceEngine:
    values = {"num_replicas": 6, "keep": 5} | options
    return ChoiceEngine(choice_problem(problem), seed=np.random.SeedSequence(seed), **values)


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_states_are_found_with_their_energies(kind: str) -> None:
    for seed in range(12):
        problem = KINDS[kind](seed)
        states, energies = feasible_states(problem)
        engine = engine_of(problem, seed)
        engine.advance(200)
        offset = float(problem.objective.offset)
        found = np.array(engine.elite.energies) + offset
        # Of more states than the engine keeps it may miss one, but never the best.
        assert found[0] == pytest.approx(energies.min(), abs=1e-9)
        for state, energy in zip(engine.elite.states, found, strict=True):
            at = np.flatnonzero((states == state).all(axis=1))
            assert len(at) == 1
            assert energy == pytest.approx(energies[at[0]], abs=1e-9)
        assert len({state.tobytes() for state in engine.elite.states}) == len(found) == min(5, len(states))


@pytest.mark.parametrize("kind", KINDS)
def test_advancing_in_pieces_changes_nothing(kind: str) -> None:
    whole, pieces = engine_of(KINDS[kind](1)), engine_of(KINDS[kind](1))
    whole.advance(230)
    for sweeps_at_once in (1, 2, 29, 64, 3, 131):
        pieces.advance(sweeps_at_once)
    assert whole.report() == pieces.report()
    assert (whole.ledger.entries, whole.improved) == (pieces.ledger.entries, pieces.improved)
    assert whole.elite.energies == pieces.elite.energies
    assert all(np.array_equal(a, b) for a, b in zip(whole.elite.states, pieces.elite.states, strict=True))


def chi_square(counts: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The chance of counts as far as these from what the weights say; states expected seldom are taken together."""
    expected = counts.sum() * weights / weights.sum()
    often = expected >= 10
    counts = np.append(counts[often], counts[~often].sum())
    expected = np.append(expected[often], expected[~often].sum())
    used = expected > 1e-9
    statistic = ((counts[used] - expected[used]) ** 2 / expected[used]).sum()
    return float(chi2.sf(statistic, used.sum() - 1))


def sampled(problem: Problem[Any], model: ChoiceModel, temperature: float, seed: int) -> NDArray[np.float64]:
    """Visits of each feasible state by independent replicas, long after they started."""
    choices = choice_problem(problem)
    states, _ = feasible_states(problem)
    place = {state.tobytes(): index for index, state in enumerate(states)}
    rng = np.random.default_rng(seed)
    # Every replica begins elsewhere: where moves reach all states that is forgotten.
    count, gap, rounds = 64, 12, 150
    start = choices.choices(states[rng.integers(0, len(states), count)])
    replicas = replicas_of(model, start, rng, np.float64 if model.rank else np.float32)
    workspace = new_workspace(model, count)
    ladder = sweeps.ladder_of(replicas, np.full(count, 1.0 / temperature), rng)
    counts, energies = np.zeros(len(states)), np.empty((gap, count))
    for step in range(rounds):
        sweeps.run_sweeps(model, replicas, ladder, step * gap, energies, workspace)
        if step >= 5:
            for state in choices.states(replicas.choices):
                counts[place[state.tobytes()]] += 1
    return counts


@pytest.mark.parametrize("share", [0.4, 1.2])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "several"])
def test_states_are_as_frequent_as_boltzmann_has_them(kind: str, share: float) -> None:
    problem = KINDS[kind](3)
    energies = feasible_states(problem)[1]
    temperature = share * float(energies.std())
    weights = np.exp(-(energies - energies.min()) / temperature)
    assert chi_square(sampled(problem, choice_problem(problem).model, temperature, 0), weights) > 1e-4


def only(model: ChoiceModel, move: str) -> ChoiceModel:
    """The model with one kind of move, as far as that reaches all states."""
    nothing = np.empty(0, np.int64)
    without: dict[str, Any] = {
        "singles": {"swappable": nothing, "members": nothing, "member_starts": np.zeros_like(model.member_starts)},
        "pairs": {"switchable": nothing, "swappable": nothing},
        "exchanges": {"switchable": nothing, "members": nothing, "member_starts": np.zeros_like(model.member_starts)},
    }[move]
    return replace(model, **without)


@pytest.mark.parametrize(
    ("kind", "move"),
    [
        ("free", "singles"),
        ("budget", "pairs"),
        pytest.param("budget, low rank", "pairs", marks=pytest.mark.slow),
        ("large groups", "pairs"),
        ("assignment", "exchanges"),
        ("assignment, low rank", "exchanges"),
    ],
)
def test_every_kind_of_move_alone_does(kind: str, move: str) -> None:
    problem = KINDS[kind](2)
    energies = feasible_states(problem)[1]
    temperature = 0.6 * float(energies.std())
    weights = np.exp(-(energies - energies.min()) / temperature)
    assert chi_square(sampled(problem, only(choice_problem(problem).model, move), temperature, 1), weights) > 1e-4


def test_the_test_sees_a_temperature_that_is_a_tenth_off() -> None:
    problem = large_groups(2)
    energies = feasible_states(problem)[1]
    temperature = 0.6 * float(energies.std())
    counts = sampled(problem, choice_problem(problem).model, temperature, 1)
    assert chi_square(counts, np.exp(-(energies - energies.min()) / (1.1 * temperature))) < 1e-4


def test_the_test_sees_exchanges_that_forget_the_way_back() -> None:
    """Of `selection` things leave the place in one, two and three ways, and enter it in one."""
    problem = selection(3)
    states, energies = feasible_states(problem)
    temperature = 1.2 * float(energies.std())
    weights = np.exp(-(energies - energies.min()) / temperature)
    outside = 1 - states[:, [problem.variables.index(v) for v in ("x[0]", "x[2]", "x[5]")]]
    counts = sampled(problem, choice_problem(problem).model, temperature, 0)
    assert chi_square(counts, weights) > 1e-4
    assert chi_square(counts, weights / (outside @ [1, 2, 3])) < 1e-4
