"""Settings of the search for a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from qubo_dnn.cluster.cluster import Cluster
from qubo_dnn.compression.task.granularity import AUTO, group_size
from qubo_dnn.errors import OptionError, suggestion

Reward = Literal["model", "measured"]
MODELLED, MEASURED = get_args(Reward)
# Larger than any useful number of rounds, answers or probes.
_MANY = 1_000_000


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """Settings of the search for a plan.

    Attributes:
        granularity: see `qubo_dnn.compression.task.granularity`.
        parameters: parameters of the formulation, without the task; tunable ones that are not set are chosen on
            held-out data.
        backend_options: options of the backend; a time limit applies to every round.
        rounds: largest number of rounds, >= 1; they end when a round is not clearly better than the earlier ones.
        rerank: number of best answers of the backend to apply and evaluate, >= 1; twice as many if all of them deviate
            from their prediction, see `qubo_dnn.compression.rewriting.divergence_limit`.
        reward: objective of the backend: "model", the objective of the formulation, or "measured", the divergence of
            the network on calibration images; then no loss model is measured, and there is one round.
        probes, memory: see `qubo_dnn.compression.sensitivity.gauss_newton.gauss_newton`.
        direct: True: separable problems are solved without the backend, see `qubo_dnn.solving.separable`; the others
            with it.
        seed: random seed of probes and units.
        checkpoints: folder in which measurements are saved at intervals and from which they resume; None saves nothing.
        replace_checkpoints: True: replace saved measurements that are damaged or were made with other options; False:
            refuse them.
        cluster: workers that measure; None: all is measured in this process. It changes no result.

    Raises:
        OptionError: a setting is invalid.

    Example:
        >>> settings = SearchSettings(granularity="group:8", backend_options={"seed": 1})
        >>> settings.rounds, settings.rerank
        (2, 4)
    """

    granularity: str = AUTO
    parameters: Mapping[str, Any] = field(default_factory=dict)
    backend_options: Mapping[str, Any] = field(default_factory=dict)
    rounds: int = 2
    rerank: int = 4
    reward: str = MODELLED
    probes: int | None = None
    memory: float = 8.0
    direct: bool = False
    seed: int = 0
    checkpoints: Path | None = None
    replace_checkpoints: bool = False
    cluster: Cluster | None = field(default=None, compare=False, repr=False)

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
