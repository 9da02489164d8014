"""Account for every byte of a compressed network's file before the network is compressed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from safetensors.torch import save
from torch import Tensor, nn

from qubo_dnn.compression.network.layers import Inventory, Layer
from qubo_dnn.compression.quantization.activation_grid import ActivationGrid
from qubo_dnn.compression.rewriting.compressed_file import distinct_tensors, file_header
from qubo_dnn.compression.task.file_contents import FileContents, StoredEntry

_VECTORS = "biases, norms and buffers"
# More than a weight takes at 8 bits, with its scale, offset and mask.
_MOST_BYTES_PER_WEIGHT = 4
# No float32 number has more digits.
_LONGEST = -1.2345678901234567e-38


def file_contents(
    inventory: Inventory, granularity: str, given: nn.Module | None = None, activations: Sequence[str] = ()
) -> FileContents:
    """Return what the file of the compressed network will hold besides the compressed weights.

    Args:
        inventory: the network, the layers that are compressed, and the reasons why others are not.
        granularity: see `qubo_dnn.compression.task.granularity`.
        given: the network in the number types that it is written in; None: as it is.
        activations: names of the layers whose activations may be quantized.

    Raises:
        ModelError: an entry of the `state_dict` is not a tensor.

    Example:
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> network = nn.Sequential(nn.Linear(3, 2), nn.Embedding(9, 3, max_norm=1))
        >>> contents = file_contents(find_layers(network), "layer")
        >>> contents.compressed, [entry.bytes for entry in contents.kept]
        (6, [108, 8])
    """
    state, tied = distinct_tensors((given or inventory.model).state_dict())
    layers = {layer.key: layer for layer in inventory.layers}
    reasons = {entry.name: entry for entry in inventory.left_alone}
    kept: dict[str, list[Tensor]] = {name: [] for name in (*reasons, _VECTORS)}
    for key, tensor in state.items():
        if key not in layers:
            kept[_owner(key, reasons)].append(tensor)
    entries = []
    for name, tensors in kept.items():
        type_, reason = (reasons[name].type, reasons[name].reason) if name in reasons else ("", "stored as they are")
        numbers, size = sum(each.numel() for each in tensors), sum(each.nbytes for each in tensors)
        if numbers or name in reasons:
            entries.append(StoredEntry(name, type_, numbers, size, reason))
    return FileContents(
        compressed=inventory.weights,
        kept=tuple(entries),
        header_bytes=_header_bytes(state, layers, tied, granularity, activations),
        reference_bytes=reference_bytes(inventory.model),
    )


def reference_bytes(model: nn.Module) -> int:
    """Return the size of the file of the uncompressed network, every tensor once.

    Example:
        >>> reference_bytes(nn.Linear(3, 2)) > 8 * 4
        True
    """
    return len(save(distinct_tensors(model.state_dict())[0]))


def _owner(key: str, reasons: Mapping[str, object]) -> str:
    """Return the weight or module that is left alone and owns an entry, or the name of all others together."""
    if key in reasons:
        return key
    module = key.rpartition(".")[0].split(".parametrizations.")[0].removesuffix(".parametrizations")
    return module if module in reasons else _VECTORS


def _header_bytes(
    state: Mapping[str, Tensor],
    layers: Mapping[str, Layer],
    tied: Mapping[str, str],
    granularity: str,
    activations: Sequence[str],
) -> int:
    """Return an upper bound: offsets have the most digits if every compressed weight takes the most bytes."""
    largest = {
        key: torch.zeros(_MOST_BYTES_PER_WEIGHT * tensor.numel() + 64, dtype=torch.uint8) if key in layers else tensor
        for key, tensor in state.items()
    }
    described = {
        key: [layer.group(granularity), layer.layout.transposed, *layer.layout.shape] for key, layer in layers.items()
    }
    longest = dict.fromkeys(activations, ActivationGrid(8, _LONGEST, 255))
    return len(save(largest, file_header(described, tied, longest))) - sum(tensor.nbytes for tensor in largest.values())
