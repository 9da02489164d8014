"""Temperatures: their range, their spacing, and the exchange of replicas between them.

One half of the temperatures is spaced by entropy, dS = dE / T, the other by the exchange of neighbours, which is
accepted with a probability of about exp(-dE d(1/T)): the distance from one temperature to the next is the same in the
mean of both. The mean energies E are measured while sampling, again and again in windows that double, so that the
ladder is soon good and then left alone for long. By entropy, what is frozen gets few replicas, and most stand where
the model orders itself, as glasses with continuous couplings want it; equal exchange has more of them in the cold,
where models of few different couplings change in large steps.

Source: Hukushima & Nemoto 1996 (replica exchange); Sabo, Meuwly, Freeman & Doll 2008, "A constant entropy increase
    model for the selection of parallel tempering ensembles"; Rathore, Chopra & de Pablo 2005, "Optimal allocation of
    replicas in parallel tempering simulations" (equal exchange). That halves of both are better than either on spin
    glasses on tori was measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from qubo_backends._pt.random import ONLY, uniform
from qubo_backends._shared.jit import inner
from qubo_backends._shared.struct import Struct

# An interval counts as no shorter than this share of the mean one: replicas that never exchange are worth nothing.
_SHORTEST = 0.1
# Sweeps until the ladder is set for the first time; then it is set whenever as many were done as before the last time.
FIRST_WINDOW = 64


@dataclass(frozen=True, eq=False)
class Ladder(Struct):
    """Where every replica stands, and what was measured there; changed in place.

    Attributes:
        betas: [R] inverse temperatures, coldest first.
        at: [R] the replica at each temperature.
        energies: [R] of every replica.
        sums: [R] of the energies seen at each temperature.
        accepted: [R] exchanges of each temperature with the next hotter one.
        offered: [R] how many were tried.
        headed: [R] 1 for a replica that was at the hottest temperature since it was at the coldest.
        trips: [1] how often a replica came from the hottest to the coldest temperature.
        random: [1] uint64 state of the generator.
    """

    betas: NDArray[np.float64]
    at: NDArray[np.int64]
    energies: NDArray[np.float64]
    sums: NDArray[np.float64]
    accepted: NDArray[np.int64]
    offered: NDArray[np.int64]
    headed: NDArray[np.int8]
    trips: NDArray[np.int64]
    random: NDArray[np.uint64]


def new_ladder(
    betas: NDArray[np.float64], random: NDArray[np.uint64], energies: NDArray[np.float64] | None = None
) -> Ladder:
    """A ladder that has measured nothing yet, replica r at temperature r.

    Args:
        betas: [R] inverse temperatures, coldest first.
        random: [1] state of the generator.
        energies: [R] of every replica where these are kept elsewhere too, else zeros.
    """
    count = len(betas)
    return Ladder(
        betas=betas,
        at=np.arange(count),
        energies=np.zeros(count) if energies is None else energies,
        sums=np.zeros(count),
        accepted=np.zeros(count, np.int64),
        offered=np.zeros(count, np.int64),
        headed=np.zeros(count, np.int8),
        trips=np.zeros(1, np.int64),
        random=random,
    )


@inner
def exchange(ladder: Ladder, sweep: int) -> None:
    """Offer every second pair of neighbours an exchange, alternating with the others, and record what is measured."""
    count = ladder.betas.size
    for t in range(count):
        ladder.sums[t] += ladder.energies[ladder.at[t]]
    for t in range(sweep % 2, count - 1, 2):
        cold, hot = ladder.at[t], ladder.at[t + 1]
        gain = (ladder.betas[t] - ladder.betas[t + 1]) * (ladder.energies[cold] - ladder.energies[hot])
        ladder.offered[t] += 1
        if gain >= 0.0 or uniform(ladder.random, ONLY) < math.exp(gain):
            ladder.at[t], ladder.at[t + 1] = hot, cold
            ladder.accepted[t] += 1
    ladder.headed[ladder.at[count - 1]] = 1
    if ladder.headed[ladder.at[0]] == 1 and count > 1:
        ladder.headed[ladder.at[0]] = 0
        ladder.trips[0] += 1


def space_measured(ladder: Ladder, sweeps: int, coldest: float | None = None) -> None:
    """Set the temperatures but the hottest by what was measured, and forget it.

    Args:
        ladder: measured for `sweeps` sweeps.
        sweeps: >= 1.
        coldest: the coldest temperature, below the hottest; None leaves it.
    """
    betas = ladder.betas
    first, last = betas[0] if coldest is None else 1.0 / coldest, betas[-1]
    if betas.size > 2:
        # In equilibrium energies rise with the temperature; what does not has not settled.
        rises = np.diff(isotonic_regression(ladder.sums / sweeps).x)
        distances = np.ones(betas.size - 1)
        if rises.any():
            entropies, exchanges = (betas[1:] + betas[:-1]) * rises, np.sqrt((betas[:-1] - betas[1:]) * rises)
            distances = (entropies / entropies.mean() + exchanges / exchanges.mean()) / 2.0
            distances = np.maximum(distances, _SHORTEST)
        reached, logs = np.concatenate([[0.0], np.cumsum(distances)]), np.log(betas)
        if first > betas[0]:
            # Below the coldest it goes on as it ended.
            below = distances[0] * (first - betas[0]) / (betas[0] - betas[1])
            reached, logs = np.concatenate([[-below], reached]), np.concatenate([[np.log(first)], logs])
        begin = np.interp(-np.log(first), -logs, reached)
        betas[:] = np.exp(np.interp(np.linspace(begin, reached[-1], betas.size), reached, logs))
    betas[-1] = last
    betas[0] = first
    forget(ladder)


def forget(ladder: Ladder) -> None:
    """Begin to measure anew."""
    for measured in (ladder.sums, ladder.accepted, ladder.offered):
        measured[:] = 0
