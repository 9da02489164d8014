"""The task of a network with its budgets, before its measurement."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
from qubo_dnn.compression.task.channel_map import ChannelMap, keep_one_channel
from qubo_dnn.compression.task.file_contents import FileContents, check_file_size
from qubo_dnn.compression.task.formats_limit import formats_limit
from qubo_dnn.compression.task.granularity import COUPLED
from qubo_dnn.compression.task.macs_budget import macs_budget
from qubo_dnn.compression.task.options import Option
from qubo_dnn.compression.task.task import CompressionTask, LayerShape


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


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkTask:
    """A task without budgets, and what it takes to add them.

    Attributes:
        task: the unmeasured task without any limit, apart from formats that exclude each other.
        settings: the settings; their budgets do not matter here.
        contents: what the file holds besides the compressed weights.
        macs: layer name -> multiply-accumulates for one sample.
        others: layers that stay float32.
        skipped: those of them that could be compressed and are skipped, as asked.
        channels: channels that can be removed; None unless it has to be known in advance.

    Example:
        >>> def budgeted(network: NetworkTask) -> BudgetedTask:
        ...     return network.within(network.settings.budgets)
    """

    task: CompressionTask
    settings: CompressionSettings
    contents: FileContents
    macs: Mapping[str, int]
    others: Sequence[LayerShape]
    skipped: Sequence[LayerShape]
    channels: ChannelMap | None

    def converted(self, budget: Budget) -> TaskBudget:
        """Convert a budget to a limit on the decisions of the task.

        Raises:
            OptionError: the budget does not fit the network.
        """
        task, settings, channels = self.task, self.settings, self.channels
        if budget.name == MACS and channels is not None:
            return macs_budget(budget, task, channels)
        plain = task_budget(
            budget,
            task.layers,
            task.options,
            skipped=self.skipped if budget.name == SIZE else self.others,
            macs=self.macs,
            tables=settings.tables,
            contents=self.contents,
        )
        if budget.name == BOPS:
            return bops_budget(plain, task, channels if settings.granularity == COUPLED else None)
        return plain.with_units(len(task.activations)).tied(task.units)

    def within(self, budgets: Sequence[Budget]) -> BudgetedTask:
        """Return the task within budgets.

        Raises:
            BudgetError: no choice of options meets the budgets.
            OptionError: a budget does not fit the network.
        """
        converted = tuple(map(self.converted, budgets))
        limits = [budget for budget in converted if budget.name != SIZE]
        # The limits of the task itself come last.
        task = replace(self.task, budgets=(*limits, *self.task.budgets))
        for budget, of_task in zip(budgets, converted, strict=True):
            if budget.name == SIZE:
                task = replace(task, limit=of_task.limit, overhead=int(of_task.overhead))
                if budget.whole:
                    task = replace(task, skipped_weights=self.contents.numbers - task.weights)
                    check_file_size(of_task, task.choices, self.contents)
        task.check_reachable()
        return BudgetedTask(task=task, budgets=converted, contents=self.contents, macs=self.macs)


def network_task(
    settings: CompressionSettings,
    common: tuple[Option, ...],
    candidates: Candidates,
    inventories: tuple[Inventory, Inventory],
    given: nn.Module,
    data: Data,
    groups: list[ChannelGroup] | str,
    clock: StageClock,
) -> NetworkTask:
    """Make the task of a network before its measurement, and without budgets.

    Args:
        settings: the settings. Whether a budget of multiply-accumulates is among theirs matters: channels then leave.
        common: options of layers without special ones.
        candidates: weights at every option.
        inventories: all layers of the network, and those to compress.
        given: the original network, whose number types the file has.
        data: images to count multiply-accumulates on.
        groups: the channel groups of the network, or why they cannot be found.
        clock: receives warnings about channels that cannot be removed.

    Raises:
        OptionError: a rule does not fit the network.
        ModelError: channels are to be removed together, and the network cannot be traced.

    Example:
        >>> def decisions(made: NetworkTask) -> int:
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
    if settings.excluded_formats and task.activations:
        task = replace(task, budgets=(formats_limit(task, settings.excluded_formats),))
    return NetworkTask(
        task=task,
        settings=settings,
        contents=contents,
        macs=macs,
        others=others,
        skipped=skipped,
        channels=channels,
    )
