"""Figures of the comparison with genetic algorithms and reinforcement learning, and a small run from end to end."""

from __future__ import annotations

import argparse
import copy
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.claims import __main__ as claims
from bench.claims.__main__ import _jobs, read, run
from bench.claims.by_layers import optimum
from bench.claims.figures import excess, reached, time_to_solution, wilson
from bench.claims.page import page
from bench.claims.results import MODEL, CaseSummary, ClaimResults, Rewarded, Tuned
from bench.claims.runs import SAME, TimedSolve
from bench.claims.verdicts import verdicts
from qubo_dnn.cli.common.output import write_json
from qubo_dnn.errors import FileFormatError
from qubo_formulations.aqc_pruning_quantization import AqcPruningQuantization


def runs(case: str, backend: str, *found: dict[float, float | None]) -> list[TimedSolve]:
    """One seed for each of `found`: time limit -> objective; a run takes as long as its limit."""
    return [
        TimedSolve(case, backend, seed, limit, limit, objective)
        for seed, each in enumerate(found)
        for limit, objective in each.items()
    ]


def test_times_are_those_of_the_shortest_run_that_got_there() -> None:
    made = runs("c", "b", {1.0: 10.2, 4.0: 10.0}, {1.0: 10.0}, {1.0: None, 4.0: 10.0})
    optimum = reached(made, 10.0, 0.0)
    assert (optimum.seconds, optimum.successes, optimum.seeds) == (4.0, 3, 3)
    assert reached(made, 10.0, 0.02 + 1e-9).seconds == 1.0
    # One of three seeds in a second, or all of them in four.
    low, guess, high = optimum.solution
    assert guess == 4.0
    assert low <= guess < high
    never = reached(runs("c", "b", {1.0: 11.0}, {1.0: None}), 10.0, 0.0)
    assert (never.seconds, never.successes) == (math.inf, 0)
    assert never.solution[1:] == (math.inf, math.inf)


def test_intervals_and_times_to_solution_are_the_textbook_ones() -> None:
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert time_to_solution(2.0, 0.9) == pytest.approx(4.0)
    assert time_to_solution(2.0, 1.0) == 2.0
    assert time_to_solution(2.0, 0.0) == math.inf
    assert excess(None, 1.0) == math.inf
    assert excess(-9.0, -10.0) == pytest.approx(0.1)


def about(name: str, bound: float | None) -> CaseSummary:
    return CaseSummary(name, "pruning-quantization", 1.0, 5, 20, 100, 10.0, bound, "enumeration, 0 s", 0.9)


def verdicts_of(annealing: dict[float, float | None], genetic: dict[float, float | None]) -> list[str]:
    results = ClaimResults({}, [about("c", 10.0)])
    results.runs = runs("c", "neal", annealing) + runs("c", "genetic", genetic)
    return verdicts(results)


def test_verdicts_follow_the_figures() -> None:
    optima, quicker, nothing, untested = verdicts_of({1.0: 10.0}, {1.0: 12.0, 10.0: 10.0})
    assert "1 problems the optimum of 1 is proven" in optima
    assert optima.endswith("Holds.")
    assert quicker.endswith("Holds.")
    # Reinforcement never ran, so that annealing is ahead of it without a rival.
    assert "`reinforcement` in 0" in nothing
    assert "hardware" in untested
    optima, slower, *_ = verdicts_of({1.0: 12.0, 10.0: 10.5}, {1.0: 10.0})
    assert optima.endswith("Does not hold.")
    assert slower.endswith("Does not hold.")
    _, even, *_ = verdicts_of({1.0: 10.0}, {2.0: 10.0})
    assert even.endswith("Nothing to decide it by.")


def test_measured_rewards_are_judged_by_the_divergence_of_the_network() -> None:
    results = ClaimResults({}, [about("c", 10.0)])
    found = {MODEL: (0.1, 0.2, 0.9), "genetic": (0.3, 0.15, 0.3), "reinforcement": (0.15, 0.1, 0.3)}
    results.rewarded = [
        Rewarded("c", backend, seed, 9, 1.0, divergence, 0.9, 0.9)
        for backend, divergences in found.items()
        for seed, divergence in enumerate(divergences)
    ]
    _, _, _, genetic, reinforcement, _ = verdicts(results)
    assert "in 1 of 1 problems. Holds." in genetic
    assert "in 0 of 1 problems. Does not hold." in reinforcement


