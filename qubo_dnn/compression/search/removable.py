"""Choose the network whose pruned channels can be removed, and remove them."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from qubo_dnn.compression.network.layers import Inventory
from qubo_dnn.compression.network.loading import as_float32
from qubo_dnn.compression.removal.channel_groups import Use, find_channel_groups
from qubo_dnn.compression.removal.readers import find_readers
from qubo_dnn.compression.removal.remove_pruned import Removal, remove_pruned
from qubo_dnn.compression.search.plan_evaluator import AppliedPlan, PlanEvaluator
from qubo_dnn.compression.search.progress import StageClock
from qubo_dnn.compression.search.search import SearchResult
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


def removal_readers(evaluator: PlanEvaluator, refittable: Inventory) -> dict[str, list[Use]]:
    """Return name of a layer -> where its channels are read, for the channels that can be removed one by one.

    Empty if the network cannot be traced, or is not repaired: then biases do not make up for the means of channels.

    Args:
        evaluator: holds the network and samples.
        refittable: the layers that may be refitted.

    Example:
        >>> def layers_that_may_shrink(evaluator: PlanEvaluator, refittable: Inventory) -> list[str]:
        ...     return list(removal_readers(evaluator, refittable))
    """
    if evaluator.recovery == "none":
        return {}
    try:
        groups = find_channel_groups(evaluator.model, next(evaluator.data.batches(2))[0])
    except ModelError:
        return {}
    return find_readers(evaluator.model, groups, {layer.name for layer in refittable.layers if layer.by_calls})


def with_removable_channels(found: SearchResult, evaluator: PlanEvaluator, clock: StageClock) -> SearchResult:
    """Return the result with pruned channels set to zero before the repair, unless its network is then clearly worse.

    Constants that pruned channels leave cannot always be removed exactly; see `qubo_dnn.compression.removal.silence`.

    Args:
        found: the result of a search, whose plan prunes units.
        evaluator: applies plans.
        clock: receives a warning if the dependencies of channels cannot be found.

    Example:
        >>> def divergence(found: SearchResult, evaluator: PlanEvaluator, clock: StageClock) -> float:
        ...     return with_removable_channels(found, evaluator, clock).applied.held_out.divergence
    """
    try:
        groups = find_channel_groups(evaluator.model, next(evaluator.data.batches(2))[0])
    except ModelError as cause:
        clock.warning(f"pruned channels stay in the network: {cause}")
        return found
    silenced = evaluator.silenced(found.applied.plan, groups)
    if found.applied.held_out.clearly_better(silenced.held_out):
        return found
    return replace(found, trial=replace(found.trial, applied=silenced))


def removal_of(applied: AppliedPlan, evaluator: PlanEvaluator, given: nn.Module) -> Removal | None:
    """Remove the pruned channels of a network; None if it cannot be traced.

    Args:
        applied: the applied plan.
        evaluator: holds the samples.
        given: the original network, whose number types the smaller one gets.

    Example:
        >>> def smaller(applied: AppliedPlan, evaluator: PlanEvaluator, given: nn.Module) -> nn.Module:
        ...     removal = removal_of(applied, evaluator, given)
        ...     return applied.network if removal is None else removal.model
    """
    try:
        removal = remove_pruned(as_float32(applied.network), next(evaluator.data.batches(_SAMPLES))[0])
    except ModelError:
        return None
    types = {key: tensor.dtype for key, tensor in (*given.named_parameters(), *given.named_buffers())}
    for key, tensor in (*removal.model.named_parameters(), *removal.model.named_buffers()):
        tensor.data = tensor.data.to(types.get(key, tensor.dtype))
    return removal
