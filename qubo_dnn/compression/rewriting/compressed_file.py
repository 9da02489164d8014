"""Save a compressed network as one .safetensors file, and load it into the user's module."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.network.loading import folded
from qubo_dnn.compression.network.norm_folding import fold_norms_, normed_weights
from qubo_dnn.compression.network.state_dicts import check_shapes, load_state_
from qubo_dnn.compression.network.weight_layout import Layout
from qubo_dnn.compression.quantization.activation_grid import (
    ActivationGrid,
    activation_grids,
    set_activation_grids_,
)
from qubo_dnn.compression.quantization.bit_packing import pack, unpack
from qubo_dnn.compression.quantization.quantize import Quantized, dequantize
from qubo_dnn.compression.rewriting.apply_plan import planned_layers
from qubo_dnn.compression.task.options import MAX_BITS, MIN_ACTIVATION_BITS
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.errors import FileFormatError, ModelError

_NAME = "qubo-dnn"
# Without grids of activations, releases that know none can read the file.
_WEIGHTS, _ACTIVATIONS = 2, 3


def save_compressed(path: Path, model: nn.Module, plan: Plan, quantized: Mapping[str, Quantized]) -> None:
    """Save a network that `apply_plan_` has rewritten.

    Every compressed weight becomes one uint8 tensor under its name (see
    `qubo_dnn.compression.quantization.bit_packing`). Every other entry of the `state_dict` is stored unchanged, and
    only once if it has several names. Grids of activations are in the metadata. The file is written atomically.

    Args:
        path: the file, usually .safetensors; replaced if it exists.
        model: the rewritten network.
        plan: the plan applied to it.
        quantized: the result of `apply_plan_`.

    Raises:
        ModelError: model, plan and codes do not fit together, or an entry of the `state_dict` is not a tensor.
        OSError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> from qubo_dnn.compression.rewriting.apply_plan import apply_plan_
        >>> from qubo_dnn.compression.task.options import Option
        >>> from qubo_dnn.compression.task.plan import LayerPlan
        >>> network, plan = nn.Sequential(nn.Linear(3, 2)), Plan({"0": LayerPlan(2, (Option(4),))})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_compressed(Path(folder, "model.safetensors"), network, plan, apply_plan_(network, plan))
        ...     Path(folder, "model.safetensors").exists()
        True
    """
    _write(path, compressed_bytes(model, plan, quantized))


def compressed_bytes(model: nn.Module, plan: Plan, quantized: Mapping[str, Quantized]) -> bytes:
    """Return the content of the file that `save_compressed` writes.

    Raises:
        ModelError: see `save_compressed`.

    Example:
        >>> from qubo_dnn.compression.rewriting.apply_plan import apply_plan_
        >>> from qubo_dnn.compression.task.options import Option
        >>> from qubo_dnn.compression.task.plan import LayerPlan
        >>> network, plan = nn.Sequential(nn.Linear(3, 2)), Plan({"0": LayerPlan(2, (Option(4),))})
        >>> len(compressed_bytes(network, plan, apply_plan_(network, plan))) > 0
        True
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
    return save(state, file_header(layers, tied, activation_grids(model)))


def file_header(
    layers: Mapping[str, list[int]], tied: Mapping[str, str], grids: Mapping[str, ActivationGrid] = MappingProxyType({})
) -> dict[str, str]:
    """Return the metadata of a file.

    Args:
        layers: name of a compressed weight -> group size, groups of a transposed convolution or 0, and shape.
        tied: other names of stored tensors -> the stored name.
        grids: name of a layer -> grid of the activations that it reads.

    Example:
        >>> file_header({"0.weight": [1, 0, 2, 3]}, {})
        {'qubo-dnn': '{"version":2,"layers":{"0.weight":[1,0,2,3]},"tied":{}}'}
    """
    header: dict[str, Any] = {"version": _ACTIVATIONS if grids else _WEIGHTS, "layers": layers, "tied": tied}
    if grids:
        header["activations"] = {name: [grid.bits, grid.scale, grid.zero] for name, grid in grids.items()}
    return {_NAME: json.dumps(header, separators=(",", ":"))}


def load_compressed_(model: nn.Module, path: str | Path) -> None:
    """Load a file of `save_compressed` into `model`, in place; if the file does not fit, the model is unchanged.

    Layers whose activations are quantized get a forward pre-hook that rounds what they read. The outputs of the model
    then equal those of the saved network bit for bit. Weight norms and spectral norms that compression has folded into
    the weights are folded in the model too.

    Args:
        model: a module of the same architecture.
        path: the file, or a folder with `model.safetensors`, such as `compress` writes.

    Raises:
        FileFormatError: the file cannot be read, has another kind or version, or is damaged.
        ModelError: keys are missing or unexpected, or shapes differ.

    Example:
        >>> import tempfile
        >>> from qubo_dnn.compression.rewriting.apply_plan import apply_plan_
        >>> from qubo_dnn.compression.task.options import Option
        >>> from qubo_dnn.compression.task.plan import LayerPlan
        >>> network, plan = nn.Sequential(nn.Linear(3, 2)), Plan({"0": LayerPlan(2, (Option(4),))})
        >>> other = nn.Sequential(nn.Linear(3, 2))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_compressed(Path(folder, "model.safetensors"), network, plan, apply_plan_(network, plan))
        ...     load_compressed_(other, Path(folder, "model.safetensors"))
        >>> torch.equal(other[0].weight, network[0].weight)
        True
    """
    load_codes_(model, path)


