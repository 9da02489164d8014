"""Auxiliary variables of a model, whose best values follow from the user's variables."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import dimod


@dataclass(frozen=True, eq=False)
class Auxiliary:
    """Auxiliary variables that together represent `max(0, model)`.

    Each variable has a worth. For given values of the other variables, the worths of the auxiliary variables that are 1
    add up to `max(0, model)` in the best state.

    Attributes:
        model: BQM over other variables.
        first: variable -> its worth, for at most one variable; it is 1 if the model is above 0.
        weights: variable -> its worth. Taking the largest worths that fit reaches every sum below a value of the model.

    Example:
        >>> excess = dimod.BinaryQuadraticModel({"x": 2.0, "y": 2.0}, {}, -1.0, "BINARY")
        >>> auxiliary = Auxiliary(excess, first={}, weights={"w1": 1.0, "w2": 2.0})
        >>> auxiliary.settled({"x": 1, "y": 1})
        {'w1': 1, 'w2': 1}
    """

    model: dimod.BinaryQuadraticModel
    first: Mapping[Any, float]
    weights: Mapping[Any, float]

    @property
    def worth(self) -> dict[Hashable, float]:
        """Worth of every auxiliary variable."""
        return {**self.first, **self.weights}

    def settled(self, sample: Mapping[Any, int]) -> dict[Hashable, int]:
        """Return the best values of the auxiliary variables for a sample of the others."""
        left = float(self.model.energy(sample))
        least = 0.5 * min(self.worth.values(), default=0.0)
        values = dict.fromkeys(self.worth, 0)
        for variable, worth in [*self.first.items(), *sorted(self.weights.items(), key=lambda item: -item[1])]:
            fits = left > least if variable in self.first else left > worth - least
            if fits:
                values[variable] = 1
                left -= worth
        return values
