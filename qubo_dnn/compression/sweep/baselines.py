"""What a sweep is compared with: one width for all weights, and plans of a loss model without pairs."""

from __future__ import annotations

import inspect
import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.compress import Compressor
from qubo_dnn.compression.network.inference import Evaluation, evaluate
from qubo_dnn.compression.network.loading import as_float32, in_types_of
from qubo_dnn.compression.preparation import PreparedNetwork
from qubo_dnn.compression.rewriting.compressed_file import compressed_bytes
from qubo_dnn.compression.search.progress import StageClock
from qubo_dnn.compression.search.settings import MEASURED, SearchSettings
from qubo_dnn.compression.sweep.points import SweepPoint
from qubo_dnn.compression.task.budgets import SIZE, Budget
from qubo_dnn.compression.task.options import FLOAT_BITS, Option
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.compression.task.stored_bits import layer_bytes
from qubo_dnn.compression.task.task import CompressionTask
from qubo_dnn.errors import OptionError

UNIFORM, SEPARABLE = "uniform", "separable"
_OBJECTIVE = "objective"


def separable_settings(compressor: Compressor) -> SearchSettings | None:
    """Return settings of the search with an objective without pairs; None if that is the one that is asked for.

    Raises:
        OptionError: the formulation has no such objective, or a measured reward replaces it.

    Example:
        >>> def is_the_same(compressor: Compressor) -> bool:
        ...     return separable_settings(compressor) is None
    """
    search = compressor.settings.search
    if search.reward == MEASURED or _OBJECTIVE not in inspect.signature(compressor.formulation).parameters:
        raise OptionError(
            f"baselines need an objective without pairs to compare with, and the formulation "
            f"{compressor.formulation.name!r} with the reward {search.reward!r} has none"
        )
    if search.parameters.get(_OBJECTIVE) == SEPARABLE:
        return None
    return replace(search, parameters={_OBJECTIVE: SEPARABLE})


def uniform_plans(task: CompressionTask) -> list[tuple[str, Plan]]:
    """Return the widths of weights among the options, each with the plan that gives it to all weights.

    Decisions that may not take a width get the next wider one that they may take, or else their widest; what layers
    read keeps its widest.

    Example:
        >>> from qubo_formulations.example_task import example_task
        >>> [(width, str(plan.layers["first"].options[0])) for width, plan in uniform_plans(example_task(seed=1))]
        [('2 bits', '2'), ('4 bits', '4')]
    """
    of_weights = np.zeros(len(task.cost), bool)
    of_weights[task.units[: sum(layer.units for layer in task.layers)]] = True
    found = []
    for k, option in enumerate(task.options):
        if not 0 < option.bits < FLOAT_BITS or option.sparsity or not task.choices[of_weights, k].any():
            continue
        found.append((f"{option.bits} bit{'s' * (option.bits > 1)}", task.plan(_uniform(task, option, of_weights))))
    return found


def _uniform(task: CompressionTask, option: Option, of_weights: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return [U] the option of every decision."""
    wide = np.array([each.bits >= option.bits and not each.sparsity for each in task.options])
    wider = task.choices & wide
    widest = task.cost.shape[1] - 1 - np.argmax(task.choices[:, ::-1], axis=1)
    found: NDArray[np.intp] = np.where(of_weights & wider.any(axis=1), np.argmax(wider, axis=1), widest)
    return found


def uniform_point(
    number: int, width: str, plan: Plan, prepared: PreparedNetwork, budget: Budget, clock: StageClock
) -> SweepPoint:
    """Apply a plan with the same repairs as those of a search, and evaluate it.

    Args:
        number: number of the point.
        width: what it is.
        plan: the plan.
        prepared: the network.
        budget: a budget of the quantity that the cost is about.
        clock: receives progress events.

    Example:
        >>> def cost(prepared: PreparedNetwork, budget: Budget, clock: StageClock) -> float | None:
        ...     width, plan = uniform_plans(prepared.network.task)[0]
        ...     return uniform_point(1, width, plan, prepared, budget, clock).cost
    """
    begun, evaluator, network = time.perf_counter(), prepared.evaluator, prepared.network
    clock.stage("apply")
    applied = evaluator.refitted(evaluator(plan))
    made = in_types_of(prepared.given, applied.network)
    size = len(compressed_bytes(made, plan, applied.quantized))
    clock.stage("evaluate")
    tested = Evaluation(accuracy=None, loss=None)
    if prepared.test is not None:
        tested = evaluate(
            as_float32(made),
            prepared.test,
            progress=clock.progress,
            loss=prepared.loss,
            metric=prepared.settings.metric,
            reference=evaluator.model,
        )
    clock.finish()
    choice, layers = network.task.choice(plan), network.task.layers
    limit = network.converted(budget)
    packed = sum(layer_bytes(plan.layers[each.name], each.channels, each.weights_per_channel) for each in layers)
    return SweepPoint(
        number=number,
        budget=width,
        cost=size if budget.name == SIZE else limit.used(choice),
        divergence=evaluator.judge(as_float32(made)).divergence,
        accuracy=tested.accuracy,
        loss=tested.loss,
        metric=tested.metric,
        test_divergence=tested.divergence,
        bytes=size,
        bits_per_weight=(8 * packed + network.contents.kept_bits) / network.contents.numbers,
        macs=sum(network.macs.values()),
        seconds=time.perf_counter() - begun,
    )
