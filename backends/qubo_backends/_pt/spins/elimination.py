"""Exact steps before sampling, which solve models of low treewidth, and make others smaller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_backends._shared import sampling
from qubo_dnn.presolve.eliminable import FEWEST, MOST_INTERACTIONS
from qubo_dnn.presolve.simplification import Simplification, simplify

# Seconds of elimination where a target is given, which sampling may meet sooner.
_WITH_TARGET = 0.1


@dataclass(frozen=True, eq=False)
class SpinElimination:
    """The elimination of variables from a SPIN model over 0, ..., n - 1.

    Attributes:
        size: n.
        found: what was contracted and eliminated, None if nothing was.
    """

    size: int
    found: Simplification | None

    @property
    def solved(self) -> bool:
        """True if nothing is left to sample."""
        return self.found is not None and self.found.solved

    def lowest(self, count: int) -> NDArray[np.int8]:
        """Return the [count, n] lowest states of a solved model, each value 0 or 1, repeated if there are fewer."""
        assert self.found is not None
        states = self.found.lowest(count)
        return states[np.arange(count) % len(states)]

    def completed(self, states: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return [k, n] states from [k, m] states of what is left, each value 0 or 1."""
        return states if self.found is None else self.found.completed(states)

    def restricted(self, states: NDArray[np.int8] | None) -> NDArray[np.int8] | None:
        """Return [k, m] values of what is left in [k, n] states."""
        return states if states is None or self.found is None else states[:, self.found.left]

    def report(self) -> dict[str, Any]:
        """Return the entries of `info`: what was eliminated, and whether the answer is a proven optimum."""
        left = self.size if self.found is None else len(self.found.left)
        width = 0 if self.found is None else self.found.width
        return {
            "elimination": {"eliminated": self.size - left, "left": left, "width": width},
            "optimal": self.solved,
        }


def eliminated(
    spins: dimod.BinaryQuadraticModel, watch: sampling.InterruptGuard, count: int, target: bool
) -> tuple[SpinElimination, dimod.BinaryQuadraticModel]:
    """Eliminate what can be eliminated.

    Args:
        spins: SPIN model over 0, ..., n - 1; it is not changed.
        watch: its clock stands still during compilation; its end ends the elimination.
        count: number of states that are wanted. Of several states, those of a model are all exact or all sampled.
        target: whether sampling may stop at a target energy.

    Returns:
        The elimination, and the model that is left, over 0, ..., m - 1, with the energy of what was eliminated as part
        of its offset: the given one if nothing was.
    """
    size = spins.num_variables
    found = None
    if size > FEWEST and spins.num_interactions <= MOST_INTERACTIONS:
        linear, (rows, columns, couplings), offset = spins.to_numpy_vectors(variable_order=range(size))
        kept = couplings != 0.0
        found = simplify(
            linear,
            np.array([rows[kept], columns[kept]], np.int64),
            couplings[kept],
            low=-1.0,
            count=count,
            seconds=min(watch.time_limit, _WITH_TARGET if target else np.inf),
            over=lambda: watch.over,
            compiling=watch.prolong,
        )
    if found is None:
        return SpinElimination(size, None), spins
    left = dimod.BinaryQuadraticModel.from_numpy_vectors(
        found.linear, (*found.pairs, found.couplings), float(offset) + found.offset, dimod.SPIN
    )
    return SpinElimination(size, found), left
