"""Variables, one-hot groups and equalities of assignment problems, which put each thing into one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import Sample
from qubo_formulations._shared.models import linear_model


@dataclass(frozen=True)
class Assignment:
    """`x[i][p]` = 1 puts thing i into place p; `size` things and `size` places, both numbered from `first`.

    Attributes:
        thing: word for a thing, e.g. "city".
        place: word for a place, e.g. "position".
        size: number of things, and of places.
        first: number of the first thing and the first place.
    """

    thing: str
    place: str
    size: int
    first: int = 0

    @property
    def numbers(self) -> range:
        """Numbers of the things, and of the places."""
        return range(self.first, self.first + self.size)

    @property
    def labels(self) -> list[str]:
        """All variables, place by place for every thing: [size * size]."""
        return [f"x[{i}][{p}]" for i in self.numbers for p in self.numbers]

    @property
    def one_hot(self) -> dict[str, tuple[str, ...]]:
        """One-hot groups: every thing is in exactly one place."""
        return {f"{self.thing} {i}": tuple(f"x[{i}][{p}]" for p in self.numbers) for i in self.numbers}

    @property
    def constraints(self) -> dict[str, Constraint]:
        """Equalities: every place has exactly one thing."""
        return {
            f"{self.place} {p}": Constraint(
                linear_model([f"x[{i}][{p}]" for i in self.numbers], [1.0] * self.size), "==", 1.0
            )
            for p in self.numbers
        }

    def penalties(self, cost: float) -> dict[str, float]:
        """Return sufficient penalty weights for every thing and every place, if no state costs less than 0.

        Args:
            cost: cost of any one assignment.
        """
        # Add 1, or a thousandth of the cost if rounding would lose the 1.
        sufficient = cost + max(1.0, 1e-3 * cost)
        return dict.fromkeys((*self.one_hot, *self.constraints), sufficient)

    def places(self, sample: Sample) -> Sequence[int | None]:
        """Return [size] the place of every thing: the first of several, None if it has none."""
        return [next((p for p in self.numbers if sample[f"x[{i}][{p}]"]), None) for i in self.numbers]
