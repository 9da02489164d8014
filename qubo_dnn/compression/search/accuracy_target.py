"""Find the smallest network whose accuracy drops by at most a given share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import Loss
from qubo_dnn.compression.losses.metrics import Metric
from qubo_dnn.compression.network.inference import evaluate
from qubo_dnn.compression.search.search import Search, SearchResult
from qubo_dnn.errors import BudgetError, OptionError

# Sizes are bracketed to within 1 %. If the backend's plan is worse than the local one, try slightly larger sizes.
_PRECISION, _MORE, _TRIES = 0.01, 1.02, 6


@dataclass(frozen=True, eq=False)
class AccuracyTarget:
    """A lower limit on the accuracy of a network on held-out images, or on a metric of the user's.

    Args:
        given: the original network.
        drop: largest drop of the accuracy, as a share of the held-out images, 0 to 1; or of the metric, > 0.
        held_out: images not used for measuring; their number limits the resolution of the drop.
        loss: a classification loss, unless there is a metric.
        metric: the metric; None: the accuracy.

    Raises:
        OptionError: the drop is out of range, or there is no accuracy: the loss has none, or there are no labels.

    Example:
        >>> import torch
        >>> from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
        >>> data = Data.from_tensors(torch.eye(3), torch.arange(3))
        >>> target = AccuracyTarget(nn.Identity(), drop=0.1, held_out=data, loss=CROSS_ENTROPY)
        >>> round(target.least, 6), target.is_met(nn.Identity())
        (0.9, True)
    """

    given: nn.Module
    drop: float
    held_out: Data
    loss: Loss
    metric: Metric | None = None

    def __post_init__(self) -> None:
        if self.metric is not None:
            if not 0.0 < self.drop < math.inf:
                raise OptionError(f"the drop of the metric must be a number > 0, not {self.drop}")
            return
        if not 0.0 < self.drop < 1.0:
            raise OptionError(f"the accuracy drop must be within 0 and 1, not {self.drop}")
        if not self.loss.classification:
            raise OptionError(
                f"a target accuracy drop needs a loss of classification, or a metric; {self.loss.name} has no accuracy"
            )
        if not self.held_out.has_targets:
            raise OptionError("a target accuracy drop needs labels, or a metric that does without them")

    @cached_property
    def least(self) -> float:
        """The least accuracy or metric allowed."""
        # Allow a margin, because 0.8 - 0.1 is slightly more than 0.7 in floating point.
        given = self._measured(self.given)
        return given - self.drop - 1e-12 * max(1.0, abs(given))

    def is_met(self, network: nn.Module) -> bool:
        """Return whether a network is accurate enough."""
        return self._measured(network) >= self.least

    def _measured(self, network: nn.Module) -> float:
        found = evaluate(network, self.held_out, loss=self.loss, metric=self.metric)
        value = found.accuracy if self.metric is None else found.metric
        assert value is not None
        return value

    def __str__(self) -> str:
        if self.metric is not None:
            return f"{self.drop:.4g} of {self.metric.name} on the {len(self.held_out)} held-out images"
        return f"{100 * self.drop:.4g} points of accuracy on the {len(self.held_out)} held-out images"


class SizedSearch(Protocol):
    """A search for plans within a limit of stored bits.

    Example:
        >>> def widest(search: SizedSearch) -> SearchResult:
        ...     smallest, largest = search.sizes()
        ...     return search.run(largest)
    """

    def sizes(self) -> tuple[float, float]:
        """Return the stored bits of the smallest and of the largest network."""

    def quick(self, limit: float) -> nn.Module | None:
        """Return the network of a quick plan; None if no plan within the limit is found."""

    def run(self, limit: float) -> SearchResult:
        """Run the full search.

        Raises:
            QuboDnnError: see `Search.run`.
        """


class SizesOf:
    """A `Search` as a `SizedSearch`: it measures and tunes at construction; quick plans come from local descent.

    Args:
        search: search for a task without a budget of stored size; its other budgets apply.

    Example:
        >>> def quick_network(search: Search, bits: float) -> nn.Module | None:
        ...     return SizesOf(search).quick(bits)
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        # Tune in the middle of all sizes.
        self._parameters = search.tuner.tune(replace(search.measured(), limit=sum(self.sizes()) / 2))

    def sizes(self) -> tuple[float, float]:
        """See `SizedSearch`."""
        task = self._search.measured()
        least = np.where(task.choices, task.cost, task.cost.max())
        most = np.where(task.choices, task.cost, 0)
        return float(task.overhead + least.min(axis=1).sum()), float(task.overhead + most.max(axis=1).sum())

    def quick(self, limit: float) -> nn.Module | None:
        """See `SizedSearch`."""
        search = self._search
        bounded = replace(search.measured(), limit=limit)
        try:
            formulated = search.formulation.from_task(bounded, **self._parameters)
        except BudgetError:
            # A formulation may not reach the smallest size.
            return None
        plan = search.tuner.quick_plan(formulated)
        return search.evaluator(plan).network if bounded.meets(plan) else None

    def run(self, limit: float) -> SearchResult:
        """See `SizedSearch`."""
        return self._search.run(limit)


def smallest_within(search: SizedSearch, target: AccuracyTarget, progress: Callable[[int, int], None]) -> SearchResult:
    """Find the smallest network that meets an accuracy target.

    Quick plans bracket the size; the full search then runs at the smallest size that met the target.

    Args:
        search: the search; its results must improve with the limit.
        target: the target.
        progress: called after every bracketing step with the number of steps done and their total.

    Raises:
        BudgetError: no network of any size, or none that the backend finds, meets the target.
        KeyboardInterrupt: the backend was interrupted, and its result does not meet the target.

    Example:
        >>> def smallest(search: Search, target: AccuracyTarget) -> SearchResult:
        ...     return smallest_within(SizesOf(search), target, progress=lambda done, total: None)
    """

    def possible(limit: float) -> bool:
        network = search.quick(limit)
        return network is not None and target.is_met(network)

    low, high = search.sizes()
    steps = max(0, int(np.ceil(np.log2(max(np.log(high / low), 1e-12) / _PRECISION))))
    if not possible(high):
        raise BudgetError(f"even without a limit of size the network loses more than {target}")
    for step in range(steps):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if possible(middle) else (middle, high)
        progress(step + 1, steps)
    for power in range(_TRIES):
        found = search.run(high * _MORE**power)
        if target.is_met(found.applied.network):
            return found
        if found.interrupted:
            raise KeyboardInterrupt
    raise BudgetError(f"the backend {found.solution.backend!r} found no network that loses at most {target}")
