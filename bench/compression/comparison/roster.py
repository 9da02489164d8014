"""The methods that are compared, each from a setting and a budget to a compressed network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import nn

from bench.compression.measurements.setting import Setting
from bench.compression.methods.clado import clado, cross_layer_matrix
from bench.compression.methods.greedy import greedy
from bench.compression.methods.hawq_v3 import hawq_v3
from bench.compression.methods.knapsack import Packing
from bench.compression.methods.mpqco import mpqco
from bench.compression.methods.paper import paper
from bench.compression.methods.random_search import random_search
from bench.compression.methods.uniform import uniform
from bench.networks.subject import Subject
from bench.processes import Timed, timed
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.pruning_quantization import PruningQuantization

Choice = NDArray[np.intp]


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
        **{f"gauss-newton, r = {r:g}": partial(_shrunk, shrinkage=r) for r in shrinkages},
    }
    searches = {
        objective: Method(*(partial(_searched, objective=objective, recovery=way) for way in ("none", "auto")))
        for objective in ("separable", "gauss-newton")
    }
    return {name: Method(choose) for name, choose in choices.items()} | searches


def _uniform(setting: Setting, budget: float) -> MethodOutcome:
    choice = uniform(setting.channels.limited(budget))
    note = f"{setting.channels.task.options[choice[0]]} bits"
    return _outcome(setting.channels, Timed(choice, 0.0), note=note)


def _random(setting: Setting, budget: float) -> MethodOutcome:
    subject, plans = setting.subject(pruning=False), setting.conditions.random_plans
    divergence = subject.divergence_on(setting.measured_on)
    found = timed(random_search, subject.limited(budget), divergence, plans, setting.seed)
    return _outcome(subject, found, note=f"best of {plans} plans")


def _greedy(setting: Setting, budget: float, pruning: bool) -> MethodOutcome:
    subject, measured = setting.subject(pruning), setting.sensitivity.seconds
    found = timed(greedy, subject.limited(budget), 0.5 * setting.diagonal(subject))
    return _outcome(subject, found, measured)


def _hawq_v3(setting: Setting, budget: float, pruning: bool) -> MethodOutcome:
    subject, traces = setting.subject(pruning), setting.traces
    return _packed(subject, hawq_v3(subject.limited(budget), traces.value), traces.seconds)


def _mpqco(setting: Setting, budget: float, pruning: bool) -> MethodOutcome:
    subject, measured = setting.subject(pruning), setting.sensitivity.seconds
    return _packed(subject, mpqco(subject.limited(budget), setting.diagonal(subject)), measured)


def _packed(subject: Subject, packing: Packing, measure_seconds: float) -> MethodOutcome:
    return _outcome(subject, Timed(packing.choice, packing.seconds), measure_seconds, note=str(packing))


def _clado(setting: Setting, budget: float) -> MethodOutcome:
    pairs, reads = setting.pairs, setting.conditions.reads

    def choose() -> Choice:
        matrix = cross_layer_matrix(pairs.base, pairs.losses)
        return clado(setting.layers.limited(budget), matrix, reads, setting.seed)

    note = f"{setting.conditions.clado_images} images, {reads} reads"
    return _outcome(setting.layers, timed(choose), pairs.seconds, note)


def _paper(setting: Setting, budget: float) -> MethodOutcome:
    subject = setting.filters
    (choice, beta), seconds = timed(
        lambda: paper(subject.limited(budget), subject.divergence_on(setting.judged_on), setting.seed)
    )
    return _outcome(subject, Timed(choice, seconds), note=f"beta {beta:g}")


def _searched(setting: Setting, budget: float, objective: str, recovery: str) -> MethodOutcome:
    """What `compress` does: shrinkage, candidates and rounds chosen on the images judged on."""
    found, seconds = timed(setting.search(objective, recovery).run, budget * setting.channels.task.weights)
    rounds = ", ".join(str(dict(each.parameters)) for each in found.rounds if each.accepted)
    return MethodOutcome(
        model=found.applied.network,
        stored_bits=found.task.stored_bits(found.applied.plan) / found.task.weights,
        measure_seconds=setting.measured.seconds,
        solve_seconds=seconds,
        note=f"accepted rounds: {rounds}",
    )


def _shrunk(setting: Setting, budget: float, shrinkage: float) -> MethodOutcome:
    """`gauss-newton` solved once, with nothing chosen on further images."""
    task = replace(setting.channels.limited(budget), sensitivity=setting.sensitivity.value)

    def solved() -> Choice:
        problem = PruningQuantization.from_task(task, objective="gauss-newton", shrinkage=shrinkage).compile()
        return task.choice(solve(problem, get_backend("pt"), {"seed": setting.seed}).best.value)

    return _outcome(setting.channels, timed(solved), setting.sensitivity.seconds)


def _outcome(subject: Subject, found: Timed[Choice], measure_seconds: float = 0.0, note: str = "") -> MethodOutcome:
    choice = found.value
    return MethodOutcome(subject.rewritten(choice), subject.stored_bits(choice), measure_seconds, found.seconds, note)