def load_codes_(model: nn.Module, path: str | Path) -> dict[str, Quantized]:
    """Load a file as `load_compressed_` does, and return the codes of the compressed weights by their keys.

    Raises:
        FileFormatError: the file cannot be read, has another kind or version, or is damaged.
        ModelError: keys are missing or unexpected, or shapes differ.

    Example:
        >>> def widths(network: nn.Module) -> dict[str, list[int]]:
        ...     return {key: codes.bits.tolist() for key, codes in load_codes_(network, "model.safetensors").items()}
    """
    if Path(path).is_dir():
        path = Path(path) / "model.safetensors"
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError) as cause:
        raise FileFormatError(f"{path}: cannot be read as safetensors ({cause})") from cause
    layers, tied, grids = _header(metadata, str(path))
    if absent := [key for key in (*layers, *tied.values()) if key not in state]:
        raise FileFormatError(f"{path}: damaged: the header names {absent[0]!r}, which is not in the file")
    shapes = {key: layers[key][1].shape if key in layers else tuple(value.shape) for key, value in state.items()}
    # A compressed network has no norms of weights, see `qubo_dnn.compression.network.norm_folding`.
    norms = any(key in shapes for key in normed_weights(model))
    check_shapes(
        folded(model) if norms else model, shapes | {name: shapes[kept] for name, kept in tied.items()}, str(path)
    )
    for name in grids:
        if f"{name}.weight".removeprefix(".") not in shapes | tied:
            raise FileFormatError(f"{path}: damaged: there is no layer {name!r}, whose activations it quantizes")
    quantized = {}
    for key, (group, layout) in layers.items():
        if state[key].dtype != torch.uint8 or state[key].dim() != 1:
            raise FileFormatError(f"{path}: damaged: {key!r} is not a row of bytes")
        quantized[key] = unpack(state[key].numpy(), layout, group, f"{path}: {key!r}")
        state[key] = dequantize(quantized[key])
    if norms:
        fold_norms_(model)
    load_state_(model, state | {name: state[kept] for name, kept in tied.items()})
    set_activation_grids_(model, grids)
    return quantized


def distinct_tensors(entries: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the distinct tensors of a `state_dict`, each in separate memory, and a map of the other names to them.

    Example:
        >>> tied = torch.ones(2)
        >>> tensors, aliases = distinct_tensors({"encoder": tied, "decoder": tied})
        >>> list(tensors), aliases
        (['encoder'], {'decoder': 'encoder'})
    """
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


def _header(
    metadata: Mapping[str, str], source: str
) -> tuple[dict[str, tuple[int, Layout]], dict[str, str], dict[str, ActivationGrid]]:
    """Return layers (key -> group size and layout), tied names (name -> the stored name), and grids of activations."""
    if _NAME not in metadata:
        raise FileFormatError(f"{source}: not a network compressed by qubo-dnn")
    damaged = f"{source}: damaged: the header cannot be read"
    try:
        header = json.loads(metadata[_NAME])
        version = header["version"]
    except (ValueError, TypeError, KeyError) as cause:
        raise FileFormatError(damaged) from cause
    if version not in (_WEIGHTS, _ACTIVATIONS):
        raise FileFormatError(
            f"{source}: written in version {version} of the format; this release reads {_WEIGHTS} and {_ACTIVATIONS}"
        )
    try:
        entries, tied = dict(header["layers"]), dict(header["tied"])
        grids = dict(header["activations"]) if version == _ACTIVATIONS else {}
    except (ValueError, TypeError, KeyError) as cause:
        raise FileFormatError(damaged) from cause
    for numbers in entries.values():
        if not isinstance(numbers, list) or len(numbers) < 3 or not all(type(n) is int and n >= 0 for n in numbers):
            raise FileFormatError(damaged)
        group, transposed, *shape = numbers
        if 0 in (group, *shape) or (transposed and (len(shape) < 2 or shape[0] % transposed)):
            raise FileFormatError(damaged)
    layers = {key: (group, Layout(tuple(shape), transposed)) for key, (group, transposed, *shape) in entries.items()}
    if not all(isinstance(kept, str) for kept in tied.values()) or not all(map(_is_grid, grids.values())):
        raise FileFormatError(damaged)
    return layers, tied, {name: ActivationGrid(bits, scale, zero) for name, (bits, scale, zero) in grids.items()}


def _is_grid(numbers: Any) -> bool:
    """Return whether an entry of the header is that of a grid of activations."""
    if not isinstance(numbers, list) or len(numbers) != 3:
        return False
    bits, scale, zero = numbers
    if not (type(bits) is int and type(zero) is int and type(scale) is float):
        return False
    single = 0.0 < scale < math.inf and scale == float(torch.tensor(scale, dtype=torch.float32))
    return single and MIN_ACTIVATION_BITS <= bits <= MAX_BITS and 0 <= zero < 2**bits


def _write(path: Path, content: bytes) -> None:
    """Write through a temporary file in the same folder, so that `path` never has partial content."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
