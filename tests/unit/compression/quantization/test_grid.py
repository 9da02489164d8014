import numpy as np
import pytest
from numpy.typing import NDArray

from qubo_dnn.compression.quantization.grid import SCALES, best_codes, limits, offsets
from qubo_dnn.compression.task.stored_bits import OFFSET_BITS, SCALE_BITS

WIDTHS = range(1, 9)


def test_scales_are_sixteen_to_the_octave() -> None:
    assert SCALES.dtype == np.float32
    assert len(SCALES) == 2**SCALE_BITS
    np.testing.assert_array_equal(SCALES, (2.0 ** (-np.arange(256) / 16)).astype(np.float32))
    np.testing.assert_array_equal(SCALES[16:] * 2, SCALES[:-16])


@pytest.mark.parametrize("bits", WIDTHS)
def test_offsets_fit_their_code_and_hold_the_three_plain_grids(bits: int) -> None:
    table = offsets(bits)
    assert len(set(table.tolist())) == len(table) <= 2**OFFSET_BITS
    assert table[:3].tolist() == [0.5, 0.0, 1.0]


@pytest.mark.parametrize("bits", range(5, 9))
def test_from_five_bits_on_every_grid_but_the_mid_rise_one_holds_zero(bits: int) -> None:
    low, high = limits(bits)
    for offset in offsets(bits).tolist():
        assert offset == 0.5 or low <= -offset <= high


def exhaustive_error(row: NDArray[np.float64], bits: int) -> float:
    """Least squared error over every scale and offset code, the plain way."""
    low, high = limits(bits)
    scale, offset = SCALES.astype(np.float64)[:, None, None], offsets(bits).astype(np.float64)[None, :, None]
    levels = np.clip(np.rint(row / scale - offset), low, high) + offset
    return float(((row - scale * levels) ** 2).sum(axis=2).min())


def error_of(row: NDArray[np.float64], bits: int, scale_code: int, offset_code: int) -> float:
    scale, offset = float(SCALES[scale_code]), float(offsets(bits)[offset_code])
    return float(((row - scale * (np.clip(np.rint(row / scale - offset), *limits(bits)) + offset)) ** 2).sum())


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("weights", [1, 2, 9, 64, 65, 150])
def test_search_finds_the_exhaustive_optimum(bits: int, weights: int) -> None:
    rng = np.random.default_rng([bits, weights])
    rows = np.stack(
        [
            rng.normal(0.0, 0.1, weights),
            rng.normal(0.07, 0.02, weights),
            -rng.gamma(1.0, 0.03, weights),
            rng.normal(0.0, 0.1, weights) * (rng.random(weights) < 0.3),
            rng.standard_cauchy(weights).clip(-30, 30) / 60,
            np.full(weights, 0.31),
        ]
    ).astype(np.float32)
    for row, scale_code, offset_code in zip(rows.astype(np.float64), *best_codes(rows, bits), strict=True):
        found, best = error_of(row, bits, scale_code, offset_code), exhaustive_error(row, bits)
        assert found <= best * (1 + 1e-4) + 1e-12


def test_a_channel_of_zeros_is_stored_without_error() -> None:
    rows = np.zeros((1, 20), dtype=np.float32)
    for bits in WIDTHS:
        scale_code, offset_code = (codes[0] for codes in best_codes(rows, bits))
        assert error_of(rows[0].astype(np.float64), bits, scale_code, offset_code) == 0.0
