"""Compare the gradient with respect to a weight with what happens to the outputs when the weight changes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.data.inputs import Inputs
from qubo_dnn.compression.network.inference import forward, measuring
from qubo_dnn.compression.network.layers import Layer
from qubo_dnn.compression.network.loading import copied
from qubo_dnn.compression.user_code import foreign_code
from qubo_dnn.errors import ModelError

_IMAGES, _PROBES, _DIRECTIONS = 8, 3, 2
# Steps relative to the weight's root mean square; with a small one, few activations cross a kink.
_STEPS = (1e-2, 1e-3, 1e-4)
_TOLERANCE = 0.1
# Rounding error of float32 outputs, relative to their norm.
_ROUNDING = 3e-6


def explained_by_gradients(model: nn.Module, layers: Sequence[Layer], data: Data) -> set[str]:
    """Return the names of the layers whose gradient explains their effect, by central differences.

    Args:
        model: the network, not changed; its gradients are enabled for the weights of the layers.
        layers: the layers to check.
        data: images; the first 8 are used.

    Raises:
        ModelError: the network does not return finite outputs, or its backward pass fails.

    Example:
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> class Detached(nn.Linear):
        ...     def forward(self, x):
        ...         return x @ self.weight.T + (x @ self.weight.T).detach()
        >>> network = nn.Sequential(Detached(3, 3), nn.Linear(3, 2))
        >>> data = Data.from_tensors(torch.eye(3), torch.zeros(3))
        >>> explained_by_gradients(network, find_layers(network).layers, data)
        {'1'}
    """
    trial = copied(model)
    images, _ = next(data.batches(_IMAGES))
    generator = torch.Generator().manual_seed(0)
    weights = [trial.get_parameter(layer.key).requires_grad_() for layer in layers]
    with measuring(trial):
        outputs = forward(trial, images)
        probes = torch.randn(_PROBES, *outputs.shape, generator=generator).to(outputs)
        with foreign_code(ModelError, "the network's backward pass fails"):
            gradients = [
                torch.autograd.grad((outputs * probe).sum(), weights, retain_graph=True, materialize_grads=True)
                for probe in probes
            ]
        size = float(outputs.detach().double().norm())
        return {
            layer.name
            for layer, weight, *slopes in zip(layers, weights, *gradients, strict=True)
            if _explained(trial, images, weight, torch.stack(slopes), probes, size, generator)
        }


@torch.no_grad()
def _explained(
    trial: nn.Module,
    images: Inputs,
    weight: nn.Parameter,
    gradients: Tensor,
    probes: Tensor,
    size: float,
    generator: torch.Generator,
) -> bool:
    original = weight.detach().clone()
    scale = float(original.double().square().mean().sqrt()) or 1.0
    directions = scale * torch.randn(_DIRECTIONS, *weight.shape, generator=generator).to(original)
    expected = torch.einsum("pi,di->pd", gradients.flatten(1).double(), directions.flatten(1).double())
    for step in _STEPS:
        found = []
        for direction in directions:
            ends = []
            for sign in (step, -step):
                weight.copy_(original + sign * direction)
                ends.append(forward(trial, images).double())
            found.append(((ends[0] - ends[1]) * probes).flatten(1).sum(1) / (2 * step))
        weight.copy_(original)
        measured = torch.stack(found, 1)
        if float((measured - expected).norm()) <= _TOLERANCE * float(measured.norm()) + _ROUNDING * size / step:
            return True
    return False
