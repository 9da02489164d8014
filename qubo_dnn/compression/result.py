"""A finished compression as plain data and as files."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pydantic_core import to_jsonable_python
from safetensors.torch import save
from torch import nn

from qubo_dnn.compression.compress import Compression
from qubo_dnn.compression.network.dataset import Data
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.network.loading import as_float32
from qubo_dnn.compression.rewriting.apply_plan import bits_per_weight, pruned_fraction
from qubo_dnn.compression.rewriting.compressed_file import distinct_tensors, load_compressed_, save_compressed
from qubo_dnn.compression.search.search import SearchResult
from qubo_dnn.compression.search.settings import MEASURED, MODELLED
from qubo_dnn.errors import ModelError, OutputError, OutputExistsError

MODEL, PLAN, RESULT = "model.safetensors", "plan.json", "result.json"


def check_output(folder: Path, overwrite: bool) -> None:
    """Refuse an output folder that exists, or that cannot be made.

    Args:
        folder: of the run to come.
        overwrite: whether it may be the folder of an earlier run, which holds nothing but the files of one.

    Raises:
        OutputExistsError: it exists and `overwrite` is False, or it is not the folder of an earlier run.
        OutputError: it cannot be made where it should be.
    """
    try:
        exists, within = folder.exists(), folder.is_dir() and list(folder.iterdir())
    except OSError as cause:
        raise OutputError(f"{folder} cannot be written: {cause.strerror}") from cause
    if exists and not overwrite:
        raise OutputExistsError(f"{folder} exists; choose another folder or add --overwrite")
    foreign = [p for p in within or () if p.name not in (MODEL, PLAN, RESULT)]
    if exists and (within is False or foreign):
        raise OutputExistsError(f"{[folder, *foreign][-1]} is not the output of an earlier run and is not overwritten")
    parent = next(parent for parent in folder.resolve().parents if parent.exists())
    if not (parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)):
        raise OutputError(f"{folder} cannot be written: {parent} is not a folder one may write to")


def write_run(
    folder: Path,
    model: nn.Module,
    done: Compression,
    calibration: Data,
    about: Mapping[str, Any],
    *,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write model, plan and result; the folder appears whole or not at all, and replaces an earlier one.

    The written model is read back into a copy of `model` and has to give the very logits of the network in memory.

    Args:
        folder: to be made; see `check_output`.
        model: the network before compression.
        done: the compression.
        calibration: images to compare logits on.
        about: further entries of the result.
        overwrite: replace an earlier run.

    Returns:
        What result.json holds.

    Raises:
        ModelError: the model read back differs.
        OutputExistsError: see `check_output`.
        OutputError: the folder cannot be written.
    """
    check_output(folder, overwrite)
    model = as_float32(model)
    attempt = done.found.attempt
    with _appearing(folder) as hidden:
        save_compressed(hidden / MODEL, attempt.network, attempt.plan, attempt.quantized)
        _check_reload(hidden / MODEL, model, done.model, calibration)
        figures = result(model, done, (hidden / MODEL).stat().st_size)
        data: dict[str, Any] = to_jsonable_python({**figures, **about}, fallback=str)
        (hidden / PLAN).write_text(json.dumps(attempt.plan.to_json()) + "\n")
        (hidden / RESULT).write_text(json.dumps(data, indent=2) + "\n")
    return data


def result(model: nn.Module, done: Compression, file_bytes: int) -> dict[str, Any]:
    """The figures of a compression, as plain data.

    Accuracies are shares of the test images, losses in the loss's unit (nats for cross-entropy), bytes of the whole
    file; without test images accuracies and losses are None.
    """
    before, after = done.test or (None, None)
    found, attempt = done.found, done.found.attempt
    choice = found.task.choice(attempt.plan)
    return {
        "reference": {
            "accuracy": before and before.accuracy,
            "loss": before and before.loss,
            "bytes": len(save(distinct_tensors(model.state_dict())[0])),
        },
        "compressed": {
            "accuracy": after and after.accuracy,
            "loss": after and after.loss,
            "bytes": file_bytes,
            "bits_per_weight": bits_per_weight(attempt.network, attempt.plan),
            "pruned_fraction": pruned_fraction(attempt.network, attempt.plan),
        },
        "predicted_loss_increase": found.predicted,
        "calibration_loss_increase": done.calibration[1].loss - done.calibration[0].loss,
        "held_out_divergence": {
            "bare": attempt.bare.divergence,
            "recovered": attempt.judgement.divergence,
            "limit": found.trial.limit,
        },
        "recovery": list(attempt.repaired),
        "budgets": [
            {
                "name": budget.name,
                "kind": budget.kind,
                "unit": budget.unit,
                "limit": budget.amount(budget.limit),
                "used": budget.amount(budget.used(choice)),
            }
            for budget in done.budgets
        ],
        "reward": reward(found),
        "certificate": certificate(done),
        "backend": found.solution.backend,
        "seed": found.solution.seed,
        "variables": found.problem.objective.num_variables,
        "interactions": found.problem.objective.num_interactions,
        "repaired": found.solution.repaired,
        "interrupted": found.interrupted,
        "failed": found.failed,
        "rounds": [vars(linearisation) for linearisation in found.rounds],
        "warnings": list(done.warnings),
        "left_alone": [vars(skipped) for skipped in done.inventory.left_alone],
        "seconds": {**done.seconds, "total": sum(done.seconds.values())},
    }


def reward(found: SearchResult) -> dict[str, Any]:
    """What the backend optimised: "model", or "measured" with the plans measured, the states asked for again, seconds.

    `divergence` is the least one measured on the calibration images, of the backend's best answer.
    """
    if found.reward is None:
        return {"kind": MODELLED}
    return {
        "kind": MEASURED,
        "evaluations": found.reward.evaluations,
        "repeated": found.reward.repeated,
        "seconds": found.reward.seconds,
        "divergence": found.solution.best.objective,
    }


def certificate(done: Compression) -> dict[str, Any] | None:
    """How far the backend's best answer and the plan carried out can be from the optimum of the same model.

    The plan is the one of the backend's best answers that does best on held-out images, so it can be further away.

    Returns:
        The figures of `qubo_dnn.bounds.certificate.Certificate`, and the gap of the plan as `plan_gap`; None where
        there are none.
    """
    proven, found = done.certificate, done.found
    if proven is None:
        return None
    plan = next(each.objective for each in found.solution.candidates if each.value == found.attempt.plan)
    return {**proven.figures(found.problem), "plan_gap": proven.gap_of(plan)}


def _check_reload(path: Path, original: nn.Module, compressed: nn.Module, data: Data) -> None:
    reloaded = copy.deepcopy(original)
    load_compressed_(reloaded, path)
    some = data.subset(min(len(data), 64), 0)
    if not torch.equal(logits(reloaded, some), logits(compressed, some)):
        raise ModelError("the stored network read back gives other logits than the one in memory; nothing was written")


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A hidden folder beside `folder` that takes its place at the end, or vanishes when anything goes wrong."""
    folder = folder.resolve()
    hidden = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        hidden.mkdir(parents=True)
        yield hidden
        _replace(folder, hidden)
    except OSError as cause:
        raise OutputError(f"{folder} cannot be written: {cause.strerror or cause}") from cause
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _replace(folder: Path, new: Path) -> None:
    """Put `new` in the place of `folder`, which is there again when that fails."""
    old = new.with_name(f"{new.name}.old")
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except BaseException:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
