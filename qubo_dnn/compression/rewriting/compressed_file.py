"""The compressed network as one .safetensors file, and back into the user's own module."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.network.state_dicts import check_shapes, load_state_
from qubo_dnn.compression.network.weight_layout import Layout
from qubo_dnn.compression.quantization.bit_packing import pack, unpack
from qubo_dnn.compression.quantization.quantize import Quantized, dequantize
from qubo_dnn.compression.rewriting.apply_plan import planned_layers
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.errors import FileFormatError, ModelError

_NAME, _VERSION = "qubo-dnn", 2


def save_compressed(path: Path, model: nn.Module, plan: Plan, quantized: Mapping[str, Quantized]) -> None:
    """Write a network that `apply_plan_` has rewritten.

    Every compressed weight becomes one uint8 tensor of its own name (see `packing`); every other entry of the
    `state_dict` is kept as it is, one that occurs under several names once. The file appears whole or not at all.

    Args:
        path: the file, usually .safetensors; replaced if it exists.
        model: the rewritten network.
        plan: the plan it was rewritten by.
        quantized: what `apply_plan_` gave.

    Raises:
        ModelError: the three do not belong together, or an entry of the `state_dict` is not a tensor.
        OSError: the file cannot be written.
    """
    state, tied = distinct_tensors(model.state_dict())
    layers = {}
    for name, layer in planned_layers(find_layers(model), plan).items():
        planned, codes = plan.layers[name], quantized.get(name)
        if codes is None or not codes.made_by(planned.channel_options(layer.channels)):
            raise ModelError(f"the layer {name!r} was not quantized by this plan")
        if not torch.equal(dequantize(codes).to(layer.weight.dtype), layer.weight.detach().cpu()):
            raise ModelError(f"the weights of the layer {name!r} were changed after the plan was applied")
        state[layer.key] = torch.from_numpy(pack(codes, planned.group))
        layers[layer.key] = [planned.group, codes.layout.transposed, *codes.layout.shape]
    header = json.dumps({"version": _VERSION, "layers": layers, "tied": tied}, separators=(",", ":"))
    _write(path, save(state, {_NAME: header}))


def load_compressed_(model: nn.Module, path: Path) -> None:
    """Read a file of `save_compressed` into `model`, in place; it is left as it was when the file does not fit.

    The outputs of the model are then, bit for bit, those of the network that was saved.

    Raises:
        FileFormatError: the file cannot be read, is of another kind or version, or is damaged.
        ModelError: keys are missing or unexpected, or shapes differ.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError) as cause:
        raise FileFormatError(f"{path}: cannot be read as safetensors ({cause})") from cause
    layers, tied = _header(metadata, str(path))
    if absent := [key for key in (*layers, *tied.values()) if key not in state]:
        raise FileFormatError(f"{path}: damaged: the header names {absent[0]!r}, which is not in the file")
    shapes = {key: layers[key][1].shape if key in layers else tuple(value.shape) for key, value in state.items()}
    check_shapes(model, shapes | {name: shapes[kept] for name, kept in tied.items()}, str(path))
    for key, (group, layout) in layers.items():
        if state[key].dtype != torch.uint8 or state[key].dim() != 1:
            raise FileFormatError(f"{path}: damaged: {key!r} is not a row of bytes")
        state[key] = dequantize(unpack(state[key].numpy(), layout, group, f"{path}: {key!r}"))
    load_state_(model, state | {name: state[kept] for name, kept in tied.items()})


def distinct_tensors(entries: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a `state_dict`, each once and in memory of its own, and which other names stand for which."""
    state: dict[str, Tensor] = {}
    tied: dict[str, str] = {}
    seen: dict[tuple[Any, ...], str] = {}
    for key, value in entries.items():
        if not isinstance(value, Tensor):
            raise ModelError(f"the entry {key!r} of the state_dict is not a tensor and cannot be stored")
        place = (value.data_ptr(), value.dtype, value.shape, value.stride(), value.device)
        if value.numel() and place in seen:
            tied[key] = seen[place]
        else:
            seen[place] = key
            state[key] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
    return state, tied


def _header(metadata: Mapping[str, str], source: str) -> tuple[dict[str, tuple[int, Layout]], dict[str, str]]:
    """Layers (key -> group size and layout) and tied names (name -> the name it is stored under)."""
    if _NAME not in metadata:
        raise FileFormatError(f"{source}: not a network compressed by qubo-dnn")
    damaged = f"{source}: damaged: the header cannot be read"
    try:
        header = json.loads(metadata[_NAME])
        if header["version"] != _VERSION:
            raise FileFormatError(
                f"{source}: written in version {header['version']} of the format; this release reads {_VERSION}"
            )
        entries, tied = dict(header["layers"]), dict(header["tied"])
    except (json.JSONDecodeError, TypeError, KeyError) as cause:
        raise FileFormatError(damaged) from cause
    for numbers in entries.values():
        if not isinstance(numbers, list) or len(numbers) < 3 or not all(type(n) is int and n >= 0 for n in numbers):
            raise FileFormatError(damaged)
        group, transposed, *shape = numbers
        if 0 in (group, *shape) or (transposed and (len(shape) < 2 or shape[0] % transposed)):
            raise FileFormatError(damaged)
    layers = {key: (group, Layout(tuple(shape), transposed)) for key, (group, transposed, *shape) in entries.items()}
    if not all(isinstance(kept, str) for kept in tied.values()):
        raise FileFormatError(damaged)
    return layers, tied


def _write(path: Path, content: bytes) -> None:
    """Write by a temporary file in the same folder, so that `path` never holds half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
