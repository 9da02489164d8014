"""Base class of formulations that choose some of the given sets."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.constraint import Constraint, Sense
from qubo_dnn.errors import FormulationError
from qubo_formulations._shared.arrays import Vector, as_array
from qubo_formulations._shared.item_sets import ItemSet
from qubo_formulations._shared.models import linear_model

Sets = Sequence[Iterable[Hashable]]


class SetFamily(ItemSet):
    """One variable `x[s]` per given set, which is 1 if the set is chosen; each set has a cost or a value."""

    def __init__(self, sets: Sets, costs: Vector | None, what: str) -> None:
        self.sets = _as_sets(sets)
        self.costs = _as_costs(costs, len(self.sets), what)
        self.members = _members(self.sets)
        super().__init__(len(self.sets))

    def cost(self, value: frozenset[int]) -> float:
        """Return the total cost or value of the sets of `value`."""
        return float(self.costs[list(value)].sum())

    def element_constraints(self, sense: Sense) -> dict[str, Constraint]:
        """Return one constraint per element: the number of chosen sets that contain it, compared with 1."""
        return {
            f"element {element}": Constraint(
                linear_model([self.labels[s] for s in having], [1.0] * len(having)), sense, 1.0
            )
            for element, having in self.members.items()
        }


def _as_sets(sets: Sets) -> list[frozenset[Hashable]]:
    """Convert the sets to frozensets.

    Raises:
        FormulationError: the list is empty, or an element is not hashable.
    """
    try:
        found = [frozenset(each) for each in sets]
    except TypeError as cause:
        raise FormulationError(f"the sets are not lists of elements: {cause}") from cause
    if not found:
        raise FormulationError("the list of sets is empty")
    return found


def _as_costs(costs: Vector | None, count: int, what: str) -> NDArray[np.float64]:
    """Return [count] checked costs >= 0; all are 1.0 if `costs` is None.

    Raises:
        FormulationError: their number differs from that of the sets, or one is not finite or negative.
    """
    found = np.ones(count) if costs is None else as_array(costs, what, (count,))
    if found.min() < 0.0:
        raise FormulationError(f"{what} has the negative entry {found.min():g}")
    return found


def _members(sets: Sequence[frozenset[Hashable]]) -> dict[Hashable, list[int]]:
    """Map every element to the positions of the sets that contain it; elements in the order of their first set."""
    found: dict[Hashable, list[int]] = {}
    for position, each in enumerate(sets):
        for element in sorted(each, key=str):
            found.setdefault(element, []).append(position)
    return found
