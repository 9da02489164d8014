"""What several ways of choosing channels measure on one network, once for all of them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from bench.compression.measurements.setting import Silent
from bench.removal.channels import OPTIONS, Channels
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
from qubo_dnn.compression.network.inference import measuring
from qubo_dnn.compression.search.search import Search
from qubo_dnn.compression.search.settings import SearchSettings
from qubo_dnn.compression.search.task_builder import unmeasured_task
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton
from qubo_dnn.compression.task.task import CompressionTask, check_compression
from qubo_dnn.registry import get_backend, get_formulation

SECONDS = 5.0
"""Time limit of our solver."""


@dataclass(frozen=True, eq=False)
class Gradients:
    """Gradients of the loss of every image, which needs the labels of the images.

    Attributes:
        sums, squares: name of a parameter -> sum over images, and sum of squares.
        scales: [channels] sum of squared first-order changes of the loss without the scale and shift of a norm.
    """

    sums: dict[str, Tensor]
    squares: dict[str, Tensor]
    scales: Tensor

    @classmethod
    def of(cls, channels: Channels) -> Gradients:
        """One image at a time."""
        model = copy.deepcopy(channels.model)
        parameters = dict(model.named_parameters())
        for parameter in parameters.values():
            parameter.requires_grad_(True)
        norms = [
            next(use.name for use in group.uses if isinstance(model.get_submodule(use.name), nn.BatchNorm2d))
            for group in channels.groups
        ]
        sums, squares = ({name: torch.zeros_like(each) for name, each in parameters.items()} for _ in range(2))
        scales = torch.zeros(len(channels.saved))
        with measuring(model):
            for inputs, labels in channels.measured_on.batches(1):
                assert labels is not None  # of a classifier
                loss = F.cross_entropy(inputs.call(model), labels)
                found = dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))
                for name, gradient in found.items():
                    sums[name] += gradient
                    squares[name] += gradient.square()
                weight, bias = (
                    torch.cat([found[f"{name}.{part}"] * parameters[f"{name}.{part}"].detach() for name in norms])
                    for part in ("weight", "bias")
                )
                scales += (weight + bias).square()
        return cls(sums, squares, scales)


class Measured:
    """A network with its channels, and what several methods measure there, once."""

    def __init__(self, channels: Channels) -> None:
        self.channels = channels
        self.matrix = cache(self._matrix)

    def _matrix(self, activations: bool) -> NDArray[np.float64]:
        """Return [channels, channels] the Gauss-Newton matrix of removals, where channels are read or made."""
        channels = self.channels
        if activations:
            model = self.task.sensitivity
        else:
            changes = channels.changes()
            model = gauss_newton(channels.model, changes, channels.measured_on, seed=channels.seed)
        assert model is not None  # it was measured
        assert model.matrix is not None  # a few hundred channels
        return np.asarray(model.matrix[:: len(OPTIONS), :: len(OPTIONS)], float)

    @cached_property
    def task(self) -> CompressionTask:
        """The task of `compress`, measured, without its budget."""
        return self.search(unmeasured_task(self.channels.changes(), OPTIONS, float("inf"))).measured()

    def search(self, task: CompressionTask, measured: CompressionTask | None = None) -> Search:
        """The search of `compress`, in one round that refits one plan."""
        channels = self.channels
        return Search(
            *(task, channels.inventory, channels.evaluator, CROSS_ENTROPY),
            check_compression(get_formulation("pruning-quantization")),
            get_backend("pt"),
            SearchSettings(
                rounds=1,
                rerank=1,
                backend_options={"seed": channels.seed, "time_limit": SECONDS},
                seed=channels.seed,
            ),
            *(Silent(), measured),
            readers=channels.readers,
        )

    @cached_property
    def gradients(self) -> Gradients:
        """Gradients of the loss of every image."""
        return Gradients.of(self.channels)
