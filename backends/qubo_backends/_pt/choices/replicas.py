"""States of all replicas with what is kept of them: fields, projections, left sides and energies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.quadratic_constraints import add_variable
from qubo_backends._shared.jit import inner
from qubo_backends._shared.struct import Struct


@dataclass(frozen=True, eq=False)
class Replicas(Struct):
    """States of all replicas at once; changed in place. All but `choices` and `random` is valid after `resum`.

    Attributes:
        choices: [replicas, sites] option of every site.
        fields: [replicas, n] `linear[i] + sum_j Q_ij x_j`.
        projections: [replicas, rank] `factor'x`, in the precision that moves are computed in.
        sums: [replicas, constraints] left sides.
        slopes: [replicas, entries] of the quadratic constraints.
        energies: [replicas].
        moves: [replicas] made at each temperature.
        random: [replicas + 1] states of the generators; the last one chooses sites.
    """

    choices: NDArray[np.int32]
    fields: NDArray[np.float64]
    projections: NDArray[Any]
    sums: NDArray[np.float64]
    slopes: NDArray[np.float64]
    energies: NDArray[np.float64]
    moves: NDArray[np.int64]
    random: NDArray[np.uint64]


def replicas_of(
    model: ChoiceModel, choices: NDArray[np.int32], rng: np.random.Generator, precision: type[Any] = np.float32
) -> Replicas:
    """Replicas in given states.

    Args:
        model: what is sampled.
        choices: [replicas, sites]; copied.
        rng: seeds the generators.
        precision: of the projections, float32 or float64.
    """
    count = len(choices)
    return Replicas(
        choices=choices.copy(),
        fields=np.zeros((count, len(model.linear))),
        projections=np.zeros((count, model.rank), precision),
        sums=np.zeros((count, len(model.constants))),
        slopes=np.zeros((count, model.entries)),
        energies=np.zeros(count),
        moves=np.zeros(count, np.int64),
        random=rng.integers(0, 2**64, size=count + 1, dtype=np.uint64),
    )


@inner
def variable(model: ChoiceModel, site: int, option: int) -> int:
    """The variable of an option, -1 for "off"."""
    off = model.offs[site]
    return model.firsts[site] + option - off if option >= off else -1


@inner
def add_row(field: NDArray[np.float64], model: ChoiceModel, row: int, sign: float) -> None:
    begin, end = model.starts[row], model.starts[row + 1]
    if model.columns.size == 0:
        for k in range(end - begin):
            field[k] += sign * model.values[begin + k]
    else:
        for k in range(begin, end):
            field[model.columns[k]] += sign * model.values[k]


@inner
def _add_difference(field: NDArray[np.float64], model: ChoiceModel, new: int, old: int) -> None:
    """Add one row and subtract another in one pass, because fetching the field takes the time."""
    new_row, old_row = model.values[model.starts[new] :], model.values[model.starts[old] :]
    for k in range(field.size):
        field[k] += new_row[k] - old_row[k]


@inner
def change(model: ChoiceModel, replicas: Replicas, r: int, site: int, option: int) -> None:
    """Give a site of one replica another option; the energy is left to the caller, who knows the difference.

    Before it, `change_slopes` where there are quadratic constraints.
    """
    old, new = variable(model, site, replicas.choices[r, site]), variable(model, site, option)
    field, sums, projection = replicas.fields[r], replicas.sums[r], replicas.projections[r]
    replicas.choices[r, site] = option
    if old >= 0 and new >= 0 and model.columns.size == 0:
        _add_difference(field, model, new, old)
    else:
        if old >= 0:
            add_row(field, model, old, -1.0)
        if new >= 0:
            add_row(field, model, new, 1.0)
    add_terms(model, sums, old, -1.0)
    add_terms(model, sums, new, 1.0)
    if model.factor is not None:
        add_factor_row(model, projection, old, -1.0)
        add_factor_row(model, projection, new, 1.0)


@inner
def change_slopes(model: ChoiceModel, replicas: Replicas, r: int, site: int, option: int) -> None:
    """The part of a `change` that quadratic constraints have in it."""
    sums, slopes, off = replicas.sums[r], replicas.slopes[r], model.offs[site]
    add_variable(model.quadratic, slopes, sums, site, replicas.choices[r, site] - off, -1.0)
    add_variable(model.quadratic, slopes, sums, site, option - off, 1.0)


@inner
def add_terms(model: ChoiceModel, sums: NDArray[np.float64], i: int, sign: float) -> None:
    """Add a variable's coefficients to the left sides; "off" (-1) has none."""
    if i >= 0:
        for t in range(model.terms[i], model.terms[i + 1]):
            sums[model.term_constraints[t]] += sign * model.term_weights[t]


@inner
def sum_left_sides(
    model: ChoiceModel, choices: NDArray[np.int32], sums: NDArray[np.float64], slopes: NDArray[np.float64]
) -> None:
    """Compute the left sides [constraints] and the slopes [entries] of a state [sites]."""
    for c in range(sums.size):
        sums[c] = model.constants[c]
    if model.quadratic is not None:
        for e in range(slopes.size):
            slopes[e] = model.quadratic.linear[e]
    for a in range(choices.size):
        add_terms(model, sums, variable(model, a, choices[a]), 1.0)
        if model.quadratic is not None:
            # A slope counts what is in already, so that every interaction is added once.
            add_variable(model.quadratic, slopes, sums, a, choices[a] - model.offs[a], 1.0)


@inner
def add_factor_row(model: ChoiceModel, projection: NDArray[Any], i: int, sign: float) -> None:
    """Add a variable's row of the factor to a projection."""
    if i >= 0 and model.factor_rows[i] >= 0:
        row = model.factor[model.factor_rows[i]]
        for j in range(row.size):
            projection[j] += sign * row[j]


@inner
def resum(model: ChoiceModel, replicas: Replicas, projection: NDArray[np.float64]) -> None:
    """Compute fields, projections, left sides and energies of all replicas, in double precision from their states.

    Args:
        model: see there.
        replicas: changed in place.
        projection: [rank] scratch.
    """
    for r in range(replicas.energies.size):
        choices, field, sums = replicas.choices[r], replicas.fields[r], replicas.sums[r]
        for i in range(field.size):
            field[i] = model.linear[i]
        sum_left_sides(model, choices, sums, replicas.slopes[r])
        for j in range(projection.size):
            projection[j] = 0.0
        for a in range(choices.size):
            i = variable(model, a, choices[a])
            if i >= 0:
                add_row(field, model, i, 1.0)
            if model.factor is not None:
                add_factor_row(model, projection, i, 1.0)
        energy = 0.0
        for a in range(choices.size):
            i = variable(model, a, choices[a])
            if i >= 0:
                energy += 0.5 * (model.linear[i] + field[i])
        for j in range(projection.size):
            energy += 0.5 * projection[j] * projection[j]
            replicas.projections[r, j] = projection[j]
        replicas.energies[r] = energy
