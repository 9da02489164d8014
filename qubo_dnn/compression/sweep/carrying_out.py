"""Carry out a point of a sweep: its plan becomes the folder of a compression."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.quantization.quantize import Quantized
from qubo_dnn.compression.result import MODEL, PLAN, RESULT, appearing, check_output
from qubo_dnn.compression.rewriting.compressed_file import compressed_bytes, load_codes_
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.errors import FileFormatError, ModelError


def carry_out(
    point: Path, model: nn.Module, out: Path, *, overwrite: bool = False
) -> tuple[nn.Module, Mapping[str, Quantized], dict[str, Any]]:
    """Compress a network by the plan of a point, and write it as `compress` does.

    The plan, the packed weights and the network have to fit together.

    Args:
        point: folder of the point.
        model: the network that was compressed, with any weights; it is not changed.
        out: folder to create.
        overwrite: True to replace an earlier run.

    Returns:
        The compressed network, the codes of its weights by their keys, and the content of result.json.

    Raises:
        FileFormatError: a file of the point is missing or damaged, or its plan is another one.
        ModelError: the network is another one.
        OutputExistsError: see `qubo_dnn.compression.result.check_output`.
        OutputError: the folder cannot be written.

    Example:
        >>> def accuracy(point: Path, model: nn.Module, out: Path) -> float:
        ...     return carry_out(point, model, out)[2]["compressed"]["accuracy"]
    """
    check_output(out, overwrite)
    plan, result = Plan.load(point / PLAN), _read(point / RESULT)
    network = copy.deepcopy(model)
    codes = load_codes_(network, point / MODEL)
    layers = {layer.name: codes[layer.key] for layer in find_layers(network).layers if layer.key in codes}
    try:
        packed = compressed_bytes(network, plan, layers)
    except ModelError as cause:
        raise FileFormatError(f"{point}: {PLAN} and {MODEL} do not fit together: {cause}") from cause
    with appearing(out) as hidden:
        (hidden / MODEL).write_bytes(packed)
        for name in (PLAN, RESULT):
            (hidden / name).write_bytes((point / name).read_bytes())
    return network, codes, result


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as cause:
        raise FileFormatError(f"{path}: cannot be read as JSON ({cause})") from cause
    if not isinstance(found, dict) or not isinstance(found.get("compressed"), dict):
        raise FileFormatError(f"{path}: damaged: it is not the result of a compression")
    return found
