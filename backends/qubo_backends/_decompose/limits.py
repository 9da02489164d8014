"""What ends a run, and when one state is better than another."""

from __future__ import annotations

from typing import NamedTuple

from qubo_backends._shared import sampling
from qubo_dnn.local_search import LocalState

Rank = tuple[float, float]
"""Violation and objective of a state."""


class Stop(Exception):  # noqa: N818  # it is no error
    """The run ends: by its time limit, its target, Ctrl-C, or because the wrapped backend failed."""


class Limits(NamedTuple):
    """What ends a run.

    Attributes:
        watch: Ctrl-C, and the time limit.
        target: energy.
        blocks: number of blocks.
    """

    watch: sampling.InterruptGuard
    target: float
    blocks: float


class TimeIsUpError(Exception):
    """The share of one read is over."""


def rank_of(state: LocalState) -> Rank:
    """The rank of a state; fewer violations come first."""
    return float(state.violation), float(state.values[0])


def lower(one: Rank, other: Rank, rounding: float) -> bool:
    """Whether a rank is lower than another by more than rounding."""
    return bool(one[0] < other[0] or (one[0] == other[0] and one[1] < other[1] - rounding))
