"""Trace of the curvature of the loss in the weights of every layer, by Hutchinson's estimator."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges


def curvature_traces(model: nn.Module, images: Data, probes: int, seed: int) -> NDArray[np.float64]:
    """Tr G_l of the generalized Gauss-Newton matrix of the mean cross-entropy, for every compressible layer l.

    Mean over `probes` vectors v of random signs of v' G_l v. G in the place of the Hessian, from which it differs by
    the residuals' part, small at a trained network, keeps every trace positive: with Hessian products of all layers
    at once, the noise of a few hundred vectors gave layers negative traces, and the ILP ruined these.

    Args:
        model: gives logits; left as it was.
        images: to average over.
        probes: >= 1.
        seed: of the signs.

    Returns:
        [layers] in nats, >= 0.

    Source: Hutchinson 1990; Yao et al. 2020, PyHessian.
    """
    generator = torch.Generator().manual_seed(seed)
    signs = []
    for layer in find_layers(model).layers:
        drawn = torch.randint(2, (probes, *layer.weight.shape), generator=generator, dtype=torch.float32)
        signs.append(LayerChanges(layer, layer.channels, 2 * drawn - 1))
    products = gauss_newton(model, signs, images, seed=seed).diagonal()
    return np.asarray(products.reshape(len(signs), probes).mean(axis=1))
