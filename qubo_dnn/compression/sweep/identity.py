"""What the points of a sweep depend on, as words that can be compared."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import fields

from torch import nn

from qubo_dnn.compression.compress import Compressor
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.search.settings import SearchSettings
from qubo_dnn.compression.sensitivity.checkpoint import fingerprint
from qubo_dnn.compression.settings import CompressionSettings
from qubo_dnn.compression.task.budgets import Budget
from qubo_dnn.support.masking import masked

# They change where measurements are made and kept, not what is found; and the limits of the budgets are named apart.
_APART = {
    *("search", "budgets", "backend_options", "checkpoints", "replace_checkpoints", "cluster"),
    *("loss", "metric", "outputs", "tables"),
}


def identity(
    compressor: Compressor, budgets: Sequence[Budget], model: nn.Module, calibration: Data, test: Data | None
) -> dict[str, str]:
    """Return name -> words or hash of everything that determines the points of a sweep; all data are read once.

    Code of the user is known by its name alone.

    Args:
        compressor: formulation, backend and settings; of its budgets the first ones, which all points keep, count.
        budgets: the budgets of the points.
        model: the network.
        calibration: images to measure on.
        test: images for the final evaluation, or None.

    Example:
        >>> def seeds(compressor: Compressor, model: nn.Module, images: Data) -> str:
        ...     return identity(compressor, [], model, images, None)["seed"]
    """
    settings = compressor.settings
    given = fingerprint(model, [], calibration, None, {})
    found = {
        "network": given["network"],
        "calibration images": given["data"],
        "test images": "none" if test is None else fingerprint(nn.Identity(), [], test, None, {})["data"],
        "formulation": compressor.formulation.name,
        "backend": compressor.backend.name,
        "budgets": ", ".join(budget.text for budget in budgets),
        "budgets that all points keep": ", ".join(budget.text for budget in settings.budgets[:-1]),
        "loss": settings.loss.name,
        "metric": "none" if settings.metric is None else settings.metric.name,
        "compared outputs": ", ".join(
            f"{each.name}={'' if each.loss is None else each.loss.name}*{each.weight}" for each in settings.outputs
        ),
        "tables": _hashed(settings.tables),
        # Which account a service is asked by changes no result, and a token must not be written.
        "backend options": _words(masked(settings.search.backend_options)),
    }
    for part in (settings, settings.search):
        found |= {name.replace("_", " "): _words(getattr(part, name)) for name in _names(part) if name not in _APART}
    return found


def _names(part: CompressionSettings | SearchSettings) -> list[str]:
    return [each.name for each in fields(part)]


def _words(value: object) -> str:
    """Describe a value: as it is written, without addresses, which differ between processes; sets in order."""
    if isinstance(value, frozenset):
        value = sorted(value)
    return re.sub(r" at 0x[0-9a-f]+", "", str(value) if isinstance(value, str) else repr(value))


def _hashed(value: object) -> str:
    return hashlib.sha256(_words(value).encode()).hexdigest()
