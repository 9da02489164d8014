"""Compressing a network: measured, formulated, solved, rewritten and evaluated."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from torch import nn

from qubo_dnn.backend import Backend, check_model, make_options
from qubo_dnn.compression.budget_costs import task_budget
from qubo_dnn.compression.budgets import TaskBudget, parse_budget
from qubo_dnn.compression.candidates import make_candidates
from qubo_dnn.compression.data import Data
from qubo_dnn.compression.evaluate import Evaluation, evaluate
from qubo_dnn.compression.layers import Inventory, find_layers
from qubo_dnn.compression.measure import layer_changes, unmeasured_task
from qubo_dnn.compression.options import Option
from qubo_dnn.compression.plan import Plan
from qubo_dnn.compression.quantize import Quantized
from qubo_dnn.compression.rewrite import apply_plan_
from qubo_dnn.compression.sensitivity import gauss_newton
from qubo_dnn.compression.task import CompressionFormulation, CompressionTask, check_compression
from qubo_dnn.errors import BudgetError, OptionError
from qubo_dnn.problem import Problem
from qubo_dnn.solve import Round, Solution, solve


class Reporter(Protocol):
    """Hears how the work goes on."""

    def stage(self, name: str) -> None:
        """A stage begins."""

    def progress(self, done: int, total: int) -> None:
        """Images done in the present stage."""

    def round(self, done: Round) -> None:
        """The backend has answered once more."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to compress.

    Attributes:
        budget: "3bits", "25%" or "200KB"; see `qubo_dnn.compression.budgets.parse_budget`.
        granularity: "layer", "channel" or "group:N".
        options: what every unit can become; None takes the formulation's own.
        parameters: of the formulation, beside the task.
        backend_options: of the backend, `num_reads`, `time_limit` and `seed` among them.
        probes: see `qubo_dnn.compression.sensitivity.gauss_newton`.
        seed: of drawn probes.
    """

    budget: str
    granularity: str = "channel"
    options: tuple[Option, ...] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    backend_options: Mapping[str, Any] = field(default_factory=dict)
    probes: int | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Compression:
    """A compressed network and how it came about.

    Attributes:
        model: the compressed network, a copy of the given one.
        plan, quantized: what was done to it.
        task, problem, solution: how the plan was found.
        inventory: what could be compressed, of the given network.
        budget: of the task.
        predicted_loss_increase: in nats, what the formulation expected; None where it predicts no loss.
        calibration: before and after, on the calibration images.
        test: before and after, on the test images; None without these.
        seconds: wall-clock seconds of the stages measure, compile, solve, rewrite, evaluate.
    """

    model: nn.Module
    plan: Plan
    quantized: Mapping[str, Quantized]
    task: CompressionTask
    problem: Problem[Plan]
    solution: Solution[Plan]
    inventory: Inventory
    budget: TaskBudget
    predicted_loss_increase: float | None
    calibration: tuple[Evaluation, Evaluation]
    test: tuple[Evaluation, Evaluation] | None
    seconds: Mapping[str, float]


def compress(
    model: nn.Module,
    calibration: Data,
    test: Data | None,
    formulation: type[CompressionFormulation],
    backend: Backend,
    settings: Settings,
    reporter: Reporter,
) -> Compression:
    """Compress a network within a budget; the given one is left as it is.

    Args:
        model: gives logits; its Linear, Conv and ConvTranspose weights are compressed.
        calibration: images to measure on; their labels are used for reported losses only.
        test: images that nothing is measured or chosen on, or None.
        formulation: a formulation of `CompressionTask`.
        backend: any.
        settings: see there.
        reporter: hears of the progress.

    Raises:
        OptionError: an option of the formulation, of the backend or of `settings` is not valid, or the formulation
            is not one of compression.
        BudgetError: no choice of options meets the budget.
        UnsupportedProblemError: the backend takes no problem of this size.
        QuboDnnError: whatever measuring, solving and evaluating raise.
    """
    check_compression(formulation)
    make_options(backend, settings.backend_options)
    options = _checked_options(formulation.default_options if settings.options is None else settings.options)
    inventory = find_layers(model)
    parsed = parse_budget(settings.budget)
    clock = _Clock(reporter)
    with clock.stage("measure"):
        candidates = make_candidates(inventory, options)
        changes = layer_changes(inventory, settings.granularity, candidates)
        task = unmeasured_task(changes, options, math.inf)
        budget = task_budget(parsed, task.layers, options)
        task = replace(task, limit=budget.limit)
        task.check_reachable()
        if formulation.needs_sensitivity:
            _rehearse(task, formulation, backend, settings)
            measured = gauss_newton(
                model, changes, calibration, probes=settings.probes, seed=settings.seed, progress=reporter.progress
            )
            task = replace(task, sensitivity=measured.matrix)
    with clock.stage("compile"):
        formulated = formulation.from_task(task, **settings.parameters)
        problem = formulated.compile()
    with clock.stage("solve"):
        solution = solve(problem, backend, settings.backend_options, reporter.round)
    plan = solution.best.value
    if task.stored_bits(plan) > budget.limit:
        raise BudgetError(
            f"backend {backend.name!r} with the formulation {formulation.name!r} found no plan within {budget.text}: "
            f"its best takes {task.stored_bits(plan) / task.weights:.4g} bits per weight"
        )
    with clock.stage("rewrite"):
        compressed = copy.deepcopy(model)
        quantized = apply_plan_(compressed, plan, candidates)
    with clock.stage("evaluate"):
        of_calibration, of_test = _evaluations((model, compressed), calibration, test, reporter)
    return Compression(
        model=compressed,
        plan=plan,
        quantized=quantized,
        task=task,
        problem=problem,
        solution=solution,
        inventory=inventory,
        budget=budget,
        predicted_loss_increase=formulated.predicted_loss_increase(plan),
        calibration=of_calibration,
        test=of_test,
        seconds=clock.seconds,
    )


def _rehearse(
    task: CompressionTask, formulation: type[CompressionFormulation], backend: Backend, settings: Settings
) -> None:
    """Compile the task with a sensitivity of zero, so that what is wrong is said before minutes of measuring."""
    nothing = np.broadcast_to(np.float32(0.0), (task.cost.size, task.cost.size))
    problem = formulation.from_task(replace(task, sensitivity=nothing), **settings.parameters).compile()
    if not problem.constraint_kinds & backend.capabilities.native_constraints:
        check_model(backend, problem.objective)


def _evaluations(
    models: tuple[nn.Module, nn.Module], calibration: Data, test: Data | None, reporter: Reporter
) -> tuple[tuple[Evaluation, Evaluation], tuple[Evaluation, Evaluation] | None]:
    """Both networks on the calibration and on the test images, as one stretch of progress."""
    sets = [calibration] if test is None else [calibration, test]
    total = len(models) * sum(map(len, sets))
    found: list[Evaluation] = []
    before = 0
    for data in sets:
        for model in models:

            def report(done: int, _: int, before: int = before) -> None:
                reporter.progress(before + done, total)

            found.append(evaluate(model, data, progress=report))
            before += len(data)
    return (found[0], found[1]), None if test is None else (found[2], found[3])


def _checked_options(options: Sequence[Option]) -> tuple[Option, ...]:
    """Options in ascending order.

    Raises:
        OptionError: fewer than two, or one twice.
    """
    if len(set(options)) != len(options) or len(options) < 2:
        raise OptionError(f"options must be at least two different ones, not {', '.join(map(str, options))}")
    return tuple(sorted(options))


class _Clock:
    """Wall-clock seconds of stages, announced as they begin."""

    def __init__(self, reporter: Reporter) -> None:
        self.seconds: dict[str, float] = {}
        self._reporter = reporter

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._reporter.stage(name)
        started = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - started
