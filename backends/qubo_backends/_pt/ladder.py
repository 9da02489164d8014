"""Temperatures: their range, their spacing, and the exchange of replicas between them.

Neighbours exchange about equally often everywhere if inverse temperatures are spaced evenly in thermodynamic length,
the integral of the standard deviation of the energy over them. It is measured while sampling, again and again in
windows that double, so that the ladder is soon good and then left alone for long.

Source: Hukushima & Nemoto 1996 (replica exchange); Crooks 2007, "Measuring thermodynamic length".
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.random import uniform
from qubo_backends._shared.jit import inner

# An interval counts as no shorter than this share of the mean one: what was frozen while it was measured has no length.
_SHORTEST = 0.1
# Sweeps until the ladder is set for the first time; then it is set whenever as many were done as before the last time.
FIRST_WINDOW = 64


class Ladder(NamedTuple):
    """Where every replica stands, and what was measured there; changed in place.

    Attributes:
        betas: [R] inverse temperatures, coldest first.
        at: [R] the replica at each temperature.
        energies: [R] of every replica.
        sums, squares: [R] of the energies seen at each temperature.
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
    squares: NDArray[np.float64]
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
        squares=np.zeros(count),
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
        energy = ladder.energies[ladder.at[t]]
        ladder.sums[t] += energy
        ladder.squares[t] += energy * energy
    for t in range(sweep % 2, count - 1, 2):
        cold, hot = ladder.at[t], ladder.at[t + 1]
        gain = (ladder.betas[t] - ladder.betas[t + 1]) * (ladder.energies[cold] - ladder.energies[hot])
        ladder.offered[t] += 1
        if gain >= 0.0 or uniform(ladder.random, 0) < math.exp(gain):
            ladder.at[t], ladder.at[t + 1] = hot, cold
            ladder.accepted[t] += 1
    ladder.headed[ladder.at[count - 1]] = 1
    if ladder.headed[ladder.at[0]] == 1 and count > 1:
        ladder.headed[ladder.at[0]] = 0
        ladder.trips[0] += 1


def coldest_temperature(gaps: NDArray[np.float64], moves: float, hottest: float, span: float) -> float:
    """The temperature at which moves uphill are as rare as wanted.

    Args:
        gaps: [k] > 0 by how much moves raise the energy; each is made with the probability exp(-gap / temperature).
        moves: how many of them are made.
        hottest: temperature of the ladder.
        span: least ratio of the hottest to the coldest.
    """
    low, high = np.log(hottest) - 50.0, np.log(hottest / span)
    for _ in range(40):
        middle = (low + high) / 2.0
        low, high = (low, middle) if np.exp(-gaps / np.exp(middle)).sum() > moves else (middle, high)
    return float(np.exp(low))


def space_evenly(ladder: Ladder, sweeps: int) -> None:
    """Set the inner temperatures by what was measured in the last `sweeps` sweeps, and forget it."""
    if ladder.betas.size > 2:
        deviations = np.sqrt(np.maximum(ladder.squares / sweeps - np.square(ladder.sums / sweeps), 0.0))
        lengths = (deviations[1:] + deviations[:-1]) / 2.0 * -np.diff(ladder.betas)
        if lengths.any():
            lengths = np.maximum(lengths, _SHORTEST * lengths.mean())
            reached = np.concatenate([[0.0], np.cumsum(lengths)])
            even = np.linspace(0.0, reached[-1], ladder.betas.size)
            ladder.betas[1:-1] = np.exp(np.interp(even[1:-1], reached, np.log(ladder.betas)))
    forget(ladder)


def forget(ladder: Ladder) -> None:
    """Begin to measure anew."""
    for measured in (ladder.sums, ladder.squares, ladder.accepted, ladder.offered):
        measured[:] = 0
