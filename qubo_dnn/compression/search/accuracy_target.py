"""The alternative question: the smallest network whose accuracy falls by no more than so much."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import nn

from qubo_dnn.compression.network.dataset import Data
from qubo_dnn.compression.network.inference import evaluate
from qubo_dnn.compression.network.losses import Loss
from qubo_dnn.compression.search.plan_evaluator import Attempt
from qubo_dnn.compression.search.search import Found, Search
from qubo_dnn.compression.task.task import CompressionTask
from qubo_dnn.errors import BudgetError, OptionError

# Sizes are bracketed to within a hundredth; if the backend's plan falls short of the local one, a little more is given.
_PRECISION, _MORE, _TRIES = 0.01, 1.02, 6


def smallest_within(search: Search, drop: float, held_out: Data, loss: Loss) -> Found:
    """The smallest network found whose accuracy is at most `drop` below that of the network as given.

    The size is bracketed with plans of local descent, and the search then runs in full at the smallest size that held.

    Args:
        search: of a task without a budget of stored size; its other budgets are kept.
        drop: share of the held-out images, 0 to 1.
        held_out: images that nothing was measured on; the drop is known to one of them.
        loss: of classification.

    Raises:
        OptionError: the drop is out of range, or the loss has no accuracy.
        BudgetError: no network of any size, or none that the backend finds, is that accurate.
        KeyboardInterrupt: the backend was interrupted, and what it had found is not that accurate.
    """
    if not 0.0 < drop < 1.0:
        raise OptionError(f"the accuracy drop must be within 0 and 1, not {drop}")
    if not loss.classification:
        raise OptionError(f"a target accuracy drop needs a loss of classification; {loss.name} has no accuracy")
    needed = _accuracy(search.evaluator.model, held_out, loss) - drop

    def holds(attempt: Attempt) -> bool:
        return _accuracy(attempt.network, held_out, loss) >= needed - 1e-12

    task = search.measured()
    low, high = _sizes(task)
    parameters = search.tuner.tune(replace(task, limit=(low + high) / 2))
    search.reporter.stage("bracket the size")

    def possible(limit: float) -> bool:
        bounded = replace(task, limit=limit)
        try:
            formulated = search.formulation.from_task(bounded, **parameters)
        except BudgetError:
            # A formulation may need more than the smallest size.
            return False
        plan = search.tuner.quick_plan(formulated.compile())
        return bounded.meets(plan) and holds(search.evaluator(plan))

    steps = max(0, int(np.ceil(np.log2(max(np.log(high / low), 1e-12) / _PRECISION))))
    if not possible(high):
        raise BudgetError(
            f"even without a limit of size the network loses more than {100 * drop:.4g} points of accuracy on the "
            f"{len(held_out)} held-out images"
        )
    for step in range(steps):
        middle = (low * high) ** 0.5
        if possible(middle):
            high = middle
        else:
            low = middle
        search.reporter.progress(step + 1, steps)
    limit = high
    for _ in range(_TRIES):
        found = search.run(limit)
        if holds(found.attempt):
            return found
        if found.interrupted:
            raise KeyboardInterrupt
        limit *= _MORE
    raise BudgetError(
        f"the backend {search.backend.name!r} found no network within {100 * drop:.4g} points of accuracy"
    )


def _accuracy(network: nn.Module, data: Data, loss: Loss) -> float:
    accuracy = evaluate(network, data, loss=loss).accuracy
    assert accuracy is not None
    return accuracy


def _sizes(task: CompressionTask) -> tuple[float, float]:
    """Stored bits of the smallest and of the largest network."""
    least, most = np.where(task.choices, task.cost, task.cost.max()), np.where(task.choices, task.cost, 0)
    return float(task.overhead + least.min(axis=1).sum()), float(task.overhead + most.max(axis=1).sum())
