"""Products of many rows at once: what sampling with a factor spends its time on."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from qubo_backends._shared.jit import summing


@summing
def add_products(
    rows: NDArray[Any],
    taken: NDArray[Any],
    others: NDArray[Any],
    partners: NDArray[Any],
    out: NDArray[Any],
    first: int,
) -> None:
    """Add the products of rows of two matrices: `out[s, first + k] += rows[taken[k]] . others[with_[s]]`.

    Eight sums at once, so that every number fetched from memory is used several times.

    Args:
        rows: [., rank].
        taken: [k] rows of it; -1 stands for a row of zeros.
        others: [., rank].
        partners: [s] rows of it, likewise.
        out: [s, first + k].
        first: column of the first product.
    """
    zero = others[0, 0] * rows[0, 0] * 0
    for s in range(0, partners.size, 4):
        s1, s2, s3 = min(s + 1, partners.size - 1), min(s + 2, partners.size - 1), min(s + 3, partners.size - 1)
        y0, y1 = others[max(partners[s], 0)], others[max(partners[s1], 0)]
        y2, y3 = others[max(partners[s2], 0)], others[max(partners[s3], 0)]
        for k in range(0, taken.size, 2):
            k1 = min(k + 1, taken.size - 1)
            v0, v1 = rows[max(taken[k], 0)], rows[max(taken[k1], 0)]
            a0, a1, a2, a3 = zero, zero, zero, zero
            b0, b1, b2, b3 = zero, zero, zero, zero
            for j in range(v0.size):
                a0 += v0[j] * y0[j]
                a1 += v0[j] * y1[j]
                a2 += v0[j] * y2[j]
                a3 += v0[j] * y3[j]
                b0 += v1[j] * y0[j]
                b1 += v1[j] * y1[j]
                b2 += v1[j] * y2[j]
                b3 += v1[j] * y3[j]
            for lane, (a, b) in enumerate(((a0, b0), (a1, b1), (a2, b2), (a3, b3))):
                used = s + lane < partners.size and partners[s + lane] >= 0
                if used and taken[k] >= 0:
                    out[s + lane, first + k] += a
                if used and k + 1 < taken.size and taken[k1] >= 0:
                    out[s + lane, first + k1] += b
