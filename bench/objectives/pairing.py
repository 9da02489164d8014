"""Objectives compared seed by seed, so that what a seed does to all of them drops out."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import t as student

from bench.objectives.results import ObjectiveRow

CONFIDENCE = 0.9


@dataclass(frozen=True)
class Ratio:
    """How the divergences of one objective relate to those of another, over the seeds that both have.

    Attributes:
        mean: geometric mean of the ratios.
        low, high: confidence interval of the mean by Student's t on the logarithms; 0 and infinity of one seed, unless
            both objectives gave the same.
        seeds: how many.

    Example:
        >>> ratio = Ratio(mean=0.8, low=0.7, high=0.9, seeds=3)
        >>> ratio.clear, str(ratio)
        (True, '**0.80** (0.70 to 0.90)')
    """

    mean: float
    low: float
    high: float
    seeds: int

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 1."""
        return not self.low <= 1.0 <= self.high

    def __str__(self) -> str:
        if self.low == self.high == 1.0:
            return "same"
        if self.seeds == 1:
            return f"{self.mean:.2f} (one seed)"
        text = f"**{self.mean:.2f}**" if self.clear else f"{self.mean:.2f}"
        return f"{text} ({self.low:.2f} to {self.high:.2f})"


def ratio(ones: Sequence[ObjectiveRow], others: Sequence[ObjectiveRow]) -> Ratio | None:
    """The ratio of divergences, ones over others; None without a common seed.

    Args:
        ones: rows of one network, setting and objective, of any seeds.
        others: the same of another objective.
    """
    theirs = {row.seed: row.divergence for row in others}
    logs = [math.log(row.divergence / theirs[row.seed]) for row in ones if row.seed in theirs]
    if not logs:
        return None
    mean = statistics.fmean(logs)
    if not any(logs):
        half = 0.0
    elif len(logs) == 1:
        half = math.inf
    else:
        half = student.ppf((1 + CONFIDENCE) / 2, len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
    return Ratio(math.exp(mean), math.exp(mean - half), math.exp(mean + half), len(logs))
