"""Trace of the loss's Hessian in the weights of every layer, by Hutchinson's estimator."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from qubo_dnn.compression.data import Data
from qubo_dnn.compression.evaluate import eval_mode, forward
from qubo_dnn.compression.layers import find_layers

_BATCH_SIZE = 64


def hessian_traces(model: nn.Module, images: Data, probes: int, seed: int) -> NDArray[np.float64]:
    """Tr H_l of the mean cross-entropy with the labels, for every compressible layer l.

    Mean over `probes` vectors v of random signs, drawn anew for every batch, of v_l' (H v)_l; one v for all layers at
    once, since the terms between layers have mean zero. H v is the gradient of (gradient' v).

    Args:
        model: gives logits; used in eval mode and left as it was.
        images: to average over.
        probes: >= 1.
        seed: of the signs.

    Returns:
        [layers] in nats; noise may make a small trace negative.

    Source: Hutchinson 1990; Yao et al. 2020, PyHessian.
    """
    generator = torch.Generator().manual_seed(seed)
    working = copy.deepcopy(model).requires_grad_(True)
    weights = [layer.weight for layer in find_layers(working).layers]
    total = torch.zeros(len(weights), dtype=torch.float64)
    with eval_mode(working), torch.enable_grad():
        for inputs, labels in images.batches(_BATCH_SIZE):
            loss = F.cross_entropy(forward(working, inputs), labels, reduction="sum")
            gradients = torch.autograd.grad(loss, weights, create_graph=True)
            for _ in range(probes):
                signs = [_signs(weight, generator) for weight in weights]
                products = torch.autograd.grad(gradients, weights, signs, retain_graph=True)
                total += _inner_products(signs, products)
    return (total / (probes * len(images))).numpy()


def _signs(weight: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randint(0, 2, weight.shape, generator=generator).to(weight.dtype).mul_(2).sub_(1)


def _inner_products(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    return torch.stack([(a.double() * b.double()).sum() for a, b in zip(first, second, strict=True)])
