"""The budget of multiply-accumulates: those of the network without the channels that a plan removes. Needs no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.task.budgets import MACS, Budget, TaskBudget
from qubo_dnn.compression.task.channel_map import STAYS, ChannelMap
from qubo_dnn.compression.task.cost_products import CostProduct, LinearForm
from qubo_dnn.compression.task.options import Option
from qubo_dnn.errors import OptionError

if TYPE_CHECKING:
    from qubo_dnn.compression.task.task import CompressionTask


def macs_budget(budget: Budget, task: CompressionTask, channels: ChannelMap) -> TaskBudget:
    """Convert a budget of multiply-accumulates to a quadratic constraint on the options of all decisions.

    Args:
        budget: a parsed budget.
        task: the task, with its ties.
        channels: which channels the layers of the network make and read. A channel counts as removed if all layers that
            make it share one decision, and this prunes it; every other one counts always.

    Raises:
        OptionError: pruning is no option, no channel can be removed, or the network has no multiply-accumulates.

    Example:
        >>> from qubo_dnn.compression.task.budgets import parse_budget
        >>> from qubo_dnn.compression.task.channel_map import LayerChannels
        >>> from qubo_formulations.example_task import example_task
        >>> first = LayerChannels(name="first", macs=300, made=np.arange(3), read=np.array([STAYS]))
        >>> second = LayerChannels(name="second", macs=600, made=np.array([STAYS, STAYS]), read=np.arange(3))
        >>> channels = ChannelMap((first, second), group_of=np.zeros(3, int), groups=("first",))
        >>> made = macs_budget(parse_budget("70%macs"), example_task(seed=1), channels)
        >>> made.used(np.array([0, 2, 2, 0, 2])), made.words(600.0)  # without the first of three channels
        (600.0, '66.67 % of the multiply-accumulates')
    """
    total = sum(layer.macs for layer in channels.layers)
    if Option(0) not in task.options:
        raise OptionError(f"budget {budget.text!r}: multiply-accumulates leave with pruned channels; give the option 0")
    if not total:
        raise OptionError(f"budget {budget.text!r}: the network makes no multiply-accumulates that can be counted")
    costs = _Costs(task, channels)
    if not costs.cost.any() and not costs.products:
        reasons = [f"{name}: {reason}" for name, reason in channels.obstacles.items()]
        shared = "every channel is made by several layers, which do not share their options"
        raise OptionError(f"budget {budget.text!r}: no channel can be removed ({'; '.join(reasons) or shared})")
    fraction = budget.kind == "macs-fraction"
    return TaskBudget(
        name=MACS,
        kind=budget.kind,
        text=budget.text,
        cost=costs.cost,
        overhead=costs.overhead,
        limit=float(budget.limit * (total if fraction else 1)),
        scale=float(total) if fraction else 1.0,
        unit="of the multiply-accumulates" if fraction else "multiply-accumulates",
        products=tuple(costs.products),
    )


class _Costs:
    """The multiply-accumulates of all layers as linear costs and products."""

    def __init__(self, task: CompressionTask, channels: ChannelMap) -> None:
        self._pruned, self._options = task.options.index(Option(0)), len(task.options)
        self.cost, self.overhead = np.zeros(task.cost.shape), 0.0
        self.products: list[CostProduct] = []
        kept = _Kept(task, channels)
        for layer in channels.layers:
            outputs, inputs = kept(layer.made), kept(np.full(1, STAYS) if layer.read is None else layer.read)
            product = CostProduct(factor=layer.macs_per_pair, outputs=outputs, inputs=inputs)
            if len(product.outputs.places) and len(product.inputs.places):
                self.products.append(product)
            else:
                self._add(product)

    def _add(self, product: CostProduct) -> None:
        """Add a product of which at least one form is constant, as the costs of decisions that keep channels."""
        slopes = product.slopes(self.cost.shape)[:, self._pruned]
        self.overhead += product.factor * product.outputs.constant * product.inputs.constant + float(slopes.sum())
        self.cost[:, np.arange(self._options) != self._pruned] -= slopes[:, None]


class _Kept:
    """How many of some channels stay, as forms over the decisions of a task."""

    def __init__(self, task: CompressionTask, channels: ChannelMap) -> None:
        self._pruned, self._options = task.options.index(Option(0)), len(task.options)
        self._decisions, self._choices = channels.decisions(task.layers, task.units), task.choices

    def __call__(self, channels: NDArray[np.intp]) -> LinearForm:
        decisions = self._decisions[channels[channels != STAYS]]
        decisions = decisions[decisions != STAYS]
        removing, counts = np.unique(decisions[self._choices[decisions, self._pruned]], return_counts=True)
        return LinearForm(
            constant=float(len(channels)),
            places=self._options * removing + self._pruned,
            coefficients=-counts.astype(float),
            options=self._options,
        )


def kept_channels(task: CompressionTask, channels: ChannelMap) -> dict[str, LinearForm]:
    """Return name of a layer -> how many of its inputs are kept, for layers all outputs of which read the same ones.

    Args:
        task: the task, with its ties; pruning is one of its options.
        channels: channels that a plan can remove.

    Example:
        >>> from qubo_dnn.compression.task.channel_map import LayerChannels
        >>> from qubo_formulations.example_task import example_task
        >>> second = LayerChannels(name="second", macs=600, made=np.array([STAYS, STAYS]), read=np.arange(3))
        >>> first = LayerChannels(name="first", macs=300, made=np.arange(3), read=np.array([STAYS]))
        >>> channels = ChannelMap((first, second), group_of=np.zeros(3, int), groups=("first",))
        >>> kept_channels(example_task(seed=1), channels)["second"].value(np.array([0, 2, 2, 2, 2]))
        2.0
    """
    kept = _Kept(task, channels)
    return {layer.name: kept(layer.read) for layer in channels.layers if layer.read is not None}
