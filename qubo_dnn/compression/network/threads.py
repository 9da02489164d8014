"""Threads of torch on workers, where several processes share the cores."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def current_process() -> str:
    """Return a name of this process that no other one has, on any machine.

    Example:
        >>> current_process() == current_process()
        True
    """
    return f"{socket.gethostname()}:{os.getpid()}"


@contextmanager
def on_one_thread(process: str) -> Iterator[None]:
    """Compute on one thread until the block ends, except in the process that is named.

    Results on one thread do not depend on the number of cores of a worker.

    Args:
        process: `current_process()` where the tasks come from.

    Example:
        >>> with on_one_thread("another"):
        ...     torch.get_num_threads()
        1
    """
    before = torch.get_num_threads()
    if process == current_process() or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
