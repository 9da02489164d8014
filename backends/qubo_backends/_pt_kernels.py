"""Compiled loops of parallel tempering: sweeps, replica exchange, descent, and the exact fields.

A replica keeps the local field `linear[i] + sum_j Q_ij x_j` of every variable, so a proposal costs O(1) and an
accepted move one row of the model. Every literal is of the type it meets: numba widens uint64 and int to float64.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qubo_backends._jit import compiled
from qubo_backends._pt_model import TemperingModel

# Rounding errors of incrementally kept fields grow with the square root of the moves; this keeps them at 1e-13.
SWEEPS_BETWEEN_SUMS = 256

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11))


class Replicas(NamedTuple):
    """States of all replicas at once; changed in place.

    Attributes:
        states: `[replicas, n]` of 0 and 1.
        fields: `[replicas, n]` local fields, valid after `sum_fields`.
        energies: `[replicas]` without the offset, valid after `sum_fields`.
        choices: `[replicas, groups]` position in `members` of every group's variable that is 1.
        random: `[replicas + 1]` states of the generators; the last one decides exchanges.
        at: `[replicas]` the replica at each temperature, coldest first.
        best_state: `[n]` of least energy at the end of a sweep.
        best_energy: `[1]` its energy.
        moves: `[replicas]` accepted moves at each temperature.
        exchanges: `[replicas]` accepted exchanges of each temperature with the next hotter one.
    """

    states: NDArray[np.int8]
    fields: NDArray[np.float64]
    energies: NDArray[np.float64]
    choices: NDArray[np.int64]
    random: NDArray[np.uint64]
    at: NDArray[np.int64]
    best_state: NDArray[np.int8]
    best_energy: NDArray[np.float64]
    moves: NDArray[np.int64]
    exchanges: NDArray[np.int64]


@compiled
def uniform(random: NDArray[np.uint64], stream: int) -> float:
    """A number in [0, 1) from one stream (splitmix64; Steele, Lea and Flood 2014)."""
    random[stream] += _GAMMA
    z = random[stream]
    z = (z ^ (z >> _SHIFTS[0])) * _MIX_1
    z = (z ^ (z >> _SHIFTS[1])) * _MIX_2
    z = z ^ (z >> _SHIFTS[2])
    return float(z >> _SHIFTS[3]) * 2.0**-53


@compiled
def _add_row(field: NDArray[np.float64], model: TemperingModel, row: int, sign: float) -> None:
    begin, end = model.starts[row], model.starts[row + 1]
    if model.columns.size == 0:
        for k in range(end - begin):
            field[k] += sign * model.values[begin + k]
    else:
        for k in range(begin, end):
            field[model.columns[k]] += sign * model.values[k]


@compiled
def sum_fields(model: TemperingModel, replicas: Replicas) -> None:
    """Compute all local fields and energies from the states."""
    n = model.linear.size
    for r in range(replicas.energies.size):
        field, state = replicas.fields[r], replicas.states[r]
        field[:] = model.linear
        for i in range(n):
            if state[i] == 1:
                _add_row(field, model, i, 1.0)
        energy = 0.0
        for i in range(n):
            if state[i] == 1:
                energy += 0.5 * (model.linear[i] + field[i])
        replicas.energies[r] = energy


@compiled
def _flip(model: TemperingModel, replicas: Replicas, r: int, i: int) -> None:
    state, field = replicas.states[r], replicas.fields[r]
    sign = 1.0 - 2.0 * state[i]
    replicas.energies[r] += sign * field[i]
    state[i] = 1 - state[i]
    _add_row(field, model, i, sign)


@compiled
def _switch(model: TemperingModel, replicas: Replicas, r: int, group: int, to: int) -> None:
    state, field = replicas.states[r], replicas.fields[r]
    old, new = model.members[replicas.choices[r, group]], model.members[to]
    replicas.energies[r] += field[new] - field[old]
    state[old], state[new] = 0, 1
    replicas.choices[r, group] = to
    _add_row(field, model, old, -1.0)
    _add_row(field, model, new, 1.0)


@compiled
def _offer_flip(model: TemperingModel, replicas: Replicas, r: int, i: int, beta: float) -> int:
    """Offer one flip to a replica; returns 1 if it was made.

    Metropolis, but an equal energy is taken with probability 1/2 only: taken always, a sequential sweep is
    periodic (a model without biases would know two states).
    """
    delta = (1.0 - 2.0 * replicas.states[r, i]) * replicas.fields[r, i]
    if delta < 0.0 or uniform(replicas.random, r) < (math.exp(-beta * delta) if delta > 0.0 else 0.5):
        _flip(model, replicas, r, i)
        return 1
    return 0


@compiled
def _sweep_free(model: TemperingModel, replicas: Replicas, r: int, beta: float) -> int:
    """Offer every free variable of one replica a flip, with sparse rows; returns the number of flips.

    The same as `_offer_flip` one by one, with all that does not change outside the loop.
    """
    state, field, random = replicas.states[r], replicas.fields[r], replicas.random
    starts, columns, values = model.starts, model.columns, model.values
    energy, flips = replicas.energies[r], 0
    for i in model.free:
        sign = 1.0 - 2.0 * state[i]
        delta = sign * field[i]
        if delta < 0.0 or uniform(random, r) < (math.exp(-beta * delta) if delta > 0.0 else 0.5):
            energy += delta
            state[i] = 1 - state[i]
            for k in range(starts[i], starts[i + 1]):
                field[columns[k]] += sign * values[k]
            flips += 1
    replicas.energies[r] = energy
    return flips


@compiled
def _offer_switch(
    model: TemperingModel, replicas: Replicas, r: int, group: int, beta: float, weights: NDArray[np.float64]
) -> int:
    """Draw a group's option anew; returns 1 if it is another.

    By heat bath: the fields of all options are at hand, so an exact draw costs one exponential per option, small
    against the two rows of an accepted switch, and in the cold it finds the one good option that a random proposal
    meets once in K - 1.
    """
    field = replicas.fields[r]
    begin, end = model.group_starts[group], model.group_starts[group + 1]
    lowest = math.inf
    for k in range(begin, end):
        lowest = min(lowest, field[model.members[k]])
    total = 0.0
    for k in range(begin, end):
        total += math.exp(-beta * (field[model.members[k]] - lowest))
        weights[k - begin] = total
    aim, to = uniform(replicas.random, r) * total, begin
    while to < end - 1 and weights[to - begin] <= aim:
        to += 1
    if to == replicas.choices[r, group]:
        return 0
    _switch(model, replicas, r, group, to)
    return 1


@compiled
def _sweep(model: TemperingModel, replicas: Replicas, betas: NDArray[np.float64], weights: NDArray[np.float64]) -> None:
    """Offer one move to every free variable and every group of all replicas.

    With dense rows replicas are the inner loop, so that a row is fetched from memory once for all of them. Short rows
    stay in the cache, and each replica is swept by itself.
    """
    if model.columns.size:
        for t in range(betas.size):
            replicas.moves[t] += _sweep_free(model, replicas, replicas.at[t], betas[t])
    else:
        for i in model.free:
            for t in range(betas.size):
                replicas.moves[t] += _offer_flip(model, replicas, replicas.at[t], i, betas[t])
    for group in range(model.group_starts.size - 1):
        for t in range(betas.size):
            replicas.moves[t] += _offer_switch(model, replicas, replicas.at[t], group, betas[t], weights)


@compiled
def temper(model: TemperingModel, replicas: Replicas, betas: NDArray[np.float64], first: int, last: int) -> None:
    """Run sweeps `first` to `last - 1`, each followed by exchanges between neighbouring temperatures.

    Args:
        model: what is sampled.
        replicas: changed in place; sweep 0 computes its fields and energies.
        betas: `[replicas]` inverse temperatures, coldest first.
        first: number of sweeps done before; cutting a run into calls does not change it.
        last: number of sweeps done afterwards.
    """
    count = betas.size
    largest = 1
    for group in range(model.group_starts.size - 1):
        largest = max(largest, model.group_starts[group + 1] - model.group_starts[group])
    weights = np.empty(largest)
    for sweep in range(first, last):
        if sweep % SWEEPS_BETWEEN_SUMS == 0:
            sum_fields(model, replicas)
        _sweep(model, replicas, betas, weights)
        for r in range(count):
            if replicas.energies[r] < replicas.best_energy[0]:
                replicas.best_energy[0] = replicas.energies[r]
                replicas.best_state[:] = replicas.states[r]
        for t in range(sweep % 2, count - 1, 2):
            cold, hot = replicas.at[t], replicas.at[t + 1]
            gain = (betas[t] - betas[t + 1]) * (replicas.energies[cold] - replicas.energies[hot])
            if gain >= 0.0 or uniform(replicas.random, count) < math.exp(gain):
                replicas.at[t], replicas.at[t + 1] = hot, cold
                replicas.exchanges[t] += 1


@compiled
def descend(model: TemperingModel, replicas: Replicas, max_sweeps: int) -> None:
    """Bring every replica to a local minimum; at most `max_sweeps`, since rounding could make a descent cycle."""
    sum_fields(model, replicas)
    for r in range(replicas.energies.size):
        field, state = replicas.fields[r], replicas.states[r]
        for _ in range(max_sweeps):
            improved = False
            for i in model.free:
                if (1.0 - 2.0 * state[i]) * field[i] < 0.0:
                    _flip(model, replicas, r, i)
                    improved = True
            for group in range(model.group_starts.size - 1):
                to = replicas.choices[r, group]
                for k in range(model.group_starts[group], model.group_starts[group + 1]):
                    if field[model.members[k]] < field[model.members[to]]:
                        to = k
                if to != replicas.choices[r, group]:
                    _switch(model, replicas, r, group, to)
                    improved = True
            if not improved:
                break
