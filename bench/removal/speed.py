"""Latency of a smaller network beside the one that it comes from, in torch and in onnxruntime, on one thread."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.export.checking import session
from qubo_dnn.compression.export.onnx_file import export_onnx
from qubo_dnn.compression.network.inference import inference

BATCHES = (1, 64)


def latency(given: nn.Module, smaller: nn.Module, images: Data, turns: int) -> dict[str, tuple[float, float]]:
    """Return runtime and batch -> median milliseconds of both networks, which run in turns.

    Args:
        given: the network.
        smaller: another one.
        images: at least as many as the largest batch.
        turns: runs of each.
    """
    found = {}
    with tempfile.TemporaryDirectory() as folder, inference(given), inference(smaller):
        files = [
            export_onnx(Path(folder, f"{name}.onnx"), model, {}, images).path
            for name, model in (("given", given), ("smaller", smaller))
        ]
        sessions = [session(file, threads=1) for file in files]
        for batch in BATCHES:
            x = next(images.batches(batch))[0].only
            with torch.inference_mode():
                found[f"torch, {batch}"] = in_turns(partial(given, x), partial(smaller, x), turns)
            feeds = [{each.get_inputs()[0].name: x.numpy()} for each in sessions]
            runs = [partial(each.run, None, feed) for each, feed in zip(sessions, feeds, strict=True)]
            found[f"onnxruntime, {batch}"] = in_turns(runs[0], runs[1], turns)
    return found


def in_turns(one: Callable[[], object], other: Callable[[], object], turns: int) -> tuple[float, float]:
    """Median milliseconds of two functions that are called in turns, so that a busy machine is equally busy for both.

    Example:
        >>> quick, slow = in_turns(lambda: None, lambda: time.sleep(0.002), turns=3)
        >>> quick < slow
        True
    """
    taken: tuple[list[float], list[float]] = ([], [])
    for turn in range(turns + 1):
        for function, times in zip((one, other), taken, strict=True):
            started = time.perf_counter()
            function()
            # The first call also prepares the later ones.
            if turn:
                times.append(1000 * (time.perf_counter() - started))
    return median(taken[0]), median(taken[1])
