"""One run of a search over choices: what it searches, how its states are judged, and its answer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import dimod
import numpy as np

from qubo_backends._choices.best import BestStates
from qubo_backends._choices.repair import repair
from qubo_backends._choices.space import Choices, ChoiceSpace, Reals
from qubo_backends._shared import sampling
from qubo_dnn.backend import PROGRESS, Backend, BlackBox, SolveOptions, check_kinds, check_model
from qubo_dnn.constraint import ConstraintKind
from qubo_dnn.errors import BackendFailedError
from qubo_dnn.problem import Problem
from qubo_dnn.support.arguments import checked

KINDS = frozenset({ConstraintKind.ONE_HOT, ConstraintKind.INEQUALITY, ConstraintKind.QUADRATIC_INEQUALITY})
"""Kinds of constraint that searches over choices keep."""

LISTED = 1 << 12
"""Up to so many states a search that nobody gave a length judges every one of them: that is quicker, and exact."""

_LOGGED_EVERY = 1.0
# States are told apart, to know when all were judged, where there are no more than this.
_MOST_COUNTED = 1 << 16


class Task:
    """What a search works on.

    Attributes:
        space: what can be chosen.
        rng: of every random choice.
        watch: when to stop.
        best: the best states so far.
        trace: best energy after every batch, None while there was no state within the constraints.
        evaluations: states judged.
        modelled: whether the energies are those of the problem, whose coefficients a search may look at.
    """

    def __init__(
        self,
        problem: Problem[Any],
        keep: int,
        seed: int,
        watch: sampling.InterruptGuard,
        name: str,
        black_box: BlackBox | None,
    ) -> None:
        self.space = ChoiceSpace(problem)
        self.rng = np.random.default_rng(seed)
        self.watch = watch
        self.best, self._keep = BestStates(keep, self.space.sites), keep
        self.trace: list[float | None] = []
        self.evaluations = 0
        self.modelled = black_box is None
        # Keys of the states judged, None where there are too many to be counted.
        self._judged: set[bytes] | None = set() if self.space.count <= _MOST_COUNTED else None
        self._offset = float(problem.objective.offset) if black_box is None else 0.0
        self._black_box = black_box
        self._logger, self._name = logging.getLogger(f"{PROGRESS}.{name}"), name
        self._logged = watch.seconds

    @property
    def over(self) -> bool:
        """Return whether to stop: the watch says so, every state was judged, or any others would be just as good."""
        if self.modelled and self.space.flat and self.best.feasible == self._keep:
            return True
        return self.watch.over or (self._judged is not None and len(self._judged) == self.space.count)

    def repaired(self, choices: Choices) -> Choices:
        """Choices [k, sites] within the constraints, as far as `repair` gets; in random order under a black box."""

        def random_costs(some: Choices) -> Reals:
            return self.rng.random((len(some), len(self.space.site_of)))

        return repair(self.space, choices, self.space.changes if self.modelled else random_costs)

    def judge(self, choices: Choices) -> tuple[Reals, Reals]:
        """Excess [k] and energies [k] of choices [k, sites], the best of which are kept.

        A black box may take seconds for every state: those that it had no time for have infinite energy.
        """
        excess = self.space.excess(self.space.activities(choices))
        if self._black_box is None:
            energies = self.space.energies(choices) + self._offset
            judged = np.ones(len(choices), bool)
        else:
            energies = np.full(len(choices), np.inf)
            judged = np.zeros(len(choices), bool)
            # What breaks a constraint is not worth measuring.
            for row in np.flatnonzero(excess == 0.0):
                if self.watch.over and (self.best.feasible or judged.any()):
                    break
                energies[row] = self._measured(choices[row : row + 1])
                judged[row] = True
            judged |= excess > 0.0
        self.evaluations += int(judged.sum())
        if self._judged is not None:
            self._judged.update(choice.tobytes() for choice in np.ascontiguousarray(choices[judged], np.int32))
        self.best.offer(choices[judged], excess[judged], energies[judged])
        self.trace.append(self.best.rank[1] if self.best.feasible else None)
        if self.watch.seconds - self._logged >= _LOGGED_EVERY:
            self._logged = self.watch.seconds
            self._logger.debug(
                "%s: %d states in %.0f s, best energy %s", self._name, self.evaluations, self._logged, self.trace[-1]
            )
        return excess, energies

    def judge_all(self) -> None:
        """Judge every state within the constraints, or every state where there is none; for few of them."""
        every = self.space.all()
        within = self.space.excess(self.space.activities(every)) == 0.0
        self.judge(every[within] if within.any() else every)

    def _measured(self, choice: Choices) -> float:
        assert self._black_box is not None
        energies = np.asarray(self._black_box(self.space.states(choice)), float)
        if energies.shape != (1,) or not np.isfinite(energies).all():
            raise BackendFailedError(
                f"backend {self._name!r} asked for the energy of one state and was told {energies.tolist()}"
            )
        return float(energies[0])


Search = Callable[[Task], dict[str, Any]]
"""Works on a task, and says what it did."""


@checked
def run(
    backend: Backend,
    problem: Problem[Any],
    options: SolveOptions,
    search: Search,
    listed: int,
    black_box: BlackBox | None = None,
) -> dimod.SampleSet:
    """Search, and answer with the `num_reads` best different states, from the best again where there are fewer.

    Args:
        backend: for whom.
        problem: of constraints that are kept.
        options: already of the backend's type.
        search: what it does.
        listed: where there are no more states than these, all are judged in place of it; at least one.
        black_box: gives energies in place of the problem's objective.

    Raises:
        UnsupportedProblemError: a constraint is of another kind than `KINDS`.
        BackendFailedError: the black box gave no energy, or was interrupted before the first.
    """
    check_model(backend, problem.objective)
    check_kinds(backend, problem)
    seed, reads = sampling.drawn_seed(options), options.num_reads or 1
    with sampling.InterruptGuard(options.time_limit) as watch:
        task = Task(problem, reads, seed, watch, backend.name, black_box)
        if task.space.count > listed:
            done = search(task)
        else:
            task.judge_all()
            done = {}
    found = task.best.choices[: task.best.feasible or 1]
    taken = np.arange(reads) % len(found)
    info = {
        "seed": seed,
        "interrupted": watch.interrupted,
        "seconds": watch.seconds,
        "evaluations": task.evaluations,
        "best": task.trace,
        **done,
    }
    rows = task.space.states(found)[taken]
    if black_box is None:
        return sampling.problem_answer(problem, rows, info)
    return dimod.SampleSet.from_samples(
        (rows, list(problem.variables)), energy=task.best.energies[taken], vartype=dimod.BINARY, info=info
    )


def plain(bqm: dimod.BinaryQuadraticModel, sample: Callable[[Problem[Any]], dimod.SampleSet]) -> dimod.SampleSet:
    """The answer of a model without constraints, in its own vartype.

    Args:
        bqm: the caller's, not changed.
        sample: answers a problem.
    """
    found = sample(Problem(objective=bqm.copy(), decoder=dict))
    return sampling.answer(bqm, list(found.variables), found.record.sample, found.info)
