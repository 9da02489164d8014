"""What the folder of a compression says: what was asked, and what came out. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qubo_dnn.errors import FileFormatError

RESULT = "result.json"


class _Part(BaseModel):
    """A part of a result; what else is in the file is kept."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Quality(_Part):
    accuracy: float | None
    loss: float | None
    metric: float | None
    bytes: int = Field(gt=0)


class _Compressed(_Quality):
    divergence: float | None
    bits_per_weight: float
    pruned_fraction: float


class _HeldOut(_Part):
    bare: float
    recovered: float


class _Removal(_Part):
    channels: dict[str, list[int]]
    left: dict[str, str]
    macs: tuple[int, int]


class _Budget(_Part):
    name: str
    kind: str
    unit: str
    limit: float
    used: float


class _Modelled(_Part):
    kind: Literal["model"]


class _Measured(_Part):
    kind: Literal["measured"]
    evaluations: int
    seconds: float


class _Certificate(_Part):
    optimal: bool
    infeasible: bool
    bound: float | None
    gap: float | None
    plan_gap: float | None
    method: str
    seconds: float


class _Layer(_Part):
    name: str
    kind: str
    shape: list[int]
    weights: int = Field(gt=0)
    widths: dict[str, int]
    bytes: int
    activation_bits: int
    predicted_share: float | None
    measured_share: float | None


class _LeftAlone(_Part):
    name: str
    type: str
    bytes: int
    share: float
    reason: str


class _Agreement(_Part):
    samples: int
    largest: float
    mean: float
    scale: float
    equal_top1: float | None


class _Latency(_Part):
    before: float
    after: float
    speedup: float
    share: float


class _Onnx(_Part):
    path: str
    form: str
    bytes: int
    share: float
    opset: int
    ir_version: int
    agreement: _Agreement
    latency: _Latency
    integer_operators: int
    float_operators: int
    notes: list[str]
    predicted: float | None


class _Result(_Part):
    """What is read of result.json, see `qubo_dnn.compression.result.result`; runs in Python say less of what was asked.

    Attributes are as there.
    """

    network: str
    formulation: str | None = None
    loss: str | None = None
    metric: str | None = None
    options: list[str] | None = None
    granularity: str | None = None
    compensation: str | None = None
    calibration_size: int | None = None
    inputs: dict[str, str | None] | None = None
    reference: _Quality
    compressed: _Compressed
    predicted_loss_increase: float | None
    calibration_loss_increase: float | None
    calibration_metric: tuple[float | None, float | None]
    held_out_divergence: _HeldOut
    recovery: list[str]
    removal: _Removal | None
    budgets: list[_Budget]
    reward: _Modelled | _Measured
    certificate: _Certificate | None
    backend: str
    seed: int | None
    variables: int
    interactions: int
    interrupted: bool
    failed: str | None
    rounds: list[dict[str, Any]]
    warnings: list[str]
    coverage: float
    layers: list[_Layer]
    left_alone: list[_LeftAlone]
    seconds: dict[str, float]
    onnx: _Onnx | None = None


@dataclass(frozen=True)
class RunRecord:
    """The record of a compression in its folder.

    Attributes:
        folder: the folder that `compress` or `save` has written.
        figures: the content of its result.json, checked.
        files: names of the files in it -> their sizes in bytes.

    Example:
        >>> def widest(folder: Path) -> str:
        ...     return max(read_record(folder).figures["layers"], key=lambda layer: layer["bytes"])["name"]
    """

    folder: Path
    figures: Mapping[str, Any]
    files: Mapping[str, int]

    @property
    def was_tested(self) -> bool:
        """True if the network was evaluated on test data."""
        after = self.figures["compressed"]
        return any(after[name] is not None for name in ("accuracy", "loss", "metric", "divergence"))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {"folder": str(self.folder), "files": dict(self.files), **self.figures}


def read_record(folder: Path) -> RunRecord:
    """Read the folder of a compression.

    Raises:
        FileFormatError: the folder is not that of a compression, or its result.json is damaged.

    Example:
        >>> read_record(Path("no such folder"))
        Traceback (most recent call last):
            ...
        qubo_dnn.errors.FileFormatError: no such folder: not the folder of a run: it has no result.json
    """
    path = folder / RESULT
    if not path.is_file():
        raise FileFormatError(f"{folder}: not the folder of a run: it has no {RESULT}")
    try:
        text = path.read_text()
        written = json.loads(text)
        _Result.model_validate_json(text)
        figures = {**dict.fromkeys(_Result.model_fields), **written}
        files = {each.name: each.stat().st_size for each in sorted(folder.iterdir()) if each.is_file()}
    except ValidationError as cause:
        first = cause.errors()[0]
        raise FileFormatError(f"{path}: damaged: {'.'.join(map(str, first['loc']))}: {first['msg']}") from cause
    except (OSError, ValueError) as cause:
        raise FileFormatError(f"{path}: cannot be read as JSON ({cause})") from cause
    return RunRecord(folder, figures, files)
