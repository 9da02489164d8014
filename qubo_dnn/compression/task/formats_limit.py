"""The limit that excludes pairs of options of weights and widths of activations. Needs no torch."""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.task.budgets import FORMATS, TaskBudget
from qubo_dnn.compression.task.cost_products import CostProduct, LinearForm
from qubo_dnn.compression.task.options import Option
from qubo_dnn.errors import OptionError

if TYPE_CHECKING:
    from qubo_dnn.compression.task.task import CompressionTask


def formats_limit(task: CompressionTask, excluded: Set[tuple[Option, int]]) -> TaskBudget:
    """Return the limit 0 on the number of excluded pairs: units of weights times the width that their layer reads.

    Args:
        task: the task, with its ties and its activations.
        excluded: pairs of an option of weights and a width of activations.

    Raises:
        OptionError: a layer may take excluded pairs only.

    Example:
        >>> from dataclasses import replace
        >>> from qubo_formulations.example_task import example_task
        >>> task = example_task(seed=1)  # three units and two, options 0, 2 and 4
        >>> row = np.zeros((1, 3))
        >>> enlarged = {"cost": np.vstack([task.cost, row]), "squared_error": np.vstack([task.squared_error, row])}
        >>> allowed = np.vstack([np.ones((5, 3), bool), [[False, True, True]]])
        >>> task = replace(task, **enlarged, allowed=allowed, activations=("first",))
        >>> limit = formats_limit(task, {(Option(4), 2)})
        >>> limit.met(np.array([2, 0, 0, 2, 2, 1])), limit.met(np.array([1, 0, 0, 2, 2, 1]))
        (False, True)
    """
    index = {option: k for k, option in enumerate(task.options)}
    products = []
    first, behind = 0, sum(layer.units for layer in task.layers)
    reading = {name: behind + number for number, name in enumerate(task.activations)}
    for layer in task.layers:
        units = np.unique(task.units[first : first + layer.units])
        first += layer.units
        if layer.name not in reading:
            continue
        read = task.units[reading[layer.name]]
        free = task.choices[units]
        possible = False
        for width in np.flatnonzero(task.choices[read]).tolist():
            apart = [index[option] for option, bits in excluded if bits == task.options[width].bits and option in index]
            products += [_pairs(task, units[free[:, k]], k, read, width) for k in apart if free[:, k].any()]
            left = free.copy()
            left[:, apart] = False
            possible |= bool(left.any(axis=1).all())
        if not possible:
            raise OptionError(f"the layer {layer.name!r} may take none of the formats")
    return TaskBudget(
        name=FORMATS,
        kind="formats",
        text=FORMATS,
        cost=np.zeros(task.cost.shape),
        overhead=0.0,
        limit=0.0,
        scale=1.0,
        unit="units in excluded formats",
        products=tuple(products),
    )


def _pairs(task: CompressionTask, units: NDArray[np.intp], k: int, read: int, width: int) -> CostProduct:
    """Return the number of units at an option, if what they read has a width."""
    options = len(task.options)

    def form(places: NDArray[np.intp]) -> LinearForm:
        return LinearForm(constant=0.0, places=places, coefficients=np.ones(len(places)), options=options)

    return CostProduct(factor=1.0, outputs=form(units * options + k), inputs=form(np.array([read * options + width])))
