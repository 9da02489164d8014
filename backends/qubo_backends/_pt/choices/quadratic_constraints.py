"""Quadratic constraints as linear ones whose coefficients depend on the state.

The slope of a variable is its linear coefficient plus its interactions with what is 1. Variables of one site never
interact: to a move of one site a left side is linear, with slopes as coefficients, and to a move of two sites it is
that and the interaction between them. Slopes are kept for every replica, and change with the moves that are made, over
sparse rows.

A product of two linear forms has a slope that its other form gives, and would need no rows. But any constraint of
degree two is products multiplied out, and their rows are no bottleneck: a move that is made touches as many slopes as
the layers beside it have channels, which is no more than the fields that it changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from qubo_backends._shared.jit import inner
from qubo_backends._shared.struct import Struct


@dataclass(frozen=True, eq=False)
class QuadraticConstraints(Struct):
    """Left sides in blocks of a site and a constraint, with an entry for every variable of the site.

    Attributes:
        site_starts: [sites + 1] where the blocks of a site begin.
        constraints: [blocks] ascending within a site.
        firsts: [blocks] entry of the site's first variable.
        linear: [entries] linear coefficients.
        starts: [entries + 1] where the interactions of an entry begin.
        partners: [interactions] entries of the same constraint, ascending; every interaction is in both its rows.
        values: [interactions].
    """

    site_starts: NDArray[np.int64]
    constraints: NDArray[np.int64]
    firsts: NDArray[np.int64]
    linear: NDArray[np.float64]
    starts: NDArray[np.int64]
    partners: NDArray[np.int32]
    values: NDArray[np.float64]

    @classmethod
    def of(
        cls, forms: Mapping[int, tuple[NDArray[np.float64], scipy.sparse.csr_array]], firsts: NDArray[np.int64]
    ) -> QuadraticConstraints:
        """Lay out left sides by site.

        Args:
            forms: number of a constraint -> [n] linear coefficients and the symmetric [n, n] interactions, none of
                them inside a site; variables are numbered site by site.
            firsts: [sites] the first variable of every site.

        Example:
            >>> pair = scipy.sparse.csr_array(np.array([[0.0, 0.0, 2.0], [0.0, 0.0, 0.0], [2.0, 0.0, 0.0]]))
            >>> found = QuadraticConstraints.of({4: (np.zeros(3), pair)}, np.array([0, 2]))
            >>> found.constraints.tolist(), found.firsts.tolist(), found.partners.tolist()
            ([4, 4], [0, 2], [2, 0])
        """
        blocks = [np.zeros((3, 0), np.int64)]
        linear, lengths, partners, values = [np.zeros(0)], [np.zeros(0, np.int64)], [np.zeros(0, int)], [np.zeros(0)]
        size = 0
        for number, (own, couplings) in forms.items():
            site_of = np.searchsorted(firsts, np.arange(len(own)), side="right") - 1
            inside = np.zeros(len(firsts), bool)
            inside[site_of[(own != 0.0) | (np.diff(couplings.indptr) > 0)]] = True
            variables, sites = np.flatnonzero(inside[site_of]), np.flatnonzero(inside)
            rows = scipy.sparse.csr_array(couplings[variables][:, variables])
            rows.sort_indices()
            blocks.append(
                np.stack([sites, np.full(len(sites), number), size + np.searchsorted(variables, firsts[sites])])
            )
            linear.append(own[variables])
            lengths.append(np.diff(rows.indptr))
            partners.append(size + rows.indices)
            values.append(rows.data)
            size += len(variables)
        sites, numbers, begins = np.concatenate(blocks, axis=1)
        order = np.lexsort((numbers, sites))
        return cls(
            site_starts=np.searchsorted(sites[order], np.arange(len(firsts) + 1)),
            constraints=numbers[order],
            firsts=begins[order],
            linear=np.concatenate(linear),
            starts=np.append(0, np.cumsum(np.concatenate(lengths))).astype(np.int64),
            partners=np.concatenate(partners).astype(np.int32),
            values=np.concatenate(values),
        )


@inner
def add_variable(
    quadratic: QuadraticConstraints,
    slopes: NDArray[np.float64],
    sums: NDArray[np.float64],
    site: int,
    place: int,
    sign: float,
) -> None:
    """Put a variable into the left sides (sign 1.0), or take it out (-1.0).

    Args:
        quadratic: see there.
        slopes: [entries] of the state, changed in place.
        sums: [constraints] left sides, changed in place.
        site: the variable's.
        place: of the variable among those of its site; -1 for "off".
        sign: see above.
    """
    if place < 0:
        return
    for b in range(quadratic.site_starts[site], quadratic.site_starts[site + 1]):
        entry = quadratic.firsts[b] + place
        sums[quadratic.constraints[b]] += sign * slopes[entry]
        for k in range(quadratic.starts[entry], quadratic.starts[entry + 1]):
            slopes[quadratic.partners[k]] += sign * quadratic.values[k]


@inner
def slope_change(slopes: NDArray[np.float64], first: int, old: int, new: int) -> float:
    """Change of a left side by one variable of a site in place of another; -1 stands for "off"."""
    return (slopes[first + new] if new >= 0 else 0.0) - (slopes[first + old] if old >= 0 else 0.0)


@inner
def interaction(quadratic: QuadraticConstraints, first_a: int, a: int, first_b: int, b: int) -> float:
    """Interaction of a variable of one site's block with one of another's; -1 stands for "off"."""
    if a < 0 or b < 0:
        return 0.0
    sought = first_b + b
    begin, end = quadratic.starts[first_a + a], quadratic.starts[first_a + a + 1]
    if begin == end or quadratic.partners[begin] > sought or quadratic.partners[end - 1] < sought:
        return 0.0
    while begin < end:
        middle = (begin + end) // 2
        if quadratic.partners[middle] < sought:
            begin = middle + 1
        else:
            end = middle
    return float(quadratic.values[begin]) if quadratic.partners[begin] == sought else 0.0
