"""Compressing a network: quantized, measured, formulated, solved, carried out and evaluated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import nn

from qubo_dnn.backend import Backend, check_model
from qubo_dnn.bounds.certificate import Certificate, certify, enumerated
from qubo_dnn.compression.network.dataset import Data
from qubo_dnn.compression.network.inference import Evaluation, evaluate
from qubo_dnn.compression.network.layer_usage import unmeasurable
from qubo_dnn.compression.network.layers import Inventory, find_layers
from qubo_dnn.compression.network.loading import as_float32, check_fit, copied
from qubo_dnn.compression.network.losses import Loss
from qubo_dnn.compression.network.macs import count_macs
from qubo_dnn.compression.quantization.candidates import Candidates, make_candidates
from qubo_dnn.compression.rewriting.held_out import Judge
from qubo_dnn.compression.search.accuracy_target import AccuracyTarget, SizesOf, smallest_within
from qubo_dnn.compression.search.loss_modeller import bytes_of_pairs, with_zero_sensitivity
from qubo_dnn.compression.search.plan_evaluator import PlanEvaluator
from qubo_dnn.compression.search.progress import Clock, Reporter
from qubo_dnn.compression.search.search import Found, Search
from qubo_dnn.compression.search.settings import MEASURED, SearchSettings
from qubo_dnn.compression.search.task_builder import layer_changes, layer_shape, unmeasured_task
from qubo_dnn.compression.sensitivity.accumulator import GIB
from qubo_dnn.compression.settings import Settings, check_kinds, check_settings
from qubo_dnn.compression.task.budget_costs import task_budget
from qubo_dnn.compression.task.budgets import BOPS, SIZE, TaskBudget, parse_budget
from qubo_dnn.compression.task.cost_tables import read_table
from qubo_dnn.compression.task.options import Option
from qubo_dnn.compression.task.task import CompressionFormulation, CompressionTask, check_compression
from qubo_dnn.errors import OptionError, UnsupportedProblemError


@dataclass(frozen=True, kw_only=True, eq=False)
class Compression:
    """A compressed network and how it came about.

    Attributes:
        found: the network, its plan, and how they were found.
        inventory: what could be compressed, of the given network.
        budgets: all limits.
        calibration: before and after, on the calibration images.
        test: before and after, on the test images; None without these.
        certificate: of the backend's best answer to the problem of the round that `found` is from;
            None where none was asked for and its states are too many to be listed.
        warnings: what the user should know: layers that could not be measured, and a divergence that was not
            predicted.
        seconds: wall-clock seconds of the stages.
    """

    found: Found
    inventory: Inventory
    budgets: tuple[TaskBudget, ...]
    calibration: tuple[Evaluation, Evaluation]
    test: tuple[Evaluation, Evaluation] | None
    certificate: Certificate | None
    warnings: tuple[str, ...]
    seconds: Mapping[str, float]

    @property
    def model(self) -> nn.Module:
        """The compressed network, a copy of the given one."""
        return self.found.attempt.network


def compress(
    model: nn.Module,
    calibration: Data,
    test: Data | None,
    formulation: type[CompressionFormulation],
    backend: Backend,
    settings: Settings,
    reporter: Reporter,
) -> Compression:
    """Compress a network within its budgets; the given one is left as it is.

    Args:
        model: its Linear, Conv and ConvTranspose weights are compressed.
        calibration: images to measure on and, a part held out from that, to choose by; targets are used for reported
            losses, by a target accuracy drop and by a loss of the caller's only.
        test: images that nothing is measured or chosen on, or None.
        formulation: a formulation of `CompressionTask`.
        backend: any.
        settings: see there.
        reporter: hears of the progress.

    Raises:
        OptionError: an option of the formulation, of the backend or of `settings` is not valid, or the formulation
            is not one of compression.
        BudgetError: no choice of options meets the budgets.
        UnsupportedProblemError: the backend takes no problem of this size.
        QuboDnnError: whatever measuring, solving and evaluating raise.
    """
    check_kinds(model, calibration, test, formulation, backend, settings)
    check_compression(formulation)
    common = formulation.default_options if settings.options is None else settings.options
    check_settings(common, backend, settings)
    options = tuple(sorted({*common, *(option for own in settings.rules.options.values() for option in own)}))
    given, model = model, as_float32(model)
    for data in filter(None, (calibration, test)):
        check_fit(given, data, settings.loss)
    everything = find_layers(model)
    names = [layer.name for layer in everything.layers]
    skipped = settings.rules.skipped(names)
    measured_on, held_out = _split(calibration, settings)
    clock = Clock(reporter)
    if model is not given:
        clock.warning("the network is measured and stored in float32, though its weights are of another type")
    clock.stage("examine")
    by_gradients = formulation.needs_sensitivity and settings.search.reward != MEASURED
    reasons = unmeasurable(everything, measured_on, gradients=by_gradients, progress=clock.progress)
    copied(model)
    inventory = everything.without(reasons | dict.fromkeys(skipped, "skipped, as asked"))
    for layer in inventory.left_alone:
        if layer.name in reasons.keys() - skipped:
            clock.warning(f"left alone: {layer}")
    clock.stage("quantize")
    candidates = make_candidates(
        inventory, options, compensation=settings.compensation, data=measured_on, progress=clock.progress
    )
    task, budgets = _task(settings, common, candidates, everything, inventory, measured_on)
    if by_gradients:
        _rehearse(task, formulation, backend, settings.search)
    judge = Judge(model, held_out, settings.loss)
    evaluator = PlanEvaluator(model, candidates, measured_on, judge, settings.recovery)
    search = Search(task, inventory, evaluator, settings.loss, formulation, backend, settings.search, clock)
    if settings.target_accuracy_drop is None:
        found = search.run()
    else:
        target = AccuracyTarget(model, settings.target_accuracy_drop, held_out, settings.loss)
        sized = SizesOf(search)
        clock.stage("bracket the size")
        found = smallest_within(sized, target, clock.progress)
    if warning := found.trial.warning():
        clock.warning(warning)
    certificate = _certificate(found, settings, clock)
    clock.stage("evaluate")
    of_calibration, of_test = _evaluations((model, found.attempt.network), calibration, test, settings.loss, clock)
    return Compression(
        found=found,
        inventory=inventory,
        budgets=budgets,
        calibration=of_calibration,
        test=of_test,
        certificate=certificate,
        warnings=tuple(clock.warnings),
        seconds=clock.finish(),
    )


def _certificate(found: Found, settings: Settings, clock: Clock) -> Certificate | None:
    """What is proven of the backend's best answer; a measured reward has no model to prove anything of."""
    if found.reward is not None:
        return None
    energy = found.solution.best.objective if found.solution.best.feasible else None
    if settings.certify is None:
        return enumerated(found.problem, energy)
    clock.stage("certify")
    return certify(found.problem, energy, settings.certify, settings.search.seed)


