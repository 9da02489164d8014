"""States of a search by ejection chains, and what is kept of them, in compiled code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.replicas import add_factor_row, add_row, sum_left_sides, variable
from qubo_backends._pt.choices.searches.record import copy
from qubo_backends._shared.jit import inner, summing
from qubo_backends._shared.struct import Struct

# States of a search: what is changed, where a chain began, where a kick began, and the best one. See `ONLY` for their
# type.
HERE, CHAIN, KICK, BEST = np.arange(4, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Layout(Struct):
    """What a look at all options reads of a model; to hand over all of it takes longer than many looks.

    Attributes:
        firsts, sizes, offs, equalities, lowers, uppers: see `ChoiceModel`.
        loads: [n, constraints] what a variable adds to left sides; to those of quadratic constraints in the present
            state.
        units: [constraints] violation per unit of a left side.
        forced: [sites] number of the chain or kick that forced the site last.
    """

    firsts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    offs: NDArray[np.int64]
    equalities: NDArray[np.int64]
    lowers: NDArray[np.float64]
    uppers: NDArray[np.float64]
    loads: NDArray[np.float64]
    units: NDArray[np.float64]
    forced: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ChainStates(Struct):
    """States of a search and what is kept of them, and scratch arrays; changed in place, for one thread.

    Attributes:
        choices: [4, sites] option of every site.
        gains: [4, n] energy by a variable beside the present options of the other sites.
        sums: [4, constraints] left sides.
        slopes: [4, entries] of the quadratic constraints.
        energies: [4] but for a constant.
        layout: of the model.
        order: [options] in which chains begin.
        sites: [options] of every option.
        begins: [sites] first option of every site.
        step: [rank] change of the projection.
        random: [1] generator.
    """

    choices: NDArray[np.int32]
    gains: NDArray[np.float64]
    sums: NDArray[np.float64]
    slopes: NDArray[np.float64]
    energies: NDArray[np.float64]
    layout: Layout
    order: NDArray[np.int64]
    sites: NDArray[np.int64]
    begins: NDArray[np.int64]
    step: NDArray[np.float64]
    random: NDArray[np.uint64]


def chain_states(model: ChoiceModel, scales: NDArray[np.float64], random: NDArray[np.uint64]) -> ChainStates:
    """States of a search of a model.

    Args:
        model: see there.
        scales: [constraints] > 0, units of violation.
        random: [1] generator.
    """
    n, count, options = len(model.linear), len(model.constants), int(model.sizes.sum())
    loads = np.zeros((n, count))
    loads[np.repeat(np.arange(n), np.diff(model.terms)), model.term_constraints] = model.term_weights
    layout = Layout(
        firsts=model.firsts,
        sizes=model.sizes,
        offs=model.offs,
        equalities=model.equalities,
        lowers=model.lowers,
        uppers=model.uppers,
        loads=loads,
        units=1.0 / scales,
        forced=np.zeros(len(model.sizes), np.int64),
    )
    return ChainStates(
        choices=np.zeros((4, len(model.sizes)), np.int32),
        gains=np.zeros((4, n)),
        sums=np.zeros((4, count)),
        slopes=np.zeros((4, model.entries)),
        energies=np.zeros(4),
        layout=layout,
        order=np.arange(options),
        sites=np.repeat(np.arange(len(model.sizes)), model.sizes),
        begins=np.cumsum(model.sizes) - model.sizes,
        step=np.zeros(model.rank),
        random=random,
    )


@summing
def _product(rows: NDArray[Any], row: int, vector: NDArray[np.float64]) -> float:
    total = 0.0
    for j in range(vector.size):
        total += rows[row, j] * vector[j]
    return total


@inner
def add_products(model: ChoiceModel, gains: NDArray[np.float64], step: NDArray[np.float64], site: int) -> None:
    """Add to the gains of all other sites what a change of the projection brings."""
    first = model.firsts[site]
    for i in range(gains.size):
        if model.factor_rows[i] >= 0 and not first <= i < first + model.sizes[site] - model.offs[site]:
            gains[i] += _product(model.factor, model.factor_rows[i], step)


@inner
def see_slopes(model: ChoiceModel, states: ChainStates) -> None:
    """Bring what variables add to the left sides of quadratic constraints up to date."""
    quadratic = model.quadratic
    for a in range(model.sizes.size):
        for b in range(quadratic.site_starts[a], quadratic.site_starts[a + 1]):
            for k in range(model.sizes[a] - model.offs[a]):
                slope = states.slopes[HERE, quadratic.firsts[b] + k]
                states.layout.loads[model.firsts[a] + k, quadratic.constraints[b]] = slope


@inner
def begin(model: ChoiceModel, states: ChainStates) -> None:
    """Compute all that is kept of a state."""
    choices, gains = states.choices[HERE], states.gains[HERE]
    for i in range(gains.size):
        gains[i] = model.linear[i]
        if model.factor is not None and model.factor_rows[i] >= 0:
            row = model.factor[model.factor_rows[i]]
            for j in range(row.size):
                gains[i] += 0.5 * row[j] * row[j]
    for j in range(states.step.size):
        states.step[j] = 0.0
    sum_left_sides(model, choices, states.sums[HERE], states.slopes[HERE])
    states.energies[HERE] = 0.0
    # Site by site, the energy is what each adds beside those before it.
    for a in range(choices.size):
        i = variable(model, a, choices[a])
        if i >= 0:
            states.energies[HERE] += gains[i]
            add_row(gains, model, i, 1.0)
            for j in range(states.step.size):
                states.step[j] = 0.0
            if model.factor is not None:
                add_factor_row(model, states.step, i, 1.0)
                add_products(model, gains, states.step, a)


@inner
def copy_state(states: ChainStates, source: np.int64, target: np.int64) -> None:
    """Copy a state."""
    copy(states.choices[source], states.choices[target])
    copy(states.gains[source], states.gains[target])
    copy(states.sums[source], states.sums[target])
    copy(states.slopes[source], states.slopes[target])
    states.energies[target] = states.energies[source]
