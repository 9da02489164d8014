"""Optional dependencies: imported at first use; an error names the extra that installs them."""

from __future__ import annotations

import importlib
from types import ModuleType

from qubo_dnn.errors import MissingExtraError


def require(module: str, extra: str, error: type[MissingExtraError] = MissingExtraError) -> ModuleType:
    """Import an optional module.

    Args:
        module: dotted module name.
        extra: the extra of this distribution that installs it.
        error: class of the error if the import fails.

    Raises:
        MissingExtraError: (or `error`) the module cannot be imported. The text gives the command that installs it, and
            the cause if the module is installed but does not load.

    Example:
        >>> require("json", "plot").dumps([1, 2])
        '[1, 2]'
        >>> require("no_such_module", "plot")
        Traceback (most recent call last):
        qubo_dnn.errors.MissingExtraError: no_such_module is not installed; run: pip install 'qubo-dnn[plot]'
    """
    try:
        return importlib.import_module(module)
    except ImportError as cause:
        missing = isinstance(cause, ModuleNotFoundError) and f"{module}.".startswith(f"{cause.name}.")
        fault = "is not installed" if missing else f"cannot be imported ({' '.join(str(cause).split())})"
        raise error(f"{module} {fault}; run: pip install 'qubo-dnn[{extra}]'") from cause
