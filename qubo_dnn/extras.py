"""Optional dependencies, imported when first used and reported by the extra that brings them."""

from __future__ import annotations

import importlib
from types import ModuleType

from qubo_dnn.errors import MissingExtraError


def require(module: str, extra: str, error: type[MissingExtraError] = MissingExtraError) -> ModuleType:
    """Import an optional module.

    Args:
        module: dotted module name.
        extra: the extra of this distribution that installs it.
        error: what to raise when it is missing.

    Raises:
        MissingExtraError: (or `error`) the module cannot be imported; the text says what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as cause:
        raise error(f"{module} is not installed; run: pip install 'qubo-dnn[{extra}]'") from cause
