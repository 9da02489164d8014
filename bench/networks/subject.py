"""A network with what its weights become under every option, and networks rewritten by a choice."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import kl_divergence
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.quantization.candidates import Candidates, make_candidates
from qubo_dnn.compression.rewriting.apply_plan import apply_plan_
from qubo_dnn.compression.search.task_builder import layer_changes, measured_task, unmeasured_task
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges
from qubo_dnn.compression.task.options import Option, bit_widths
from qubo_dnn.compression.task.task import CompressionTask

UNIT_OPTIONS = bit_widths(0, 2, 3, 4, 6, 8)
LAYER_OPTIONS = bit_widths(2, 3, 4, 6, 8)
"""Of CLADO: a whole layer is never pruned."""
PAPER_OPTIONS = bit_widths(*range(9))


@dataclass(frozen=True, eq=False)
class Subject:
    """A network whose units have options.

    Attributes:
        model: as given; never changed.
        task: its arrays, without a limit and without a sensitivity.
        candidates: quantizations of its weights.
        changes: what these do to every layer, for measuring.
    """

    model: nn.Module
    task: CompressionTask
    candidates: Candidates
    changes: tuple[LayerChanges, ...]

    @classmethod
    def of(
        cls,
        model: nn.Module,
        granularity: str,
        options: Sequence[Option],
        compensation: str = "none",
        data: Data | None = None,
    ) -> Subject:
        """A network with its weights quantized at every option.

        Args:
            model: gives logits.
            granularity: "layer", "channel" or "group:N".
            options: in ascending order.
            compensation: see `qubo_dnn.compression.quantization.candidates.make_candidates`.
            data: images for it.

        Raises:
            OptionError: the granularity is not valid.
            ModelError: a weight cannot be quantized.
        """
        inventory = find_layers(model)
        candidates = make_candidates(inventory, options, compensation=compensation, data=data)
        changes = tuple(layer_changes(inventory, granularity, candidates))
        return cls(model, unmeasured_task(changes, options, float("inf")), candidates, changes)

    def without_pruning(self) -> Subject:
        """The same without the options that remove a whole unit."""
        task = self.task
        kept = [k for k, option in enumerate(task.options) if option.bits]
        options, cost, errors = tuple(task.options[k] for k in kept), task.cost[:, kept], task.squared_error[:, kept]
        return replace(self, task=replace(task, options=options, cost=cost, squared_error=errors))

    def limited(self, bits_per_weight: float) -> CompressionTask:
        """The task with a budget of stored bits per weight."""
        return replace(self.task, limit=bits_per_weight * self.task.weights)

    def measured(self, images: Data, bits_per_weight: float, seed: int = 0) -> CompressionTask:
        """The task with a budget and with its sensitivity on all of these images."""
        sensitivity = gauss_newton(self.model, self.changes, images, seed=seed)
        return measured_task(self.limited(bits_per_weight), self.changes, sensitivity)

    def stored_bits(self, choice: NDArray[np.intp]) -> float:
        """Stored bits per weight of a choice, everything counted as in the budget."""
        return self.task.stored_bits(self.task.plan(choice)) / self.task.weights

    def rewritten(self, choice: NDArray[np.intp]) -> nn.Module:
        """A copy of the network with the weights of a choice."""
        model = copy.deepcopy(self.model)
        apply_plan_(model, self.task.plan(choice), self.candidates)
        return model

    def divergence_on(self, images: Data) -> Callable[[NDArray[np.intp]], float]:
        """KL(the network || the network rewritten by a choice) in nats, averaged over `images`."""
        reference, working = logits(self.model, images), copy.deepcopy(self.model)

        def divergence(choice: NDArray[np.intp]) -> float:
            apply_plan_(working, self.task.plan(choice), self.candidates)
            return kl_divergence(reference, logits(working, images))

        return divergence
