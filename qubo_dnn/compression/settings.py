"""How to compress, and the refusal of what cannot be compressed or cannot be meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qubo_dnn.backend import Backend, make_options
from qubo_dnn.bounds.certificate import check_time
from qubo_dnn.compression.network.dataset import Data
from qubo_dnn.compression.network.loading import check_network
from qubo_dnn.compression.network.losses import CROSS_ENTROPY, Loss
from qubo_dnn.compression.quantization.candidates import check_compensation
from qubo_dnn.compression.search.measured_reward import check_reward
from qubo_dnn.compression.search.plan_evaluator import RECOVERY_MODES
from qubo_dnn.compression.search.settings import MEASURED, SearchSettings
from qubo_dnn.compression.task.budgets import SIZE, check_names, parse_budget
from qubo_dnn.compression.task.granularity import group_size
from qubo_dnn.compression.task.layer_rules import Rules
from qubo_dnn.compression.task.options import Option
from qubo_dnn.errors import DataError, OptionError, suggestion

# More rounds, answers or probes than any run could carry out.
_MANY = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to compress.

    Attributes:
        budgets: limits, as `qubo_dnn.compression.task.budgets.parse_budget` reads them; at most one of each kind.
        tables: name -> CSV file of costs; see `qubo_dnn.compression.task.cost_tables`.
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
        search: how to search.
    """

    budgets: tuple[str, ...] = ()
    tables: Mapping[str, Path] = field(default_factory=dict)
    target_accuracy_drop: float | None = None
    options: tuple[Option, ...] | None = None
    rules: Rules = field(default_factory=Rules)
    compensation: str = "none"
    recovery: str = "auto"
    loss: Loss = CROSS_ENTROPY
    held_out: float = 0.25
    certify: float | None = None
    search: SearchSettings = field(default_factory=SearchSettings)


def check_kinds(
    model: object, calibration: object, test: object, formulation: object, backend: object, settings: object
) -> None:
    """Refuse arguments of another kind than `compress` takes.

    Raises:
        ModelError: the network is none.
        DataError: the images are no `Data`.
        OptionError: another argument is of the wrong kind.
    """
    check_network(model)
    for name, data in (("calibration", calibration), ("test", test)):
        if not isinstance(data, Data) and (name == "calibration" or data is not None):
            raise DataError(
                f"the {name} images are {type(data).__name__}, not qubo_dnn.compression.network.dataset.Data; see its "
                "from_tensors, and load_data"
            )
    if not isinstance(formulation, type):
        raise OptionError(f"the formulation is {type(formulation).__name__}, not a class; see get_formulation")
    if isinstance(backend, type) or not isinstance(backend, Backend):
        raise OptionError(f"the backend is {_described(backend)}, not an instance of one; see get_backend")
    if not isinstance(settings, Settings):
        raise OptionError(f"the settings are {_described(settings)}, not qubo_dnn.compression.settings.Settings")


def _described(given: object) -> str:
    return f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__


def check_settings(common: Sequence[Option], backend: Backend, settings: Settings) -> None:
    """Refuse settings that cannot be.

    Raises:
        OptionError: the text says which.
    """
    make_options(backend, settings.search.backend_options)
    if settings.certify is not None:
        check_time(settings.certify)
    check_reward(settings.search.reward, backend)
    if settings.search.reward == MEASURED:
        if settings.target_accuracy_drop is not None:
            raise OptionError(
                "a target accuracy drop is bracketed with a model of the loss, and takes no measured reward"
            )
        if settings.certify is not None:
            raise OptionError("of a measured reward nothing can be proven: certify what a model of the loss is made of")
    if len(set(common)) != len(common) or len(common) < 2:
        raise OptionError(f"options must be at least two different ones, not {', '.join(map(str, common))}")
    check_compensation(settings.compensation)
    if settings.recovery not in RECOVERY_MODES:
        raise OptionError(f"unknown recovery {settings.recovery!r}{suggestion(settings.recovery, RECOVERY_MODES)}")
    for name, least, most in (("rounds", 1, _MANY), ("rerank", 1, _MANY), ("probes", 1, _MANY), ("seed", 0, 2**63 - 1)):
        value = getattr(settings.search, name)
        if value is not None and not least <= value <= most:
            limit = f"at least {least}" if value < least else f"at most {most:,}"
            raise OptionError(f"{name} must be {limit}, not {value}")
    if not settings.search.memory > 0.0:
        raise OptionError(f"the memory must be a number of GiB > 0, not {settings.search.memory}")
    group_size(settings.search.granularity, 1)
    if not 0.0 < settings.held_out < 1.0:
        raise OptionError(f"the held-out share must be within 0 and 1, not {settings.held_out}")
    parsed = [parse_budget(text) for text in settings.budgets]
    if settings.target_accuracy_drop is None or parsed:
        check_names(parsed)
    if settings.target_accuracy_drop is not None and any(budget.name == SIZE for budget in parsed):
        raise OptionError("a target accuracy drop asks for the smallest size, and takes no budget of stored size")
    if unused := settings.tables.keys() - {budget.name for budget in parsed}:
        name = min(unused)
        raise OptionError(f"no budget uses the table {name!r}; give one such as --budget {name}=60%")
