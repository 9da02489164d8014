"""Losses of a network with two of its layers changed, for all pairs: what CLADO measures."""

from __future__ import annotations

import copy
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from bench.compression.measurements.fingerprint import fingerprint
from bench.compression.measurements.folding import traced
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.inference import Progress, inference
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.errors import ModelError
from qubo_dnn.files.common.output import write_atomically

_BATCH_SIZE = 64


@dataclass(frozen=True, eq=False)
class PairLosses:
    """What was measured.

    Attributes:
        base: mean cross-entropy of the network as it is.
        losses: [layers, options, layers, options] with two layers changed; the diagonal has one layer changed, and
            two options of one layer are NaN.
        seconds: wall-clock seconds of measuring, those of earlier runs included.
    """

    base: float
    losses: NDArray[np.float64]
    seconds: float


def pair_losses(
    model: nn.Module,
    candidates: Sequence[Tensor],
    images: Data,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> PairLosses:
    """Mean cross-entropy for every pair of layers and options.

    For every layer and option the network runs once and keeps all intermediate values; a second change then needs
    only what comes after it, about a third of a forward pass on average.

    Args:
        model: gives logits, can be traced by torch.fx; left as it was.
        candidates: [K, *weight.shape] of every compressible layer.
        images: to average over, with their labels.
        cache: folder that keeps the losses; a run that was stopped goes on from there. None: nothing is kept.
        progress: called after every layer and option with how many are done and in all.

    Raises:
        ModelError: the model cannot be traced, or running a part of it does not give what the whole gives.
    """
    count, options = len(candidates), len(candidates[0])
    losses = np.full((count, options, count, options), np.nan)
    base, seconds, path = np.nan, 0.0, None
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
        path = cache / f"pairs-{fingerprint(model, candidates, images)}.npz"
        if path.exists():
            with np.load(path) as kept:
                losses, base, seconds = kept["losses"], float(kept["base"]), float(kept["seconds"])
    stages = _Stages(model)
    stages.check(candidates, images)
    rows = [(layer, option) for layer in range(count) for option in range(options)]
    for done, (layer, option) in enumerate(rows, 1):
        if np.isnan(losses[layer, option, layer, option]):
            started = time.perf_counter()
            if np.isnan(base):
                base = stages.row(candidates, images, None)[0]
            single, later = stages.row(candidates, images, (layer, option))
            losses[layer, option, layer, option] = single
            losses[layer, option, layer + 1 :] = later
            losses[layer + 1 :, :, layer, option] = later
            seconds += time.perf_counter() - started
            if path is not None:
                stream = io.BytesIO()
                np.savez(stream, losses=losses, base=base, seconds=seconds)
                write_atomically(path, stream.getvalue())
        if progress:
            progress(done, len(rows))
    return PairLosses(float(base), losses, seconds)


class _Stages:
    """A copy of a network that can run from any of its layers on."""

    def __init__(self, model: nn.Module) -> None:
        self.model = copy.deepcopy(model)
        for module in self.model.modules():
            # An activation in place would change a value that later runs start from.
            if hasattr(module, "inplace"):
                module.inplace = False  # type: ignore[assignment]  # torch types attributes as tensors or modules
        self.layers = find_layers(self.model).layers
        self.original = [layer.weight.detach().clone() for layer in self.layers]
        graph = traced(self.model)
        self.interpreter = fx.Interpreter(graph, garbage_collect_values=False)
        self.nodes = list(graph.graph.nodes)
        self.first_call = {}
        for index, node in reversed(list(enumerate(self.nodes))):
            if node.op == "call_module":
                self.first_call[node.target] = index
        for layer in self.layers:
            if layer.name not in self.first_call:
                raise ModelError(f"the layer {layer.name!r} is not called by itself, so no pass can start there")

    def row(
        self, candidates: Sequence[Tensor], images: Data, change: tuple[int, int] | None
    ) -> tuple[float, NDArray[np.float64]]:
        """Mean loss with one layer changed, and with every later layer changed too, [later layers, options]."""
        first = len(self.layers) if change is None else change[0] + 1
        single, later = 0.0, np.zeros((len(self.layers) - first, len(candidates[0])))
        with inference(self.model):
            if change is not None:
                self._set(change[0], candidates[change[0]][change[1]])
            for inputs, labels in images.batches(_BATCH_SIZE):
                assert labels is not None
                kept = self._whole(inputs.only)
                single += _loss(kept[self.nodes[-1]], labels)
                for layer in range(first, len(self.layers)):
                    for option, weight in enumerate(candidates[layer]):
                        self._set(layer, weight)
                        later[layer - first, option] += _loss(self._from(kept, layer), labels)
                    self._set(layer, self.original[layer])
            if change is not None:
                self._set(change[0], self.original[change[0]])
        return single / len(images), later / len(images)

    def check(self, candidates: Sequence[Tensor], images: Data) -> None:
        """Refuse a network whose parts, run by themselves, do not give what the whole gives."""
        inputs = next(images.batches(2))[0].only
        with inference(self.model):
            kept = self._whole(inputs)
            for layer, options in enumerate(candidates):
                self._set(layer, options[0])
                part, whole = self._from(kept, layer), self.model(inputs)
                if not torch.allclose(part, whole, rtol=1e-4, atol=1e-4 * float(whole.abs().max())):
                    raise ModelError("a part of the network changes its inputs in place; its pairs cannot be measured")
                self._set(layer, self.original[layer])

    def _whole(self, inputs: Tensor) -> dict[fx.Node, Any]:
        """Values of all nodes."""
        self.interpreter.run(inputs)
        return self.interpreter.env

    def _from(self, kept: dict[fx.Node, Any], layer: int) -> Tensor:
        """Outputs, given the values of all nodes before the first call of `layer`."""
        before = self.nodes[: self.first_call[self.layers[layer].name]]
        outputs: Tensor = self.interpreter.run(initial_env={node: kept[node] for node in before})
        return outputs

    def _set(self, layer: int, weight: Tensor) -> None:
        self.layers[layer].weight.copy_(weight)


def _loss(outputs: Tensor, labels: Tensor) -> float:
    return float(F.cross_entropy(outputs.double(), labels, reduction="sum"))
