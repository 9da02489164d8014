"""Tasks of ResNet-50's shape: its layers, written out from its definition, and random sensitivities."""

from __future__ import annotations

import numpy as np

from bench.networks.subject import UNIT_OPTIONS
from qubo_dnn.compression.task.granularity import group_size
from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel
from qubo_dnn.compression.task.stored_bits import LAYER_OVERHEAD_BITS, stored_bits
from qubo_dnn.compression.task.task import CompressionTask, LayerShape

# Blocks and width of the four stages; a block's last convolution has four times the width.
_STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))
_EXPANSION = 4


def resnet50_layers(granularity: str) -> tuple[LayerShape, ...]:
    """53 convolutions with 26,560 output channels and the classifier with 1,000; 25.5 million weights.

    Args:
        granularity: "layer", "channel" or "group:N".

    Source: He et al. 2016, "Deep Residual Learning for Image Recognition", table 1, with projection shortcuts where
    the width changes (option B).
    """
    shapes = [("conv1", 64, 3 * 7 * 7)]
    inputs = 64
    for stage, (blocks, width) in enumerate(_STAGES, 1):
        for block in range(blocks):
            name, outputs = f"layer{stage}.{block}", _EXPANSION * width
            shapes.append((f"{name}.conv1", width, inputs))
            shapes.append((f"{name}.conv2", width, width * 3 * 3))
            shapes.append((f"{name}.conv3", outputs, width))
            if block == 0:
                shapes.append((f"{name}.downsample.0", outputs, inputs))
            inputs = outputs
    shapes.append(("fc", 1000, inputs))
    return tuple(LayerShape(name, channels, each, group_size(granularity, channels)) for name, channels, each in shapes)


def random_task(granularity: str, rank: int, bits: float, seed: int, matrix: bool = False) -> CompressionTask:
    """A task of ResNet-50's shape with `UNIT_OPTIONS` and a random sensitivity.

    Args:
        granularity: "layer", "channel" or "group:N".
        rank: columns of the factor of its sensitivity.
        bits: the limit, in stored bits per weight.
        seed: of the factor.
        matrix: whether the factor is multiplied out.
    """
    layers = resnet50_layers(granularity)
    shapes = [(layer.weights_per_channel, channels) for layer in layers for channels in layer.unit_channels]
    weights = np.array([each * channels for each, channels in shapes], float)
    # The error of b-bit rounding falls by a factor of four with every bit.
    squared_error = weights[:, None] * np.array([0.25**option.bits for option in UNIT_OPTIONS])
    factor = np.random.default_rng(seed).standard_normal((squared_error.size, rank), np.float32)
    factor *= np.sqrt(squared_error / rank).reshape(-1, 1).astype(np.float32)
    return CompressionTask(
        layers=layers,
        options=tuple(UNIT_OPTIONS),
        cost=np.array([[stored_bits(*shape, option) for option in UNIT_OPTIONS] for shape in shapes], np.int64),
        overhead=LAYER_OVERHEAD_BITS * len(layers),
        limit=bits * float(weights.sum()),
        mean_magnitude=np.ones(len(weights)),
        squared_error=squared_error,
        sensitivity=QuadraticLossModel(
            matrix=factor @ factor.T if matrix else None,
            factor=None if matrix else factor,
            linear=np.zeros(len(factor)),
        ),
    )
