"""Triangle inequalities of the cut polytope, their multipliers in a dual, and the search for violated ones.

Of three spins, two are equal. So every signs a, b, c of three spins i, j, k satisfy

    ab s_i s_j + ac s_i s_k + bc s_j s_k >= -1,

which gives four inequalities for every three spins.

Source: Deza & Laurent 1997, "Geometry of Cuts and Metrics".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.bounds.site_model import Floats, Indices

# Signs of the inequalities that can be violated: where X_ij + X_ik and X_ij - X_ik are negative or positive.
_SIGNS = np.array([[1, 1, 1], [-1, 1, 1], [1, 1, -1], [1, -1, 1]], np.int8)


@dataclass(frozen=True, eq=False)
class Triangles:
    """Some triangle inequalities, each with its multiplier.

    Attributes:
        corners: [3, m] ascending spins of every triangle.
        signs: [3, m] their signs, 1 or -1.
        multipliers: [m] at least 0.

    Example:
        >>> found = violated(np.array([[1.0, -0.5, -0.5], [-0.5, 1.0, -0.5], [-0.5, -0.5, 1.0]]), most=5, least=0.1)
        >>> found.corners.T.tolist(), found.signs.T.tolist()
        ([[0, 1, 2]], [[1, 1, 1]])
    """

    corners: NDArray[np.int16]
    signs: NDArray[np.int8]
    multipliers: Floats

    @classmethod
    def none(cls) -> Triangles:
        """Return no triangles."""
        return cls(np.zeros((3, 0), np.int16), np.zeros((3, 0), np.int8), np.zeros(0))

    def __len__(self) -> int:
        return len(self.multipliers)

    def entries(self, n: int) -> Indices:
        """[3, m] positions of the pairs (i, j), (i, k) and (j, k) of the triangles in a flat [n, n] matrix."""
        i, j, k = self.corners.astype(np.intp)
        return np.stack([i * n + j, i * n + k, j * n + k])

    def products(self) -> Floats:
        """[3, m] products of the signs of these pairs."""
        a, b, c = self.signs.astype(float)
        return np.stack([a * b, a * c, b * c])

    def at(self, chosen: NDArray[Any]) -> Triangles:
        """Return a selection of the triangles."""
        return Triangles(self.corners[:, chosen], self.signs[:, chosen], self.multipliers[chosen])

    def in_use(self, least: float) -> Triangles:
        """Return the triangles with more than a share of the largest multiplier."""
        return self.at(self.multipliers > least * self.multipliers.max(initial=0.0))

    def with_new(self, others: Triangles) -> Triangles:
        """Return these triangles, and those of `others` that are not among them."""
        new = others.at(~np.isin(others._codes(), self._codes()))
        return Triangles(
            np.concatenate([self.corners, new.corners], axis=1),
            np.concatenate([self.signs, new.signs], axis=1),
            np.concatenate([self.multipliers, new.multipliers]),
        )

    def with_both(self, i: int, j: int) -> Triangles:
        """Return the triangles that have two spins."""
        return self.at(self._has_both(i, j))

    def product(self, i: int, j: int) -> Floats:
        """[m] products of the signs of two spins that all triangles have."""
        both = np.where((self.corners == i) | (self.corners == j), self.signs, 1)
        return np.asarray(both.prod(axis=0), float)

    def _has_both(self, i: int, j: int) -> NDArray[np.bool_]:
        return np.asarray((self.corners == i).any(axis=0) & (self.corners == j).any(axis=0))

    def merge(self, i: int, j: int, sign: int) -> Triangles:
        """Return the triangles after `s_j = sign * s_i` with i < j; those with both spins hold then and are left out.

        Triangles that become equal are added up.
        """
        kept = self.at(~self._has_both(i, j))
        there = kept.corners == j
        signs = np.where(there, sign * kept.signs, kept.signs)
        corners = np.where(there, i, kept.corners - (kept.corners > j))
        order = np.argsort(corners, axis=0)
        sorted_ = replace(
            kept,
            corners=np.take_along_axis(corners, order, 0).astype(np.int16),
            signs=np.take_along_axis(signs, order, 0).astype(np.int8),
        )
        _, first, place = np.unique(sorted_._codes(), return_index=True, return_inverse=True)
        sums = np.bincount(place, weights=sorted_.multipliers, minlength=len(first))
        return replace(sorted_.at(first), multipliers=np.asarray(sums, float))

    def _codes(self) -> NDArray[np.int64]:
        """[m] a number for every inequality, equal for equal ones only."""
        i, j, k = self.corners.astype(np.int64)
        a, b, c = self.signs
        codes: NDArray[np.int64] = (((i << 15) + j << 15) + k) * 4 + 2 * (a == b) + (a == c)
        return codes


def violated(products: Floats, most: int, least: float) -> Triangles:
    """Return the most violated triangle inequalities of a matrix, with multipliers of 0.

    Args:
        products: [N, N] symmetric; stands for the products of all pairs of spins.
        most: number of triangles to return.
        least: violations up to this one do not count.

    Example:
        >>> products = np.where(np.eye(3) > 0.0, 1.0, -0.5)
        >>> len(violated(products, most=5, least=0.1)), len(violated(products, most=5, least=0.6))
        (1, 0)
    """
    n, limit = len(products), 1.0 + least
    found = [np.zeros((5, 0))]
    for i in range(n - 2):
        row, block = products[i, i + 1 :], products[i + 1 :, i + 1 :]
        # Of the inequalities with equal signs at j and k, and of those with different ones, one can be violated.
        total, gap = row[:, None] + row, row[:, None] - row
        cases = (np.abs(total) - block, total > 0.0, 0), (np.abs(gap) + block, gap > 0.0, 2)
        for values, kinds, first in cases:
            j, k = np.divmod(np.flatnonzero(values > limit), len(row))
            j, k = j[j < k], k[j < k]
            kind = kinds[j, k] + first
            found.append(np.stack([values[j, k], np.full(len(j), i, float), j + i + 1.0, k + i + 1.0, kind]))
        if sum(each.shape[1] for each in found) > 4 * most:
            found = [_largest(np.concatenate(found, axis=1), most)]
            limit = max(limit, float(found[0][0].min()))
    best = _largest(np.concatenate(found, axis=1), most)
    signs = _SIGNS[best[4].astype(np.intp)].T
    return Triangles(best[1:4].astype(np.int16), signs, np.zeros(best.shape[1]))


def _largest(rows: Floats, most: int) -> Floats:
    """Return the columns with the largest values in the first row, at most so many."""
    if rows.shape[1] <= most:
        return rows
    return rows[:, np.argpartition(-rows[0], most)[:most]]
