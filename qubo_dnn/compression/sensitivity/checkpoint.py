"""Save a measurement at intervals, and resume it after an interruption."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.sensitivity.accumulator import Sums
from qubo_dnn.compression.sensitivity.activation_changes import ActivationChanges
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges
from qubo_dnn.errors import FileFormatError, OutputError

_NAME, _VERSION = "qubo-dnn measurement", "1"
# Saving takes at most 1/20 of the time.
_SHARE = 20
# Assumed speed before the first save.
_BYTES_PER_SECOND = 1 << 28
_BLOCK_BYTES = 1 << 26


# Names of the parts of a fingerprint, for the user.
_WORDS = {"changes": "options, units or compensation", "data": "images", "form": "memory limit"}


class _StaleError(FileFormatError):
    """A file whose measurement cannot be resumed."""


def fingerprint(
    model: nn.Module,
    layers: Sequence[LayerChanges],
    data: Data,
    reference: Tensor | None,
    options: Mapping[str, Any],
    activations: Sequence[ActivationChanges] = (),
) -> dict[str, str]:
    """Compute hashes of everything that determines a measurement, part by part; all data are read once.

    Code is identified only by the `repr` of modules and by the names of losses.

    Args:
        model: the network; its weights, buffers and modules count.
        layers: the layers with their changes.
        data: images as the network receives them, and targets.
        reference: outputs of the reference, or None.
        options: name -> value; the `repr` of the values counts.
        activations: the changes of what layers read.

    Example:
        >>> data = Data.from_tensors(torch.eye(3), torch.tensor([0, 1, 0]))
        >>> sorted(fingerprint(nn.Linear(3, 2), [], data, None, {"seed": 0}))
        ['changes', 'data', 'network', 'reference', 'seed']
    """
    network, changes, images = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
    # Remove addresses, which differ between processes.
    network.update(re.sub(r" at 0x[0-9a-f]+", "", repr(model)).encode())
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        _update(network, name, tensor)
    for entry in layers:
        _update(changes, f"{entry.layer.name} {entry.group}", entry.changes)
        for read in entry.reads:
            _update(changes, f"{read.name} {read.axis} {read.channels.tolist()}", read.means)
    for reading in activations:
        changes.update(f"{reading.layer.name} reads {reading.options} {reading.grids} {reading.present}\n".encode())
    images.update(repr(data.interface).encode())
    for inputs, targets in data.batches():
        for name, tensor in inputs.tensors():
            _update(images, name, tensor)
        if targets is not None:
            _update(images, "targets", targets)
    outputs = hashlib.sha256()
    if reference is not None:
        _update(outputs, "reference", reference)
    hashes = {"network": network, "changes": changes, "data": images, "reference": outputs}
    return {part: digest.hexdigest() for part, digest in hashes.items()} | {
        name: repr(value) for name, value in options.items()
    }


class Checkpoint:
    """The file of one measurement: its sums in the safetensors format, written atomically.

    Args:
        path: the file.
        fingerprint: fingerprint of the measurement.

    Raises:
        OutputError: the folder of the file does not exist.

    Example:
        >>> import tempfile
        >>> from qubo_dnn.compression.sensitivity.accumulator import Part
        >>> sums, again = (Sums(size=2, images=1, probes=1, memory=1.0, working=0) for _ in range(2))
        >>> sums.add(Part.of([(torch.tensor([[1.0], [2.0]]), None)], probes=1, as_matrix=True))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     checkpoint = Checkpoint(Path(folder, "given.safetensors"), {"seed": "0"})
        ...     checkpoint.save_if_due(sums, finished=True)
        ...     checkpoint.load(again)
        >>> again.images
        1
    """

    def __init__(self, path: Path, fingerprint: Mapping[str, str]) -> None:
        if not path.parent.is_dir():
            raise OutputError(f"{path} cannot be written: {path.parent} is not a folder")
        self.path, self.fingerprint = path, dict(fingerprint)
        self._saved_at = time.monotonic()
        self._cost: float | None = None

    def load(self, sums: Sums, replaced: Callable[[str], None] | None = None) -> None:
        """Load the sums from the file; without a file they stay empty.

        Args:
            sums: empty sums; they stay empty if the file cannot be used.
            replaced: called with one line if the file is damaged or from another measurement and will be replaced;
                None: such a file is refused.

        Raises:
            FileFormatError: the file is refused, or is not a measurement.
        """
        if not self.path.exists():
            return
        try:
            self._read(sums)
        except _StaleError as cause:
            if replaced is None:
                raise FileFormatError(
                    f"{cause}; delete it, choose another folder for measurements, or have it replaced (--overwrite)"
                ) from cause
            sums.clear()
            replaced(f"{cause}: measuring again")

    def _read(self, sums: Sums) -> None:
        damaged = f"{self.path} is damaged or not a measurement"
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata() or {}
                self._check(metadata, sums)
                images, squares = int(metadata["images"]), float.fromhex(metadata["squares"])
                stored, linear = file.get_slice("sums"), file.get_tensor("linear")
                width = sums.columns(images)
                if stored.get_shape() != [len(sums.storage), width] or linear.shape != sums.linear.shape:
                    raise _StaleError(damaged)
                checksum = zlib.crc32(_bytes(linear))
                for rows in _blocks(len(sums.storage), width):
                    block = stored[rows]
                    checksum = zlib.crc32(_bytes(block), checksum)
                    sums.storage[rows, :width] = block
                if checksum != int(file.get_tensor("checksum")):
                    raise _StaleError(damaged)
        except FileFormatError:
            raise
        except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as cause:
            raise _StaleError(damaged) from cause
        sums.linear, sums.squares, sums.images = linear, squares, images

    def save_if_due(self, sums: Sums, *, finished: bool) -> None:
        """Save sums if saving takes at most 1/20 of the time so far, and always at the end.

        Raises:
            OutputError: the file cannot be written.
        """
        begun = time.monotonic()
        size = 4 * len(sums.storage) * sums.columns(sums.images)
        cost = size / _BYTES_PER_SECOND if self._cost is None else self._cost
        if finished or begun - self._saved_at >= _SHARE * cost:
            self._save(sums)
            self._saved_at = time.monotonic()
            self._cost = self._saved_at - begun

    def _check(self, metadata: Mapping[str, str], sums: Sums) -> None:
        if metadata.get("format") != _NAME:
            raise FileFormatError(f"{self.path}: is not a saved measurement, and is not overwritten")
        if metadata.get("version") != _VERSION:
            raise _StaleError(
                f"{self.path} is a measurement of format {metadata.get('version')}, and this release reads {_VERSION}"
            )
        theirs, ours = dict(json.loads(metadata["fingerprint"])), self.fingerprint | _form(sums)
        if theirs != ours:
            parts = [_WORDS.get(part, part) for part in ours if theirs.get(part) != ours[part]]
            raise _StaleError(f"{self.path} is a measurement that differs in {', '.join(parts)}")

    def _save(self, sums: Sums) -> None:
        # Use one name for all attempts, so that interrupted ones do not accumulate.
        partial = self.path.with_name(f".{self.path.name}.partial")
        try:
            with partial.open("wb") as file:
                self._write(file, sums)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.path)
        except OSError as cause:
            partial.unlink(missing_ok=True)
            raise OutputError(f"{self.path} cannot be written: {cause.strerror or cause}") from cause

    def _write(self, file: BinaryIO, sums: Sums) -> None:
        """Write block by block, because the writer of safetensors would first copy all sums in memory."""
        rows, width = len(sums.storage), sums.columns(sums.images)
        shapes = {"linear": ("F64", [rows]), "sums": ("F32", [rows, width]), "checksum": ("I64", [1])}
        sizes = {"linear": 8 * rows, "sums": 4 * rows * width, "checksum": 8}
        metadata = {
            "format": _NAME,
            "version": _VERSION,
            "fingerprint": json.dumps(self.fingerprint | _form(sums)),
            "images": str(sums.images),
            "squares": sums.squares.hex(),
        }
        header: dict[str, Any] = {"__metadata__": metadata}
        end = 0
        for name, (dtype, shape) in shapes.items():
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + sizes[name]]}
            end += sizes[name]
        text = json.dumps(header).encode()
        # The data start at a multiple of 8.
        text += b" " * (-len(text) % 8)
        file.write(len(text).to_bytes(8, "little") + text)
        content = _bytes(sums.linear)
        checksum = zlib.crc32(content)
        file.write(content)
        for part in _blocks(rows, width):
            content = _bytes(sums.storage[part, :width])
            checksum = zlib.crc32(content, checksum)
            file.write(content)
        file.write(checksum.to_bytes(8, "little"))


def _form(sums: Sums) -> dict[str, str]:
    return {"form": "matrix" if sums.is_matrix else "factor"}


def _blocks(rows: int, width: int) -> list[slice]:
    """Split rows into runs of at most `_BLOCK_BYTES`."""
    step = max(1, _BLOCK_BYTES // max(1, 4 * width))
    return [slice(first, min(first + step, rows)) for first in range(0, rows, step)]


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data


def _update(digest: Any, name: str, tensor: Tensor) -> None:
    digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
    digest.update(_bytes(tensor))
