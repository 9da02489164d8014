"""A quadratic model of the loss over the choices of options, as arrays. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class QuadraticLossModel:
    """The loss increase offset + linear'x + 1/2 x'Qx of a choice x, one-hot over the options of every unit.

    Entry u*K + k of x stands for unit u at option k. Q is given either as a matrix or as a factor; a factor is used
    if the matrix does not fit into memory.

    Attributes:
        matrix: [UK, UK] Q, positive semidefinite, in the unit of the loss.
        factor: [UK, R] F with Q = F F'.
        linear: [UK] linear terms; zero if the model is taken around the network whose outputs are the reference.
        offset: loss increase of the network around which the model is taken, >= 0.

    Raises:
        ValueError: both or none of matrix and factor are given, or `linear` has another length.

    Example:
        >>> model = QuadraticLossModel(matrix=np.array([[2, 1], [1, 2]], np.float32), linear=np.zeros(2))
        >>> model.increase([1.0, 1.0]), model.diagonal().tolist()
        (3.0, [2.0, 2.0])
    """

    matrix: NDArray[np.float32] | None = None
    factor: NDArray[np.float32] | None = None
    linear: NDArray[np.float64]
    offset: float = 0.0

    def __post_init__(self) -> None:
        given = [each for each in (self.matrix, self.factor) if each is not None]
        if len(given) != 1 or len(given[0]) != len(self.linear):
            raise ValueError("a sensitivity is a matrix or a factor, with as many rows as linear terms")

    def diagonal(self) -> NDArray[np.float64]:
        """Return [UK] the diagonal of Q."""
        if self.factor is not None:
            return np.asarray(np.einsum("ir,ir->i", self.factor, self.factor), np.float64)
        assert self.matrix is not None
        return np.diagonal(self.matrix).astype(np.float64)

    def product(self, x: ArrayLike) -> NDArray[np.float64]:
        """Return Q x for x [UK] or [UK, n]."""
        x = np.asarray(x, np.float32)
        if self.factor is not None:
            return np.asarray(self.factor @ (self.factor.T @ x), np.float64)
        assert self.matrix is not None
        return np.asarray(self.matrix @ x, np.float64)

    def terms_between(self, chosen: NDArray[np.intp], part: NDArray[np.intp], parts: int) -> NDArray[np.float64]:
        """Return [parts, parts] sums of the entries of Q between the chosen variables of every two parts.

        Args:
            chosen: [n] rows of Q.
            part: [n] part of each of them, 0 to `parts` - 1.
            parts: number of parts.
        """
        if self.factor is not None:
            sums = np.zeros((parts, self.factor.shape[1]))
            np.add.at(sums, part, self.factor[chosen])
            return sums @ sums.T
        assert self.matrix is not None
        found = np.zeros((parts, parts))
        # Part by part, since a copy of all chosen rows may not fit.
        for row in np.unique(part):
            terms = self.matrix[np.ix_(chosen[part == row], chosen)].sum(axis=0, dtype=np.float64)
            found[row] = np.bincount(part, terms, minlength=parts)
        return found

    def increase(self, x: ArrayLike) -> float:
        """Return the loss increase of a choice x [UK]."""
        return float(self.offset + np.dot(self.linear, x) + np.dot(self.product(x), x) / 2)
