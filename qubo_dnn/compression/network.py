"""The caller's network: found, built, filled with weights, and tried on the data."""

from __future__ import annotations

import copy
from pathlib import Path

from torch import nn

from qubo_dnn import zoo
from qubo_dnn.compression.data import Data
from qubo_dnn.compression.evaluate import forward, inference
from qubo_dnn.compression.loss import CROSS_ENTROPY, Loss
from qubo_dnn.compression.resolve import foreign_code, resolve
from qubo_dnn.compression.weights import load_weights_
from qubo_dnn.errors import DataError, ModelError

ZOO = "zoo:"


def load_network(spec: str, weights: Path | None = None) -> nn.Module:
    """A network in eval mode that nothing else shares.

    Args:
        spec: `zoo:NAME`, or `package.module:factory` naming an `nn.Module` (copied) or a callable that gives one
            without arguments.
        weights: file to load into it; None keeps the weights the network comes with.

    Raises:
        ModelError: the network is not found, its factory fails or gives something else, or the weights do not fit.
        FileFormatError: the file of weights cannot be read.
    """
    network = zoo.load(spec.removeprefix(ZOO)).module if spec.startswith(ZOO) else _from_factory(spec)
    if weights is not None:
        load_weights_(network, weights)
    return network.eval()


def _from_factory(spec: str) -> nn.Module:
    given = resolve(spec, ModelError)
    if isinstance(given, nn.Module):
        return copy.deepcopy(given)
    if callable(given):
        with foreign_code(ModelError, f"{spec}: the factory fails"):
            given = given()
    if not isinstance(given, nn.Module):
        raise ModelError(f"{spec}: gives {type(given).__name__}, not a torch nn.Module")
    return given


def check_fit(model: nn.Module, data: Data, loss: Loss = CROSS_ENTROPY) -> None:
    """Try the network on two images, and all targets against its outputs.

    Raises:
        DataError: the network does not take images of this shape, or targets do not fit its outputs.
        ModelError: the network gives something else than finite outputs of the kind the loss takes.
    """
    images, _ = next(data.batches(2))
    with inference(model), foreign_code(DataError, f"{data.name}: the network does not take images of {data.shape}"):
        outputs = forward(model, images)
    loss.check(outputs, data.targets, data.name)
