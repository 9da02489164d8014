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

from bench.macs.chains import Chain

Floats = NDArray[np.float64]
# Prices at which labels are bounded, as multiples of the best one; halvings of the bracket of that one.
_PRICES, _HALVINGS = (0.8, 0.95, 1.0, 1.05, 1.25), 60
# Rounding errors of sums of losses, relative.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Counts:
    """An optimum.

    Attributes:
        kept: number of channels that stay in every layer; of each, those with the largest losses.
        loss: its loss.
        bound: the bound by a price alone; the difference is what a price cannot see.
        labels: number of labels kept.
    """

    kept: tuple[int, ...]
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
    labels, total = [_Labels.first()], 0
    for layer, losses in enumerate(program.losses):
        before, labels = labels, []
        for place, own in enumerate(losses):
            reached = _Labels.joined(before, program.steps(layer)[:, place], own, place + 1)
            kept = reached.cost + program.cheapest[layer][place] <= chain.limit
            for each, tail in tails:
                kept &= reached.loss + each * (reached.cost - chain.limit) + tail[layer][place] <= least
            labels.append(reached.of(np.flatnonzero(kept)).undominated())
        total += sum(len(each.cost) for each in labels)
    best = min((each for each in labels if len(each.cost)), key=lambda each: each.loss.min())
    place = int(best.loss.argmin())
    return Counts(kept=tuple(best.counts[place].tolist()), loss=float(best.loss[place]), bound=bound, labels=total)


@dataclass(frozen=True)
class _Labels:
    """Choices of counts up to a layer.

    Attributes:
        cost, loss: [labels] of the layers so far.
        counts: [labels, layers] channels that stay.
    """

    cost: Floats
    loss: Floats
    counts: NDArray[np.int16]

    @classmethod
    def first(cls) -> _Labels:
        """Return the one label in front of all layers."""
        return cls(np.zeros(1), np.zeros(1), np.zeros((1, 0), np.int16))

    @classmethod
    def joined(cls, before: list[_Labels], steps: Floats, loss: float, count: int) -> _Labels:
        """Return the labels that keep `count` channels, behind labels by the count of the layer before."""
        counts = np.concatenate([each.counts for each in before])
        return cls(
            cost=np.concatenate([each.cost + step for each, step in zip(before, steps, strict=True)]),
            loss=np.concatenate([each.loss for each in before]) + loss,
            counts=np.column_stack([counts, np.full(len(counts), count, np.int16)]),
        )

    def of(self, chosen: NDArray[np.intp]) -> _Labels:
        """Return some of the labels."""
        return _Labels(self.cost[chosen], self.loss[chosen], self.counts[chosen])

    def undominated(self) -> _Labels:
        """Return the labels that no other one is better than in both cost and loss, by ascending cost."""
        order = np.lexsort((self.loss, self.cost))
        loss = self.loss[order]
        better = np.ones(len(order), bool)
        better[1:] = loss[1:] < np.minimum.accumulate(loss)[:-1]
        return self.of(order[better])


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
        before = np.ones(1) if layer == 0 else np.arange(1.0, len(self.losses[layer - 1]) + 1)
        return self.chain.factors[layer] * np.outer(before, np.arange(1.0, len(self.losses[layer]) + 1))

    def tails(self, price: float, losses: list[Floats] | None = None) -> list[Floats]:
        """Return for every layer [counts] the least sum of losses and of costs at a price, of the layers behind it."""
        losses = self.losses if losses is None else losses
        tails = [price * self.chain.factors[-1] * np.arange(1.0, len(losses[-1]) + 1)]
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
