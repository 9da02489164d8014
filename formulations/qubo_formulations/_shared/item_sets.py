"""Base classes of formulations whose answers are sets of items, given by their positions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

from qubo_dnn.constraint import Constraint
from qubo_dnn.errors import FormulationError
from qubo_dnn.problem import Sample
from qubo_formulations._shared.graphs import subsets
from qubo_formulations._shared.models import linear_model


class ItemSet:
    """One variable `x[i]` per item, which is 1 if the item is in the answer.

    Args:
        count: number n of items.
    """

    def __init__(self, count: int) -> None:
        self.labels = [f"x[{i}]" for i in range(count)]

    def encode(self, value: Iterable[int]) -> dict[str, int]:
        """Return the sample of a set of positions."""
        return dict.fromkeys(self.labels, 0) | {self.labels[i]: 1 for i in value}

    def decode(self, sample: Sample) -> frozenset[int]:
        """Return the positions of the chosen items."""
        return frozenset(i for i, label in enumerate(self.labels) if sample[label])

    def is_feasible(self, value: frozenset[int]) -> bool:
        """Return whether `value` is a set of positions."""
        return value <= set(range(len(self.labels)))

    def answers(self) -> Iterator[frozenset[int]]:
        """Generate all feasible sets of items."""
        return filter(self.is_feasible, subsets(range(len(self.labels))))


class FixedSizeSet(ItemSet):
    """k of n items, kept by the constraint "number".

    Args:
        count: n.
        size: k.
        what: word for the items, for the message.

    Raises:
        FormulationError: k is not from 1 to n.
    """

    def __init__(self, count: int, size: int, what: str) -> None:
        super().__init__(count)
        if not 1 <= size <= count:
            raise FormulationError(f"{size} {what} cannot be taken from {count}")
        self.size = size

    @property
    def number(self) -> dict[str, Constraint]:
        """The constraint: the sum of `x[i]` is k."""
        return {"number": Constraint(linear_model(self.labels, [1.0] * len(self.labels)), "==", float(self.size))}

    def is_feasible(self, value: frozenset[int]) -> bool:
        """Return whether `value` is k items."""
        return len(value) == self.size and super().is_feasible(value)

    def answers(self) -> Iterator[frozenset[int]]:
        """Generate all choices of k items."""
        return map(frozenset, combinations(range(len(self.labels)), self.size))
