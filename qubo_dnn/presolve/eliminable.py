"""Which models are eliminated; it is known without numba, which is slow to import."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_WIDTH = 22
"""Largest number of neighbours of a variable at its elimination, which takes two tables of 32 MiB."""
FEWEST = 32
"""Models of at most so many variables are not eliminated before sampling: all backends find their optima."""


def eliminable(size: int, pairs: NDArray[np.integer]) -> bool:
    """Return False if it is clear at once that `eliminate` would be of no use.

    Args:
        size: number of variables.
        pairs: [2, m] coupled pairs.

    Example:
        >>> eliminable(100, np.array(np.triu_indices(100, 1)))
        False
    """
    if not size or pairs.shape[1] > MOST_WIDTH * size:
        return False
    return bool(np.bincount(pairs.ravel(), minlength=size).min() <= MOST_WIDTH)
