"""The exact optimum of a chain with a separable loss: only the number of channels kept matters in every layer.

Dynamic programming over the layers: a label is the loss and the cost of a choice of counts up to a layer. Of labels
that keep equally many channels there, those that are worse in both are dropped, and so are those that no continuation
brings below the best known answer: with the cost at a price, the best continuation is the shortest path through the
counts of the layers behind, which bounds all that keep the budget from below (weak duality).

Source: Handler & Zang 1980, "A dual algorithm for the constrained shortest path problem"; Dumitrescu & Boland 2003,
"Improved preprocessing, labeling and scaling algorithms for the weight-constrained shortest path problem".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.macs.chains import CLASSES, COLOURS, Chain

Floats = NDArray[np.float64]
# Prices at which labels are bounded, as multiples of the best one; halvings of the bracket of that one.
_PRICES, _HALVINGS = (0.8, 0.95, 1.0, 1.05, 1.25), 60
# Rounding errors of sums of losses, relative.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Counts:
    """An optimum.

    Attributes:
        loss: its loss.
        bound: the bound by a price alone; the difference is what a price cannot see.
        labels: number of labels kept.
    """

    loss: float
    bound: float
    labels: int


def best_counts(chain: Chain) -> Counts:
    """Return the least loss within the budget, over all numbers of channels kept, at least one in every layer.

    Example:
        >>> from bench.macs.chains import vgg_chain
        >>> chain = vgg_chain((2,), share=0.5, seed=1)
        >>> bool(best_counts(chain).loss == min(chain.losses[0]))
        True
    """
    program = _Program(chain)
    price, known = program.price()
    tails = [(each, program.tails(each)) for each in (factor * price for factor in _PRICES)]
    bound = max(program.least(each, tail) - each * chain.limit for each, tail in tails)
    least = known * (1.0 + _ROUNDING)
    labels, total = [(np.zeros(1), np.zeros(1))], 0
    for layer, losses in enumerate(program.losses):
        before, labels = labels, []
        for place, own in enumerate(losses):
            steps = program.steps(layer)[:, place]
            cost = np.concatenate([cost + step for (cost, _), step in zip(before, steps, strict=True)])
            loss = np.concatenate([loss for _, loss in before]) + own
            kept = cost + program.cheapest[layer][place] <= chain.limit
            for each, tail in tails:
                kept &= loss + each * (cost - chain.limit) + tail[layer][place] <= least
            labels.append(_undominated(cost[kept], loss[kept]))
        total += sum(len(cost) for cost, _ in labels)
    return Counts(loss=min(float(loss.min(initial=math.inf)) for _, loss in labels), bound=bound, labels=total)


class _Program:
    """Losses and costs by counts.

    Attributes:
        losses: [channels] of every layer: the least loss if 1, 2, ... channels stay.
        cheapest: [channels] of every layer: the least cost of the layers behind it.
    """

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.losses = [np.append(np.cumsum(np.sort(each)[:-1])[::-1], 0.0) for each in chain.losses]
        self.cheapest = self.tails(1.0, [np.zeros(len(each)) for each in self.losses])

    def steps(self, layer: int) -> Floats:
        """Return [counts of the layer before, counts] the cost of a layer."""
        before = np.array([COLOURS]) if layer == 0 else np.arange(1, len(self.losses[layer - 1]) + 1)
        return self.chain.factors[layer] * np.outer(before, np.arange(1.0, len(self.losses[layer]) + 1))

    def tails(self, price: float, losses: list[Floats] | None = None) -> list[Floats]:
        """Return for every layer [counts] the least sum of losses and of costs at a price, of the layers behind it."""
        losses = self.losses if losses is None else losses
        tails = [price * self.chain.factors[-1] * CLASSES * np.arange(1.0, len(losses[-1]) + 1)]
        for layer in range(len(losses) - 1, 0, -1):
            tails.insert(0, (losses[layer] + tails[0] + price * self.steps(layer)).min(axis=1))
        return tails

    def least(self, price: float, tails: list[Floats]) -> float:
        """Return the least sum of all losses and of all costs at a price."""
        return float((self.losses[0] + price * self.steps(0)[0] + tails[0]).min())

    def price(self) -> tuple[float, float]:
        """Return the least price at which a shortest path keeps the budget, and the best loss of such a path."""
        low, high = 0.0, 1.0
        while not self._met(high)[0]:
            low, high = high, 4.0 * high
        best = self._met(high)[1]
        for _ in range(_HALVINGS):
            middle = math.sqrt(low * high) if low else high / 4.0
            met, loss = self._met(middle)
            low, high = (low, middle) if met else (middle, high)
            best = min(best, loss) if met else best
        return high, best

    def _met(self, price: float) -> tuple[bool, float]:
        """Return whether the shortest path at a price keeps the budget, and its loss."""
        tails = self.tails(price)
        counts: list[int] = []
        for layer, losses in enumerate(self.losses):
            steps = self.steps(layer)[counts[-1] - 1 if counts else 0]
            counts.append(int(np.argmin(losses + price * steps + tails[layer])) + 1)
        loss = sum(float(losses[count - 1]) for losses, count in zip(self.losses, counts, strict=True))
        return self.chain.macs(tuple(counts)) <= self.chain.limit, loss


def _undominated(cost: Floats, loss: Floats) -> tuple[Floats, Floats]:
    """Return the labels that no other one is better than in both."""
    order = np.lexsort((loss, cost))
    cost, loss = cost[order], loss[order]
    better = np.append(True, loss[1:] < np.minimum.accumulate(loss)[:-1]) if len(loss) else np.zeros(0, bool)
    return cost[better], loss[better]
