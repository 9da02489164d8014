"""The shapes of ResNet-50's layers, written out from its definition; no weights."""

from __future__ import annotations

from qubo_dnn.compression.task.granularity import group_size
from qubo_dnn.compression.task.task import LayerShape

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
