"""The input of a compression formulation: a measured network as plain arrays. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol, Self, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.task.budgets import TaskBudget
from qubo_dnn.compression.task.options import Option
from qubo_dnn.compression.task.plan import LayerPlan, Plan
from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel
from qubo_dnn.errors import BudgetError, OptionError
from qubo_dnn.formulation import Formulation


@dataclass(frozen=True)
class LayerShape:
    """One compressible layer.

    Attributes:
        name: name of the module.
        channels: number of output channels.
        weights_per_channel: number of weights of one output channel.
        group: output channels in a unit; the last unit of the layer may have fewer.

    Example:
        >>> layer = LayerShape("conv", channels=5, weights_per_channel=9, group=2)
        >>> layer.units, layer.unit_channels
        (3, [2, 2, 1])
    """

    name: str
    channels: int
    weights_per_channel: int
    group: int

    @property
    def units(self) -> int:
        return -(-self.channels // self.group)

    @property
    def unit_channels(self) -> list[int]:
        """Number of output channels of every unit."""
        return [min(self.group, self.channels - start) for start in range(0, self.channels, self.group)]


@dataclass(frozen=True, kw_only=True, eq=False)
class CompressionTask:
    """The units and options of a network, with their costs and their effect on the loss.

    Each of the U decisions gives one of the same K options to a unit, or to several tied units. Units are numbered in
    the order of the layers, decisions in the order of their first units. Units of weights come first; behind them is
    one for what each of `activations` reads, which takes its width from the same options.

    Attributes:
        layers: the compressible layers.
        options: K options in ascending order.
        cost: [U, K] stored bits of a decision at an option.
        overhead: constant stored bits, the same for every choice.
        limit: largest number of stored bits allowed, overhead included; infinite if only other budgets apply.
        mean_magnitude: [U] mean |weight|, or |activation|.
        squared_error: [U, K] squared l2 norm of the change of the weights, or of the activations of one sample.
        sensitivity: quadratic model of the loss over the decisions; None if it was not measured.
        budgets: further limits, apart from that of stored bits.
        allowed: [U, K] True if the decision may take the option; None: all may be taken.
        tied: [units] decision of every unit; None: no units are tied.
        skipped_weights: weights of layers that stay float32 and are not among `layers`; their bits are in `overhead`.
        activations: names of the layers that decide on the width of what they read.
        nonlinearity: [U, K] measured loss of a change divided by the loss that the quadratic model predicts, > 0; None
            if it was not measured.

    Example:
        >>> from qubo_formulations.example_task import example_task
        >>> task = example_task(seed=1)
        >>> choice = np.zeros(len(task.units), int)
        >>> task.options[0].bits, task.meets(task.plan(choice))
        (0, True)
    """

    layers: tuple[LayerShape, ...]
    options: tuple[Option, ...]
    cost: NDArray[np.int64]
    overhead: int
    limit: float
    mean_magnitude: NDArray[np.float64]
    squared_error: NDArray[np.float64]
    sensitivity: QuadraticLossModel | None
    budgets: tuple[TaskBudget, ...] = ()
    allowed: NDArray[np.bool_] | None = None
    tied: NDArray[np.intp] | None = None
    skipped_weights: int = 0
    activations: tuple[str, ...] = ()
    nonlinearity: NDArray[np.float64] | None = None

    @cached_property
    def units(self) -> NDArray[np.intp]:
        """[units] decision of every unit."""
        count = sum(layer.units for layer in self.layers) + len(self.activations)
        return np.arange(count) if self.tied is None else self.tied

    @cached_property
    def layer_of(self) -> NDArray[np.intp]:
        """[U] index of the layer of each decision's first unit; of those of `activations`, numbers behind the layers'.

        Decisions with equal numbers have errors of the same kind.
        """
        parts = len(self.layers) + len(self.activations)
        part_of_unit = np.repeat(
            np.arange(parts), [*(layer.units for layer in self.layers), *([1] * len(self.activations))]
        )
        return part_of_unit[np.unique(self.units, return_index=True)[1]]

    @cached_property
    def choices(self) -> NDArray[np.bool_]:
        """[U, K] True if the decision may take the option."""
        return np.ones(self.cost.shape, bool) if self.allowed is None else self.allowed

    @property
    def has_choice(self) -> bool:
        """True if a decision may take more than one option."""
        return bool((self.choices.sum(axis=1) > 1).any())

    @property
    def weights(self) -> int:
        """Number of compressible weights of the network, without those of skipped layers."""
        return sum(layer.channels * layer.weights_per_channel for layer in self.layers)

    def per_weight(self, bits: float) -> float:
        """Divide stored bits by the number of weights, those of skipped layers included."""
        return bits / (self.weights + self.skipped_weights)

    def plan(self, choice: NDArray[np.intp]) -> Plan:
        """Return the plan in which decision u takes the option `choice[u]`."""
        of_units = iter(choice[self.units].tolist())
        layers = {
            layer.name: LayerPlan(layer.group, tuple(self.options[next(of_units)] for _ in range(layer.units)))
            for layer in self.layers
        }
        return Plan(layers, {name: self.options[next(of_units)].bits for name in self.activations})

    def choice(self, plan: Plan) -> NDArray[np.intp]:
        """Return [U] the option index of every decision of a plan; the inverse of `plan`."""
        index = {option: k for k, option in enumerate(self.options)}
        of_units = [index[option] for layer in self.layers for option in plan.layers[layer.name].options]
        of_units += [index[Option(plan.activations[name])] for name in self.activations]
        return np.array(of_units, np.intp)[np.unique(self.units, return_index=True)[1]]

    def layer_increases(self, plan: Plan) -> dict[str, float]:
        """Return the predicted loss increase of every layer, with half of its terms with other layers.

        What a layer reads counts for it. Tied units count for the first of their layers. The sum over the layers, and
        the offset, is the increase that the sensitivity predicts for the plan.

        Raises:
            ValueError: the sensitivity was not measured.
        """
        if self.sensitivity is None:
            raise ValueError("the sensitivity was not measured")
        choice = self.choice(plan)
        x = np.zeros(self.cost.shape)
        x[np.arange(len(choice)), choice] = 1.0
        terms = x.ravel() * (self.sensitivity.linear + self.sensitivity.product(x.ravel()) / 2)
        of_units = terms.reshape(self.cost.shape).sum(axis=1)
        names = [*(layer.name for layer in self.layers), *self.activations]
        sums = np.bincount(self.layer_of, of_units, minlength=len(names))
        found = {layer.name: 0.0 for layer in self.layers}
        for name, value in zip(names, sums.tolist(), strict=True):
            found[name] += value
        return found

    def layer_couplings(self, plan: Plan) -> NDArray[np.float64]:
        """Return [parts, parts] the quadratic terms of the predicted loss increase between layers, symmetric.

        Parts are the layers, and behind them what each of `activations` reads, as in `layer_of`. The sum over all
        entries is the quadratic part of the increase; an entry off the diagonal has half of what a pair adds to it.

        Raises:
            ValueError: the sensitivity was not measured.
        """
        if self.sensitivity is None:
            raise ValueError("the sensitivity was not measured")
        choice = self.choice(plan)
        chosen = np.arange(len(choice)) * self.cost.shape[1] + choice
        parts = len(self.layers) + len(self.activations)
        return self.sensitivity.terms_between(chosen, self.layer_of, parts) / 2

    def stored_bits(self, plan: Plan) -> int:
        """Return the stored bits of a plan, overhead included."""
        choice = self.choice(plan)
        return self.overhead + int(self.cost[np.arange(len(choice)), choice].sum())

    def meets(self, plan: Plan) -> bool:
        """Return whether a plan keeps all limits."""
        choice = self.choice(plan)
        return self.stored_bits(plan) <= self.limit and all(budget.met(choice) for budget in self.budgets)

    def limits(self) -> str:
        """Describe all limits in words."""
        size = [f"{self.per_weight(self.limit):.4g} stored bits per weight"] if np.isfinite(self.limit) else []
        return " and ".join([*size, *(budget.text for budget in self.budgets)])

    def check_reachable(self) -> None:
        """Refuse a budget that no choice meets.

        Raises:
            BudgetError: no choice meets a budget; the message states the reachable range, sizes in bits per weight.
        """
        least, most = (
            self.overhead + int(pick(np.where(self.choices, self.cost, missing), axis=1).sum())
            for pick, missing in ((np.min, self.cost.max()), (np.max, 0))
        )
        if least > self.limit:
            raise BudgetError(
                f"the budget of {self.per_weight(self.limit):.4g} stored bits per weight cannot be met with the "
                f"options {', '.join(map(str, self.options))}: they reach {self.per_weight(least):.4g} to "
                f"{self.per_weight(most):.4g} bits per weight ({-(-least // 8)} to {-(-most // 8)} bytes)"
            )
        for budget in self.budgets:
            budget.check_reachable(self.choices)


@dataclass(frozen=True)
class Alternatives:
    """Settings of a formulation, to be compared on held-out data.

    Attributes:
        sets: further parameters, one set per setting; a single empty set if there is nothing to choose.
        clearly: whether a set that is taken in place of the first one has to be clearly better, as it should where the
            first has turned out best on such tasks. Otherwise it has to be better.

    Example:
        >>> Alternatives(({"shrinkage": 0.5}, {"shrinkage": 0.85})).sets[0]
        {'shrinkage': 0.5}
    """

    sets: tuple[dict[str, Any], ...]
    clearly: bool = True


@runtime_checkable
class CompressionFormulation(Formulation[Plan], Protocol):
    """A formulation that `compress` can use.

    Attributes:
        needs_sensitivity: True if `CompressionTask.sensitivity` must be measured first.
        default_options: options of every unit unless the user sets others.

    Example:
        >>> from qubo_formulations.pruning_quantization import PruningQuantization
        >>> isinstance(PruningQuantization.example(seed=1), CompressionFormulation)
        True
    """

    needs_sensitivity: ClassVar[bool]
    default_options: ClassVar[tuple[Option, ...]]

    @classmethod
    def tunable(cls, parameters: Mapping[str, Any], task: CompressionTask) -> Alternatives:
        """Return settings to compare on held-out data.

        Args:
            parameters: the parameters set by the user; they must not be changed.
            task: that they are to be compared on.
        """
        ...

    @classmethod
    def from_task(cls, task: CompressionTask, **parameters: Any) -> Self:
        """Make the formulation of a measured network.

        Raises:
            OptionError: a parameter is unknown or out of range, or the task's granularity does not fit.
        """
        ...

    def predicted_loss_increase(self, value: Plan) -> float | None:
        """Return the expected increase of the loss in nats, or None if the formulation does not model the loss."""
        ...


def check_compression(formulation: type[Formulation[Any]]) -> type[CompressionFormulation]:
    """Return the formulation if it compresses networks.

    Raises:
        OptionError: it does not.

    Example:
        >>> from qubo_formulations.pruning_quantization import PruningQuantization
        >>> check_compression(PruningQuantization).name
        'pruning-quantization'
    """
    if not all(hasattr(formulation, name) for name in ("from_task", "tunable", "needs_sensitivity", "default_options")):
        raise OptionError(f"the formulation {formulation.name!r} is not one of compressing networks")
    return cast(type[CompressionFormulation], formulation)
