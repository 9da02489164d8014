"""Derivatives of the outputs along changes of the weights, image by image, without per-image weight gradients.

With g the gradient of a probe with respect to a layer's output, the probe's derivative along a change d of output
channel o is the sum over positions of g_o * layer(input; d)_o: one forward of the layer per option and one backward
pass of the network per probe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from qubo_dnn.compression.network.inference import forward
from qubo_dnn.compression.network.inputs import Inputs
from qubo_dnn.compression.network.layer_calls import Call, by_channel, recorded, removed, responses
from qubo_dnn.compression.network.user_code import foreign_code
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges
from qubo_dnn.errors import ModelError


@dataclass(frozen=True, eq=False)
class RecordedRun:
    """A recorded forward pass of a batch.

    Attributes:
        layers: the layers with their changes.
        outputs: [N, ...] outputs of the network, part of the autograd graph.
        calls: recorded calls of every layer.

    Example:
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> network = nn.Sequential(nn.Linear(3, 2)).eval()
        >>> layer = find_layers(network).layers[0]
        >>> prune_or_keep = LayerChanges(layer, 1, torch.stack([-layer.weight.detach(), torch.zeros(2, 3)]))
        >>> run = RecordedRun.of(network, [prune_or_keep], torch.eye(3))
        >>> run.derivatives(torch.ones(1, 3, 2)).shape  # 2 units at 2 options, 3 images
        torch.Size([4, 3])
    """

    layers: Sequence[LayerChanges]
    outputs: Tensor
    calls: Sequence[Sequence[Call]]

    @classmethod
    def of(cls, model: nn.Module, layers: Sequence[LayerChanges], images: Tensor | Inputs) -> RecordedRun:
        """Run the network; it must be in eval mode, with gradients enabled.

        Raises:
            ModelError: the network does not return finite outputs (N, ...) with gradients, or it calls a layer with a
                batch axis that is not that of the images.
        """
        with recorded([entry.layer for entry in layers], len(images)) as calls:
            outputs = forward(model, images)
        if not outputs.requires_grad:
            raise ModelError(
                "no gradient of the outputs reaches a layer: are they detached, or computed under no_grad?"
            )
        return cls(layers, outputs, calls)

    def bytes_per_image(self, probes: int) -> int:
        """Return an upper bound on the bytes per image: calls, derivatives along `probes` probes, intermediates."""
        calls = [(entry, call) for entry, made in zip(self.layers, self.calls, strict=True) for call in made]
        kept = sum(call.inputs.numel() + (probes + 2) * call.output.numel() for _, call in calls)
        # Count the responses twice, because a matrix product may need a reordered copy.
        largest = max((2 * len(entry.changes) * call.output.numel() for entry, call in calls), default=0)
        size = sum(entry.units * len(entry.changes) for entry in self.layers)
        return 4 * ((kept + largest) // len(self.outputs) + size * probes)

    def derivatives(self, probes: Tensor) -> Tensor:
        """Return [U*K, N*P] float32: the derivative of every probe of every image along every change.

        Args:
            probes: [P, N, ...] directions in the space of the outputs.

        Raises:
            ModelError: the backward pass fails, or a derivative is not finite.
        """
        gradients = self._gradients(probes)
        sizes = [entry.units * len(entry.changes) for entry in self.layers]
        count, images = probes.shape[:2]
        columns = torch.empty(sum(sizes), images * count)
        with torch.no_grad():
            for entry, made, rows in zip(self.layers, self.calls, torch.split(columns, sizes), strict=True):
                total = torch.zeros(images, entry.layer.channels, count, len(entry.changes))
                for call in made:
                    _add_derivatives(entry, call, gradients.pop(0), total)
                view = rows.view(entry.units, len(entry.changes), images, count)
                view.copy_(entry.per_unit(total.permute(1, 3, 0, 2)))
        if not columns.isfinite().all():
            raise ModelError("derivatives of the network's outputs are not finite")
        return columns

    def _gradients(self, probes: Tensor) -> list[Tensor]:
        """Return the gradient of every probe in the output of every call; each [N, channels, P, positions]."""
        calls = [
            (entry.layer, call.output) for entry, made in zip(self.layers, self.calls, strict=True) for call in made
        ]
        outputs = [output for _, output in calls]
        gradients = []
        for layer, output in calls:
            images, channels, positions = by_channel(layer, output).shape
            gradients.append(torch.empty(images, channels, len(probes), positions))
        # One backward pass per probe: vmap would do the same for most operations but fails for some.
        with foreign_code(ModelError, "the network's backward pass fails"):
            for p, probe in enumerate(probes):
                # Of a scalar: where the caller gives the gradient of a tensor, torch first loads sympy for two seconds.
                product = (self.outputs * probe).sum()
                of_probe = torch.autograd.grad(
                    product, outputs, retain_graph=p + 1 < len(probes), materialize_grads=True
                )
                for (layer, _), gradient, stacked in zip(calls, of_probe, gradients, strict=True):
                    stacked[:, :, p] = by_channel(layer, gradient)
        return gradients


def _add_derivatives(entry: LayerChanges, call: Call, gradients: Tensor, total: Tensor) -> None:
    """Add the contribution of one call of a layer.

    Args:
        entry: the layer.
        call: a call of the layer.
        gradients: [N, channels, P, positions] gradients of the probes.
        total: [N, channels, P, K], increased in place.
    """
    asked = entry.effective
    if entry.removal in asked and (response := removed(entry.layer, call)) is not None:
        total[..., entry.removal] += (gradients @ response.to(gradients.dtype)[..., None])[..., 0]
        asked = [k for k in asked if k != entry.removal]
    if asked:
        # Under autocast, the inputs of a layer have less precision than its gradients.
        response = responses(entry.layer, call, entry.changes[asked]).to(gradients.dtype)
        total[..., asked] += gradients @ response.mT
