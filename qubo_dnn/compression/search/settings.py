"""Settings of the search for a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from qubo_dnn.compression.task.granularity import group_size
from qubo_dnn.errors import OptionError, suggestion

Reward = Literal["model", "measured"]
MODELLED, MEASURED = get_args(Reward)
# More rounds, answers or probes than any run could carry out.
_MANY = 1_000_000


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """Settings of the search for a plan.

    Attributes:
        granularity: "layer", "channel" or "group:N".
        parameters: of the formulation, beside the task; what it can tune and is not set is chosen on held-out data.
        backend_options: of the backend; a time limit is for every round.
        rounds: most rounds of linearising, >= 1; they end when one is not clearly better than those before.
        rerank: best answers of the backend that are applied and evaluated, >= 1; twice as many where none of them
            does what was predicted, see `qubo_dnn.compression.rewriting.divergence_limit`.
        reward: what the backend optimises: "model", the formulation's objective, or "measured", the divergence of the
            network itself on calibration images; nothing is linearised then, and there is one round.
        probes, memory: see `qubo_dnn.compression.sensitivity.gauss_newton.gauss_newton`.
        seed: of drawn probes and units.
        checkpoints: folder to save measurements to as they go on, and to continue them from; None saves nothing.
        replace_checkpoints: whether damaged measurements in that folder, and those made with other options, are
            replaced; they are refused otherwise.

    Raises:
        OptionError: a setting is not valid.
    """

    granularity: str = "channel"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    backend_options: Mapping[str, Any] = field(default_factory=dict)
    rounds: int = 2
    rerank: int = 4
    reward: str = MODELLED
    probes: int | None = None
    memory: float = 8.0
    seed: int = 0
    checkpoints: Path | None = None
    replace_checkpoints: bool = False

    def __post_init__(self) -> None:
        group_size(self.granularity, 1)
        if self.reward not in get_args(Reward):
            raise OptionError(f"unknown reward {self.reward!r}{suggestion(self.reward, get_args(Reward))}")
        for name, least, most in (
            ("rounds", 1, _MANY),
            ("rerank", 1, _MANY),
            ("probes", 1, _MANY),
            ("seed", 0, 2**63 - 1),
        ):
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                limit = f"at least {least}" if value < least else f"at most {most:,}"
                raise OptionError(f"{name} must be {limit}, not {value}")
        if not self.memory > 0.0:
            raise OptionError(f"the memory must be a number of GiB > 0, not {self.memory}")
