"""Memory that is free on this machine, to refuse in time what would not fit."""

from __future__ import annotations

import math
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def available_bytes() -> float:
    """Return the bytes that a process can still allocate without swapping; infinity if the system does not say.

    The limit of the control group that a container runs in counts, too.

    Example:
        >>> available_bytes() > 0
        True
    """
    return min(_free_on_machine(), _free_in_group())


def _free_on_machine() -> float:
    try:
        lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
        return 1024.0 * int(lines["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        return math.inf


def _free_in_group() -> float:
    try:
        most, used = (int((_GROUP / name).read_text()) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):  # no such file, or "max"
        return math.inf
    return float(max(most - used, 0))
