"""What the file of a compressed network holds, from its header. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

from qubo_dnn.errors import FileFormatError

_NAME, _VERSIONS = "qubo-dnn", (2, 3)
# The format of safetensors has no longer headers.
_LONGEST = 100_000_000


@dataclass(frozen=True, kw_only=True)
class StoredWeight:
    """A compressed weight in a file.

    Attributes:
        key: its name in the `state_dict`.
        shape: shape of the weight.
        group: output channels in a unit.
        weights: number of weights.
        bytes: its size in the file.
        activation_bits: width of what its layer reads; 32: as it is.

    Example:
        >>> weight = StoredWeight(key="0.weight", shape=(2, 3), group=1, weights=6, bytes=12, activation_bits=32)
        >>> weight.bits_per_weight
        16.0
    """

    key: str
    shape: tuple[int, ...]
    group: int
    weights: int
    bytes: int
    activation_bits: int

    @property
    def bits_per_weight(self) -> float:
        """Bits per weight, with scales, offsets and masks."""
        return 8 * self.bytes / self.weights


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """The content of the file of a compressed network.

    Attributes:
        path: the file.
        bytes: its size.
        version: version of its format.
        layers: the compressed weights.
        others: names of the other tensors -> their sizes in bytes.
        tied: further names of tensors -> the name that they are stored under.

    Example:
        >>> def stored_bytes(path: Path) -> int:
        ...     return sum(weight.bytes for weight in read_model_file(path).layers)
    """

    path: str
    bytes: int
    version: int
    layers: tuple[StoredWeight, ...]
    others: Mapping[str, int]
    tied: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return asdict(self)


def read_model_file(path: Path) -> ModelFile:
    """Read the header of a file that `compress` has written.

    Raises:
        FileFormatError: the file cannot be read, is none of a compressed network, or is damaged.

    Example:
        >>> read_model_file(Path("no such file"))
        Traceback (most recent call last):
            ...
        qubo_dnn.errors.FileFormatError: no such file: cannot be read (No such file or directory)
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            text = file.read(length) if 8 + length <= size and length <= _LONGEST else b""
    except OSError as cause:
        raise FileFormatError(f"{path}: cannot be read ({cause.strerror})") from cause
    try:
        header = dict(json.loads(text))
    except (ValueError, TypeError) as cause:
        raise FileFormatError(f"{path}: cannot be read as safetensors") from cause
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or _NAME not in metadata:
        raise FileFormatError(f"{path}: not a network compressed by qubo-dnn")
    damaged = f"{path}: damaged: the header cannot be read"
    try:
        about = json.loads(metadata[_NAME])
        version = about["version"]
    except (ValueError, TypeError, KeyError) as cause:
        raise FileFormatError(damaged) from cause
    if version not in _VERSIONS:
        raise FileFormatError(f"{path}: written in version {version} of the format; this release reads 2 and 3")
    try:
        sizes = {key: each["data_offsets"][1] - each["data_offsets"][0] for key, each in header.items()}
        reads = {name: grid[0] for name, grid in about.get("activations", {}).items()}
        layers = tuple(_stored(key, numbers, sizes[key], reads) for key, numbers in about["layers"].items())
        tied = {str(name): str(kept) for name, kept in about["tied"].items()}
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError) as cause:
        raise FileFormatError(damaged) from cause
    compressed = {weight.key for weight in layers}
    others = {key: each for key, each in sizes.items() if key not in compressed}
    return ModelFile(path=str(path), bytes=size, version=version, layers=layers, others=others, tied=tied)


def _stored(key: str, numbers: list[int], size: int, reads: Mapping[str, int]) -> StoredWeight:
    """Return one weight out of the header."""
    group, _, *shape = map(int, numbers)
    weights = prod(shape)
    if weights < 1 or size < 0:
        raise ValueError("a weight has no size")
    bits = int(reads.get(key.rpartition(".")[0], 32))
    return StoredWeight(key=key, shape=tuple(shape), group=group, weights=weights, bytes=size, activation_bits=bits)
