"""Energies of the options of a site, and of pairs of options, in the workspace of the moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.replicas import Replicas
from qubo_backends._pt.choices.row_products import add_products
from qubo_backends._shared.jit import inner
from qubo_backends._shared.struct import Struct

# Of two sites with more options each, a random part is drawn from: all pairs of options cost too much.
MOST_OPTIONS = 8
# All pairs of so many sites are offered a swap in a sweep; of more as many for each.
_ALL_PAIRS = 40


class Mode(NamedTuple):
    """How single draws are made, and what follows a sweep.

    Attributes:
        kept: options that break a constraint are not drawn.
        priced: options pay the prices of the workspace, and there are single draws only. Energies are wrong then until
            they are summed up.
        exchanging: temperatures are exchanged after every sweep. Otherwise a sweep that makes no move is the last one.
        thorough: but before that, if pairs of sites in an inequality are few, one over all of them makes none either.
    """

    kept: bool
    priced: bool
    exchanging: bool
    thorough: bool


TEMPERING = Mode(kept=True, priced=False, exchanging=True, thorough=False)
QUENCHING = TEMPERING._replace(exchanging=False)
THOROUGH = QUENCHING._replace(thorough=True)
"""Sweeps within the constraints."""
AT_PRICES = Mode(kept=False, priced=True, exchanging=False, thorough=False)
FILLING = AT_PRICES._replace(kept=True)
"""Sweeps at prices, without the constraints and within them."""


@dataclass(frozen=True, eq=False)
class Workspace(Struct):
    """Scratch arrays of the moves, for one thread.

    Attributes:
        here, there: [replicas, options] energies of the options of two sites.
        block: [options, options] coupling of every two of them.
        weights: [options * options].
        left, right: [MOST_OPTIONS or options] options taken part of.
        lanes: [replicas] 0, 1, ...
        saved: [constraints] left sides.
        projection: [rank] of one state.
        betas: [replicas] inverse temperature of every replica.
        prices: [replicas, constraints] per unit of a left side, for sweeps at prices.
        made: [replicas] moves made in a sweep.
        changes: [replicas] of the energy by a trial move, infinite where it leaves the constraints.
        draws, pairs, swaps: single and joint draws and swaps that a sweep offers to a replica; None for no such moves.
    """

    here: NDArray[np.float64]
    there: NDArray[np.float64]
    block: NDArray[np.float64]
    weights: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    lanes: NDArray[np.int64]
    saved: NDArray[np.float64]
    projection: NDArray[np.float64]
    betas: NDArray[np.float64]
    prices: NDArray[np.float64]
    made: NDArray[np.int64]
    changes: NDArray[np.float64]
    draws: int | None
    pairs: int | None
    swaps: int | None

    @property
    def moves(self) -> tuple[int, int, int]:
        """Single draws, joint draws and swaps."""
        return self.draws or 0, self.pairs or 0, self.swaps or 0


def new_workspace(model: ChoiceModel, replicas: int) -> Workspace:
    """A workspace for as many replicas."""
    most = int(model.sizes.max(initial=1))
    draws, pairs, swaps = count_moves(model)
    return Workspace(
        here=np.zeros((replicas, most)),
        there=np.zeros((replicas, most)),
        block=np.zeros((most, most)),
        weights=np.zeros(max(most, MOST_OPTIONS**2)),
        left=np.zeros(most, np.int64),
        right=np.zeros(most, np.int64),
        lanes=np.arange(replicas),
        saved=np.zeros(len(model.constants)),
        projection=np.zeros(model.rank),
        betas=np.ones(replicas),
        prices=np.zeros((replicas, len(model.constants))),
        made=np.zeros(replicas, np.int64),
        changes=np.zeros(replicas),
        draws=draws or None,
        pairs=pairs or None,
        swaps=swaps or None,
    )


def count_moves(model: ChoiceModel) -> tuple[int, int, int]:
    """Single draws, joint draws and swaps that a sweep offers to a replica."""
    bound, count = len(model.members) - int(model.member_starts[model.inequalities]), len(model.swappable)
    pairs = (min(bound, len(model.firsts)) + 1) // 2
    # All pairs while they are few.
    swaps = count * (count - 1) // 2 if count <= _ALL_PAIRS else count * _ALL_PAIRS // 2
    return len(model.switchable), pairs, swaps


@inner
def option_energies(
    model: ChoiceModel, replicas: Replicas, site: int, lanes: NDArray[np.int64], out: NDArray[np.float64]
) -> None:
    """Energy of every option of a site in all replicas, but for a constant of the replica; [replicas, options]."""
    first, off, size = model.firsts[site], model.offs[site], model.sizes[site]
    for r in range(lanes.size):
        out[r, 0] = 0.0
        for k in range(off, size):
            out[r, k] = replicas.fields[r, first + k - off]
    if model.factor is not None:
        count = size - off
        add_products(model.factor, model.factor_rows[first : first + count], replicas.projections, lanes, out, off)
        gram = model.gram[model.gram_starts[site] : model.gram_starts[site + 1]]
        for r in range(lanes.size):
            now = replicas.choices[r, site] - off
            for k in range(count):
                # The projection holds the present option, which leaves as another comes.
                out[r, off + k] += 0.5 * gram[k * count + k] - (gram[k * count + now] if now >= 0 else 0.0)


@inner
def coupling(model: ChoiceModel, i: int, j: int) -> float:
    """Q_ij, without the low-rank form."""
    begin, end = model.starts[i], model.starts[i + 1]
    if model.columns.size == 0:
        return float(model.values[begin + j])
    while begin < end:
        middle = (begin + end) // 2
        if model.columns[middle] < j:
            begin = middle + 1
        else:
            end = middle
    return float(model.values[begin]) if begin < model.starts[i + 1] and model.columns[begin] == j else 0.0


@inner
def pair_block(model: ChoiceModel, a: int, b: int, block: NDArray[np.float64]) -> None:
    """Coupling of every option of site `a` with every option of site `b`, with the low-rank form."""
    off_a, off_b = model.offs[a], model.offs[b]
    first_a, first_b = model.firsts[a], model.firsts[b]
    count_a, count_b = model.sizes[a] - off_a, model.sizes[b] - off_b
    for i in range(model.sizes[a]):
        for j in range(model.sizes[b]):
            block[i, j] = 0.0
    for k in range(count_a):
        begin, end = model.starts[first_a + k], model.starts[first_a + k + 1]
        if model.columns.size == 0:
            for m in range(count_b):
                block[off_a + k, off_b + m] = model.values[begin + first_b + m]
        else:
            last = end
            while begin < end:
                middle = (begin + end) // 2
                if model.columns[middle] < first_b:
                    begin = middle + 1
                else:
                    end = middle
            while begin < last and model.columns[begin] < first_b + count_b:
                block[off_a + k, off_b + model.columns[begin] - first_b] = model.values[begin]
                begin += 1
    if model.factor is not None:
        mine, theirs = model.factor_rows[first_a : first_a + count_a], model.factor_rows[first_b : first_b + count_b]
        add_products(model.factor, theirs, model.factor, mine, block[off_a:], off_b)
