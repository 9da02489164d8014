"""Apply plans to copies of a network, and evaluate the networks on held-out data."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.quantization.candidates import Candidates
from qubo_dnn.compression.quantization.quantize import Quantized
from qubo_dnn.compression.removal.channel_groups import ChannelGroup
from qubo_dnn.compression.removal.silence import silence_
from qubo_dnn.compression.rewriting.apply_plan import apply_plan_
from qubo_dnn.compression.rewriting.divergence_limit import LOST, describe_divergence, describe_lost, divergence_limit
from qubo_dnn.compression.rewriting.held_out import Divergence, HeldOutDivergence
from qubo_dnn.compression.rewriting.reconstruction import Reconstruction
from qubo_dnn.compression.rewriting.recovery import recover
from qubo_dnn.compression.task.plan import Plan

RECOVERY_MODES = ("auto", "none")
RECONSTRUCTION = "reconstruction"


@dataclass(frozen=True, eq=False)
class AppliedPlan:
    """A plan with the network that results from it.

    Attributes:
        plan: the plan.
        network: copy of the given network, rewritten and repaired.
        quantized: layer name -> codes of its weight.
        repaired: accepted parts of the repair: "reconstruction", "bias" and "batchnorm"; then "training" if the user
            has trained the network.
        held_out: divergence on held-out images.
        bare: divergence before the repair.
        with_candidates: the network with the weights of the candidates, repaired without reconstruction; None:
            `network` is that.

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
    repaired: tuple[str, ...]
    held_out: Divergence
    bare: Divergence
    with_candidates: nn.Module | None = None


@dataclass(frozen=True, eq=False)
class Trial:
    """An applied plan compared with its prediction.

    Attributes:
        applied: the applied plan.
        expected: divergence that was predicted, or measured on other images; None if unknown.
        limit: largest divergence consistent with `expected`; None if that is unknown.
        constant: divergence of a network with constant outputs; 0.0 if that is undefined.

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
    constant: float = 0.0

    @classmethod
    def of(cls, applied: AppliedPlan, expected: float | None, judge: HeldOutDivergence) -> Trial:
        """Make a trial with the limit of `qubo_dnn.compression.rewriting.divergence_limit`."""
        limit = None if expected is None else divergence_limit(expected, judge.constant)
        return cls(applied, expected, limit, judge.constant)

    @property
    def divergence(self) -> float:
        """Divergence of the network on held-out images."""
        return self.applied.held_out.divergence

    @property
    def diverged(self) -> bool:
        """True if the divergence exceeds the limit by more than its standard error."""
        return self.limit is not None and self.applied.held_out.clearly_above(self.limit)

    def warning(self) -> str | None:
        """Return a warning of one line if the network diverged or has lost much, else None."""
        if self.expected is not None and self.limit is not None and self.diverged:
            return describe_divergence(self.divergence, self.expected, self.limit)
        lost = self.constant > 0.0 and self.applied.held_out.clearly_above(LOST * self.constant)
        return describe_lost(self.divergence, self.constant) if lost else None


class PlanEvaluator:
    """Applies a plan to a copy of the network and evaluates it on held-out data.

    Args:
        model: the original network; not changed.
        candidates: weights to choose from.
        data: images for the statistics of repairs.
        judge: measures the held-out divergence.
        recovery: "auto" repairs a network if that lowers its held-out divergence, "none" never repairs.
        reconstruction: refits weights as a part of "auto"; None: weights are not refitted.

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
        self,
        model: nn.Module,
        candidates: Candidates,
        data: Data,
        judge: HeldOutDivergence,
        recovery: str,
        reconstruction: Reconstruction | None = None,
    ) -> None:
        self.model, self.candidates, self.data, self.judge, self.recovery = model, candidates, data, judge, recovery
        self.reconstruction = reconstruction
        self._apart = True

    def quicker(self, images: int, seed: int) -> Self:
        """Return an evaluator that tries the repairs together only, on at most so many images, drawn at random.

        It judges on the same held-out images.
        """
        quick = copy.copy(self)
        quick.data, quick._apart = self.data.subset(min(len(self.data), images), seed), False
        if quick.reconstruction is not None:
            quick.reconstruction = quick.reconstruction.on(quick.data)
        return quick

    def __call__(self, plan: Plan) -> AppliedPlan:
        """Apply a plan and evaluate its network, without refitting weights."""
        return self._apply(plan, ())

    def refitted(self, applied: AppliedPlan) -> AppliedPlan:
        """Return an applied plan with refitted weights if these lower the held-out divergence, else the given one."""
        return self._refitted(applied, ())

    def silenced(self, plan: Plan, groups: Sequence[ChannelGroup]) -> AppliedPlan:
        """Apply a plan, set its pruned channels to zero before all repairs, and evaluate the network.

        Args:
            plan: the plan.
            groups: channel groups of the network; see `qubo_dnn.compression.removal.silence`.
        """
        return self._refitted(self._apply(plan, groups), groups)

    def _apply(self, plan: Plan, groups: Sequence[ChannelGroup]) -> AppliedPlan:
        network, quantized, silent = self._rewritten(plan, groups)
        if self.recovery == "none":
            held_out = self.judge(network)
            return AppliedPlan(plan, network, quantized, (), held_out, held_out)
        network, done = recover(network, self.model, self.data, self.judge, silent, apart=self._apart)
        return AppliedPlan(plan, network, quantized, done.parts, done.after, done.before)

    def _rewritten(
        self, plan: Plan, groups: Sequence[ChannelGroup]
    ) -> tuple[nn.Module, dict[str, Quantized], dict[str, list[int]]]:
        """Return the network at the options of the plan, its codes, and its silent channels."""
        network = copy.deepcopy(self.model)
        quantized = apply_plan_(network, plan, self.candidates)
        return network, quantized, silence_(network, groups)

    def _refitted(self, applied: AppliedPlan, groups: Sequence[ChannelGroup]) -> AppliedPlan:
        if self.reconstruction is None or self.recovery == "none":
            return applied
        network, quantized, silent = self._rewritten(applied.plan, groups)
        refitted, codes = self.reconstruction(network, applied.plan, quantized, silent)
        network, done = recover(refitted, self.model, self.data, self.judge, silent, apart=self._apart)
        if not done.after.divergence < applied.held_out.divergence:
            return applied
        return AppliedPlan(
            applied.plan,
            network,
            codes,
            (RECONSTRUCTION, *done.parts),
            done.after,
            applied.bare,
            with_candidates=applied.network,
        )
