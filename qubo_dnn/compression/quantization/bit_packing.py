"""Convert a compressed layer to bytes and back.

Layout, most significant bit first, without gaps, padded with zeros to whole bytes at the end:

1. base: float32, little-endian;
2. width of every unit, 4 bits, 0 = pruned, 9 = float32, and 1 bit, 1 = its channels have masks;
3. scale code of every channel that is quantized: 8 bits each;
4. offset code of every channel that is quantized: 4 bits each;
5. for every channel that is not pruned: its mask, if its unit has masks, 1 bit per weight, 1 = kept; then the kept
   weights, `k + 2^(b-1)` in b bits each, or as little-endian float32.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from qubo_dnn.compression.network.weight_layout import Layout
from qubo_dnn.compression.quantization.grid import limits, offsets
from qubo_dnn.compression.quantization.quantize import Quantized
from qubo_dnn.compression.task.options import FLOAT_BITS, MAX_BITS
from qubo_dnn.compression.task.stored_bits import BASE_BITS, OFFSET_BITS, SCALE_BITS, UNIT_BITS
from qubo_dnn.errors import FileFormatError

_FLOAT_CODE = MAX_BITS + 1


def pack(quantized: Quantized, group: int) -> NDArray[np.uint8]:
    """Pack a layer whose units of `group` channels have one option each.

    The number of bytes is that of `qubo_dnn.compression.task.stored_bits.layer_bytes`: the base, the `stored_bits` of
    every unit, and up to 7 bits of padding.

    Example:
        >>> from qubo_dnn.compression.task.options import Option
        >>> from qubo_dnn.compression.quantization.quantize import quantize
        >>> len(pack(quantize(torch.tensor([[1.0, -1.0, 0.5]]), Option(4)), group=1))  # 32 + 5 + 8 + 4 + 3 * 4 bits
        8
    """
    widths, plain = quantized.bits.numpy(), quantized.plain.numpy()
    kept = widths > 0
    coded = kept & ~plain
    codes = np.where(plain, _FLOAT_CODE, widths).astype(np.uint8)
    masked = (kept & ~quantized.kept.numpy().all(axis=1)).astype(np.uint8)
    parts = [
        np.unpackbits(np.array([quantized.base], dtype="<f4").view(np.uint8)),
        _to_bits((2 * codes + masked)[::group], UNIT_BITS),
        _to_bits(quantized.scale_codes.numpy()[coded], SCALE_BITS),
        _to_bits(quantized.offset_codes.numpy()[coded], OFFSET_BITS),
    ]
    floats = iter(quantized.floats.numpy())
    for channel in np.flatnonzero(kept):
        bits, mask = int(widths[channel]), quantized.kept[channel].numpy()
        if masked[channel]:
            parts.append(mask.view(np.uint8))
        if plain[channel]:
            parts.append(np.unpackbits(next(floats)[mask].astype("<f4").view(np.uint8)))
            continue
        shifted = quantized.codes[channel].numpy()[mask].astype(np.int16) - limits(bits)[0]
        parts.append(_to_bits(shifted.astype(np.uint8), bits))
    return np.packbits(np.concatenate(parts))


def unpack(payload: NDArray[np.uint8], layout: Layout, group: int, source: str) -> Quantized:
    """Unpack the bytes that `pack` returned.

    Args:
        payload: the bytes.
        layout: layout of the weight.
        group: output channels in a unit.
        source: names of file and layer, for messages.

    Raises:
        FileFormatError: there are too few or too many bytes, or a code is undefined.

    Example:
        >>> from qubo_dnn.compression.task.options import Option
        >>> from qubo_dnn.compression.quantization.quantize import quantize
        >>> quantized = quantize(torch.tensor([[1.0, -1.0, 0.5]]), Option(4))
        >>> unpack(pack(quantized, group=1), quantized.layout, 1, "layer").codes.equal(quantized.codes)
        True
    """
    reader = _Reader(payload, source)
    channels, per_channel = layout.channels, layout.weights_per_channel
    base = float(np.packbits(reader.bits(BASE_BITS)).view("<f4")[0])
    units = np.repeat(reader.codes(-(-channels // group), UNIT_BITS), group)[:channels]
    widths, masked = units // np.uint8(2), units % 2 == 1
    if not 0.0 <= base < math.inf or widths.max() > _FLOAT_CODE:
        raise FileFormatError(f"{source}: the base {base} or the bit width {widths.max()} is out of range")
    widths[widths == _FLOAT_CODE] = FLOAT_BITS
    coded = np.flatnonzero((widths > 0) & (widths <= MAX_BITS))
    scale_codes, offset_codes = np.zeros((2, channels), dtype=np.uint8)
    scale_codes[coded] = reader.codes(len(coded), SCALE_BITS)
    offset_codes[coded] = reader.codes(len(coded), OFFSET_BITS)
    codes = np.zeros((channels, per_channel), dtype=np.int8)
    masks = np.zeros((channels, per_channel), dtype=np.bool_)
    floats = []
    for channel in np.flatnonzero(widths):
        bits = int(widths[channel])
        if bits == FLOAT_BITS:
            masks[channel] = reader.bits(per_channel).view(np.bool_) if masked[channel] else True
            floats.append(np.zeros(per_channel, np.float32))
            floats[-1][masks[channel]] = reader.floats(masks[channel].sum())
            continue
        if offset_codes[channel] >= offsets(bits).size:
            raise FileFormatError(f"{source}: channel {channel} has the unknown offset code {offset_codes[channel]}")
        masks[channel] = reader.bits(per_channel).view(np.bool_) if masked[channel] else True
        codes[channel, masks[channel]] = reader.codes(masks[channel].sum(), bits).astype(np.int16) + limits(bits)[0]
    reader.finish()
    together = np.stack(floats) if floats else np.zeros((0, per_channel), np.float32)
    tensors = (torch.from_numpy(array) for array in (widths, scale_codes, offset_codes, masks, codes, together))
    return Quantized(layout, base, *tensors)


def _to_bits(values: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """Return `values`, each below 2^width, as one flat array of bits."""
    return np.unpackbits(values[:, None], axis=1)[:, 8 - width :].ravel()


class _Reader:
    """Reads codes one after the other from packed bits."""

    def __init__(self, payload: NDArray[np.uint8], source: str) -> None:
        self._bits, self._at, self._source = np.unpackbits(payload), 0, source

    def bits(self, count: int) -> NDArray[np.uint8]:
        """Return the next `count` bits."""
        first, self._at = self._at, self._at + count
        if self._at > self._bits.size:
            raise FileFormatError(f"{self._source}: the data end too early")
        return self._bits[first : self._at]

    def codes(self, count: int, width: int) -> NDArray[np.uint8]:
        """Return the next `count` codes of `width` bits."""
        bits = self.bits(count * width).reshape(count, width)
        return np.packbits(bits, axis=1)[:, 0] >> np.uint8(8 - width)

    def floats(self, count: int) -> NDArray[np.float32]:
        """Return the next `count` float32 numbers.

        Raises:
            FileFormatError: one of them is not finite.
        """
        values = np.packbits(self.bits(count * FLOAT_BITS)).view("<f4").astype(np.float32)
        if not np.isfinite(values).all():
            raise FileFormatError(f"{self._source}: a weight is not finite")
        return values

    def finish(self) -> None:
        """Refuse surplus bytes at the end."""
        if self._bits.size - self._at >= 8:
            raise FileFormatError(f"{self._source}: {(self._bits.size - self._at) // 8} bytes too many")
