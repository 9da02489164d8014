"""The Hamiltonian of arXiv 2505.16332: prune filters and remove bits, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import dimod
from pyqubo import Array

from qubo_dnn.compression.task.options import MAX_BITS, Option, bit_widths
from qubo_dnn.compression.task.plan import LayerPlan, Plan
from qubo_dnn.compression.task.stored_bits import CHANNEL_BITS, UNIT_BITS
from qubo_dnn.compression.task.task import Alternatives, CompressionTask, LayerShape
from qubo_dnn.constraint import Constraint
from qubo_dnn.errors import BudgetError, FormulationError, OptionError
from qubo_dnn.parameters import make_parameters
from qubo_dnn.problem import Problem, Sample
from qubo_dnn.support.arguments import checked
from qubo_formulations.example_task import example_task

# (removed bits of a layer as a number or an expression, its mean |weight|) -> its share of L_q, <= quadratic.
QuantizationLoss = Callable[[Any, float], Any]
BETAS = (0.01, 0.1, 1.0, 10.0, 100.0)
CODE = (1, 2, 4)  # the weights 2^k of the code of removed bits: 0 to 7 of b_max = 8 bits


def squared_removed_bits(removed: Any, magnitude: float) -> Any:
    """Default `quantization_loss`: (removed bits * mean |w|)^2, like L_p the square of an average L1 norm per layer.

    Args:
        removed: bits removed from the layer, as a number or a pyqubo expression.
        magnitude: mean |w| of the layer.

    Example:
        >>> squared_removed_bits(3, 0.5)  # 3 bits removed, mean |w| = 0.5
        2.25
    """
    return (magnitude * removed) ** 2


@dataclass(frozen=True)
class AqcPlan(Plan):
    """A plan that also records the bits removed from every layer.

    If all filters of a layer are pruned, its options no longer show how many bits were removed; `cost` needs them.

    Attributes:
        removed: layer name -> bits removed from `MAX_BITS`.

    Example:
        >>> plan = AqcPlan({"conv": LayerPlan(1, bit_widths(0, 0))}, removed={"conv": 5})  # both filters are pruned
        >>> plan.removed["conv"]
        5
    """

    removed: Mapping[str, int] = field(default_factory=dict)


class AqcPruningQuantization:
    """Minimise H(p, q) = L_p + beta L_q - gamma R over pruned filters and removed bits, from the weights alone.

    Variables: `p[n][i]` = 1 prunes filter i of layer n; `q[n][k]` is the binary code of the bits removed from
    layer n, b_n = b_max - r_n with r_n = sum_k 2^k q[n][k] and b_max = 8: filters + 3 per layer in all.

    - L_p = sum_n (sum_i |w_ni|_1 / N_ni p_ni)^2, with N_ni the weights of filter i.
    - L_q = sum_n quantization_loss(r_n, mean |w_n|), by default (r_n mean |w_n|)^2.
    - R = sum_n sum_i N_ni (b_max p_ni + r_n - p_ni r_n) / (b_max sum N), the share of weight bits removed.

    p, q, b_n, H and L_p follow a published summary of the paper, because its full text was not available. L_q and R
    are defined here: R is the exact reduction, and L_q has the form of L_p; pass another `quantization_loss` to
    change it. The model needs no one-hot constraint and no slack variable.

    With `gamma`, the objective is H. Without it, the objective is L_p + beta L_q, and a constraint requires R to be
    at least the reduction that the budget demands; the Lagrangian relaxation of that constraint is H, with the
    multiplier as gamma. The constraint counts scales and offsets as if no filter were pruned, so the stored size
    never exceeds the budget.

    Args:
        task: the network; its granularity is the single filter.
        beta: weight of L_q, >= 0.
        gamma: weight of R, >= 0; None: the task's budget is a constraint instead.
        quantization_loss: gives one layer's share of L_q from its removed bits and its mean |w|.

    Raises:
        OptionError: beta or gamma is negative, or a unit of the task is not a single filter.
        BudgetError: scales, offsets and width codes alone exceed the budget.

    Source: arXiv 2505.16332.

    Example:
        >>> formulation = AqcPruningQuantization(example_task(0, (LayerShape("conv", 4, 9, 1),)), gamma=0.5)
        >>> formulation.compile().objective.num_variables  # 4 filters and 3 bits of the code
        7
        >>> sample = dict.fromkeys(formulation.compile().objective.variables, 0) | {"p[0][0]": 1, "q[0][1]": 1}
        >>> [str(option) for option in formulation.decode(sample).layers["conv"].options]  # 2 bits removed
        ['0', '6', '6', '6']
    """

    name: ClassVar[str] = "aqc-pruning-quantization"
    summary: ClassVar[str] = "the paper's Hamiltonian: filters pruned and bits removed per layer, from weights alone"
    needs_sensitivity: ClassVar[bool] = False
    default_options: ClassVar[tuple[Option, ...]] = bit_widths(*range(MAX_BITS + 1))

    @checked
    def __init__(
        self,
        task: CompressionTask,
        beta: float = 1.0,
        gamma: float | None = None,
        quantization_loss: QuantizationLoss = squared_removed_bits,
    ) -> None:
        for weight, value in (("beta", beta), ("gamma", gamma)):
            if value is not None and not 0.0 <= value < math.inf:
                raise OptionError(f"{weight} must be a finite number >= 0, not {value}")
        if any(layer.group != 1 for layer in task.layers):
            raise OptionError(f"the formulation {self.name!r} prunes single filters: its granularity is 'channel'")
        self.task, self.beta, self.gamma, self.quantization_loss = task, beta, gamma, quantization_loss
        means = iter(task.mean_magnitude.tolist())
        self.magnitudes = [[next(means) for _ in range(layer.channels)] for layer in task.layers]
        kept = task.limit - task.overhead - len(task.mean_magnitude) * (UNIT_BITS + CHANNEL_BITS)
        self.reduction_needed = 1.0 - kept / (MAX_BITS * task.weights)
        if gamma is None and kept < 0.0:
            least = task.limit - kept
            limit, low, high = map(task.per_weight, (task.limit, least, least + MAX_BITS * task.weights))
            raise BudgetError(
                f"the budget of {limit:.4g} stored bits per weight is below the {low:.4g} that scales, offsets and "
                f"width codes take; the formulation {self.name!r} reaches {low:.4g} to {high:.4g}"
            )

    @classmethod
    def from_task(cls, task: CompressionTask, **parameters: Any) -> Self:
        """See `qubo_dnn.compression.task.task.CompressionFormulation`."""
        if task.options != cls.default_options:
            raise OptionError(f"the formulation {cls.name!r} has the fixed options 0 to {MAX_BITS}, no sparsity")
        if task.allowed is not None or task.tied is not None or task.budgets or task.activations:
            raise OptionError(
                f"the formulation {cls.name!r} takes one budget of stored size, and no layers tied together, with "
                "options of their own or with quantized activations"
            )
        return cls(task, **make_parameters(cls, parameters))

    @classmethod
    def tunable(cls, parameters: Mapping[str, Any], task: CompressionTask) -> Alternatives:  # noqa: ARG003
        """See `qubo_dnn.compression.task.task.CompressionFormulation`: values of beta."""
        return Alternatives(({},) if "beta" in parameters else tuple({"beta": beta} for beta in BETAS))

    @classmethod
    def example(cls, seed: int) -> Self:
        """8 filters of 2 layers, 14 variables."""
        return cls(example_task(seed, (LayerShape("first", 5, 90, 1), LayerShape("second", 3, 180, 1))))

    def compile(self) -> Problem[Plan]:
        """Compile the problem; all of it is written in pyqubo.

        Raises:
            FormulationError: `quantization_loss` is not quadratic in the code of the removed bits.
        """
        pruning_loss, quantization_loss, reduction = 0.0, 0.0, 0.0
        for n, (layer, magnitudes) in enumerate(zip(self.task.layers, self.magnitudes, strict=True)):
            p = Array.create(f"p[{n}]", shape=layer.channels, vartype="BINARY")
            q = Array.create(f"q[{n}]", shape=len(CODE), vartype="BINARY")
            removed = sum(weight * bit for weight, bit in zip(CODE, q, strict=True))
            pruning_loss += sum(m * bit for m, bit in zip(magnitudes, p, strict=True)) ** 2
            quantization_loss += self.quantization_loss(removed, sum(magnitudes) / len(magnitudes))
            pruned = sum(p[i] for i in range(layer.channels))
            bits = MAX_BITS * pruned + layer.channels * removed - pruned * removed
            reduction += layer.weights_per_channel / (MAX_BITS * self.task.weights) * bits
        if self.gamma is not None:
            hamiltonian = pruning_loss + self.beta * quantization_loss - self.gamma * reduction
            return Problem(objective=self._bqm(hamiltonian), decoder=self.decode)
        return Problem(
            objective=self._bqm(pruning_loss + self.beta * quantization_loss),
            decoder=self.decode,
            constraints={"reduction": Constraint(self._bqm(reduction), ">=", self.reduction_needed)},
        )

    def _bqm(self, expression: Any) -> dimod.BinaryQuadraticModel:
        bqm: dimod.BinaryQuadraticModel = expression.compile().to_bqm()
        for n, layer in enumerate(self.task.layers):
            bqm.add_linear_from({f"p[{n}][{i}]": 0.0 for i in range(layer.channels)})
            bqm.add_linear_from({f"q[{n}][{k}]": 0.0 for k in range(len(CODE))})
        # For a term of higher order, pyqubo adds auxiliary variables and penalties.
        if bqm.num_variables > sum(layer.channels + len(CODE) for layer in self.task.layers):
            raise FormulationError("quantization_loss is of higher than second order in the code of the removed bits")
        return bqm

    def decode(self, sample: Sample) -> Plan:
        """Convert a sample to a plan: 0 bits for a pruned filter, else the layer's b_n."""
        layers, removed = {}, {}
        for n, layer in enumerate(self.task.layers):
            r = sum(weight * sample[f"q[{n}][{k}]"] for k, weight in enumerate(CODE))
            bits = (0 if sample[f"p[{n}][{i}]"] else MAX_BITS - r for i in range(layer.channels))
            layers[layer.name], removed[layer.name] = LayerPlan(1, bit_widths(*bits)), r
        return AqcPlan(layers, removed=removed)

    def cost(self, value: Plan) -> float:
        """Return L_p + beta L_q of a plan, minus gamma R if gamma is given."""
        if not isinstance(value, AqcPlan):
            raise FormulationError("only plans decoded by this formulation record the bits removed from pruned layers")
        total = 0.0
        for layer, magnitudes in zip(self.task.layers, self.magnitudes, strict=True):
            bits = [option.bits for option in value.layers[layer.name].options]
            removed = value.removed[layer.name]
            total += sum(m for m, b in zip(magnitudes, bits, strict=True) if b == 0) ** 2
            total += self.beta * self.quantization_loss(removed, sum(magnitudes) / len(magnitudes))
            if self.gamma is not None:
                kept = sum(bits) * layer.weights_per_channel
                whole = MAX_BITS * layer.channels * layer.weights_per_channel
                total -= self.gamma * (whole - kept) / (MAX_BITS * self.task.weights)
        return total

    def predicted_loss_increase(self, value: Plan) -> None:  # noqa: ARG002 (part of the contract)
        """Return None: the Hamiltonian weighs magnitudes and does not predict a loss."""
        return
