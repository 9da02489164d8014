"""Fingerprints of what results were made from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data


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
            digest.update(_bytes(inputs.only))
            if labels is not None:
                digest.update(_bytes(labels))
    return digest.hexdigest()[:16]


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().numpy().tobytes()
