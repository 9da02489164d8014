"""Settings of a compression, checked where they are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qubo_dnn.bounds.certificate import check_time
from qubo_dnn.compression.network.losses import CROSS_ENTROPY, Loss
from qubo_dnn.compression.quantization.candidates import check_compensation
from qubo_dnn.compression.search.plan_evaluator import RECOVERY_MODES
from qubo_dnn.compression.search.settings import MEASURED, SearchSettings
from qubo_dnn.compression.task.budgets import SIZE, Budget, check_names
from qubo_dnn.compression.task.cost_tables import CostTable
from qubo_dnn.compression.task.layer_rules import Rules
from qubo_dnn.compression.task.options import Option
from qubo_dnn.errors import OptionError, suggestion


@dataclass(frozen=True, kw_only=True)
class CompressionSettings:
    """Settings of a compression.

    Attributes:
        budgets: limits, see `qubo_dnn.compression.task.budgets.parse_budget`; at most one of each name.
        tables: name -> costs that a budget of that name is about, see `qubo_dnn.compression.task.cost_tables`.
        target_accuracy_drop: in place of a budget of stored size, the smallest network is looked for whose accuracy
            on held-out images falls by no more than this share of them; None: no such target.
        options: what every unit can become; None takes the formulation's own.
        rules: what differs between layers.
        compensation: of rounding errors inside a channel, "none" or "gptq"; see
            `qubo_dnn.compression.quantization.candidates`.
        recovery: "auto" or "none"; see `qubo_dnn.compression.rewriting.recovery`.
        loss: what the network is measured by.
        held_out: share of the calibration images that is not measured on, but judges what was found; > 0, < 1.
        certify: seconds to prove in how far the answer is from the optimum of the model; None
            proves it only where all states can be listed.
        search: of the search for a plan.

    Raises:
        OptionError: a setting is not valid, or does not go with another.
    """

    budgets: tuple[Budget, ...] = ()
    tables: Mapping[str, CostTable] = field(default_factory=dict)
    target_accuracy_drop: float | None = None
    options: tuple[Option, ...] | None = None
    rules: Rules = field(default_factory=Rules)
    compensation: str = "none"
    recovery: str = "auto"
    loss: Loss = CROSS_ENTROPY
    held_out: float = 0.25
    certify: float | None = None
    search: SearchSettings = field(default_factory=SearchSettings)

    def __post_init__(self) -> None:
        self._check_target()
        if self.options is not None:
            _check_options(self.options)
        if self.certify is not None:
            check_time(self.certify)
            if self.search.reward == MEASURED:
                raise OptionError(
                    "a certificate needs the model of the loss as the objective; it cannot be used with a measured "
                    "reward"
                )
        check_compensation(self.compensation)
        if self.recovery not in RECOVERY_MODES:
            raise OptionError(f"unknown recovery {self.recovery!r}{suggestion(self.recovery, RECOVERY_MODES)}")
        if not 0.0 < self.held_out < 1.0:
            raise OptionError(f"the held-out share must be within 0 and 1, not {self.held_out}")
        if unused := self.tables.keys() - {budget.name for budget in self.budgets}:
            name = min(unused)
            raise OptionError(f"no budget uses the table {name!r}; give one such as --budget {name}=60%")

    def _check_target(self) -> None:
        """Budgets have different names; a target accuracy drop takes the place of the one of stored size."""
        if self.target_accuracy_drop is None or self.budgets:
            check_names(self.budgets)
        if self.target_accuracy_drop is None:
            return
        if self.search.reward == MEASURED:
            raise OptionError(
                "a target accuracy drop is bracketed with a model of the loss, and takes no measured reward"
            )
        if any(budget.name == SIZE for budget in self.budgets):
            raise OptionError("a target accuracy drop asks for the smallest size, and takes no budget of stored size")


def _check_options(options: Sequence[Option]) -> None:
    """Refuse options that leave no choice."""
    if len(set(options)) != len(options) or len(options) < 2:
        raise OptionError(f"options must be at least two different ones, not {', '.join(map(str, options))}")