@pytest.fixture(scope="module")
def small() -> ClaimResults:
    """Layers and filters of the zoo's network, two quick backends and one that takes too few variables.

    Not `pt`: the process of the runs would compile it first.
    """
    words: dict[str, Any] = {"backends": ["neal", "genetic", "qaoa"], "granularities": ["layer", "paper"], "data": None}
    words |= {"seconds": [0.1, 0.3], "seeds": 2, "certify": 1.0, "tests": 100, "processes": 1, "tuning": 1}
    words |= {"reward_seconds": 0.5, "reward_seeds": 1, "tuning_seconds": 0.5, "enough": 0.4}
    given, results, kept = argparse.Namespace(**words), ClaimResults({}), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims, "_REFERENCE_SECONDS", 0.5)
        run(given, results, lambda found: kept.append(len(found.runs)))
        assert kept == sorted(kept)
        before = copy.deepcopy(results)
        run(given, results, lambda found: kept.append(len(found.runs)))
    assert replace(results, seconds=0.0) == replace(before, seconds=0.0)
    return results


@pytest.mark.slow
def test_a_run_has_every_problem_and_backend(small: ClaimResults) -> None:
    layers, filters = small.cases
    assert (layers.formulation, filters.formulation) == ("pruning-quantization", "aqc-pruning-quantization")
    assert layers.gap == pytest.approx(0.0, abs=1e-9)
    assert filters.gap is None or filters.gap >= 0.0
    assert {(each.case, each.backend) for each in small.runs} >= {
        (case.name, backend) for case in small.cases for backend in ("neal", "genetic")
    }
    assert all(each.objective is None or each.objective >= layers.best for each in small.of(layers.name, "neal"))
    assert "qaoa" in small.refused[filters.name]
    assert {each.backend for each in small.outcomes if each.case == layers.name} == {"neal", "genetic", "qaoa"}
    assert all(0.5 < each.recovered <= 1.0 for each in small.outcomes if each.case == layers.name)


@pytest.mark.slow
def test_both_rivals_are_tuned_with_the_same_budget(small: ClaimResults) -> None:
    (tried,) = small.tuning.values()
    assert [each.backend for each in tried] == ["genetic", "reinforcement"]
    assert [(each.settings, each.runs) for each in tried] == [({}, 2)] * 2
    # How many do reach the optimum depends on the speed of the machine.
    assert all(each.excess >= 0.0 and (each.reached == 2) == (each.excess <= SAME) for each in tried)


def test_the_best_setting_is_what_a_rival_runs_with() -> None:
    tried = [Tuned("genetic", {}, 2, 2, 0.0), Tuned("reinforcement", {"top": 0.25}, 2, 2, 0.0)]
    results = ClaimResults({}, tuning={"c": [*tried, Tuned("reinforcement", {}, 0, 2, 0.1)]})
    settings = {name: results.best_settings(name) for name in ("pt", "reinforcement")}
    words = argparse.Namespace(seconds=[0.1], enough=9.0, seeds=1)
    jobs = {job.backend: job for job in _jobs(about("c", 1.0), words, settings)}
    assert (jobs["pt"].settings, jobs["pt"].time_limits) == ({}, (0.1,))
    assert (jobs["reinforcement"].settings, jobs["reinforcement"].time_limits) == ({"top": 0.25}, (0.1, 9.0))


@pytest.mark.slow
def test_rewards_are_measured_alike_for_all(small: ClaimResults) -> None:
    by = {each.backend: each for each in small.rewarded}
    assert by.keys() == {"pt, on the model", "genetic"}
    assert by["pt, on the model"].evaluations == 0 < by["genetic"].evaluations
    assert all(each.divergence > 0.0 for each in small.rewarded)


@pytest.mark.slow
def test_the_page_is_made_from_the_json(small: ClaimResults, tmp_path: Path) -> None:
    write_json(tmp_path / "results.json", asdict(small))
    again = read(tmp_path)
    assert again == small
    text = page(again, "about")
    assert text == page(small, "about")
    for case in small.cases:
        assert f"## {case.name}" in text
    assert "`qaoa` does not take it" in text
    assert "| genetic | defaults | " in text
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(FileFormatError, match="holds no results"):
        read(tmp_path)


@pytest.mark.parametrize("seed", range(5))
def test_the_papers_optimum_is_that_of_all_states(seed: int) -> None:
    formulation = AqcPruningQuantization.example(seed)
    problem = formulation.compile()
    states = np.indices((2,) * len(problem.variables), dtype=np.int8).reshape(len(problem.variables), -1).T
    reduction = problem.constraints["reduction"]
    kept = reduction.lhs.energies((states, problem.variables)) >= reduction.rhs - 1e-9
    packing = optimum(formulation)
    least = float(problem.objective.energies((states, problem.variables))[kept].min())
    assert (packing.damage, packing.bound) == pytest.approx((least, least))
