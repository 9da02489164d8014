"""Files that appear whole or not at all, and fingerprints of what they were made from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from torch import Tensor, nn

from qubo_dnn.compression.data import Data
from qubo_dnn.errors import OutputError


@contextmanager
def replaced(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that takes the place of `path` once it is written; on an error `path` is as it was.

    Raises:
        OutputError: it cannot be written.
    """
    written = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with written.open("wb") as file:
            yield file
        written.replace(path)
    except OSError as cause:
        raise OutputError(f"{path}: cannot be written ({cause})") from cause
    finally:
        written.unlink(missing_ok=True)


def fingerprint(model: nn.Module, tensors: Sequence[Tensor], *images: Data) -> str:
    """16 hexadecimal digits that stand for a network's state, further tensors, and images with their labels."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(_bytes(value))
    for tensor in tensors:
        digest.update(_bytes(tensor))
    for data in images:
        for inputs, labels in data.batches():
            digest.update(_bytes(inputs))
            digest.update(_bytes(labels))
    return digest.hexdigest()[:16]


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().numpy().tobytes()
