"""The search for a plan: linearised around a network, solved, carried out, judged, and again around what was found."""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save

from qubo_dnn.backend import Backend
from qubo_dnn.black_box import solve_black_box
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.network.layers import Inventory
from qubo_dnn.compression.network.losses import Loss
from qubo_dnn.compression.rewriting.compressed_file import distinct_tensors
from qubo_dnn.compression.search.measured_reward import MEASURED, MODELLED, MeasuredReward
from qubo_dnn.compression.search.plan_evaluator import Attempt, Trial, Workshop
from qubo_dnn.compression.search.progress import Linearisation, Reporter
from qubo_dnn.compression.search.task_builder import layer_changes, measured_task
from qubo_dnn.compression.sensitivity.accumulator import GIB
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton
from qubo_dnn.compression.sensitivity.large_changes import measure_nonlinearity
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.compression.task.quadratic_model import Sensitivity
from qubo_dnn.compression.task.task import CompressionFormulation, CompressionTask
from qubo_dnn.errors import BudgetError, OutputError, QuboDnnError
from qubo_dnn.problem import Decoded, Problem
from qubo_dnn.solve import Solution, solve, solve_locally

# What a pair of variables takes while a backend works on it: the matrix, its BQM and the arrays of the local search.
_BYTES_PER_PAIR = 36
# Times `rerank` answers are asked for; the spare ones are carried out where the others do not do what was expected.
_SPARE = 2
# Files of measurements, around the network as given and around any other.
_GIVEN, _AROUND = "given.safetensors", "around-*.safetensors"


