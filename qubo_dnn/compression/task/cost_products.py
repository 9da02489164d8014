"""Products in the cost of a plan: the kept outputs of a layer times its kept inputs. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearForm:
    """`constant + sum over i of coefficients[i] x[places[i]]`, where x marks the option of every unit or decision.

    Attributes:
        constant: the value if no unit takes one of these options.
        places: [m] different places `K u + k` of option k of unit u, in ascending order.
        coefficients: [m].
        options: K.

    Example:
        >>> kept = LinearForm(constant=3.0, places=np.array([0, 4]), coefficients=np.array([-1.0, -1.0]), options=2)
        >>> kept.value(np.array([0, 1, 1]))  # three channels; option 0 removes the first or the last one
        2.0
    """

    constant: float
    places: NDArray[np.intp]
    coefficients: NDArray[np.float64]
    options: int

    def value(self, choice: NDArray[np.intp]) -> float:
        """Return the value if unit u takes the option `choice[u]`."""
        units, options = np.divmod(self.places, self.options)
        return self.constant + float(self.coefficients[choice[units] == options].sum())

    def tied(self, decision: NDArray[np.intp]) -> Self:
        """Return the form over decisions that each give one option to several units; see `TaskBudget.tied`."""
        units, options = np.divmod(self.places, self.options)
        places, index = np.unique(self.options * decision[units] + options, return_inverse=True)
        sums = np.bincount(index, self.coefficients, len(places)).astype(float)
        return replace(self, places=places, coefficients=sums)

    def within(self, allowed: NDArray[np.bool_]) -> Self:
        """Return the form without the options that may not be taken; `allowed` is [U, K]."""
        stays = allowed.ravel()[self.places]
        return replace(self, places=self.places[stays], coefficients=self.coefficients[stays])


@dataclass(frozen=True, kw_only=True, eq=False)
class CostProduct:
    """The cost `factor x outputs x inputs` of a layer.

    Attributes:
        factor: cost of an output with an input, such as the multiply-accumulates of a kernel at all positions.
        outputs, inputs: what is kept of them; never below 0.

    Example:
        >>> two = {"places": np.array([0, 2]), "coefficients": np.array([-1.0, -1.0]), "options": 2}
        >>> outputs, inputs = LinearForm(constant=2.0, **two), LinearForm(constant=3.0, **two)
        >>> CostProduct(factor=9.0, outputs=outputs, inputs=inputs).value(np.array([0, 1]))  # 9 x 1 x 2
        18.0
    """

    factor: float
    outputs: LinearForm
    inputs: LinearForm

    def value(self, choice: NDArray[np.intp]) -> float:
        """Return the cost if unit u takes the option `choice[u]`."""
        return self.factor * self.outputs.value(choice) * self.inputs.value(choice)

    def tied(self, decision: NDArray[np.intp]) -> Self:
        """Return the product over decisions; see `TaskBudget.tied`."""
        return replace(self, outputs=self.outputs.tied(decision), inputs=self.inputs.tied(decision))

    def within(self, allowed: NDArray[np.bool_]) -> Self:
        """Return the product without the options that may not be taken; `allowed` is [U, K]."""
        return replace(self, outputs=self.outputs.within(allowed), inputs=self.inputs.within(allowed))

    def slopes(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Return [U, K] the change of the cost by every option alone, from the constants of both forms."""
        slopes = np.zeros(shape)
        for form, other in ((self.outputs, self.inputs), (self.inputs, self.outputs)):
            slopes.ravel()[form.places] += self.factor * other.constant * form.coefficients
        # Where outputs and inputs are the same channels.
        same, one, other_one = np.intersect1d(self.outputs.places, self.inputs.places, return_indices=True)
        slopes.ravel()[same] += self.factor * self.outputs.coefficients[one] * self.inputs.coefficients[other_one]
        return slopes

    def pairs(self) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
        """Return the places and the cost of pairs of options of different units, beyond their slopes."""
        one, other = self.outputs, self.inputs
        rows, columns = np.repeat(one.places, len(other.places)), np.tile(other.places, len(one.places))
        values = self.factor * np.outer(one.coefficients, other.coefficients).ravel()
        # Options of the same unit exclude each other.
        apart = rows // one.options != columns // one.options
        return rows[apart], columns[apart], values[apart]
