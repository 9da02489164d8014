"""Set up a worker of Dask on this machine; Dask imports the module and calls `dask_setup` as the worker starts."""

from __future__ import annotations

import signal
import sys
from typing import Any


def dask_setup(worker: object) -> None:  # noqa: ARG001 - Dask passes it
    """Let Ctrl-C pass, which a terminal sends to all processes of a command: the main process interrupts the tasks.

    Example:
        >>> before = signal.getsignal(signal.SIGINT), sys.unraisablehook
        >>> dask_setup(None)
        >>> signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        True
        >>> _, sys.unraisablehook = signal.signal(signal.SIGINT, before[0]), before[1]
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.unraisablehook = _report


def _report(fault: Any) -> None:
    """Report a fault as Python does, except an interrupt that has met a callback of the garbage collector."""
    if not issubclass(fault.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(fault)
