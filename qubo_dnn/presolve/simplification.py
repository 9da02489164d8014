"""Exact steps that leave a smaller model with the same optimum, one after the other until none goes on.

Contraction costs next to nothing and comes first; what it leaves may be within reach of the elimination, and what that
leaves may have dominant couplings again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.presolve.contraction import Contraction, contract
from qubo_dnn.presolve.eliminable import worth_eliminating

if TYPE_CHECKING:
    from qubo_dnn.presolve.elimination import Elimination

    Step: TypeAlias = Contraction | Elimination

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Simplification:
    """A model after exact steps.

    Attributes:
        size: n, number of variables of the model.
        steps: at least one, in the order in which they were made.

    Example:
        >>> chain = simplify(np.zeros(3), np.array([[0, 1], [1, 2]]), np.array([1.0, -2.0]), low=-1.0)
        >>> chain.solved, chain.offset, chain.completed(np.zeros((1, 0), np.int8)).tolist()
        (True, -3.0, [[1, 0, 0]])
    """

    size: int
    steps: tuple[Step, ...]

    @property
    def solved(self) -> bool:
        """True if no variable is left, so that the offset is the least energy."""
        return not len(self.steps[-1].left)

    @property
    def left(self) -> NDArray[np.int64]:
        """[m] the variables that are left, in ascending order."""
        left = self.steps[0].left
        for step in self.steps[1:]:
            left = left[step.left]
        return left

    @property
    def linear(self) -> Floats:
        """[m] their biases."""
        return self.steps[-1].linear

    @property
    def pairs(self) -> NDArray[np.int64]:
        """[2, p] pairs of positions in `left`, each once."""
        return self.steps[-1].pairs

    @property
    def couplings(self) -> Floats:
        """[p] their couplings."""
        return self.steps[-1].couplings

    @property
    def offset(self) -> float:
        """Energy of the model minus that of what is left, at the best values of the other variables."""
        return math.fsum(step.offset for step in self.steps)

    @property
    def rounding(self) -> float:
        """Upper bound on the rounding errors of the energies of what is left, with the offset."""
        return sum(step.rounding for step in self.steps) + abs(self.offset) * float(np.finfo(float).eps)

    @property
    def width(self) -> int:
        """Largest number of neighbours that a variable had at its elimination; 1 for those that follow another one."""
        return max(step.width for step in self.steps)

    def completed(self, states: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return [k, n] states of 0 and 1 from [k, m] states of what is left."""
        for step in reversed(self.steps):
            states = step.completed(states)
        return states

    def lowest(self, count: int) -> NDArray[np.int8]:
        """Return the [k, n] lowest states of a solved model, lowest first; k is `count`, or less if there are fewer.

        For more than one the model must have been simplified for several states.
        """
        if count == 1:
            return self.completed(np.zeros((1, 0), np.int8))
        # Imported here, since it needs numba, which is slow to import.
        from qubo_dnn.presolve.elimination import Elimination

        (step,) = self.steps
        assert isinstance(step, Elimination)
        return step.lowest(count)


def simplify(
    linear: Floats,
    pairs: NDArray[np.integer],
    couplings: Floats,
    *,
    low: float,
    count: int = 1,
    seconds: float = math.inf,
    over: Callable[[], bool] = lambda: False,
    compiling: Callable[[float], object] | None = None,
) -> Simplification | None:
    """Contract and eliminate what can be contracted and eliminated.

    Args:
        linear: [n] biases.
        pairs: [2, m] pairs of variables, each once.
        couplings: [m] their couplings.
        low: the lower value of every variable, 0.0 or -1.0; the higher one is 1.
        count: number of states that are wanted. If it is above 1, a model is eliminated whole or left as it is.
        seconds: limit of the time of an elimination, infinity for the limits of the elimination itself.
        over: asked now and then; True ends the work.
        compiling: gets the seconds that the compilation of kernels took, which is kept on disk.

    Returns:
        The result; None if the model stays as it is.

    Example:
        >>> simplify(np.zeros(40), np.array(np.triu_indices(40, 1)), np.ones(780), low=-1.0) is None
        True
    """
    size = len(linear)

    def eliminated(linear: Floats, pairs: NDArray[np.integer], couplings: Floats, whole: bool) -> Elimination | None:
        if not worth_eliminating(len(linear), pairs):
            return None
        # Imported here, since it needs numba, which is slow to import.
        from qubo_dnn.presolve.elimination import compile_elimination, eliminate, entries_within

        begun = time.perf_counter()
        compile_elimination()
        if compiling is not None:
            compiling(time.perf_counter() - begun)
        most = entries_within(seconds)
        return eliminate(linear, pairs, couplings, low=low, count=count, whole=whole, most_entries=most, over=over)

    steps: list[Step] = []
    made = -1
    while made < len(steps) and len(linear):
        made = len(steps)
        contraction = contract(linear, pairs, couplings, low=low, over=over) if count == 1 else None
        if contraction is not None:
            if not steps and len(contraction.left):
                # A long and narrow graph is swept from end to end, for which contracted variables are too far apart.
                whole = eliminated(linear, pairs, couplings, whole=True)
                if whole is not None:
                    return Simplification(size, (whole,))
            steps.append(contraction)
            linear, pairs, couplings = contraction.linear, contraction.pairs, contraction.couplings
        elimination = eliminated(linear, pairs, couplings, whole=False)
        if elimination is not None:
            steps.append(elimination)
            linear, pairs, couplings = elimination.linear, elimination.pairs, elimination.couplings
    return Simplification(size, tuple(steps)) if steps else None
