"""What a compression formulation is given: a network measured, as plain arrays. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol, Self, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.options import Option
from qubo_dnn.compression.plan import LayerPlan, Plan
from qubo_dnn.errors import BudgetError, OptionError
from qubo_dnn.formulation import Formulation


@dataclass(frozen=True)
class LayerShape:
    """One compressible layer.

    Attributes:
        name: of the module.
        channels: output channels.
        weights_per_channel: weights of one output channel.
        group: output channels in a unit; the layer's last unit may be shorter.
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
        """Output channels of every unit."""
        return [min(self.group, self.channels - start) for start in range(0, self.channels, self.group)]


@dataclass(frozen=True, kw_only=True, eq=False)
class CompressionTask:
    """A network's units and options, what they cost and what they damage.

    Units (U in all) are numbered through the layers in order; each gets one of the same K options.

    Attributes:
        layers: the compressible layers.
        options: in ascending order.
        cost: [U, K] stored bits of a unit at an option.
        overhead: stored bits that no choice changes.
        limit: most stored bits allowed, overhead included.
        mean_magnitude: [U] mean |weight| of a unit.
        squared_error: [U, K] squared l2 norm of the change of the unit's weights.
        sensitivity: [U*K, U*K] generalized Gauss-Newton matrix Q of the loss along these changes, in nats, so
            that 1/2 x'Qx is the loss increase of a choice x; None where it was not measured.
    """

    layers: tuple[LayerShape, ...]
    options: tuple[Option, ...]
    cost: NDArray[np.int64]
    overhead: int
    limit: float
    mean_magnitude: NDArray[np.float64]
    squared_error: NDArray[np.float64]
    sensitivity: NDArray[np.float32] | None

    @cached_property
    def layer_of(self) -> NDArray[np.intp]:
        """[U] index of each unit's layer."""
        return np.repeat(np.arange(len(self.layers)), [layer.units for layer in self.layers])

    @property
    def weights(self) -> int:
        """Compressible weights of the network."""
        return sum(layer.channels * layer.weights_per_channel for layer in self.layers)

    def plan(self, choice: NDArray[np.intp]) -> Plan:
        """The plan that gives unit u the option `choice[u]`."""
        layers = {}
        for index, layer in enumerate(self.layers):
            chosen = tuple(self.options[k] for k in choice[self.layer_of == index])
            layers[layer.name] = LayerPlan(layer.group, chosen)
        return Plan(layers)

    def choice(self, plan: Plan) -> NDArray[np.intp]:
        """[U] option index of every unit in `plan`; the inverse of `plan`."""
        index = {option: k for k, option in enumerate(self.options)}
        return np.array([index[option] for layer in self.layers for option in plan.layers[layer.name].options], np.intp)

    def stored_bits(self, plan: Plan) -> int:
        """Stored bits of a plan, overhead included."""
        choice = self.choice(plan)
        return self.overhead + int(self.cost[np.arange(len(choice)), choice].sum())

    def check_reachable(self) -> None:
        """Refuse a budget that no choice meets.

        Raises:
            BudgetError: the text says which budgets can be reached, in bits per weight.
        """
        least, most = (self.overhead + int(pick(self.cost, axis=1).sum()) for pick in (np.min, np.max))
        if least > self.limit:
            raise BudgetError(
                f"the budget of {self.limit / self.weights:.4g} stored bits per weight cannot be met with the options "
                f"{', '.join(map(str, self.options))}: they reach {least / self.weights:.4g} to "
                f"{most / self.weights:.4g} bits per weight ({-(-least // 8)} to {-(-most // 8)} bytes)"
            )


@runtime_checkable
class CompressionFormulation(Formulation[Plan], Protocol):
    """A formulation that `compress` can use.

    Attributes:
        needs_sensitivity: whether `CompressionTask.sensitivity` has to be measured first.
        default_options: options offered to every unit unless the user names others.
    """

    needs_sensitivity: ClassVar[bool]
    default_options: ClassVar[tuple[Option, ...]]

    @classmethod
    def from_task(cls, task: CompressionTask, **parameters: Any) -> Self:
        """The formulation of a measured network.

        Raises:
            OptionError: a parameter is unknown or out of range, or the task's granularity does not fit.
        """
        ...

    def predicted_loss_increase(self, value: Plan) -> float | None:
        """Expected increase of the loss in nats, or None when the formulation models something else."""
        ...


def check_compression(formulation: type[Formulation[Any]]) -> type[CompressionFormulation]:
    """The formulation, if it is one of networks.

    Raises:
        OptionError: it is not.
    """
    if not all(hasattr(formulation, name) for name in ("from_task", "needs_sensitivity", "default_options")):
        raise OptionError(f"the formulation {formulation.name!r} is not one of compressing networks")
    return cast(type[CompressionFormulation], formulation)
