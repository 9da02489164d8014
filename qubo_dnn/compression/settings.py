"""Settings of a compression; invalid settings raise errors when they are created."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qubo_dnn.bounds.certificate import check_time
from qubo_dnn.compression.losses.joint_loss import LossTerm
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY, Loss
from qubo_dnn.compression.losses.metrics import Metric
from qubo_dnn.compression.network.fitting import ALL
from qubo_dnn.compression.quantization.activations import MSE, check_ranges
from qubo_dnn.compression.quantization.candidates import check_compensation
from qubo_dnn.compression.search.plan_evaluator import RECOVERY_MODES
from qubo_dnn.compression.search.removable import REMOVAL_MODES
from qubo_dnn.compression.search.settings import MEASURED, SearchSettings
from qubo_dnn.compression.task.budgets import MACS, SIZE, Budget, check_names
from qubo_dnn.compression.task.cost_tables import CostTable
from qubo_dnn.compression.task.formats import check_activations
from qubo_dnn.compression.task.granularity import AUTO, COUPLED
from qubo_dnn.compression.task.layer_rules import Rules
from qubo_dnn.compression.task.options import FLOAT_BITS, Option
from qubo_dnn.errors import OptionError, suggestion


@dataclass(frozen=True, kw_only=True)
class CompressionSettings:
    """Settings of a compression.

    Attributes:
        budgets: limits, see `qubo_dnn.compression.task.budgets.parse_budget`; at most one of each name.
        tables: name -> cost table of the budget with that name, see `qubo_dnn.compression.task.cost_tables`.
        target_accuracy_drop: replaces a budget of stored size: the search returns the smallest network whose accuracy
            drops by at most this share of the held-out images, or whose metric drops by at most this; None: no target.
        options: options of every unit; None: the default options of the formulation.
        activations: bit widths to choose from for what every layer reads; empty: activations stay as they are.
        excluded_formats: pairs of an option and a width of activations that must not meet in a layer.
        activation_ranges: "mse", "minmax" or "percentile:P"; see `qubo_dnn.compression.quantization.activations`.
        rules: rules for single layers.
        compensation: "none" or "gptq", the compensation of rounding errors within a channel; see
            `qubo_dnn.compression.quantization.candidates`.
        recovery: "auto" or "none"; see `recovery` and `reconstruction` in `qubo_dnn.compression.rewriting`.
        remove: "auto" removes pruned channels where that does not change the outputs, and "none" leaves them; see
            `qubo_dnn.compression.removal`.
        loss: the loss that the measurement uses.
        outputs: the compared outputs of the network, each with a loss of its own or that of `loss`; the single name
            "all" stands for all; empty: the only output.
        metric: a metric that is reported before and after, and that `target_accuracy_drop` is about; None: none.
        held_out: share of the calibration images that is held out to compare plans, > 0 and < 1.
        certify: seconds for proving a bound on the distance of the answer from the optimum; None: prove it only if all
            states can be enumerated.
        search: settings of the search for a plan.

    Raises:
        OptionError: a setting is invalid, or conflicts with another.

    Example:
        >>> from qubo_dnn.compression.task.budgets import parse_budget
        >>> settings = CompressionSettings(budgets=(parse_budget("3bits"),), compensation="gptq")
        >>> settings.budgets[0].limit, settings.held_out
        (Fraction(3, 1), 0.25)
    """

    budgets: tuple[Budget, ...] = ()
    tables: Mapping[str, CostTable] = field(default_factory=dict)
    target_accuracy_drop: float | None = None
    options: tuple[Option, ...] | None = None
    activations: tuple[int, ...] = ()
    excluded_formats: frozenset[tuple[Option, int]] = frozenset()
    activation_ranges: str = MSE
    rules: Rules = field(default_factory=Rules)
    compensation: str = "none"
    recovery: str = "auto"
    remove: str = "auto"
    loss: Loss = CROSS_ENTROPY
    outputs: tuple[LossTerm, ...] = ()
    metric: Metric | None = None
    held_out: float = 0.25
    certify: float | None = None
    search: SearchSettings = field(default_factory=SearchSettings)

    def __post_init__(self) -> None:
        self._check_target()
        names = [term.name for term in self.outputs]
        if len(set(names)) < len(names) or (len(names) > 1 and ALL in names):
            raise OptionError(f"the compared outputs must be different ones, or {ALL!r} alone, not {', '.join(names)}")
        if self.options is not None:
            # One format, such as 4a8, is uniform quantization.
            _check_options(self.options, 1 if self.activations else 2)
        check_activations(self.activations)
        check_ranges(self.activation_ranges)
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
        if self.remove not in REMOVAL_MODES:
            raise OptionError(f"unknown removal {self.remove!r}{suggestion(self.remove, REMOVAL_MODES)}")
        if not 0.0 < self.held_out < 1.0:
            raise OptionError(f"the held-out share must be within 0 and 1, not {self.held_out}")
        if unused := self.tables.keys() - {budget.name for budget in self.budgets}:
            name = min(unused)
            raise OptionError(f"no budget uses the table {name!r}; give one such as --budget {name}=60%")

        self._check_removal()

    @property
    def quantizes_activations(self) -> bool:
        """True if any layer is to read activations of other widths than 32 bits."""
        return any(
            bits != FLOAT_BITS for widths in (self.activations, *self.rules.activations.values()) for bits in widths
        )

    @property
    def limits_macs(self) -> bool:
        """True if a budget limits multiply-accumulates, which leave with removed channels."""
        return any(budget.name == MACS for budget in self.budgets)

    @property
    def granularity(self) -> str:
        """The granularity of the search; "auto" stands for that of the budgets."""
        asked = self.search.granularity
        return (COUPLED if self.limits_macs else "channel") if asked == AUTO else asked

    @property
    def removes_channels(self) -> bool:
        """True if it has to be known in advance which channels can be removed."""
        return self.limits_macs or self.granularity == COUPLED

    def _check_removal(self) -> None:
        """Refuse settings without removal where channels are to be removed."""
        if self.removes_channels:
            what = "a budget of multiply-accumulates" if self.limits_macs else f"the granularity {COUPLED}"
            if self.remove == "none":
                raise OptionError(f"{what} removes channels: leave out the removal 'none'")
            own = [option for options in self.rules.options.values() for option in options]
            if self.options is not None and all(option.bits for option in (*self.options, *own)):
                raise OptionError(f"{what} removes pruned channels: the options need 0")

    def _check_target(self) -> None:
        """Check the budgets: their names differ, and a target accuracy drop replaces the one of stored size."""
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


def _check_options(options: Sequence[Option], least: int) -> None:
    """Refuse equal options, and fewer than `least`."""
    if len(set(options)) != len(options) or len(options) < least:
        raise OptionError(f"options must be at least two different ones, not {', '.join(map(str, options))}")
