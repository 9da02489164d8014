"""A finished compression as plain data and as files."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pydantic_core import to_jsonable_python
from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.network.loading import as_float32, copied
from qubo_dnn.compression.outcome import Compression
from qubo_dnn.compression.records import layer_records, stored_bits_per_number
from qubo_dnn.compression.rewriting.apply_plan import pruned_fraction
from qubo_dnn.compression.rewriting.compressed_file import load_compressed_, save_compressed
from qubo_dnn.compression.search.search import SearchResult
from qubo_dnn.compression.search.settings import MEASURED, MODELLED
from qubo_dnn.errors import ModelError, OutputError, OutputExistsError
from qubo_dnn.files.common.output import write_atomically

MODEL, PLAN, RESULT = "model.safetensors", "plan.json", "result.json"


def check_output(folder: Path, overwrite: bool) -> None:
    """Refuse an output folder that exists or cannot be created.

    Args:
        folder: output folder of the next run.
        overwrite: True: the folder may be that of an earlier run, with no other files.

    Raises:
        OutputExistsError: the folder exists, and `overwrite` is False or it is not the folder of an earlier run.
        OutputError: the folder cannot be created at this place.

    Example:
        >>> check_output(Path("/"), overwrite=False)
        Traceback (most recent call last):
            ...
        qubo_dnn.errors.OutputExistsError: / exists; choose another folder or add --overwrite
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
    """Write model, plan and result to a folder, atomically; an earlier folder is replaced.

    The written model is loaded into a copy of `model`, whose logits must equal those of the network in memory.

    Args:
        folder: folder to create; see `check_output`.
        model: the network before compression.
        done: the compression.
        calibration: images to compare logits on.
        about: further entries of the result.
        overwrite: True to replace an earlier run.

    Returns:
        The content of result.json.

    Raises:
        ModelError: the loaded model differs.
        OutputExistsError: see `check_output`.
        OutputError: the folder cannot be written.

    Example:
        >>> def save(folder: Path, network: nn.Module, done: Compression, images: Data) -> float:
        ...     written = write_run(folder, network, done, images, {"network": "resnet20"})
        ...     return written["compressed"]["bits_per_weight"]
    """
    check_output(folder, overwrite)
    applied = done.found.applied
    with appearing(folder) as hidden:
        save_compressed(hidden / MODEL, applied.network, applied.plan, applied.quantized)
        _check_reload(hidden / MODEL, model, done.model, calibration.with_interface(done.interface))
        figures = result(done, (hidden / MODEL).stat().st_size)
        data: dict[str, Any] = to_jsonable_python({**figures, **about}, fallback=str)
        (hidden / PLAN).write_text(json.dumps(applied.plan.to_json()) + "\n")
        (hidden / RESULT).write_text(_text(data))
    return data


def rewrite_result(folder: Path, data: Mapping[str, Any]) -> None:
    """Replace the result.json of a run.

    Args:
        folder: that `write_run` has written.
        data: the new content.

    Raises:
        OutputError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rewrite_result(Path(folder), {"network": "resnet20"})
        ...     json.loads(Path(folder, "result.json").read_text())
        {'network': 'resnet20'}
    """
    write_atomically(folder / RESULT, _text(data).encode())


def _text(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2) + "\n"


