from __future__ import annotations

import os

import numpy as np
import pytest

from bench.processes import measured
from qubo_dnn.errors import BackendFailedError


def test_memory_is_that_of_the_function_alone() -> None:
    mebibytes = 200
    inflated = np.ones(mebibytes << 18)  # twice as much in this process
    took = measured(np.ones, mebibytes << 17)
    assert len(inflated) == 2 * len(took.value)
    assert mebibytes << 20 <= took.peak_bytes - took.before_bytes
    assert took.before_bytes < inflated.nbytes
    assert took.seconds > 0.0


def test_a_process_that_dies_is_said() -> None:
    with pytest.raises(BackendFailedError, match="_exit ended with exit code 7"):
        measured(os._exit, 7)
