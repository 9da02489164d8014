"""Measure the quadratic loss model of a round around a network; measurements are saved and reused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from safetensors.torch import save
from torch import Tensor, nn

from qubo_dnn.compression.losses.losses import Loss
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.network.layers import Inventory
from qubo_dnn.compression.quantization.activation_grid import activation_grids
from qubo_dnn.compression.removal.channel_groups import Use
from qubo_dnn.compression.rewriting.compressed_file import distinct_tensors
from qubo_dnn.compression.search.plan_evaluator import AppliedPlan, PlanEvaluator
from qubo_dnn.compression.search.progress import CompressionReporter
from qubo_dnn.compression.search.settings import SearchSettings
from qubo_dnn.compression.search.task_builder import activation_changes, layer_changes, measured_task
from qubo_dnn.compression.sensitivity.accumulator import GIB
from qubo_dnn.compression.sensitivity.activation_changes import ActivationChanges
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton
from qubo_dnn.compression.sensitivity.large_changes import measure_nonlinearity
from qubo_dnn.compression.sensitivity.removed_channels import read_channels
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges
from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel
from qubo_dnn.compression.task.task import CompressionTask
from qubo_dnn.errors import OutputError

# Bytes per pair of variables during a solve: the matrix, its BQM and the arrays of the local search.
_BYTES_PER_PAIR = 36
# Files of the measurements around the original network and around compressed networks.
_GIVEN, _AROUND = "given.safetensors", "around-*.safetensors"


class LossModeller:
    """Measure the loss around a network, and add the loss model to a task.

    Args:
        task: the task before its measurement.
        inventory: layers of the task.
        evaluator: holds the original network, the weights at every option, and the images to measure on.
        loss: loss to measure.
        settings: settings of the search.
        reporter: receives progress events.
        readers: layer name -> where its channels are read, if removing them is measured there.

    Attributes:
        resumed: one sentence for every measurement that an earlier run has begun or finished.

    Example:
        >>> def measured_sensitivity(modeller: LossModeller) -> QuadraticLossModel | None:
        ...     return modeller.around_given().sensitivity
    """

    def __init__(
        self,
        task: CompressionTask,
        inventory: Inventory,
        evaluator: PlanEvaluator,
        loss: Loss,
        settings: SearchSettings,
        reporter: CompressionReporter,
        readers: Mapping[str, Sequence[Use]] = MappingProxyType({}),
    ) -> None:
        self._task, self._inventory, self._evaluator, self._loss = task, inventory, evaluator, loss
        self._settings, self._reporter, self._readers = settings, reporter, readers
        self.resumed: list[str] = []

    def around_given(self) -> CompressionTask:
        """Return the task with a loss model around the original network.

        Raises:
            QuboDnnError: the measurement fails.
        """
        model, data, seed = self._evaluator.model, self._evaluator.data, self._settings.seed
        changes, activations = self._changes(self._inventory)
        sensitivity = self._measure(model, changes, activations, None, _GIVEN)
        self._reporter.stage("measure large changes")
        nonlinearity = measure_nonlinearity(
            model,
            changes,
            self._task.options,
            sensitivity,
            data,
            activations=activations,
            loss=self._loss,
            probes=self._settings.probes,
            seed=seed,
            progress=self._reporter.progress,
            cluster=self._settings.cluster,
        )
        return measured_task(self._task, changes, sensitivity, nonlinearity, activations)

    def around(self, applied: AppliedPlan, given: CompressionTask) -> CompressionTask:
        """Return the task with a loss model around a compressed network.

        Args:
            applied: an applied plan with its network.
            given: the result of `around_given`; its limits and its data on large changes are kept.

        Raises:
            QuboDnnError: the measurement fails.
        """
        # The model is of the changes to the candidates, which know nothing of refitted weights.
        network = applied.with_candidates or applied.network
        changes, activations = self._changes(self._inventory.of(network))
        reference = logits(self._evaluator.model, self._evaluator.data)
        # Name the file by the network, not by its plan: another repair of the same plan needs another measurement.
        state = save(distinct_tensors(network.state_dict())[0]) + repr(activation_grids(network)).encode()
        file = _AROUND.replace("*", hashlib.sha256(state).hexdigest()[:16])
        sensitivity = self._measure(network, changes, activations, reference, file)
        return measured_task(given, changes, sensitivity, activations=activations)

    def _changes(self, layers: Inventory) -> tuple[list[LayerChanges], list[ActivationChanges]]:
        candidates = self._evaluator.candidates
        reads = read_channels(layers.model, self._readers, self._evaluator.data)
        changes = layer_changes(layers, self._settings.granularity, candidates, reads)
        return changes, activation_changes(layers, candidates)

    def _measure(
        self,
        model: nn.Module,
        changes: list[LayerChanges],
        activations: list[ActivationChanges],
        reference: Tensor | None,
        file: str,
    ) -> QuadraticLossModel:
        settings = self._settings
        self._reporter.stage("measure")
        return gauss_newton(
            model,
            changes,
            self._evaluator.data,
            activations=activations,
            loss=self._loss,
            reference=reference,
            probes=settings.probes,
            seed=settings.seed,
            memory=settings.memory,
            as_factor=bytes_of_pairs(self._task.cost.size) > settings.memory * GIB,
            checkpoint=_file_in(settings.checkpoints, file),
            replaced=self._reporter.warning if settings.replace_checkpoints else None,
            resumed=lambda done, total: self.resumed.append(
                f"{done:,} of {total:,} samples of the measurement in {file} are from an earlier run"
            ),
            progress=self._reporter.progress,
            cluster=settings.cluster,
        )


def _file_in(folder: Path | None, name: str) -> Path | None:
    """Return the file of a measurement, and create its folder if necessary; None without a folder."""
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise OutputError(f"{folder} cannot be made: {cause.strerror}") from cause
    return folder / name


def bytes_of_pairs(variables: int) -> int:
    """Return the bytes needed to solve a problem whose couplings are stored for all pairs of variables.

    Example:
        >>> bytes_of_pairs(1000)
        36000000
    """
    return _BYTES_PER_PAIR * variables**2


def with_zero_sensitivity(task: CompressionTask, memory: float) -> CompressionTask:
    """Return the task with zero sensitivity, in the form (matrix or factor) of a measurement of this size.

    Args:
        task: the task before its measurement.
        memory: memory limit for all pairs, in GiB.

    Example:
        >>> from qubo_formulations.example_task import example_task
        >>> task = with_zero_sensitivity(example_task(seed=1), memory=1.0)
        >>> float(task.sensitivity.diagonal().max())
        0.0
    """
    size = task.cost.size
    if bytes_of_pairs(size) > memory * GIB:
        zero = QuadraticLossModel(factor=np.zeros((size, 1), np.float32), linear=np.zeros(size))
    else:
        zero = QuadraticLossModel(matrix=np.broadcast_to(np.float32(0.0), (size, size)), linear=np.zeros(size))
    return replace(task, sensitivity=zero)


def discard_measurements(folder: Path) -> None:
    """Remove the saved measurements from a folder, and the folder itself if it is then empty.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     measurements = Path(folder, "measurements")
        ...     measurements.mkdir()
        ...     _ = Path(measurements, "given.safetensors").write_bytes(b"")
        ...     discard_measurements(measurements)
        ...     measurements.exists()
        False
    """
    with suppress(OSError):
        for name in (_GIVEN, _AROUND):
            for path in (*folder.glob(name), *folder.glob(f".{name}.partial")):
                path.unlink()
        folder.rmdir()
