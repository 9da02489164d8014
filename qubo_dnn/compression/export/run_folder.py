"""What is stated about its network in the folder of an earlier run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qubo_dnn.compression.export.onnx_file import LATENCY
from qubo_dnn.errors import FileFormatError


@dataclass(frozen=True)
class RunFolder:
    """The folder that `qubo-dnn compress` or `save` has written.

    Attributes:
        model: its model.safetensors.
        network: name of the network; of a run in Python, that of its class.
        inputs: "calibration", "mean", "std", "batch_axis" and "mask" as they were typed, or None each.
        predicted: see `qubo_dnn.compression.export.onnx_file.OnnxFile.predicted`.

    Example:
        >>> RunFolder(Path("out/model.safetensors"), "zoo:mnist-cnn", {}).typed("mask", None) is None
        True
    """

    model: Path
    network: str
    inputs: Mapping[str, str | None]
    predicted: float | None = None

    def typed(self, name: str, given: str | None) -> str | None:
        """Return what is typed now, or else what was typed then."""
        return self.inputs.get(name) if given is None else given


def read_run(folder: Path) -> RunFolder:
    """Read result.json of a run.

    Raises:
        FileFormatError: the folder is not that of a run, or result.json is damaged.

    Example:
        >>> read_run(Path("no such folder"))
        Traceback (most recent call last):
            ...
        qubo_dnn.errors.FileFormatError: no such folder: not the folder of a run: it has no result.json
    """
    path, model = folder / "result.json", folder / "model.safetensors"
    for each in (path, model):
        if not each.is_file():
            raise FileFormatError(f"{folder}: not the folder of a run: it has no {each.name}")
    try:
        result: Any = json.loads(path.read_text())
    except (OSError, ValueError) as cause:
        raise FileFormatError(f"{path}: cannot be read as JSON ({cause})") from cause
    network, inputs = (result.get(name) for name in ("network", "inputs")) if isinstance(result, dict) else (None, None)
    if not isinstance(network, str):
        raise FileFormatError(f"{path}: damaged: it does not name a network")
    # Runs in Python do not say where their inputs come from.
    inputs = {} if inputs is None else inputs
    if not isinstance(inputs, dict) or not all(isinstance(each, str | None) for each in inputs.values()):
        raise FileFormatError(f"{path}: damaged: its inputs are not words")
    return RunFolder(model, network, inputs, _predicted(result.get("budgets"), path))


def _predicted(budgets: Any, path: Path) -> float | None:
    """Return what the cost table of latency predicts, out of the record of the budgets."""
    try:
        shares = {each["name"]: each.get("share_of_float") for each in budgets or ()}
    except (AttributeError, KeyError, TypeError) as cause:
        raise FileFormatError(f"{path}: damaged: its budgets are not records") from cause
    share = shares.get(LATENCY)
    if share is not None and not (isinstance(share, float) and share >= 0.0):
        raise FileFormatError(f"{path}: damaged: the predicted latency is {share!r}")
    return share
