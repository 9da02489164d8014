"""The quadratic model of the loss that a round optimises: measured around a network, saved, and read back."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.torch import save
from torch import Tensor, nn

from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.network.layers import Inventory
from qubo_dnn.compression.network.losses import Loss
from qubo_dnn.compression.rewriting.compressed_file import distinct_tensors
from qubo_dnn.compression.search.plan_evaluator import AppliedPlan, PlanEvaluator
from qubo_dnn.compression.search.progress import CompressionReporter
from qubo_dnn.compression.search.settings import SearchSettings
from qubo_dnn.compression.search.task_builder import layer_changes, measured_task
from qubo_dnn.compression.sensitivity.accumulator import GIB
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton
from qubo_dnn.compression.sensitivity.large_changes import measure_nonlinearity
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges
from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel
from qubo_dnn.compression.task.task import CompressionTask
from qubo_dnn.errors import OutputError

# What a pair of variables takes while a backend works on it: the matrix, its BQM and the arrays of the local search.
_BYTES_PER_PAIR = 36
# Files of measurements, around the network as given and around any other.
_GIVEN, _AROUND = "given.safetensors", "around-*.safetensors"


class LossModeller:
    """Measures the loss around networks, and adds the model of it to a task.

    Args:
        task: not measured yet.
        inventory: its layers.
        evaluator: has the network as given, the weights of every option, and images to measure on.
        loss: to measure.
        settings: of the search.
        reporter: receives progress events.
    """

    def __init__(
        self,
        task: CompressionTask,
        inventory: Inventory,
        evaluator: PlanEvaluator,
        loss: Loss,
        settings: SearchSettings,
        reporter: CompressionReporter,
    ) -> None:
        self._task, self._inventory, self._evaluator, self._loss = task, inventory, evaluator, loss
        self._settings, self._reporter = settings, reporter

    def around_given(self) -> CompressionTask:
        """The task with a model of the loss around the network as given.

        Raises:
            QuboDnnError: whatever measuring raises.
        """
        model, data, seed = self._evaluator.model, self._evaluator.data, self._settings.seed
        changes = self._changes(self._inventory)
        sensitivity = self._measure(model, changes, None, _GIVEN)
        self._reporter.stage("measure large changes")
        nonlinearity = measure_nonlinearity(
            model,
            changes,
            self._task.options,
            sensitivity,
            data,
            loss=self._loss,
            seed=seed,
            progress=self._reporter.progress,
        )
        return measured_task(self._task, changes, sensitivity, nonlinearity)

    def around(self, attempt: AppliedPlan, given: CompressionTask) -> CompressionTask:
        """The task with a model of the loss around a compressed network.

        Args:
            attempt: has the network.
            given: what `around_given` returned; its limits are kept, and what it knows of large changes.

        Raises:
            QuboDnnError: whatever measuring raises.
        """
        network = attempt.network
        changes = self._changes(self._inventory.of(network))
        reference = logits(self._evaluator.model, self._evaluator.data)
        # By the network, not by its plan: another repair of the same plan is another measurement.
        name = hashlib.sha256(save(distinct_tensors(network.state_dict())[0])).hexdigest()[:16]
        return measured_task(given, changes, self._measure(network, changes, reference, _AROUND.replace("*", name)))

    def _changes(self, layers: Inventory) -> list[LayerChanges]:
        return layer_changes(layers, self._settings.granularity, self._evaluator.candidates)

    def _measure(
        self, model: nn.Module, changes: list[LayerChanges], reference: Tensor | None, file: str
    ) -> QuadraticLossModel:
        settings = self._settings
        self._reporter.stage("measure")
        return gauss_newton(
            model,
            changes,
            self._evaluator.data,
            loss=self._loss,
            reference=reference,
            probes=settings.probes,
            seed=settings.seed,
            memory=settings.memory,
            as_factor=bytes_of_pairs(self._task.cost.size) > settings.memory * GIB,
            checkpoint=_file_in(settings.checkpoints, file),
            replaced=self._reporter.warning if settings.replace_checkpoints else None,
            progress=self._reporter.progress,
        )


def _file_in(folder: Path | None, name: str) -> Path | None:
    """The file of a measurement, in a folder that is made where it is missing; None without a folder."""
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise OutputError(f"{folder} cannot be made: {cause.strerror}") from cause
    return folder / name


def bytes_of_pairs(variables: int) -> int:
    """Bytes that solving takes where the couplings of all variables are written out."""
    return _BYTES_PER_PAIR * variables**2


def with_zero_sensitivity(task: CompressionTask, memory: float) -> CompressionTask:
    """The task with a sensitivity of zero, in the form that one of its size is measured in.

    Args:
        task: not measured.
        memory: GiB that all pairs may take.
    """
    size = task.cost.size
    if bytes_of_pairs(size) > memory * GIB:
        zero = QuadraticLossModel(factor=np.zeros((size, 1), np.float32), linear=np.zeros(size))
    else:
        zero = QuadraticLossModel(matrix=np.broadcast_to(np.float32(0.0), (size, size)), linear=np.zeros(size))
    return replace(task, sensitivity=zero)


def discard_measurements(folder: Path) -> None:
    """Remove the measurements that searches saved to a folder, and the folder if it holds nothing else."""
    with suppress(OSError):
        for name in (_GIVEN, _AROUND):
            for path in (*folder.glob(name), *folder.glob(f".{name}.partial")):
                path.unlink()
        folder.rmdir()
