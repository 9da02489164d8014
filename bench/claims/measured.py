"""Genetic algorithm and reinforcement learning in their authors' setting: the reward is measured on the network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bench.claims.cases import ClaimCase
from bench.claims.outcome import Tested
from bench.claims.results import MODEL, Rewarded
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
from qubo_dnn.compression.search.measured_reward import MeasuredReward
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.black_box import solve_black_box
from qubo_dnn.solving.solve import solve


def rewarded(
    case: ClaimCase, tested: Tested, backends: Sequence[str], seconds: float, seeds: int
) -> Iterator[Rewarded]:
    """Plans found by measuring plan after plan, and the one found on the model, all measured alike.

    Args:
        case: of this project's formulation.
        tested: its network.
        backends: with the capability `black_box`.
        seconds: for the search on the model; those that measure plans get the seconds of measuring it besides.
        seeds: of every search.
    """
    subject, problem = tested.subject, case.problem
    for backend in (MODEL, *backends):
        for seed in range(seeds):
            reward = MeasuredReward(
                subject.model, subject.candidates, tested.network.measured_on, CROSS_ENTROPY, problem
            )
            if backend == MODEL:
                found = solve(problem, get_backend("pt"), {"seed": seed, "time_limit": seconds})
                took = case.measure_seconds + found.seconds
            else:
                options = {"seed": seed, "time_limit": case.measure_seconds + seconds}
                found = solve_black_box(problem, get_backend(backend), reward, options)
                took = found.seconds
            if not found.best.feasible:
                continue
            evaluations = reward.evaluations
            state = np.array([[found.sample[variable] for variable in problem.variables]], np.int8)
            choice = tuple(int(option) for option in case.task.choice(found.best.value))
            yield Rewarded(case.name, backend, seed, evaluations, took, float(reward(state)[0]), *tested.of(choice))
