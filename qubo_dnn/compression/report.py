"""A finished compression as plain data and as files."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from qubo_dnn.compression.data import Data
from qubo_dnn.compression.evaluate import logits
from qubo_dnn.compression.pipeline import Compression
from qubo_dnn.compression.rewrite import bits_per_weight, pruned_fraction
from qubo_dnn.compression.storage import load_compressed_, save_compressed
from qubo_dnn.errors import ModelError, OutputError, OutputExistsError

MODEL, PLAN, RESULT = "model.safetensors", "plan.json", "result.json"


def check_output(folder: Path, overwrite: bool) -> None:
    """Refuse an output folder that exists.

    Raises:
        OutputExistsError: it exists and `overwrite` is False, or it is not a folder of an earlier run.
    """
    if not folder.exists():
        return
    if not overwrite:
        raise OutputExistsError(f"{folder} exists; choose another folder or add --overwrite")
    foreign = [folder] if not folder.is_dir() else [p for p in folder.iterdir() if p.name not in (MODEL, PLAN, RESULT)]
    if foreign:
        raise OutputExistsError(f"{foreign[0]} is not the output of an earlier run and is not overwritten")


def write_run(
    folder: Path, model: nn.Module, done: Compression, calibration: Data, about: dict[str, Any]
) -> dict[str, Any]:
    """Write model, plan and result; the folder appears whole or not at all, and replaces an earlier one.

    The written model is read back into a copy of `model` and has to give the very logits of the network in memory.

    Args:
        folder: to be made; see `check_output`.
        model: the network before compression.
        done: the compression.
        calibration: images to compare logits on.
        about: further entries of the result.

    Returns:
        What result.json holds.

    Raises:
        ModelError: the model read back differs.
        OutputError: the folder cannot be written.
    """
    with _appearing(folder) as hidden:
        save_compressed(hidden / MODEL, done.model, done.plan, done.quantized)
        _check_reload(hidden / MODEL, model, done.model, calibration)
        data = result(model, done, (hidden / MODEL).stat().st_size) | about
        (hidden / PLAN).write_text(json.dumps(done.plan.to_json()) + "\n")
        (hidden / RESULT).write_text(json.dumps(data, indent=2) + "\n")
    return data


def result(model: nn.Module, done: Compression, file_bytes: int) -> dict[str, Any]:
    """The figures of a compression, as plain data.

    Accuracies are shares of the test images, losses nats, bytes of the whole file; without test images both are
    None.
    """
    before, after = done.test or (None, None)
    stored = bits_per_weight(done.model, done.plan)
    return {
        "reference": {
            "accuracy": before and before.accuracy,
            "loss": before and before.loss,
            "bytes": len(save({key: value.clone() for key, value in model.state_dict().items()})),
        },
        "compressed": {
            "accuracy": after and after.accuracy,
            "loss": after and after.loss,
            "bytes": file_bytes,
            "bits_per_weight": stored,
            "pruned_fraction": pruned_fraction(done.model, done.plan),
        },
        "predicted_loss_increase": done.predicted_loss_increase,
        "calibration_loss_increase": done.calibration[1].loss - done.calibration[0].loss,
        "budget": {
            "kind": done.budget.kind,
            "limit": done.budget.amount(done.budget.limit_bits, done.task.weights),
            "used": done.budget.amount(stored * done.task.weights, done.task.weights),
        },
        "backend": done.solution.backend,
        "seed": done.solution.seed,
        "variables": done.problem.objective.num_variables,
        "interactions": done.problem.objective.num_interactions,
        "repaired": done.solution.repaired,
        "interrupted": done.solution.interrupted,
        "rounds": len(done.solution.rounds),
        "left_alone": [vars(skipped) for skipped in done.inventory.left_alone],
        "seconds": {**done.seconds, "total": sum(done.seconds.values())},
    }


def _check_reload(path: Path, original: nn.Module, compressed: nn.Module, data: Data) -> None:
    reloaded = copy.deepcopy(original)
    load_compressed_(reloaded, path)
    some = data.subset(min(len(data), 64), 0)
    if not torch.equal(logits(reloaded, some), logits(compressed, some)):
        raise ModelError("the stored network read back gives other logits than the one in memory; nothing was written")


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A hidden folder beside `folder` that takes its place at the end, or vanishes when anything goes wrong."""
    hidden = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        hidden.mkdir(parents=True)
        yield hidden
        if folder.exists():
            shutil.rmtree(folder)
        hidden.rename(folder)
    except OSError as cause:
        raise OutputError(f"{folder} cannot be written: {cause.strerror or cause}") from cause
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
