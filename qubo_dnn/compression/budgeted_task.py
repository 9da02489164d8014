"""The task of a network with its budgets, before its measurement."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.layers import Inventory
from qubo_dnn.compression.network.macs import count_macs
from qubo_dnn.compression.quantization.candidates import Candidates
from qubo_dnn.compression.removal.channel_groups import ChannelGroup
from qubo_dnn.compression.rewriting.stored_entries import file_contents
from qubo_dnn.compression.search.progress import StageClock
from qubo_dnn.compression.search.removable import find_removable_channels
from qubo_dnn.compression.search.task_builder import activation_changes, layer_changes, layer_shape, unmeasured_task
from qubo_dnn.compression.settings import CompressionSettings
from qubo_dnn.compression.task.bops_budget import bops_budget
from qubo_dnn.compression.task.budget_costs import task_budget
from qubo_dnn.compression.task.budgets import BOPS, MACS, SIZE, Budget, TaskBudget
from qubo_dnn.compression.task.channel_map import keep_one_channel
from qubo_dnn.compression.task.file_contents import FileContents, check_file_size
from qubo_dnn.compression.task.formats_limit import formats_limit
from qubo_dnn.compression.task.granularity import COUPLED
from qubo_dnn.compression.task.macs_budget import macs_budget
from qubo_dnn.compression.task.options import Option
from qubo_dnn.compression.task.task import CompressionTask


@dataclass(frozen=True, kw_only=True, eq=False)
class BudgetedTask:
    """A task and what its budgets count.

    Attributes:
        task: the unmeasured task.
        budgets: all budgets, over its decisions.
        contents: what the file holds besides the compressed weights.
        macs: layer name -> multiply-accumulates for one sample.

    Example:
        >>> def limits(made: BudgetedTask) -> list[str]:
        ...     return [budget.words(budget.limit) for budget in made.budgets]
    """

    task: CompressionTask
    budgets: tuple[TaskBudget, ...]
    contents: FileContents
    macs: Mapping[str, int]


def budgeted_task(
    settings: CompressionSettings,
    common: tuple[Option, ...],
    candidates: Candidates,
    inventories: tuple[Inventory, Inventory],
    given: nn.Module,
    data: Data,
    groups: list[ChannelGroup] | str,
    clock: StageClock,
) -> BudgetedTask:
    """Make the task of a network before its measurement.

    Args:
        settings: the settings.
        common: options of layers without special ones.
        candidates: weights at every option.
        inventories: all layers of the network, and those to compress.
        given: the original network, whose number types the file has.
        data: images to count multiply-accumulates on.
        groups: the channel groups of the network, or why they cannot be found.
        clock: receives warnings about channels that cannot be removed.

    Raises:
        BudgetError: no choice of options meets the budgets.
        OptionError: a budget or a rule does not fit the network.
        ModelError: channels are to be removed together, and the network cannot be traced.

    Example:
        >>> def decisions(made: BudgetedTask) -> int:
        ...     return len(made.task.cost)
    """
    everything, inventory = inventories
    kept = {layer.name for layer in inventory.layers}
    others = [layer_shape(layer, layer.channels) for layer in everything.layers if layer.name not in kept]
    asked = settings.rules.skipped([layer.name for layer in everything.layers])
    # A budget of the weights that can be compressed counts those that could be, but are skipped.
    skipped = [shape for shape in others if shape.name in asked]
    macs = count_macs(everything, data)
    channels = None
    if settings.removes_channels:
        channels = find_removable_channels(everything, kept, groups, macs, data, clock)
    task = unmeasured_task(
        layer_changes(inventory, settings.granularity, candidates),
        candidates.options,
        math.inf,
        common=common,
        rules=settings.rules,
        skipped=skipped,
        coupled=channels if settings.granularity == COUPLED else None,
        activations=activation_changes(inventory, candidates),
    )
    contents = file_contents(inventory, settings.granularity, given, task.activations)
    if channels is not None and settings.limits_macs:
        task = keep_one_channel(task, channels)

    def converted(budget: Budget) -> TaskBudget:
        if budget.name == MACS and channels is not None:
            return macs_budget(budget, task, channels)
        plain = task_budget(
            budget,
            task.layers,
            task.options,
            skipped=skipped if budget.name == SIZE else others,
            macs=macs,
            tables=settings.tables,
            contents=contents,
        )
        if budget.name == BOPS:
            return bops_budget(plain, task, channels if settings.granularity == COUPLED else None)
        return plain.with_units(len(task.activations)).tied(task.units)

    budgets = tuple(map(converted, settings.budgets))
    limits = [budget for budget in budgets if budget.name != SIZE]
    if settings.excluded_formats and task.activations:
        limits.append(formats_limit(task, settings.excluded_formats))
    task = replace(task, budgets=tuple(limits))
    for budget, of_task in zip(settings.budgets, budgets, strict=True):
        if budget.name == SIZE:
            task = replace(task, limit=of_task.limit, overhead=int(of_task.overhead))
            if budget.whole:
                task = replace(task, skipped_weights=contents.numbers - task.weights)
                check_file_size(of_task, task.choices, contents)
    task.check_reachable()
    return BudgetedTask(task=task, budgets=budgets, contents=contents, macs=macs)
