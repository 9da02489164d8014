"""The budget of bit operations where activations have widths, or channels leave. Needs no torch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.task.budgets import TaskBudget
from qubo_dnn.compression.task.channel_map import ChannelMap
from qubo_dnn.compression.task.cost_products import CostProduct, LinearForm
from qubo_dnn.compression.task.macs_budget import kept_channels
from qubo_dnn.compression.task.options import FLOAT_BITS
from qubo_dnn.errors import OptionError

if TYPE_CHECKING:
    from qubo_dnn.compression.task.task import CompressionTask


def bops_budget(of_weights: TaskBudget, task: CompressionTask, channels: ChannelMap | None = None) -> TaskBudget:
    """Return the budget of bit operations over the decisions of a task: a sum over the layers of products.

    The bit operations of a layer are its multiply-accumulates times the bits of its weights times those of what it
    reads; where channels can be removed, only the inputs that are kept count.

    Args:
        of_weights: the budget with activations of 32 bits, over the units of the layers.
        task: the task, with its ties and its activations.
        channels: channels that a plan can remove; None: inputs count whether they are kept or not.

    Raises:
        OptionError: both widths of activations and kept inputs would have to be chosen, a product of three numbers.

    Example:
        >>> from dataclasses import replace
        >>> from qubo_dnn.compression.task.budget_costs import task_budget
        >>> from qubo_dnn.compression.task.budgets import parse_budget
        >>> from qubo_formulations.example_task import example_task
        >>> task = example_task(seed=1)  # three units of 9 weights and two of 18, options 0, 2 and 4
        >>> macs = {"first": 2700, "second": 3600}
        >>> plain = task_budget(parse_budget("3%bops"), task.layers, task.options, macs=macs)
        >>> row = np.zeros((1, 3))
        >>> enlarged = {"cost": np.vstack([task.cost, row]), "squared_error": np.vstack([task.squared_error, row])}
        >>> allowed = np.vstack([np.ones((5, 3), bool), [[False, True, True]]])
        >>> task = replace(task, **enlarged, allowed=allowed, activations=("first",))
        >>> budget = bops_budget(plain, task)
        >>> budget.used(np.array([2, 2, 2, 0, 0, 1]))  # 2700 x 4 bits x 2 bits
        21600.0
    """
    made = _Costs(of_weights, task, channels)
    return replace(of_weights, cost=made.cost, products=tuple(made.products))


class _Costs:
    """Bit operations of all layers as linear costs and products."""

    def __init__(self, of_weights: TaskBudget, task: CompressionTask, channels: ChannelMap | None) -> None:
        self._task, self._options = task, len(task.options)
        self.cost, self.products = np.zeros(task.cost.shape), list[CostProduct]()
        inputs = {} if channels is None else kept_channels(task, channels)
        first, behind = 0, sum(layer.units for layer in task.layers)
        reading = {name: behind + number for number, name in enumerate(task.activations)}
        for layer in task.layers:
            units = np.arange(first, first + layer.units)
            first += layer.units
            # For every bit of activations.
            weights = np.zeros(task.cost.shape)
            np.add.at(weights, task.units[units], of_weights.cost[units] / FLOAT_BITS)
            bits = self._bits(task.units[reading[layer.name]]) if layer.name in reading else self._constant(FLOAT_BITS)
            kept = inputs.get(layer.name)
            if kept is not None and len(kept.places):
                if len(bits.places):
                    raise OptionError(
                        f"budget {of_weights.text!r}: bit operations of {layer.name!r} are a product of the kept "
                        "inputs, the bits of weights and those of activations; give one width of activations, or "
                        "another granularity than that of channels which are removed"
                    )
                # Relative to all inputs.
                share = replace(
                    kept,
                    constant=bits.constant,
                    coefficients=kept.coefficients * (bits.constant / kept.constant),
                )
                self._add(weights, share)
            else:
                self._add(weights, bits)

    def _constant(self, value: float) -> LinearForm:
        return LinearForm(
            constant=float(value), places=np.zeros(0, np.intp), coefficients=np.zeros(0), options=self._options
        )

    def _bits(self, decision: int) -> LinearForm:
        """Return the bits of what a decision is about, as a form around the most that it may take."""
        widths = np.array([option.bits for option in self._task.options], float)
        return self._form(np.where(np.arange(len(self._task.choices))[:, None] == decision, widths, 0.0))

    def _form(self, values: NDArray[np.float64]) -> LinearForm:
        """Return the sum of [U, K] values as a form around the largest ones that may be taken."""
        allowed = self._task.choices
        largest = np.where(allowed, values, -np.inf).max(axis=1)
        relative = np.where(allowed, values - largest[:, None], 0.0)
        places = np.flatnonzero(relative)
        return LinearForm(
            constant=float(largest.sum()),
            places=places.astype(np.intp),
            coefficients=relative.ravel()[places],
            options=self._options,
        )

    def _add(self, weights: NDArray[np.float64], inputs: LinearForm) -> None:
        """Add the product of what weights cost for every bit that is read, and of the bits that are read."""
        if len(inputs.places):
            self.products.append(CostProduct(factor=1.0, outputs=self._form(weights), inputs=inputs))
        else:
            self.cost += inputs.constant * weights
