"""Make the settings of a compression from options as they are typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qubo_dnn.cli.common import arguments
from qubo_dnn.cli.compress_inputs import share

if TYPE_CHECKING:
    from qubo_dnn.backend import Backend
    from qubo_dnn.compression.settings import CompressionSettings
    from qubo_dnn.compression.task.budgets import Budget
    from qubo_dnn.compression.task.formats import Formats
    from qubo_dnn.compression.task.task import CompressionFormulation


def solver_options(
    backend: Backend, option: Sequence[str] | None, time_limit: float | None, seed: int
) -> dict[str, str | float]:
    """Return the options of a backend, with the seed if it takes one.

    Raises:
        OptionError: an option is malformed, or given twice.
    """
    found = arguments.assignments("--option", option, {"time_limit": time_limit})
    if backend.capabilities.seeded:
        found.setdefault("seed", str(seed))
    return found


def make_settings(
    formulated: type[CompressionFormulation],
    formats: Formats,
    budgets: Sequence[Budget],
    *,
    backend_options: Mapping[str, str | float],
    direct: bool,
    table: Sequence[str] | None,
    target_accuracy_drop: str | None,
    activation_ranges: str,
    granularity: str,
    skip: Sequence[str] | None,
    layer_options: Sequence[str] | None,
    tie: Sequence[str] | None,
    loss: str,
    output: Sequence[str] | None,
    metric: str | None,
    objective: str | None,
    parameter: Sequence[str] | None,
    held_out: float,
    rounds: int,
    rerank: int,
    probes: int | None,
    memory: float,
    reward: str,
    certify: float | None,
    seed: int,
    compensation: str,
    recovery: str,
    remove: str,
    checkpoints: Path,
    replace_checkpoints: bool,
) -> CompressionSettings:
    """Parse options; those that are not texts or numbers are parsed already.

    Formats and budgets are parsed already, `backend_options` come from `solver_options`, and `direct` says whether
    separable problems are solved without the backend. The others are as typed, see `qubo_dnn.cli.compress_options`.

    Raises:
        OptionError: an option is malformed or invalid.
        FileFormatError: a cost table cannot be read.
    """
    from qubo_dnn.compression.losses.joint_loss import parse_term
    from qubo_dnn.compression.losses.losses import load_loss
    from qubo_dnn.compression.losses.metrics import load_metric
    from qubo_dnn.compression.search.settings import SearchSettings
    from qubo_dnn.compression.settings import CompressionSettings
    from qubo_dnn.compression.task.cost_tables import read_table
    from qubo_dnn.compression.task.layer_rules import Rules
    from qubo_dnn.parameters import make_parameters

    return CompressionSettings(
        budgets=tuple(budgets),
        tables={name: read_table(Path(file)) for name, file in arguments.assignments("--table", table, {}).items()},
        target_accuracy_drop=None if target_accuracy_drop is None else share(target_accuracy_drop),
        options=formats.options,
        activations=formats.activations,
        excluded_formats=formats.excluded,
        activation_ranges=activation_ranges,
        rules=Rules.parse(
            skip or (),
            arguments.assignments("--layer-options", layer_options, {}),
            [names.split(",") for names in tie or ()],
        ),
        compensation=compensation,
        recovery=recovery,
        remove=remove,
        loss=load_loss(loss),
        outputs=tuple(map(parse_term, output or ())),
        metric=None if metric is None else load_metric(metric),
        held_out=held_out,
        certify=certify,
        search=SearchSettings(
            granularity=granularity,
            parameters=make_parameters(
                formulated, arguments.assignments("--parameter", parameter, {"objective": objective})
            ),
            backend_options=backend_options,
            rounds=rounds,
            rerank=rerank,
            reward=reward,
            probes=probes,
            memory=memory,
            direct=direct,
            seed=seed,
            checkpoints=checkpoints,
            replace_checkpoints=replace_checkpoints,
        ),
    )
