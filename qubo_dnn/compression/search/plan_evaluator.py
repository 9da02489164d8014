"""Plans carried out and judged by the network itself."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from qubo_dnn.compression.network.dataset import Data
from qubo_dnn.compression.quantization.candidates import Candidates
from qubo_dnn.compression.quantization.quantize import Quantized
from qubo_dnn.compression.rewriting.apply_plan import apply_plan_
from qubo_dnn.compression.rewriting.divergence_limit import describe_divergence, divergence_limit
from qubo_dnn.compression.rewriting.held_out import Divergence, HeldOutDivergence
from qubo_dnn.compression.rewriting.recovery import Part, recover
from qubo_dnn.compression.task.plan import Plan

RECOVERY_MODES = ("auto", "none")


@dataclass(frozen=True, eq=False)
class AppliedPlan:
    """A plan carried out.

    Attributes:
        plan: which.
        network: a copy of the given one, rewritten and repaired.
        quantized: layer name -> codes of its weight.
        repaired: parts of the repair that were kept.
        judgement: on held-out images.
        bare: the same before the repair.
    """

    plan: Plan
    network: nn.Module
    quantized: Mapping[str, Quantized]
    repaired: tuple[Part, ...]
    judgement: Divergence
    bare: Divergence


@dataclass(frozen=True, eq=False)
class Trial:
    """An attempt beside what was expected of its plan.

    Attributes:
        attempt: the plan carried out.
        expected: divergence that was predicted, or measured on other images; None where nothing was.
        limit: most divergence that fits the expectation; None where there is none.
    """

    attempt: AppliedPlan
    expected: float | None
    limit: float | None

    @classmethod
    def of(cls, attempt: AppliedPlan, expected: float | None, judge: HeldOutDivergence) -> Trial:
        """A trial with the limit of `qubo_dnn.compression.rewriting.divergence_limit`."""
        return cls(attempt, expected, None if expected is None else divergence_limit(expected, judge.constant))

    @property
    def divergence(self) -> float:
        """Of the network, on held-out images."""
        return self.attempt.judgement.divergence

    @property
    def diverged(self) -> bool:
        """Return whether the divergence is beyond the limit by more than its standard error."""
        return self.limit is not None and self.attempt.judgement.clearly_above(self.limit)

    def warning(self) -> str | None:
        """One line where the network diverged, or None."""
        if self.expected is None or self.limit is None or not self.diverged:
            return None
        return describe_divergence(self.divergence, self.expected, self.limit)


class PlanEvaluator:
    """Carries plans out.

    Args:
        model: the network as given; left as it is.
        candidates: weights to choose from.
        data: images that repairs take their statistics of.
        judge: of held-out images.
        recovery: "auto" repairs networks where that lowers the held-out divergence, "none" does not.
    """

    def __init__(
        self, model: nn.Module, candidates: Candidates, data: Data, judge: HeldOutDivergence, recovery: str
    ) -> None:
        self.model, self.candidates, self.data, self.judge, self.recovery = model, candidates, data, judge, recovery

    def __call__(self, plan: Plan) -> AppliedPlan:
        """The network of a plan."""
        network = copy.deepcopy(self.model)
        quantized = apply_plan_(network, plan, self.candidates)
        if self.recovery == "none":
            judgement = self.judge(network)
            return AppliedPlan(plan, network, quantized, (), judgement, judgement)
        network, done = recover(network, self.model, self.data, self.judge)
        return AppliedPlan(plan, network, quantized, done.parts, done.after, done.before)
