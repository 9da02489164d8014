"""How torch computes on workers, where several processes share the cores."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from qubo_dnn.support.allocation import keep_freed_memory


def current_process() -> str:
    """Return a name of this process that no other one has, on any machine.

    Example:
        >>> current_process() == current_process()
        True
    """
    return f"{socket.gethostname()}:{os.getpid()}"


@contextmanager
def as_worker(process: str) -> Iterator[None]:
    """Compute on one thread until the block ends, and keep freed memory, except in the process that is named.

    Results on one thread do not depend on the number of cores of a worker.

    Args:
        process: `current_process()` where the tasks come from.

    Example:
        >>> with as_worker("another"):
        ...     torch.get_num_threads()
        1
    """
    if process == current_process():
        yield
        return
    keep_freed_memory()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