def bytes_of_pairs(variables: int) -> int:
    """Bytes that solving takes where the couplings of all variables are written out."""
    return _BYTES_PER_PAIR * variables**2


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """How to search.

    Attributes:
        granularity: "layer", "channel" or "group:N".
        parameters: of the formulation, beside the task; what it can tune and is not set is chosen on held-out data.
        backend_options: of the backend; a time limit is for every round.
        rounds: most rounds of linearising, >= 1; they end when one is not clearly better than those before.
        rerank: best answers of the backend that are carried out and judged, >= 1; twice as many where none of them
            does what was predicted, see `qubo_dnn.compression.rewriting.divergence_limit`.
        reward: what the backend optimises: "model", the formulation's objective, or "measured", the divergence of the
            network itself on calibration images; nothing is linearised then, and there is one round.
        probes, memory: see `qubo_dnn.compression.sensitivity.gauss_newton.gauss_newton`.
        seed: of drawn probes and units.
        checkpoints: folder to save measurements to as they go on, and to continue them from; None saves nothing.
        replace_checkpoints: whether damaged measurements in that folder, and those made with other options, are
            replaced; they are refused otherwise.
    """

    granularity: str = "channel"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    backend_options: Mapping[str, Any] = field(default_factory=dict)
    rounds: int = 2
    rerank: int = 4
    reward: str = MODELLED
    probes: int | None = None
    memory: float = 8.0
    seed: int = 0
    checkpoints: Path | None = None
    replace_checkpoints: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What a search came to.

    Attributes:
        trial: the best one.
        task, problem, solution: of the round it was found in.
        predicted: see `Linearisation`.
        rounds: all of them.
        reward: what was measured in place of the model, or None.
        interrupted: Ctrl-C ended the search early.
        failed: what broke a later round off, or None.
    """

    trial: Trial
    task: CompressionTask
    problem: Problem[Plan]
    solution: Solution[Plan]
    predicted: float | None
    rounds: tuple[Linearisation, ...]
    interrupted: bool
    failed: str | None
    reward: MeasuredReward | None = None

    @property
    def attempt(self) -> Attempt:
        """The plan carried out."""
        return self.trial.attempt


class Search:
    """Looks for the plan of a task whose network goes least far from the given one.

    Args:
        task: not measured yet.
        inventory: its layers.
        workshop: carries plans out.
        loss: that is measured.
        formulation: of the task.
        backend: any.
        settings: see there.
        reporter: hears of the progress.
        measured: the task measured around the network as given, where that has been done; None: it is measured when it
            is needed.
    """

    def __init__(
        self,
        task: CompressionTask,
        inventory: Inventory,
        workshop: Workshop,
        loss: Loss,
        formulation: type[CompressionFormulation],
        backend: Backend,
        settings: SearchSettings,
        reporter: Reporter,
        measured: CompressionTask | None = None,
    ) -> None:
        self.task, self.inventory, self.workshop, self.loss = task, inventory, workshop, loss
        self.formulation, self.backend, self.settings, self.reporter = formulation, backend, settings, reporter
        self._measured = measured

    def measured(self) -> CompressionTask:
        """The task, measured around the network as given; once. With a measured reward nothing is known to it."""
        if self._measured is None:
            if not self.formulation.needs_sensitivity:
                self._measured = self.task
            elif self.settings.reward == MEASURED:
                self._measured = with_zero_sensitivity(self.task, self.settings.memory)
            else:
                self._measured = self._measure(None)
        return self._measured

    def within(self, limit: float) -> Search:
        """The same search with another limit of stored bits; what was measured around the network as given stays."""
        other = copy.copy(self)
        other.task = replace(self.task, limit=limit)
        other._measured = replace(self.measured(), limit=limit)
        return other

    def tune(self, task: CompressionTask) -> dict[str, Any]:
        """The parameters whose plan, found by `quick_plan`, goes least far on held-out images."""
        sets = self.formulation.tunable(self.settings.parameters)
        fixed = dict(self.settings.parameters)
        if len(sets) == 1:
            return fixed | sets[0]
        self.reporter.stage("tune")
        found = []
        for number, chosen in enumerate(sets, 1):
            formulated = self.formulation.from_task(task, **fixed, **chosen)
            plan = self.quick_plan(formulated.compile())
            found.append((not task.meets(plan), self.workshop(plan).judgement.divergence, number - 1))
            self.reporter.progress(number, len(sets))
        return fixed | sets[min(found)[-1]]

    def quick_plan(self, problem: Problem[Plan]) -> Plan:
        """A plan found by local descent; by the backend where pairs are kept as a factor, which is beyond a descent."""
        if problem.low_rank is None:
            return solve_locally(problem).value
        return solve(problem, self.backend, self.settings.backend_options).best.value

    def run(self) -> Found:
        """Rounds of measuring, solving and judging.

        Raises:
            BudgetError: the backend found nothing within the budgets in the first round.
            QuboDnnError: whatever measuring, compiling, solving and rewriting raise in the first round.
        """
        started = time.perf_counter()
        best = self._round(self.measured(), 1, None, started)
        again = self.formulation.needs_sensitivity and self.settings.reward == MODELLED
        while again and len(best.rounds) < self.settings.rounds:
            if best.interrupted or best.failed or not best.rounds[-1].accepted:
                break
            started = time.perf_counter()
            try:
                best = self._round(self._measure(best.attempt), len(best.rounds) + 1, best, started)
            except KeyboardInterrupt:
                best = replace(best, interrupted=True)
            except QuboDnnError as broken:
                best = replace(best, failed=str(broken))
        return best

    def _checkpoint(self, around: Attempt | None) -> Path | None:
        """The file of a measurement: its own for every network measured around."""
        folder = self.settings.checkpoints
        if folder is None:
            return None
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise OutputError(f"{folder} cannot be made: {cause.strerror}") from cause
        if around is None:
            return folder / _GIVEN
        # By the network, not by its plan: another repair of the same plan is another measurement.
        network = hashlib.sha256(save(distinct_tensors(around.network.state_dict())[0])).hexdigest()
        return folder / _AROUND.replace("*", network[:16])

    def _measure(self, around: Attempt | None) -> CompressionTask:
        """The task measured around the network as given, or around an attempt."""
        workshop, settings = self.workshop, self.settings
        model = workshop.model if around is None else around.network
        layers = self.inventory if around is None else self.inventory.of(model)
        changes = layer_changes(layers, settings.granularity, workshop.candidates)
        self.reporter.stage("measure")
        sensitivity = gauss_newton(
            model,
            changes,
            workshop.data,
            loss=self.loss,
            reference=None if around is None else logits(workshop.model, workshop.data),
            probes=settings.probes,
            seed=settings.seed,
            memory=settings.memory,
            as_factor=bytes_of_pairs(self.task.cost.size) > settings.memory * GIB,
            checkpoint=self._checkpoint(around),
            replaced=self.reporter.warning if settings.replace_checkpoints else None,
            progress=self.reporter.progress,
        )
        if around is not None:
            return measured_task(self.measured(), changes, sensitivity)
        self.reporter.stage("measure large changes")
        nonlinearity = measure_nonlinearity(
            model,
            changes,
            self.task.options,
            sensitivity,
            workshop.data,
            loss=self.loss,
            seed=settings.seed,
            progress=self.reporter.progress,
        )
        return measured_task(self.task, changes, sensitivity, nonlinearity)

    def _round(self, task: CompressionTask, number: int, before: Found | None, started: float) -> Found:
        """One round, measured already: tuned, solved, carried out, and accepted only where it is clearly better."""
        measures = self.settings.reward == MEASURED
        parameters = dict(self.settings.parameters) if measures else self.tune(task)
        self.reporter.stage("solve")
        formulated = self.formulation.from_task(task, **parameters)
        problem = formulated.compile()
        reward = self._reward(problem) if measures else None
        asked = (self.settings.backend_options, self.reporter.round)
        if reward is None:
            solution = solve(problem, self.backend, *asked, keep=_SPARE * self.settings.rerank)
        else:
            solution = solve_black_box(problem, self.backend, reward, *asked, keep=self.settings.rerank)

        def expected(candidate: Decoded[Plan]) -> float | None:
            return candidate.objective if measures else formulated.predicted_loss_increase(candidate.value)

        self.reporter.stage("carry out")
        plans = [candidate for candidate in solution.candidates if task.meets(candidate.value)]
        trials, cut_short = self._carry_out(plans, expected)
        interrupted = solution.interrupted or cut_short
        if not trials:
            taken = task.per_weight(task.stored_bits(solution.best.value))
            raise BudgetError(
                f"backend {self.backend.name!r} with the formulation {self.formulation.name!r} found no plan within "
                f"{self.task.limits()}: its best takes {taken:.4g} bits per weight"
            )
        trial = min(trials, key=lambda each: each.divergence)
        predicted = None if measures else trial.expected
        accepted = before is None or trial.attempt.judgement.clearly_better(before.attempt.judgement)
        done = Linearisation(
            number=number,
            parameters=parameters,
            predicted=predicted,
            divergence=trial.divergence,
            limit=trial.limit,
            best=trial.divergence if before is None or accepted else before.attempt.judgement.divergence,
            accepted=accepted,
            seconds=time.perf_counter() - started,
        )
        self.reporter.linearisation(done)
        rounds = (*(before.rounds if before else ()), done)
        if before is not None and not accepted:
            return replace(before, rounds=rounds, interrupted=interrupted, failed=solution.failed)
        return Found(
            trial=trial,
            task=task,
            problem=problem,
            solution=solution,
            predicted=predicted,
            rounds=rounds,
            interrupted=interrupted,
            failed=solution.failed,
            reward=reward,
        )

    def _carry_out(
        self, plans: Sequence[Decoded[Plan]], expected: Callable[[Decoded[Plan]], float | None]
    ) -> tuple[list[Trial], bool]:
        """The first plans tried out, and more of them for as long as none does what was expected.

        Returns:
            Trials, and whether Ctrl-C ended them early.
        """
        trials: list[Trial] = []
        usual = min(self.settings.rerank, len(plans))
        try:
            for plan in plans:
                if len(trials) >= usual and not min(trials, key=lambda each: each.divergence).diverged:
                    break
                trials.append(Trial.of(self.workshop(plan.value), expected(plan), self.workshop.judge))
                self.reporter.progress(len(trials), max(len(trials), usual))
        except KeyboardInterrupt:
            if not trials:
                raise
            return trials, True
        return trials, False

    def _reward(self, problem: Problem[Plan]) -> MeasuredReward:
        shop = self.workshop
        return MeasuredReward(shop.model, shop.candidates, shop.data, self.loss, problem, self.reporter.progress)


def with_zero_sensitivity(task: CompressionTask, memory: float) -> CompressionTask:
    """The task with a sensitivity of zero, in the form that one of its size is measured in.

    Args:
        task: not measured.
        memory: GiB that all pairs may take.
    """
    size = task.cost.size
    if bytes_of_pairs(size) > memory * GIB:
        zero = Sensitivity(factor=np.zeros((size, 1), np.float32), linear=np.zeros(size))
    else:
        zero = Sensitivity(matrix=np.broadcast_to(np.float32(0.0), (size, size)), linear=np.zeros(size))
    return replace(task, sensitivity=zero)


def discard_measurements(folder: Path) -> None:
    """Remove the measurements that searches saved to a folder, and the folder if it holds nothing else."""
    with suppress(OSError):
        for name in (_GIVEN, _AROUND):
            for path in (*folder.glob(name), *folder.glob(f".{name}.partial")):
                path.unlink()
        folder.rmdir()
