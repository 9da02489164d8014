"""The methods that are compared, each from a setting and a budget to a compressed network."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from bench.compression.methods.clado import clado, cross_layer_matrix
from bench.compression.methods.greedy import greedy
from bench.compression.methods.hawq_v3 import hawq_v3
from bench.compression.methods.knapsack import Packing
from bench.compression.methods.mpqco import mpqco
from bench.compression.methods.paper import paper
from bench.compression.methods.random_search import random_search
from bench.compression.methods.uniform import uniform
from bench.compression.setting import Setting
from bench.compression.subject import Subject
from qubo_dnn.compression.task.task import CompressionTask, check_compression
from qubo_dnn.registry import get_backend, get_formulation
from qubo_dnn.solving.solve import solve


@dataclass(frozen=True, eq=False)
class MethodOutcome:
    """What a method made of a network.

    Attributes:
        model: the compressed network.
        stored_bits: per weight, everything counted.
        measure_seconds: wall-clock seconds of measuring, shared by all budgets of a setting.
        solve_seconds: wall-clock seconds from there to the choice; of a search with its later measurements.
        note: what else to know, such as a solver's status.
    """

    model: nn.Module
    stored_bits: float
    measure_seconds: float
    solve_seconds: float
    note: str = ""


Choose = Callable[[Setting, float], MethodOutcome]
"""From a setting and a budget in stored bits per weight."""


@dataclass(frozen=True)
class Method:
    """A way of choosing options.

    Attributes:
        bare: for a network that is rewritten and nothing else.
        recovering: for one that is recovered, with the recovery done; None: the choice of `bare`, recovered.
    """

    bare: Choose
    recovering: Choose | None = None


def methods(shrinkages: tuple[float, ...] = ()) -> dict[str, Method]:
    """Name -> method.

    As published, methods choose among bit widths; those with "+pruning" may also prune units. `paper`, `separable`
    and `gauss-newton` always may.

    Args:
        shrinkages: adds `gauss-newton` at other values of its shrinkage.
    """
    choices: dict[str, Choose] = {
        "uniform": _uniform,
        "random": _random,
        "greedy": partial(_greedy, pruning=False),
        "greedy+pruning": partial(_greedy, pruning=True),
        "hawq-v3": partial(_hawq_v3, pruning=False),
        "hawq-v3+pruning": partial(_hawq_v3, pruning=True),
        "mpqco": partial(_mpqco, pruning=False),
        "mpqco+pruning": partial(_mpqco, pruning=True),
        "clado": _clado,
        "paper": _paper,
        **{f"gauss-newton, r = {r:g}": _formulated(objective="gauss-newton", shrinkage=r) for r in shrinkages},
    }
    searches = {
        objective: Method(_searched(objective, "none"), _searched(objective, "auto"))
        for objective in ("separable", "gauss-newton")
    }
    return {name: Method(choose) for name, choose in choices.items()} | searches


def _uniform(setting: Setting, budget: float) -> MethodOutcome:
    choice = uniform(setting.channels.limited(budget))
    return _outcome(setting.channels, choice, note=f"{setting.channels.task.options[choice[0]]} bits")


def _random(setting: Setting, budget: float) -> MethodOutcome:
    kept, plans = _Kept.of(setting, budget, pruning=False), setting.conditions.random_plans
    divergence = setting.channels.divergence_on(setting.measured_on)
    started = time.perf_counter()
    choice = random_search(kept.task, lambda choice: divergence(kept.index[choice]), plans, setting.seed)
    seconds = time.perf_counter() - started
    return _outcome(setting.channels, kept.index[choice], solve_seconds=seconds, note=f"best of {plans} plans")


def _greedy(setting: Setting, budget: float, pruning: bool) -> MethodOutcome:
    kept, measured = _Kept.of(setting, budget, pruning), setting.sensitivity.seconds
    damage = 0.5 * setting.diagonal[:, kept.index]
    started = time.perf_counter()
    choice = greedy(kept.task, damage)
    return _outcome(setting.channels, kept.index[choice], measured, time.perf_counter() - started)


def _hawq_v3(setting: Setting, budget: float, pruning: bool) -> MethodOutcome:
    kept = _Kept.of(setting, budget, pruning)
    return _packed(setting, kept, hawq_v3(kept.task, setting.traces.value), setting.traces.seconds)


def _mpqco(setting: Setting, budget: float, pruning: bool) -> MethodOutcome:
    kept = _Kept.of(setting, budget, pruning)
    return _packed(setting, kept, mpqco(kept.task, setting.diagonal[:, kept.index]), setting.sensitivity.seconds)


def _clado(setting: Setting, budget: float) -> MethodOutcome:
    pairs = setting.pairs
    started = time.perf_counter()
    matrix = cross_layer_matrix(pairs.base, pairs.losses)
    choice = clado(setting.layers.limited(budget), matrix, setting.conditions.reads, setting.seed)
    note = f"{setting.conditions.clado_images} images, {setting.conditions.reads} reads"
    return _outcome(setting.layers, choice, pairs.seconds, time.perf_counter() - started, note)


def _paper(setting: Setting, budget: float) -> MethodOutcome:
    subject = setting.filters
    started = time.perf_counter()
    choice, beta = paper(subject.limited(budget), subject.divergence_on(setting.judged_on), setting.seed)
    return _outcome(subject, choice, solve_seconds=time.perf_counter() - started, note=f"beta {beta:g}")


def _searched(objective: str, recovery: str) -> Choose:
    """What `compress` does: shrinkage, candidates and rounds chosen on the images judged on."""

    def choose(setting: Setting, budget: float) -> MethodOutcome:
        search = setting.search(objective, recovery)
        started = time.perf_counter()
        found = search.run(budget * setting.channels.task.weights)
        rounds = ", ".join(str(dict(each.parameters)) for each in found.rounds if each.accepted)
        return MethodOutcome(
            model=found.applied.network,
            stored_bits=found.task.stored_bits(found.applied.plan) / found.task.weights,
            measure_seconds=setting.measured.seconds,
            solve_seconds=time.perf_counter() - started,
            note=f"accepted rounds: {rounds}",
        )

    return choose


def _formulated(**parameters: Any) -> Choose:
    """One objective solved once, with nothing chosen on further images."""

    def choose(setting: Setting, budget: float) -> MethodOutcome:
        formulation = check_compression(get_formulation("pruning-quantization"))
        task = replace(setting.channels.limited(budget), sensitivity=setting.sensitivity.value)
        started = time.perf_counter()
        problem = formulation.from_task(task, **parameters).compile()
        solution = solve(problem, get_backend("pt"), {"seed": setting.seed})
        seconds = time.perf_counter() - started
        return _outcome(setting.channels, task.choice(solution.best.value), setting.sensitivity.seconds, seconds)

    return choose


@dataclass(frozen=True, eq=False)
class _Kept:
    """A setting's task with all or some of its options.

    Attributes:
        task: with these alone.
        index: [options kept] what they are in the setting's task.
    """

    task: CompressionTask
    index: NDArray[np.intp]

    @classmethod
    def of(cls, setting: Setting, budget: float, pruning: bool) -> _Kept:
        """Without `pruning`, the options that remove a whole unit are left out, as the published methods have it."""
        task = setting.channels.limited(budget)
        index = np.array([k for k, option in enumerate(task.options) if option.bits or pruning], np.intp)
        kept = replace(
            task,
            options=tuple(task.options[k] for k in index),
            cost=task.cost[:, index],
            squared_error=task.squared_error[:, index],
        )
        return cls(kept, index)


def _packed(setting: Setting, kept: _Kept, packing: Packing, measure_seconds: float) -> MethodOutcome:
    return _outcome(setting.channels, kept.index[packing.choice], measure_seconds, packing.seconds, note=str(packing))


def _outcome(
    subject: Subject,
    choice: NDArray[np.intp],
    measure_seconds: float = 0.0,
    solve_seconds: float = 0.0,
    note: str = "",
) -> MethodOutcome:
    return MethodOutcome(subject.rewritten(choice), subject.stored_bits(choice), measure_seconds, solve_seconds, note)
