"""Settings of the search for a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

Reward = Literal["model", "measured"]
MODELLED, MEASURED = get_args(Reward)


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
