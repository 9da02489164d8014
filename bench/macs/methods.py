"""Ways of choosing the channels of a network that leave, each within a budget of multiply-accumulates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.compression.measurements.setting import Silent
from bench.macs.chains import Chain
from bench.macs.counts import Counts, best_counts
from bench.macs.network import network_chain
from bench.removal.channels import Channels, Flags
from bench.removal.measured import Measured
from bench.removal.methods import evenly, linear_budget
from qubo_dnn.compression.search.settings import SearchSettings
from qubo_dnn.compression.search.tuning import ParameterTuner
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.pruning_quantization import PruningQuantization

OPTIMUM, PAIRS, LINEAR, UNIFORM = "exact optimum", "pt, with pairs", "linear budget", "uniform"
BACKENDS = ("pt", "neal", "tabu", "genetic", "reinforcement")
EXACT = "exact-milp"
SEPARABLE = "separable"
# Halvings of the bracket of the linear limit: to a fraction of what a single channel counts.
_HALVINGS = 12


@dataclass(frozen=True, eq=False)
class Question:
    """A network with a budget.

    Attributes:
        measured: the network, and what was measured there.
        share: of its multiply-accumulates that may stay.
        seconds: time limit of a backend.
        exact_seconds: time limit of `exact-milp`.
    """

    measured: Measured
    share: float
    seconds: float
    exact_seconds: float

    @property
    def channels(self) -> Channels:
        """The channels that can leave."""
        return self.measured.channels

    @cached_property
    def chain(self) -> Chain:
        """The task, and what counts of channels know of it."""
        return network_chain(self.measured, self.share)

    @cached_property
    def optimum(self) -> Counts:
        """The optimum of the separable loss."""
        return best_counts(self.chain)

    @cached_property
    def losses(self) -> NDArray[np.float64]:
        """[channels] loss without a channel; infinite where it has to stay."""
        return np.concatenate(self.chain.losses)

    def loss(self, removed: Flags) -> float:
        """Separable loss without some channels."""
        return float(self.losses[removed].sum())


def solved(problem: Problem[Plan], backend: str, question: Question, seconds: float, **options: Any) -> Flags | None:
    """The channels that a backend removes; None if it finds no answer within the budget."""
    options |= {"seed": question.channels.seed, "time_limit": seconds}
    best = solve(problem, get_backend(backend), options).best
    return question.channels.removed(best.value) if best.feasible else None


def by_optimum(question: Question) -> Flags:
    """Of every layer as many channels as the optimum keeps, those with the largest losses."""
    removed = np.zeros(len(question.losses), bool)
    for place, kept in enumerate(question.optimum.kept):
        own = np.flatnonzero(question.channels.block == place)
        removed[own[np.argsort(question.losses[own], kind="stable")[: len(own) - kept]]] = True
    return removed


def by_backend(question: Question, *, name: str) -> Flags | None:
    """The quadratic budget and the separable loss."""
    problem = PruningQuantization(question.chain.task, objective=SEPARABLE).compile()
    return solved(problem, name, question, question.exact_seconds if name == EXACT else question.seconds)


def with_pairs(question: Question) -> Flags | None:
    """The quadratic budget and the loss with pairs, at the shrinkage that is best on held-out images."""
    channels, task = question.channels, question.chain.task
    settings = SearchSettings(
        parameters={"objective": "gauss-newton"},
        backend_options={"seed": channels.seed, "time_limit": question.seconds},
        seed=channels.seed,
    )
    tuner = ParameterTuner(PruningQuantization, get_backend("pt"), channels.evaluator, settings, Silent())
    problem = PruningQuantization.from_task(task, **tuner.tune(task)).compile()
    return solved(problem, "pt", question, question.seconds)


def by_linear_budget(question: Question) -> Flags:
    """The optimum within a linear budget, which is as large as the multiply-accumulates of its answer allow.

    Every channel counts what leaves with it if no other one leaves.
    """
    channels, task = question.channels, question.chain.task
    found = np.isfinite(question.losses)
    tight, loose = 1.0 - float(channels.saved[found].sum()), 1.0
    for _ in range(_HALVINGS):
        middle = (tight + loose) / 2.0
        limited = PruningQuantization(linear_budget(channels, task, middle), objective=SEPARABLE)
        removed = solved(limited.compile(), EXACT, question, question.exact_seconds)
        if removed is None or channels.share(removed) > question.share:
            loose = middle
        else:
            tight, found = middle, removed
    return found


def uniform(question: Question) -> Flags:
    """The same share of the channels of every layer, those of least loss."""
    return evenly(question.channels, question.losses, question.share)


METHODS: Mapping[str, Callable[[Question], Flags | None]] = {
    OPTIMUM: by_optimum,
    **{name: partial(by_backend, name=name) for name in (*BACKENDS, EXACT)},
    PAIRS: with_pairs,
    LINEAR: by_linear_budget,
    UNIFORM: uniform,
}
