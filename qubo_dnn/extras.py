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
        MissingExtraError: (or `error`) the module cannot be imported; the text says what to install, and what is
            wrong where the module is there but does not load.
    """
    try:
        return importlib.import_module(module)
    except ImportError as cause:
        missing = isinstance(cause, ModuleNotFoundError) and f"{module}.".startswith(f"{cause.name}.")
        fault = "is not installed" if missing else f"cannot be imported ({' '.join(str(cause).split())})"
        raise error(f"{module} {fault}; run: pip install 'qubo-dnn[{extra}]'") from cause
