"""The ONNX files of one compressed network, and what onnxruntime makes of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.networks.shipped.network import BATCH, ShippedNetwork
from bench.tables import Row, Table
from qubo_dnn.compression.export.checking import session
from qubo_dnn.compression.export.latency import repeated
from qubo_dnn.compression.export.onnx_file import FORMS, OnnxFile, export_onnx
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.network.loading import copied
from qubo_dnn.compression.rewriting.compressed_file import load_codes_

FP32 = "fp32"


class Running(nn.Module):
    """A file of one input and one output in onnxruntime, called like a network."""

    def __init__(self, running: Any) -> None:
        super().__init__()
        self._running, self._input = running, running.get_inputs()[0].name

    def forward(self, samples: Tensor) -> Tensor:
        """The output of the file."""
        return torch.from_numpy(self._running.run(None, {self._input: samples.numpy()})[0])


def table(batches: Sequence[int]) -> Table:
    """How the rows of `rows` are shown, with a column for every number of samples that is timed."""
    timed = [f"batch {batch}, ms (of fp32)" for batch in batches]
    return Table(
        " | ".join(
            [
                "run | file | bytes | % of fp32 | times our own file | opset | largest deviation | mean",
                "equal top-1, % | metric, % | top-1 as before, %",
                *timed,
                "in integers | not as in the plan",
            ]
        ),
        lambda row: (
            *(row["run"], row["file"], f"{row['bytes']:,}", f"{100 * row['share']:.2f}", f"{row['own']:.3f}"),
            *(str(row["opset"]), f"{row['largest']:.2g}", f"{row['mean']:.2g}", f"{100 * row['top1']:.2f}"),
            *(f"{100 * row['metric']:.2f}", f"{100 * row['as_before']:.2f}"),
            *(f"{each['ms']:.4g} ({each['of_fp32']:.2f})" for each in row["latency"].values()),
            *(row["integer"], row["notes"]),
        ),
    )


def rows(
    name: str,
    folder: Path,
    given: ShippedNetwork,
    out: Path,
    *,
    batches: Sequence[int],
    turns: int,
    remove: bool = True,
) -> list[Row]:
    """Export a run in every form beside the fp32 network, and compare the files in turns.

    Args:
        name: of the run, in the table.
        folder: that `qubo-dnn compress` has written.
        given: the network before compression, of one input and one output with classes on axis 1.
        out: folder for the files.
        batches: numbers of samples that are timed.
        turns: of timing; every file runs once in each.
        remove: whether pruned channels leave the files.
    """
    smaller = copied(given.module)
    codes = load_codes_(smaller, folder / "model.safetensors")
    own = (folder / "model.safetensors").stat().st_size
    files = {FP32: export_onnx(out / f"{name}.{FP32}.onnx", given.module, {}, given.calibration)}
    for form in FORMS:
        files[form] = export_onnx(out / f"{name}.{form}.onnx", smaller, codes, given.calibration, form, remove=remove)
    sessions = {form: session(file.path, threads=1) for form, file in files.items()}
    networks = {form: Running(each) for form, each in sessions.items()}
    samples = {size: repeated(next(given.test.batches(size))[0], size).only.numpy() for size in batches}
    times = {size: timed(sessions, samples[size], turns) for size in batches}
    before, torch_metric = logits(given.module, given.test, BATCH).argmax(1), given.metric(smaller)
    found = []
    for form, file in files.items():
        same = logits(networks[form], given.test, BATCH).argmax(1) == before
        latency = {
            str(size): {"ms": 1e3 * each[form], "of_fp32": each[form] / each[FP32]} for size, each in times.items()
        }
        found.append(
            _row(name, form, file, own)
            | {"metric": given.metric(networks[form]), "as_before": float(same.double().mean()), "latency": latency}
            | {"torch_metric": torch_metric, "fp32_bytes": files[FP32].bytes}
        )
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
        "scale": agreement.scale,
        "top1": agreement.equal_top1,
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
