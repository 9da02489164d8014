"""The quantization grid: the values that `b` bits can represent in an output channel, and the search for the best grid.

A weight is stored as `scale * (k + offset)`, `k` an integer of `b` bits in [-2^(b-1), 2^(b-1) - 1]. Scale and
offset are stored as codes: `scale = base * SCALES[code]` with one float32 `base` per layer and 16 codes to the octave,
`offset = offsets(b)[code]`. All table entries are exact binary numbers and every product is one float32
multiplication, so a stored weight has the same bits on every machine.

Offset 1/2 is the mid-rise grid, which is best for symmetric weights and has no zero; offsets 0 and 1 have a zero and
one more negative or positive level; the others shift the grid by multiples of 1/32 of its range, for skewed channels.
From five bits on a shift is an integer, so the grid keeps its zero.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qubo_dnn.compression.task.options import MAX_BITS

# 2^(-i/16) as float32 mantissas. They are literals because pow() may differ in the last bit between C libraries.
_MANTISSAS = np.array(
    [
        *(16777216, 16065917, 15384775, 14732511, 14107901, 13509772, 12937002, 12388516),
        *(11863283, 11360319, 10878679, 10417458, 9975792, 9552851, 9147842, 8760003),
    ],
    dtype=np.float32,
)
SCALES: NDArray[np.float32] = np.ldexp(np.tile(_MANTISSAS, 16), -24 - np.arange(256) // 16).astype(np.float32)
"""`[256]` scale of every code relative to the layer's base: 1, then smaller by a factor of 2^(-1/16) each."""

_BLOCK = 64  # weights between two checks of the bound; a loop of fixed length runs four times as fast


@cache
def offsets(bits: int) -> NDArray[np.float32]:
    """Return `[<= 16]` grid offsets for a width of 1 to `MAX_BITS` bits, in grid steps; the position is the code.

    Example:
        >>> offsets(1).tolist()
        [0.5, 0.0, 1.0, 0.5625, 0.4375, 0.625, 0.375, 0.6875, 0.3125, 0.75, 0.25, 0.8125, 0.1875, 0.875, 0.125]
    """
    middle = 0.5 if bits < 5 else 0.0
    shifts = [sign * distance * 2**bits / 32 for distance in range(1, 7) for sign in (1, -1)]
    return np.array(list(dict.fromkeys([0.5, 0.0, 1.0, *(middle + shift for shift in shifts)])), dtype=np.float32)


def limits(bits: int) -> tuple[int, int]:
    """Return the smallest and the largest integer `k` for a width of 1 to `MAX_BITS` bits.

    Example:
        >>> limits(4)
        (-8, 7)
    """
    return -(1 << bits - 1), (1 << bits - 1) - 1


class Levels(NamedTuple):
    """The grids of several channels, `[channels, 1]` float32 each: `scale * (k + offset)` with low <= k <= high.

    Example:
        >>> grids = levels(*np.array([[2], [0], [0]], np.uint8))  # 2 bits, first scale, first offset
        >>> grids.scale.tolist(), grids.low.tolist(), grids.high.tolist()
        ([[1.0]], [[-2.0]], [[1.0]])
    """

    scale: NDArray[np.float32]
    offset: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


def levels(bits: NDArray[np.uint8], scale_codes: NDArray[np.uint8], offset_codes: NDArray[np.uint8]) -> Levels:
    """Return the grids that `[channels]` codes stand for, relative to the base.

    A channel that is pruned or not quantized has only the value 0.

    Example:
        >>> bits, scale_codes, offset_codes = np.array([[2, 0], [16, 0], [0, 0]], np.uint8)
        >>> levels(bits, scale_codes, offset_codes).scale.tolist()  # the second channel is pruned
        [[0.5], [1.0]]
    """
    offset, low, high = np.zeros((3, len(bits), 1), np.float32)
    for width in np.unique(bits[(bits > 0) & (bits <= MAX_BITS)]).tolist():
        chosen = bits == width
        offset[chosen, 0] = offsets(width)[offset_codes[chosen]]
        low[chosen], high[chosen] = limits(width)
    return Levels(SCALES[scale_codes][:, None], offset, low, high)


def best_codes(weights: NDArray[np.float32], bits: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Find the scale and offset codes of least squared error by full search, channel by channel.

    Args:
        weights: `[channels, n]` divided by the layer's base, n >= 1, all finite.
        bits: width, 1 to `MAX_BITS`.

    Returns:
        Scale codes `[channels]` and offset codes `[channels]`; ties are broken in a fixed way.

    Example:
        >>> scale_codes, offset_codes = best_codes(np.array([[-0.5, 0.5, 0.25]], np.float32), bits=4)
        >>> float(SCALES[scale_codes[0]])
        0.125
    """
    # Sort so that clipping errors come first: scales that clip too much are abandoned early.
    order = np.argsort(-np.abs(weights), axis=1)
    codes = np.empty((2, len(weights)), dtype=np.uint8)
    low, high = (np.float32(limit) for limit in limits(bits))
    _search(np.take_along_axis(weights, order, axis=1), SCALES, offsets(bits), low, high, codes[0], codes[1])
    return codes[0], codes[1]


def _search_loop(
    weights: NDArray[np.float32],
    scales: NDArray[np.float32],
    shifts: NDArray[np.float32],
    low: np.float32,
    high: np.float32,
    scale_codes: NDArray[np.uint8],
    offset_codes: NDArray[np.uint8],
) -> None:
    """Search all pairs of codes; a pair is abandoned as soon as its error exceeds the best one.

    Scales are tried downwards from the smallest one that does not clip, then the coarser ones, so that a good pair is
    found early.
    """
    last = scales.size - 1
    whole = weights.shape[1] // _BLOCK * _BLOCK
    for channel in range(weights.shape[0]):
        row = weights[channel]
        start = 0
        while start < last and scales[start] * high > abs(row[0]):
            start += 1
        best = np.float32(np.inf)
        for offset_code in range(shifts.size):
            offset = shifts[offset_code]
            for trial in range(scales.size):
                scale_code = start + trial if start + trial <= last else last - trial
                scale = scales[scale_code]
                inverse = np.float32(1.0) / scale
                bound = best * inverse * inverse
                error = np.float32(0.0)
                for first in range(0, whole, _BLOCK):
                    part = np.float32(0.0)
                    for position in range(_BLOCK):
                        exact = row[first + position] * inverse - offset
                        miss = exact - min(max(np.rint(exact), low), high)
                        part += miss * miss
                    error += part
                    if error >= bound:
                        break
                if error < bound:
                    for position in range(whole, row.size):
                        exact = row[position] * inverse - offset
                        miss = exact - min(max(np.rint(exact), low), high)
                        error += miss * miss
                if error < bound:
                    best = error * scale * scale
                    scale_codes[channel], offset_codes[channel] = scale_code, offset_code


_search = njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})(_search_loop)
