"""Things put into places, one each: the variables, groups and equalities that assignment problems share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dimod

from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import Sample


@dataclass(frozen=True)
class Assignment:
    """`x[i][p]` = 1 puts thing i into place p; `size` things and as many places, numbered from `first`.

    Attributes:
        thing: what a thing is called, e.g. "city".
        place: what a place is called, e.g. "position".
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
        """Every thing is in one place."""
        return {f"{self.thing} {i}": tuple(f"x[{i}][{p}]" for p in self.numbers) for i in self.numbers}

    @property
    def constraints(self) -> dict[str, Constraint]:
        """Every place has one thing."""
        return {
            f"{self.place} {p}": Constraint(
                dimod.BinaryQuadraticModel({f"x[{i}][{p}]": 1.0 for i in self.numbers}, {}, 0.0, dimod.BINARY),
                "==",
                1.0,
            )
            for p in self.numbers
        }

    def penalties(self, cost: float) -> dict[str, float]:
        """A weight for every thing and every place that suffices where no state costs less than 0.

        Args:
            cost: of any one assignment.
        """
        # 1 more than that, or a 1000th where 1 would be lost in its rounding.
        sufficient = cost + max(1.0, 1e-3 * cost)
        return dict.fromkeys((*self.one_hot, *self.constraints), sufficient)

    def places(self, sample: Sample) -> Sequence[int | None]:
        """[size] the place of every thing, the first of several; None where it has none."""
        return [next((p for p in self.numbers if sample[f"x[{i}][{p}]"]), None) for i in self.numbers]
