"""Families of sets as users have them, checked."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.errors import FormulationError
from qubo_formulations._arrays import Vector, as_array

Sets = Sequence[Iterable[Hashable]]


def as_sets(sets: Sets) -> list[frozenset[Hashable]]:
    """The sets, at least one.

    Raises:
        FormulationError: there is none, or one has elements that cannot be in a set.
    """
    try:
        found = [frozenset(each) for each in sets]
    except TypeError as cause:
        raise FormulationError(f"the sets are not lists of elements: {cause}") from cause
    if not found:
        raise FormulationError("there is no set")
    return found


def as_costs(costs: Vector | None, count: int, what: str) -> NDArray[np.float64]:
    """[count] numbers >= 0, 1.0 each where `costs` is None.

    Raises:
        FormulationError: they are not as many as the sets, not finite, or negative.
    """
    found = np.ones(count) if costs is None else as_array(costs, what, (count,))
    if found.min() < 0.0:
        raise FormulationError(f"{what} has the negative entry {found.min():g}")
    return found


def members(sets: Sequence[frozenset[Hashable]]) -> dict[Hashable, list[int]]:
    """Element -> positions of the sets that have it, in the order of their first set."""
    found: dict[Hashable, list[int]] = {}
    for position, each in enumerate(sets):
        for element in sorted(each, key=str):
            found.setdefault(element, []).append(position)
    return found
