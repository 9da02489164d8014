"""The search for a plan: model the loss, solve, apply, evaluate, and repeat around the best network so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from qubo_dnn.backend import Backend
from qubo_dnn.compression.losses.losses import Loss
from qubo_dnn.compression.network.layers import Inventory
from qubo_dnn.compression.removal.channel_groups import Use
from qubo_dnn.compression.search.loss_modeller import LossModeller, with_zero_sensitivity
from qubo_dnn.compression.search.measured_reward import MeasuredReward
from qubo_dnn.compression.search.plan_evaluator import AppliedPlan, PlanEvaluator, Trial
from qubo_dnn.compression.search.progress import CompressionReporter, SearchRound, TriedPlan
from qubo_dnn.compression.search.settings import MEASURED, SearchSettings
from qubo_dnn.compression.search.tuning import ParameterTuner
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.compression.task.plan_encoder import PlanEncoder
from qubo_dnn.compression.task.task import CompressionFormulation, CompressionTask
from qubo_dnn.constraints.separable import is_separable
from qubo_dnn.errors import BudgetError, QuboDnnError
from qubo_dnn.problem import Decoded, Problem
from qubo_dnn.solving.black_box import solve_black_box
from qubo_dnn.solving.separable import solve_separable
from qubo_dnn.solving.solution import Solution
from qubo_dnn.solving.solve import solve

# The backend returns twice `rerank` answers; the spare ones are applied if the others deviate from their prediction.
_SPARE = 2
# The weights of this many best trials are refitted.
_REFITTED = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchResult:
    """The result of a search.

    Attributes:
        trial: the best trial.
        task, problem, solution: those of the round of the best trial.
        predicted: see `SearchRound`.
        rounds: all rounds.
        reward: the measured objective, or None if a model was optimised.
        interrupted: True if Ctrl-C ended the search early.
        failed: message of the error that ended a later round, or None.

    Example:
        >>> def best_divergences(found: SearchResult) -> list[float]:
        ...     return [each.best for each in found.rounds]
    """

    trial: Trial
    task: CompressionTask
    problem: Problem[Plan]
    solution: Solution[Plan]
    predicted: float | None
    rounds: tuple[SearchRound, ...]
    interrupted: bool
    failed: str | None
    reward: MeasuredReward | None = None

    @property
    def applied(self) -> AppliedPlan:
        """The applied plan."""
        return self.trial.applied


class Search:
    """Search for the plan of a task whose network has the least held-out divergence.

    Args:
        task: the task before its measurement.
        inventory: layers of the task.
        evaluator: applies plans.
        loss: loss to measure.
        formulation: class of the formulation of the task.
        backend: any backend.
        settings: settings of the search.
        reporter: receives progress events.
        measured: the task measured around the original network, if it exists; None: it is measured when needed.
        readers: layer name -> where its channels are read, if removing them is measured there.
        start: a plan within the limits, near which a good one is expected, such as that of a tighter budget; it is
            known to the solver if the formulation is a `PlanEncoder`.

    Example:
        >>> def divergence(search: Search, stored_bits: float) -> float:
        ...     return search.run(stored_bits).trial.divergence
    """

    def __init__(
        self,
        task: CompressionTask,
        inventory: Inventory,
        evaluator: PlanEvaluator,
        loss: Loss,
        formulation: type[CompressionFormulation],
        backend: Backend,
        settings: SearchSettings,
        reporter: CompressionReporter,
        measured: CompressionTask | None = None,
        readers: Mapping[str, Sequence[Use]] = MappingProxyType({}),
        start: Plan | None = None,
    ) -> None:
        self.task, self.evaluator, self.loss = task, evaluator, loss
        self.formulation, self.backend, self.settings, self.reporter = formulation, backend, settings, reporter
        self.modeller = LossModeller(task, inventory, evaluator, loss, settings, reporter, readers)
        self.tuner = ParameterTuner(formulation, backend, evaluator, settings, reporter)
        self._measured, self._start = measured, start

    @property
    def models_loss(self) -> bool:
        """True if the loss is modelled: the formulation needs it, no reward replaces it, and a unit has a choice."""
        return self.formulation.needs_sensitivity and self.settings.reward != MEASURED and self.task.has_choice

    def measured(self) -> CompressionTask:
        """Return the task measured around the original network, once; with zero sensitivity if no model is needed."""
        if self._measured is None:
            if self.models_loss:
                self._measured = self.modeller.around_given()
            elif self.formulation.needs_sensitivity:
                self._measured = with_zero_sensitivity(self.task, self.settings.memory)
            else:
                self._measured = self.task
        return self._measured

    def run(self, limit: float | None = None) -> SearchResult:
        """Run rounds of measuring, solving and evaluating.

        Args:
            limit: largest number of stored bits; None keeps that of the task.

        Raises:
            BudgetError: the backend finds no plan within the budgets in the first round.
            QuboDnnError: measuring, compiling, solving or rewriting fails in the first round.
        """
        started = time.perf_counter()
        given = self.measured() if limit is None else replace(self.measured(), limit=limit)
        best = self._round(given, None, started)
        while self._continues(best):
            started = time.perf_counter()
            try:
                best = self._round(self.modeller.around(best.applied, given), best, started)
            except KeyboardInterrupt:
                best = replace(best, interrupted=True)
            except QuboDnnError as broken:
                best = replace(best, failed=str(broken))
        return best

    def _continues(self, best: SearchResult) -> bool:
        """Return whether another round may find a better network."""
        if not self.models_loss:
            return False
        ended = best.interrupted or best.failed or not best.rounds[-1].accepted
        return not ended and len(best.rounds) < self.settings.rounds

    def _round(self, task: CompressionTask, before: SearchResult | None, started: float) -> SearchResult:
        """Run one round after its measurement: tune, solve, evaluate, and accept the result only if clearly better."""
        tried: list[TriedPlan] = []
        answer, trial, interrupted = self._tuned(task, tried)
        accepted = before is None or trial.applied.held_out.clearly_better(before.applied.held_out)
        earlier = before.rounds if before else ()
        done = SearchRound(
            number=len(earlier) + 1,
            parameters=answer.parameters,
            predicted=answer.predicted(trial),
            divergence=trial.divergence,
            limit=trial.limit,
            best=trial.divergence if before is None or accepted else before.applied.held_out.divergence,
            accepted=accepted,
            seconds=time.perf_counter() - started,
            tried=tuple(tried),
        )
        try:
            self.reporter.search_round(done)
        except KeyboardInterrupt:
            # A report may take its time, and the round is done.
            interrupted = True
        if before is not None and not accepted:
            return replace(before, rounds=(*earlier, done), interrupted=interrupted, failed=answer.solution.failed)
        return SearchResult(
            trial=trial,
            task=task,
            problem=answer.problem,
            solution=answer.solution,
            predicted=answer.predicted(trial),
            rounds=(*earlier, done),
            interrupted=interrupted,
            failed=answer.solution.failed,
            reward=answer.reward,
        )

    def _tuned(self, task: CompressionTask, tried: list[TriedPlan]) -> tuple[_Answer, Trial, bool]:
        """Return answers with the parameters whose final plan is best, see `_best_of`."""
        measures = self.settings.reward == MEASURED
        sets = [dict(self.settings.parameters)] if measures else self.tuner.candidates(task)
        found: tuple[_Answer, Trial] | None = None
        interrupted = False
        for left, parameters in zip(reversed(range(len(sets))), sets, strict=True):
            try:
                answer, trial, interrupted = self._best_of(parameters, task, tried)
            except BudgetError:
                if found is None and not left:
                    raise
                continue
            except KeyboardInterrupt:
                if found is None:
                    raise
                interrupted = True
            else:
                if found is None or self.tuner.prefers(trial.applied.held_out, found[1].applied.held_out, task):
                    found = answer, trial
            if interrupted:
                break
        assert found is not None
        return *found, interrupted

    def _best_of(
        self, parameters: dict[str, Any], task: CompressionTask, tried: list[TriedPlan]
    ) -> tuple[_Answer, Trial, bool]:
        """Return answers with these parameters, the best of their trials, and True if Ctrl-C ended either early.

        All trials are added to `tried`.
        """
        answer = self._solve(parameters, task)
        trials, cut_short = self._try(answer, task)
        tried += [_tried(trial, task) for trial in trials]
        return answer, min(trials, key=lambda each: each.divergence), answer.solution.interrupted or cut_short

    def _solve(self, parameters: dict[str, Any], task: CompressionTask) -> _Answer:
        """Return answers to the task with the parameters of a formulation."""
        self.reporter.stage("solve")
        formulated = self.formulation.from_task(task, **parameters)
        problem = formulated.compile()
        if self.settings.reward != MEASURED:
            if self._start is not None and isinstance(formulated, PlanEncoder) and task.meets(self._start):
                problem = replace(problem, start=formulated.encode(self._start))
            solution = self._solved(problem)
            # Zero sensitivity predicts nothing.
            predicts = self.models_loss or not self.formulation.needs_sensitivity
            return _Answer(
                *(parameters, problem, solution),
                lambda each: formulated.predicted_loss_increase(each.value) if predicts else None,
            )
        evaluator = self.evaluator
        reward = MeasuredReward(
            evaluator.model, evaluator.candidates, evaluator.data, self.loss, problem, self.reporter.progress
        )
        solution = solve_black_box(
            *(problem, self.backend, reward, self.settings.backend_options, self.reporter.backend_call),
            num_solutions=self.settings.rerank,
        )
        return _Answer(parameters, problem, solution, lambda each: each.objective, reward)

    def _solved(self, problem: Problem[Plan]) -> Solution[Plan]:
        """Solve a problem directly, where that is asked for and succeeds, or else with the backend."""
        settings, count = self.settings, _SPARE * self.settings.rerank
        if settings.direct and is_separable(problem):
            solution = solve_separable(problem, count)
            if solution is not None:
                return solution
        return solve(problem, self.backend, settings.backend_options, self.reporter.backend_call, num_solutions=count)

    def _try(self, answer: _Answer, task: CompressionTask) -> tuple[list[Trial], bool]:
        """Apply the first plans, and further ones until one agrees with its prediction.

        Returns:
            Trials, at least one, and True if Ctrl-C ended them early.

        Raises:
            BudgetError: no plan is within the budgets.
        """
        self.reporter.stage("apply")
        plans = [candidate for candidate in answer.solution.candidates if task.meets(candidate.value)]
        if not plans:
            taken = task.per_weight(task.stored_bits(answer.solution.best.value))
            raise BudgetError(
                f"backend {answer.solution.backend!r} with the formulation {self.formulation.name!r} found no plan "
                f"within {task.limits()}: its best takes {taken:.4g} bits per weight"
            )
        trials: list[Trial] = []
        usual = min(self.settings.rerank, len(plans))
        try:
            for plan in plans:
                if len(trials) >= usual and not min(trials, key=lambda each: each.divergence).diverged:
                    break
                trials.append(Trial.of(self.evaluator(plan.value), answer.expected(plan), self.evaluator.judge))
                self.reporter.progress(len(trials), max(len(trials), usual))
            # Refitting takes several times as long as everything else about a trial.
            trials.sort(key=lambda each: each.divergence)
            for place, trial in enumerate(trials[:_REFITTED]):
                trials[place] = Trial.of(self.evaluator.refitted(trial.applied), trial.expected, self.evaluator.judge)
        except KeyboardInterrupt:
            if not trials:
                raise
            return trials, True
        return trials, False


def _tried(trial: Trial, task: CompressionTask) -> TriedPlan:
    applied = trial.applied
    return TriedPlan(
        bits_per_weight=task.per_weight(task.stored_bits(applied.plan)),
        predicted=trial.expected,
        bare=applied.bare.divergence,
        divergence=trial.divergence,
    )


@dataclass(frozen=True, eq=False)
class _Answer:
    """An answer to the problem of a round.

    Attributes:
        parameters: parameters of the formulation.
        problem, solution: the problem and its solution.
        expected: predicted divergence of a candidate, None without a prediction.
        reward: the measured objective, or None if a model was optimised.
    """

    parameters: dict[str, Any]
    problem: Problem[Plan]
    solution: Solution[Plan]
    expected: Callable[[Decoded[Plan]], float | None]
    reward: MeasuredReward | None = None

    def predicted(self, trial: Trial) -> float | None:
        """Return the loss increase that the model predicts for a trial; None if no model was optimised."""
        return None if self.reward else trial.expected
