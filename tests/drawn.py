"""The number of random cases that a test draws: all of them, or a quarter if the tests marked slow are left out."""

from __future__ import annotations

import os

QUICK = "QUBO_DNN_QUICK_TESTS"
"""Environment variable that `tests/conftest.py` sets, so that workers draw as many cases as the process they serve."""


def drawn(count: int) -> int:
    """Return how many of `count` random cases to draw, at least one."""
    return max(1, count // 4) if os.environ.get(QUICK) else count
