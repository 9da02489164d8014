"""Angles of QAOA: a linear ramp to start from, and a classical optimizer that stops when it is told to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Method = Literal["COBYLA", "Nelder-Mead", "Powell", "L-BFGS-B", "SLSQP"]


class _StopError(Exception):
    """Ends the optimizer from inside the objective."""


@dataclass
class AngleSearch:
    """What an optimizer tried.

    Attributes:
        angles: [2 p] the best: gammas, then betas, in the unit of the ramp.
        value: of the objective there.
        values: of all evaluations, in their order.
    """

    angles: Floats
    value: float = np.inf
    values: list[float] = field(default_factory=list)


def linear_ramp(depth: int, slope: float = 0.6) -> Floats:
    """[2 p] gammas rising and betas falling linearly, as in an anneal; betas are negative, so that energy is minimised.

    Source: Sack & Serbyn 2021, arXiv 2101.05742 (initialization by annealing).
    """
    s = (np.arange(depth) + 0.5) / depth
    return np.concatenate([slope * s, -slope * (1.0 - s)])


def typical_energy(fields: Floats, couplings: Floats) -> float:
    """Half of what a spin typically feels: the unit in which a gamma of 1 is large. 1.0 without any bias."""
    felt = fields**2 + (couplings**2).sum(axis=1)
    return float(np.sqrt(felt.mean())) / 2.0 or 1.0


def optimize(
    objective: Callable[[Floats], float], start: Floats, method: Method, evaluations: int, over: Callable[[], bool]
) -> AngleSearch:
    """Minimise over the angles.

    Args:
        objective: of [2 p] angles.
        start: angles to begin with, which are always evaluated.
        method: of `scipy.optimize.minimize`.
        evaluations: most of them, >= 1.
        over: asked after every evaluation whether to end.
    """
    from scipy.optimize import minimize  # only where angles are searched: it takes as long to import as dimod

    found = AngleSearch(start)

    def evaluated(angles: Floats) -> float:
        value = objective(angles)
        found.values.append(value)
        if value < found.value:
            found.angles, found.value = angles.copy(), value
        if over() or len(found.values) >= evaluations:
            raise _StopError
        return value

    # COBYLA's first step; its default of 1 leaves the ramp's neighbourhood at once.
    options: Any = {"rhobeg": 0.1} if method == "COBYLA" else {}
    with suppress(_StopError):
        minimize(evaluated, start, method=method, options=options)
    return found