def _split(calibration: Data, settings: Settings) -> tuple[Data, Data]:
    """Images to measure on, and those held out."""
    count = len(calibration) - max(1, round(settings.held_out * len(calibration)))
    if count < 1:
        raise OptionError(f"{calibration.name}: one image cannot be both measured on and held out; give at least two")
    return calibration.split(count, settings.search.seed)


def _task(
    settings: Settings,
    common: tuple[Option, ...],
    candidates: Candidates,
    everything: Inventory,
    inventory: Inventory,
    data: Data,
) -> tuple[CompressionTask, tuple[TaskBudget, ...]]:
    """The task, not measured yet, and all budgets over its decisions."""
    kept = {layer.name for layer in inventory.layers}
    skipped = [layer_shape(layer, layer.channels) for layer in everything.layers if layer.name not in kept]
    task = unmeasured_task(
        layer_changes(inventory, settings.search.granularity, candidates),
        candidates.options,
        math.inf,
        common=common,
        rules=settings.rules,
        skipped=skipped,
    )
    parsed = [parse_budget(text) for text in settings.budgets]
    macs = count_macs(everything, data) if any(budget.name == BOPS for budget in parsed) else None
    tables = {name: read_table(path) for name, path in settings.tables.items()}
    budgets = tuple(
        task_budget(budget, task.layers, task.options, skipped=skipped, macs=macs, tables=tables).tied(task.units)
        for budget in parsed
    )
    size = [budget.limit for budget in budgets if budget.name == SIZE]
    task = replace(
        task, limit=size[0] if size else math.inf, budgets=tuple(budget for budget in budgets if budget.name != SIZE)
    )
    task.check_reachable()
    return task, budgets


def _rehearse(
    task: CompressionTask, formulation: type[CompressionFormulation], backend: Backend, settings: SearchSettings
) -> None:
    """Compile the task with a sensitivity of zero, so that what is wrong is said before minutes of measuring."""
    size = task.cost.size
    needed = bytes_of_pairs(size) / GIB
    problem = formulation.from_task(with_zero_sensitivity(task, settings.memory), **settings.parameters).compile()
    if problem.low_rank is not None and not backend.capabilities.keeps(problem):
        raise UnsupportedProblemError(
            f"{size} densely coupled variables would take {needed:.3g} GiB as a binary quadratic model, more than the "
            f"{settings.memory:.3g} GiB allowed, and backend {backend.name!r} does not take their factor: choose a "
            "backend with the capability low_rank, a coarser granularity, such as group:8, fewer options, an "
            "objective without pairs, or a higher memory limit"
        )
    if not problem.constraint_kinds & backend.capabilities.native_constraints:
        check_model(backend, problem.objective)


def _evaluations(
    models: tuple[nn.Module, nn.Module], calibration: Data, test: Data | None, loss: Loss, clock: Clock
) -> tuple[tuple[Evaluation, Evaluation], tuple[Evaluation, Evaluation] | None]:
    """Both networks on the calibration and on the test images, as one stretch of progress."""
    sets: Sequence[Data] = [calibration] if test is None else [calibration, test]
    total = len(models) * sum(map(len, sets))
    found: list[Evaluation] = []
    before = 0
    for data in sets:
        for model in models:

            def report(done: int, _: int, before: int = before) -> None:
                clock.progress(before + done, total)

            found.append(evaluate(model, data, progress=report, loss=loss))
            before += len(data)
    return (found[0], found[1]), None if test is None else (found[2], found[3])
