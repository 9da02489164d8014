"""The ONNX files of one compressed network, and what onnxruntime makes of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from bench.tables import Row, Table
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.export.checking import session
from qubo_dnn.compression.export.onnx_file import FORMS, OnnxFile, export_onnx
from qubo_dnn.compression.network.inference import evaluate
from qubo_dnn.compression.network.loading import copied
from qubo_dnn.compression.rewriting.compressed_file import load_codes_

TABLE = Table(
    "run | file | bytes | % of fp32 | times our own file | opset | largest deviation | mean | equal top-1, % | "
    "accuracy, % | batch 1, ms (of fp32) | batch 64, ms (of fp32) | in integers | not as in the plan",
    "{run} | {file} | {bytes:,} | {share:.2%} | {own:.3f} | {opset} | {largest:.2g} | {mean:.2g} | {top1} | "
    "{accuracy:.2%} | {single:.2f} ({single_ratio:.2f}) | {many:.1f} ({many_ratio:.2f}) | {integer} | {notes}",
)
_BATCHES = (1, 64)


def rows(
    name: str, folder: Path, network: nn.Module, calibration: Data, test: Data, out: Path, turns: int
) -> list[Row]:
    """Export a run in every form beside the fp32 network, and compare the files in turns.

    Args:
        name: of the run, in the table.
        folder: that `qubo-dnn compress` has written.
        network: the network before compression.
        calibration: for the ranges of activations and the deviation.
        test: labelled images.
        out: folder for the files.
        turns: of timing; every file runs once in each.
    """
    smaller = copied(network)
    codes = load_codes_(smaller, folder / "model.safetensors")
    own = (folder / "model.safetensors").stat().st_size
    files = {"fp32": export_onnx(out / f"{name}.fp32.onnx", network, {}, calibration)}
    files |= {form: export_onnx(out / f"{name}.{form}.onnx", smaller, codes, calibration, form) for form in FORMS}
    sessions = {form: session(file.path, threads=1) for form, file in files.items()}
    images = {size: next(test.batches(size))[0].only.numpy() for size in _BATCHES}
    times = {size: timed(sessions, images[size], turns) for size in _BATCHES}
    torch_accuracy = evaluate(smaller, test).accuracy
    found = []
    for form, file in files.items():
        row = _row(name, form, file, own) | {"accuracy": accuracy(sessions[form], test)}
        for size, key in zip(_BATCHES, ("single", "many"), strict=True):
            row |= {key: 1e3 * times[size][form], f"{key}_ratio": times[size][form] / times[size]["fp32"]}
        found.append(row | {"torch_accuracy": torch_accuracy, "fp32_bytes": files["fp32"].bytes})
    return found


def _row(name: str, form: str, file: OnnxFile, own: int) -> Row:
    agreement = file.agreement
    every = file.integer_operators + file.float_operators
    return {
        "run": name,
        "file": form,
        "bytes": file.bytes,
        "share": file.bytes / file.fp32_bytes,
        "own": file.bytes / own,
        "opset": file.opset,
        "largest": agreement.largest,
        "mean": agreement.mean,
        "top1": "" if agreement.equal_top1 is None else f"{100 * agreement.equal_top1:.2f}",
        "integer": f"{file.integer_operators} of {every}",
        "notes": "; ".join(file.notes),
    }


def timed(sessions: Mapping[str, Any], images: NDArray[Any], turns: int) -> dict[str, float]:
    """Median seconds of one run of every session, in turns, so that a busy machine is equally busy for all."""
    seconds: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(turns + 1):
        for name, running in sessions.items():
            started = time.perf_counter()
            running.run(None, {running.get_inputs()[0].name: images})
            # The first run of a session also prepares it.
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return {name: float(np.median(each)) for name, each in seconds.items()}


def accuracy(running: Any, test: Data) -> float:
    """Share of the images that a file gets right."""
    right: Sequence[int] = [
        int(
            (
                running.run(None, {running.get_inputs()[0].name: inputs.only.numpy()})[0].argmax(1) == labels.numpy()
            ).sum()
        )
        for inputs, labels in test.batches()
        if labels is not None
    ]
    return sum(right) / len(test)
