"""Choose the network whose pruned channels can be removed, and remove them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.layers import Inventory, find_layers
from qubo_dnn.compression.network.loading import as_float32
from qubo_dnn.compression.network.macs import count_macs
from qubo_dnn.compression.removal.channel_groups import OUTPUTS, ChannelGroup, Use, find_channel_groups
from qubo_dnn.compression.removal.number_channels import number_channels
from qubo_dnn.compression.removal.readers import find_readers
from qubo_dnn.compression.removal.remove_pruned import Removal, remove_pruned
from qubo_dnn.compression.removal.trial_removal import try_removal
from qubo_dnn.compression.search.plan_evaluator import PlanEvaluator
from qubo_dnn.compression.search.progress import StageClock
from qubo_dnn.compression.search.search import SearchResult
from qubo_dnn.compression.task.budgets import MACS, TaskBudget
from qubo_dnn.compression.task.channel_map import ChannelMap
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.errors import ModelError

REMOVAL_MODES = ("auto", "none")
# Constant channels are recognised, and the outputs compared, on so many samples.
_SAMPLES = 32


def prunes(plan: Plan) -> bool:
    """Return whether a plan prunes any unit.

    Example:
        >>> from qubo_dnn.compression.task.options import Option
        >>> from qubo_dnn.compression.task.plan import LayerPlan
        >>> prunes(Plan({"0": LayerPlan(1, (Option(0), Option(4)))}))
        True
    """
    return any(not option.bits for layer in plan.layers.values() for option in layer.options)


def groups_of(model: nn.Module, data: Data) -> list[ChannelGroup] | str:
    """Return the channel groups of a network, or why they cannot be found.

    Args:
        model: the network.
        data: samples.

    Example:
        >>> def obstacles(model: nn.Module, data: Data) -> list[str | None]:
        ...     groups = groups_of(model, data)
        ...     return [groups] if isinstance(groups, str) else [group.obstacle for group in groups]
    """
    try:
        return find_channel_groups(model, next(data.batches(2))[0])
    except ModelError as cause:
        return str(cause)


def find_removable_channels(
    everything: Inventory,
    compressed: Set[str],
    groups: list[ChannelGroup] | str,
    macs: Mapping[str, int],
    data: Data,
    clock: StageClock,
) -> ChannelMap:
    """Return the channels that can be removed, and warn of those that cannot; outputs of the network stay anyway.

    Args:
        everything: all layers of the network.
        compressed: names of the layers to compress.
        groups: result of `groups_of`.
        macs: multiply-accumulates of every layer.
        data: samples.
        clock: receives the warning.

    Raises:
        ModelError: the network cannot be traced.

    Example:
        >>> def free_groups(everything: Inventory, macs: Mapping[str, int], data: Data, clock: StageClock) -> int:
        ...     names, groups = {layer.name for layer in everything.layers}, groups_of(everything.model, data)
        ...     return len(find_removable_channels(everything, names, groups, macs, data, clock).groups)
    """
    if isinstance(groups, str):
        raise ModelError(f"no channel can be removed: {groups}")
    tried = try_removal(everything.model, groups, next(data.batches(_SAMPLES))[0], compressed)
    channels = number_channels(everything, tried, macs)
    stay = [f"those of {names}: {reason}" for names, reason in channels.obstacles.items() if reason != OUTPUTS]
    if stay:
        clock.warning(f"channels that cannot be removed: {'; '.join(stay)}")
    return channels


def warn_of_macs(removal: Removal, budgets: Sequence[TaskBudget], data: Data, clock: StageClock) -> None:
    """Warn if the smaller network makes more multiply-accumulates than a budget allows.

    Args:
        removal: the smaller network.
        budgets: all budgets.
        data: samples to count them on.
        clock: receives the warning.

    Example:
        >>> def is_within(removal: Removal, budgets: Sequence[TaskBudget], data: Data, clock: StageClock) -> bool:
        ...     warn_of_macs(removal, budgets, data, clock)
        ...     return not clock.warnings
    """
    for budget in budgets:
        if budget.name != MACS:
            continue
        total = float(sum(count_macs(find_layers(as_float32(removal.model)), data).values()))
        if total > budget.greatest:
            left = "; ".join(f"{name}: {reason}" for name, reason in removal.left.items())
            clock.warning(f"the smaller network takes {budget.words(total)}, and the budget is {budget.text} ({left})")


def removal_readers(
    evaluator: PlanEvaluator, refittable: Inventory, groups: Sequence[ChannelGroup]
) -> dict[str, list[Use]]:
    """Return name of a layer -> where its channels are read, for the channels that can be removed one by one.

    Empty if the network is not repaired: then biases do not make up for the means of channels.

    Args:
        evaluator: holds the network.
        refittable: the layers that may be refitted.
        groups: channel groups of the network.

    Example:
        >>> def layers_that_may_shrink(evaluator: PlanEvaluator, refittable: Inventory) -> list[str]:
        ...     groups = find_channel_groups(evaluator.model, next(evaluator.data.batches(2))[0])
        ...     return list(removal_readers(evaluator, refittable, groups))
    """
    if evaluator.recovery == "none":
        return {}
    return find_readers(
        evaluator.model, groups, {layer.name for layer in refittable.layers if layer.by_calls and not layer.by_operator}
    )


def with_removable_channels(
    found: SearchResult, evaluator: PlanEvaluator, groups: Sequence[ChannelGroup], *, required: bool = False
) -> SearchResult:
    """Return the result with pruned channels set to zero before the repair, unless its network is then clearly worse.

    Constants that pruned channels leave cannot always be removed exactly; see `qubo_dnn.compression.removal.silence`.

    Args:
        found: the result of a search, whose plan prunes units.
        evaluator: applies plans.
        groups: channel groups of the network.
        required: True also if the network is then clearly worse: a budget counts these channels as removed.

    Example:
        >>> def divergence(found: SearchResult, evaluator: PlanEvaluator, groups: Sequence[ChannelGroup]) -> float:
        ...     return with_removable_channels(found, evaluator, groups).applied.held_out.divergence
    """
    silenced = evaluator.silenced(found.applied.plan, groups)
    if not required and found.applied.held_out.clearly_better(silenced.held_out):
        return found
    return replace(found, trial=replace(found.trial, applied=silenced))


def removal_of(network: nn.Module, data: Data, groups: Sequence[ChannelGroup]) -> Removal:
    """Remove the pruned channels of a network; what is left keeps its number types.

    Args:
        network: the compressed network.
        data: samples.
        groups: channel groups of the network.

    Example:
        >>> def smaller(network: nn.Module, data: Data) -> nn.Module:
        ...     groups = find_channel_groups(network, next(data.batches(2))[0])
        ...     return removal_of(network, data, groups).model
    """
    removal = remove_pruned(as_float32(network), next(data.batches(_SAMPLES))[0], groups=groups)
    types = {key: tensor.dtype for key, tensor in (*network.named_parameters(), *network.named_buffers())}
    for key, tensor in (*removal.model.named_parameters(), *removal.model.named_buffers()):
        tensor.data = tensor.data.to(types.get(key, tensor.dtype))
    return removal
