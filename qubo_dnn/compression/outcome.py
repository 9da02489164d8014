"""What comes out of a compression: the network, its plan, and what was measured on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from qubo_dnn.bounds.certificate import Certificate
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.data.inputs import Interface
from qubo_dnn.compression.export.onnx_file import LATENCY, SMALL, OnnxFile, export_onnx
from qubo_dnn.compression.losses.losses import Loss
from qubo_dnn.compression.losses.metrics import Metric
from qubo_dnn.compression.network.inference import Evaluation
from qubo_dnn.compression.network.layers import Inventory
from qubo_dnn.compression.network.loading import as_float32
from qubo_dnn.compression.network.paired_evaluation import PairedEvaluation
from qubo_dnn.compression.quantization.quantize import Quantized
from qubo_dnn.compression.removal.channel_groups import ChannelGroup
from qubo_dnn.compression.removal.remove_pruned import Removal
from qubo_dnn.compression.removal.silence import silent_entries
from qubo_dnn.compression.rewriting.held_out import HeldOutDivergence
from qubo_dnn.compression.rewriting.quantization_aware import from_qat, to_qat
from qubo_dnn.compression.search.plan_evaluator import Trial
from qubo_dnn.compression.search.progress import SilentReporter, StageClock
from qubo_dnn.compression.search.removable import removal_of
from qubo_dnn.compression.search.search import SearchResult
from qubo_dnn.compression.task.budgets import TaskBudget
from qubo_dnn.compression.task.file_contents import FileContents

TRAINING = "training"
"""Last of the repairs of a network that has come back from training."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Compression:
    """A compressed network and the record of its compression.

    Attributes:
        found: the network, its plan, and the result of the search.
        inventory: the layers of the given network.
        budgets: all limits.
        contents: what the file holds besides the compressed weights.
        calls: layer name -> calls of its module in one pass of the network.
        macs: layer name -> multiply-accumulates for one sample.
        groups: the channel groups of the network; None where there is no `removal`.
        removal: the network without its pruned channels; None if the plan prunes nothing, they were not to be removed,
            or the network cannot be traced.
        effects: layer name -> divergence on held-out images if only this layer is compressed as planned; None after
            training, when the layers depend on each other.
        predicted: layer name -> predicted loss increase of its part of the plan, with half of its terms with other
            layers; None if no loss model was measured, and after training.
        couplings: [parts, parts] see `CompressionTask.layer_couplings`, of that model; None with `predicted`.
        resumed: one sentence for every measurement that an earlier run has begun or finished.
        predicted_costs: name of a cost table of a budget -> cost of the compressed network that it predicts, relative
            to that in float32; tables without costs in float32 are not among them.
        interface: how the network takes its inputs, and which outputs are compared.
        loss: the loss of the compared outputs.
        metric: the user's metric, or None.
        held_out: images that the divergence of `found` is measured on.
        calibration: accuracy, loss and metric before and after, on the calibration images, and the divergence after.
        test: the same on the test images; None without test images.
        certificate: bound on the optimality of the backend's best answer in the round of `found`; None if no
            certificate was requested and there are too many states to enumerate.
        warnings: messages for the user, about layers that could not be measured and unexpected divergence.
        seconds: stage -> wall-clock seconds.

    Example:
        >>> def summary(done: Compression) -> str:
        ...     before, after = done.calibration
        ...     return f"loss {before.loss:.3f} -> {after.loss:.3f} nats"
    """

    found: SearchResult
    inventory: Inventory
    budgets: tuple[TaskBudget, ...]
    contents: FileContents
    calls: Mapping[str, int]
    macs: Mapping[str, int]
    groups: Sequence[ChannelGroup] | None
    removal: Removal | None
    effects: Mapping[str, float] | None
    predicted: Mapping[str, float] | None
    couplings: NDArray[np.float64] | None
    resumed: tuple[str, ...]
    predicted_costs: Mapping[str, float]
    interface: Interface
    loss: Loss
    metric: Metric | None
    held_out: Data
    calibration: tuple[Evaluation, Evaluation]
    test: tuple[Evaluation, Evaluation] | None
    certificate: Certificate | None
    warnings: tuple[str, ...]
    seconds: Mapping[str, float]

    @property
    def model(self) -> nn.Module:
        """The compressed network, a copy of the given one."""
        return self.found.applied.network

    def to_onnx(self, path: str | Path, samples: Data, form: str = SMALL) -> OnnxFile:
        """Write the compressed network as an ONNX file, after comparing it with the network on samples.

        Pruned channels that can be removed are not in the file, unless they were not to be removed.

        Args:
            path: the file; replaced if it exists.
            samples: at least two samples, such as the calibration images.
            form: "small", "fast" or "fast-vnni"; see `qubo_dnn.compression.export.onnx_file.export_onnx`, also for
                errors.
        """
        samples = samples.with_interface(self.interface)
        remove = self.removal is not None
        file = export_onnx(Path(path), self.model, self._codes, samples, form, remove=remove, groups=self.groups)
        return replace(file, predicted=self.predicted_costs.get(LATENCY))

    def to_qat(self) -> nn.Module:
        """Return a copy of the compressed network for further training, whose planned weights stay on their grids.

        Widths, scales, offsets and masks are those of the plan and are not trained; there are no observers. Each
        planned weight is computed from a latent parameter, `parametrizations.weight.original` of its module, which an
        optimizer trains; `qubo_dnn.compression.quantization.fake_quantize.FakeQuantize` defines its gradient. Quantized
        activations stay on their grids too, and gradients pass straight through them, except beyond the ends. Before
        any training, the outputs are those of `model`, bit for bit. Biases and norms are trained as usual, but for
        pruned channels that were set to zero to be removed: they stay zero. Parameters that were frozen, and the
        training mode, stay as they are.

        Raises:
            ModelError: a planned weight is part of a parametrization of several tensors.

        Example:
            >>> def latent_weights(done: Compression) -> list[str]:
            ...     return [key for key, _ in done.to_qat().named_parameters() if key.endswith("weight.original")]
        """
        return to_qat(self.model, self._codes, self._silent)

    def from_qat(self, module: nn.Module, calibration: Data, test: Data | None = None) -> Compression:
        """Return the compression with the network that `to_qat` has made and the user has trained.

        Plan, budgets and the record of the search stay. What depends on the network is measured anew: accuracies,
        losses, metrics, divergences, and the network without pruned channels. The predicted loss and the shares of the
        layers, which are about the network before training, become None. The given network must be what it was.

        Args:
            module: the trained module, in any mode and on any device; not changed.
            calibration: the calibration images.
            test: the test images; None: the result has no test figures.

        Raises:
            ModelError: the module is not one that `to_qat` of this compression has made, it has been converted to other
                number types, or its weights or outputs are not finite.

        Example:
            >>> def trained(done: Compression, module: nn.Module, images: Data, folder: Path) -> nn.Module:
            ...     return done.from_qat(module, images).model
        """
        found, applied, clock = self.found, self.found.applied, StageClock(SilentReporter())
        clock.stage("evaluate after training")
        network, codes = from_qat(module, self.model, self._codes, self._silent)
        original, trained = self.inventory.model, as_float32(network)
        calibration = calibration.with_interface(self.interface)
        test = None if test is None else test.with_interface(self.interface)
        beside = PairedEvaluation(original, calibration, test, self.loss, self.metric)
        of_calibration, of_test = beside(trained, clock.progress)
        applied = replace(
            applied,
            network=network,
            quantized={layer.name: codes[layer.key] for layer in self.inventory.layers if layer.key in codes},
            repaired=(*(part for part in applied.repaired if part != TRAINING), TRAINING),
            held_out=HeldOutDivergence(original, self.held_out, self.loss)(trained),
            with_candidates=applied.network if applied.with_candidates is None else applied.with_candidates,
        )
        trial = Trial(applied, expected=None, limit=None, constant=found.trial.constant)
        outdated, warning = found.trial.warning(), trial.warning()
        kept = (text for text in self.warnings if text != outdated)
        return replace(
            self,
            found=replace(found, trial=trial, predicted=None),
            removal=None if self.removal is None else removal_of(network, calibration, self.groups or ()),
            effects=None,
            predicted=None,
            couplings=None,
            calibration=of_calibration,
            test=of_test,
            warnings=(*kept, *([] if warning is None else [warning])),
            seconds={**self.seconds, **clock.finish()},
        )

    @property
    def _codes(self) -> dict[str, Quantized]:
        """Key of every compressed weight in the `state_dict` -> codes."""
        quantized = self.found.applied.quantized
        return {layer.key: quantized[layer.name] for layer in self.inventory.layers if layer.name in quantized}

    @property
    def _silent(self) -> dict[str, list[int]]:
        """Key of a vector -> entries of pruned channels that have been set to zero to be removed."""
        return {} if self.removal is None else silent_entries(self.model, self.groups or ())

    @property
    def smaller(self) -> nn.Module:
        """The compressed network without the pruned channels that can be removed."""
        return self.model if self.removal is None else self.removal.model
