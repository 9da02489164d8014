"""Warnings about applied plans."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from qubo_dnn.compression.rewriting.held_out import Divergence
from qubo_dnn.compression.search.plan_evaluator import AppliedPlan, Trial
from qubo_dnn.compression.task.plan import Plan


@pytest.mark.parametrize(
    ("divergence", "limit", "constant", "words"),
    [
        (0.1, 0.2, 2.0, None),
        (0.3, 0.2, 2.0, "is not what was predicted: its held-out divergence is 0.3"),
        # However bad the prediction was.
        (1.0, 20.0, 2.0, "has lost much: its held-out divergence of 1 is 50 % of that of a network with constant"),
        (1.0, None, 2.0, "has lost much"),
        (0.5, 20.0, 2.0, None),
        # Nothing to compare with.
        (1.0, 20.0, 0.0, None),
    ],
)
def test_a_network_far_from_the_original_has_a_warning(
    divergence: float, limit: float | None, constant: float, words: str | None
) -> None:
    held_out = Divergence(np.array([divergence, divergence]))
    applied = AppliedPlan(Plan({}), nn.Identity(), {}, repaired=(), held_out=held_out, bare=held_out)
    warning = Trial(applied, None if limit is None else limit / 20.0, limit, constant).warning()
    assert (warning is None) == (words is None)
    assert words is None or words in str(warning)
