"""Apply plans to copies of a network, and evaluate the networks on held-out data."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.quantization.candidates import Candidates
from qubo_dnn.compression.quantization.quantize import Quantized
from qubo_dnn.compression.removal.channel_groups import ChannelGroup
from qubo_dnn.compression.removal.silence import silence_
from qubo_dnn.compression.rewriting.apply_plan import apply_plan_
from qubo_dnn.compression.rewriting.divergence_limit import describe_divergence, divergence_limit
from qubo_dnn.compression.rewriting.held_out import Divergence, HeldOutDivergence
from qubo_dnn.compression.rewriting.recovery import Part, recover
from qubo_dnn.compression.task.plan import Plan

RECOVERY_MODES = ("auto", "none")


@dataclass(frozen=True, eq=False)
class AppliedPlan:
    """A plan with the network that results from it.

    Attributes:
        plan: the plan.
        network: copy of the given network, rewritten and repaired.
        quantized: layer name -> codes of its weight.
        repaired: accepted parts of the repair.
        held_out: divergence on held-out images.
        bare: divergence before the repair.

    Example:
        >>> import numpy as np
        >>> divergence = Divergence(np.array([0.3, 0.5]))
        >>> applied = AppliedPlan(Plan({}), nn.Identity(), {}, repaired=(), held_out=divergence, bare=divergence)
        >>> applied.held_out.divergence
        0.4
    """

    plan: Plan
    network: nn.Module
    quantized: Mapping[str, Quantized]
    repaired: tuple[Part, ...]
    held_out: Divergence
    bare: Divergence


@dataclass(frozen=True, eq=False)
class Trial:
    """An applied plan compared with its prediction.

    Attributes:
        applied: the applied plan.
        expected: divergence that was predicted, or measured on other images; None if unknown.
        limit: largest divergence consistent with `expected`; None if that is unknown.

    Example:
        >>> import numpy as np
        >>> divergence = Divergence(np.array([0.3, 0.5]))
        >>> applied = AppliedPlan(Plan({}), nn.Identity(), {}, repaired=(), held_out=divergence, bare=divergence)
        >>> Trial(applied, expected=0.01, limit=0.2).diverged
        True
    """

    applied: AppliedPlan
    expected: float | None
    limit: float | None

    @classmethod
    def of(cls, applied: AppliedPlan, expected: float | None, judge: HeldOutDivergence) -> Trial:
        """Make a trial with the limit of `qubo_dnn.compression.rewriting.divergence_limit`."""
        return cls(applied, expected, None if expected is None else divergence_limit(expected, judge.constant))

    @property
    def divergence(self) -> float:
        """Divergence of the network on held-out images."""
        return self.applied.held_out.divergence

    @property
    def diverged(self) -> bool:
        """True if the divergence exceeds the limit by more than its standard error."""
        return self.limit is not None and self.applied.held_out.clearly_above(self.limit)

    def warning(self) -> str | None:
        """Return a warning of one line if the network diverged, else None."""
        if self.expected is None or self.limit is None or not self.diverged:
            return None
        return describe_divergence(self.divergence, self.expected, self.limit)


class PlanEvaluator:
    """Applies a plan to a copy of the network and evaluates it on held-out data.

    Args:
        model: the original network; not changed.
        candidates: weights to choose from.
        data: images for the statistics of repairs.
        judge: measures the held-out divergence.
        recovery: "auto" repairs a network if that lowers its held-out divergence, "none" never repairs.

    Example:
        >>> import torch
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
        >>> from qubo_dnn.compression.quantization.candidates import make_candidates
        >>> from qubo_dnn.compression.task.options import Option
        >>> from qubo_dnn.compression.task.plan import LayerPlan
        >>> network, data = nn.Sequential(nn.Linear(3, 2)), Data.from_tensors(torch.eye(3), torch.arange(3) % 2)
        >>> candidates = make_candidates(find_layers(network), [Option(0), Option(4)])
        >>> judge = HeldOutDivergence(network, data, CROSS_ENTROPY)
        >>> evaluator = PlanEvaluator(network, candidates, data, judge, recovery="none")
        >>> evaluator(Plan({"0": LayerPlan(1, (Option(0), Option(4)))})).network[0].weight[0].tolist()
        [0.0, 0.0, 0.0]
    """

    def __init__(
        self, model: nn.Module, candidates: Candidates, data: Data, judge: HeldOutDivergence, recovery: str
    ) -> None:
        self.model, self.candidates, self.data, self.judge, self.recovery = model, candidates, data, judge, recovery

    def __call__(self, plan: Plan) -> AppliedPlan:
        """Apply a plan and evaluate its network."""
        return self._apply(plan, ())

    def silenced(self, plan: Plan, groups: Sequence[ChannelGroup]) -> AppliedPlan:
        """Apply a plan, set its pruned channels to zero before the repair, and evaluate the network.

        Args:
            plan: the plan.
            groups: channel groups of the network; see `qubo_dnn.compression.removal.silence`.
        """
        return self._apply(plan, groups)

    def _apply(self, plan: Plan, groups: Sequence[ChannelGroup]) -> AppliedPlan:
        network = copy.deepcopy(self.model)
        quantized = apply_plan_(network, plan, self.candidates)
        silent = silence_(network, groups)
        if self.recovery == "none":
            held_out = self.judge(network)
            return AppliedPlan(plan, network, quantized, (), held_out, held_out)
        network, done = recover(network, self.model, self.data, self.judge, silent)
        return AppliedPlan(plan, network, quantized, done.parts, done.after, done.before)
