"""Variables that a model needs besides the user's own, and whose best values follow from those."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import dimod


@dataclass(frozen=True, eq=False)
class Auxiliary:
    """Variables that are worth `max(0, model)` in the best of all states with the same values of the others.

    Attributes:
        model: over other variables.
        first: variable -> what it is worth, one or none; it is 1 where the model is above 0.
        weights: variable -> what it is worth; any of their sums that is less than a value the model has can be reached
            by taking the largest weights that fit.
    """

    model: dimod.BinaryQuadraticModel
    first: Mapping[Hashable, float]
    weights: Mapping[Hashable, float]

    @property
    def worth(self) -> dict[Hashable, float]:
        """Of all variables."""
        return {**self.first, **self.weights}

    def settled(self, sample: Mapping[Hashable, int]) -> dict[Hashable, int]:
        """The variables' best values, given the others."""
        left = float(self.model.energy(sample))
        least = 0.5 * min(self.worth.values(), default=0.0)
        values = dict.fromkeys(self.worth, 0)
        for variable, worth in [*self.first.items(), *sorted(self.weights.items(), key=lambda item: -item[1])]:
            fits = left > least if variable in self.first else left > worth - least
            if fits:
                values[variable] = 1
                left -= worth
        return values