def result(done: Compression, file_bytes: int) -> dict[str, Any]:
    """Return the figures of a compression as plain data.

    Accuracies are shares of the test images, losses and divergences are in the unit of the loss (nats for
    cross-entropy), and bytes are those of the whole file; so are bits per weight, without its header. Without test
    images, accuracies, losses, metrics and the divergence of `compressed` are None; without targets, accuracies and
    losses are. The metrics of the calibration images are those before and after. After training, the parts of the
    recovery end with "training", predictions and shares of layers are None, and the rest is about the trained network,
    apart from the record of the search and the divergence `bare` of the plan without any recovery.

    Args:
        done: the compression.
        file_bytes: size of the compressed file in bytes.

    Example:
        >>> def ratio(done: Compression, file_bytes: int) -> float:
        ...     figures = result(done, file_bytes)
        ...     return figures["reference"]["bytes"] / figures["compressed"]["bytes"]
    """
    before, after = done.test or (None, None)
    found, applied = done.found, done.found.applied
    choice = found.task.choice(applied.plan)
    layers = layer_records(done)
    stored, weights = (sum(each[name] for each in layers) for name in ("bytes", "weights"))
    return {
        "reference": {
            "accuracy": before and before.accuracy,
            "loss": before and before.loss,
            "metric": before and before.metric,
            "bytes": done.contents.reference_bytes,
        },
        "compressed": {
            "accuracy": after and after.accuracy,
            "loss": after and after.loss,
            "metric": after and after.metric,
            "divergence": after and after.divergence,
            "bytes": file_bytes,
            "bits_per_weight": stored_bits_per_number(done),
            "bits_per_compressed_weight": 8 * stored / weights,
            "pruned_fraction": pruned_fraction(applied.network, applied.plan),
        },
        "predicted_loss_increase": found.predicted,
        "calibration_loss_increase": _rise(*(each.loss for each in done.calibration)),
        "calibration_divergence": done.calibration[1].divergence,
        "calibration_metric": [each.metric for each in done.calibration],
        "held_out_divergence": {
            "bare": applied.bare.divergence,
            "recovered": applied.held_out.divergence,
            "limit": found.trial.limit,
            "constant": found.trial.constant,
        },
        "recovery": list(applied.repaired),
        "removal": removal(done),
        "budgets": [
            {
                "name": budget.name,
                "kind": budget.kind,
                "unit": budget.unit,
                "limit": budget.amount(budget.limit),
                "used": budget.amount(budget.used(choice)),
                "share_of_float": done.predicted_costs.get(budget.name),
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
        "resumed": list(done.resumed),
        "rounds": [
            {**vars(linearisation), "tried": [vars(plan) for plan in linearisation.tried]}
            for linearisation in found.rounds
        ],
        "warnings": list(done.warnings),
        "coverage": done.contents.coverage,
        "layers": layers,
        "left_alone": [
            {**vars(entry), "share": entry.bytes / done.contents.reference_bytes} for entry in done.contents.kept
        ],
        "seconds": {**done.seconds, "total": sum(done.seconds.values())},
    }


def removal(done: Compression) -> dict[str, Any] | None:
    """Describe the network without its pruned channels; None if there is none.

    `channels` has the removed output channels of every layer, `left` the reasons why pruned channels of a layer are
    still there, `parameters` the numbers of parameters and `macs` the multiply-accumulates for one sample, before and
    after, and `deviation` the largest difference of an output, relative to the largest output.

    Example:
        >>> def share_of_macs(done: Compression) -> float:
        ...     figures = removal(done)
        ...     return 1.0 if figures is None else figures["macs"][1] / figures["macs"][0]
    """
    if done.removal is None:
        return None
    return {
        "channels": {name: list(lost) for name, lost in done.removal.channels.items()},
        "left": dict(done.removal.left),
        "parameters": [sum(each.numel() for each in model.parameters()) for model in (done.model, done.smaller)],
        "macs": list(done.removal.macs),
        "deviation": done.removal.deviation,
    }


def reward(found: SearchResult) -> dict[str, Any]:
    """Describe the objective of the backend: kind "model", or "measured" with the counts and seconds of measurements.

    `evaluations` counts the measured plans, `repeated` the states requested again; `divergence` is that of the
    backend's best answer on the calibration images, the least one measured.

    Example:
        >>> def measured_plans(found: SearchResult) -> int:
        ...     return reward(found).get("evaluations", 0)
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
    """Bound the distance of the backend's best answer and of the applied plan from the optimum of their model.

    The plan is the best one on held-out images among the backend's best answers, so its gap can be larger.

    Returns:
        The figures of `qubo_dnn.bounds.certificate.Certificate`, and the gap of the plan as `plan_gap`; None without a
        certificate.

    Example:
        >>> def is_proven(done: Compression) -> bool:
        ...     found = certificate(done)
        ...     return found is not None and found["plan_gap"] == 0.0
    """
    proven, found = done.certificate, done.found
    if proven is None:
        return None
    plan = next(each.objective for each in found.solution.candidates if each.value == found.applied.plan)
    return {**proven.figures(found.problem), "plan_gap": proven.gap_of(plan)}


def _rise(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _check_reload(path: Path, original: nn.Module, compressed: nn.Module, data: Data) -> None:
    reloaded = copied(original)
    load_compressed_(reloaded, path)
    some = data.subset(min(len(data), 64), 0)
    if not torch.equal(*(logits(as_float32(each), some) for each in (reloaded, compressed))):
        raise ModelError("the stored network read back gives other logits than the one in memory; nothing was written")


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """Create a hidden folder beside `folder`; it replaces `folder` at the end, or is removed after an error.

    Raises:
        OutputError: one of them cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as parent, appearing(Path(parent, "out")) as hidden:
        ...     (hidden / "plan.json").write_text("{}")
        2
    """
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
    """Replace `folder` by `new`; if that fails, `folder` is restored."""
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
