"""Set up a worker of Dask on this machine; Dask imports the module and calls `dask_setup` as the worker starts."""

from __future__ import annotations

import signal


def dask_setup(worker: object) -> None:  # noqa: ARG001 - Dask passes it
    """Let Ctrl-C pass, which a terminal sends to all processes of a command: the main process interrupts the tasks.

    Example:
        >>> before = signal.getsignal(signal.SIGINT)
        >>> dask_setup(None)
        >>> signal.signal(signal.SIGINT, before) is signal.SIG_IGN
        True
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
