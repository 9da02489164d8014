"""Generated chains of convolutions, in the manner of VGG, whose channels can be removed one by one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.task.budgets import parse_budget
from qubo_dnn.compression.task.channel_map import STAYS, ChannelMap, LayerChannels, keep_one_channel
from qubo_dnn.compression.task.macs_budget import macs_budget
from qubo_dnn.compression.task.options import FLOAT_BITS, bit_widths
from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel
from qubo_dnn.compression.task.task import CompressionTask, LayerShape

_COLOURS, _CLASSES, _KERNEL = 3, 10, 9
# Maps of the last layer, which a Linear reads flattened.
_PLACES = 4
# Of the logarithms of losses: the spread of channels within a layer, and of layers.
_WITHIN, _BETWEEN = 1.0, 0.7


@dataclass(frozen=True, eq=False)
class Chain:
    """A chain of convolutions with a Linear behind, and the loss that every channel adds if it is removed.

    Attributes:
        task: removal of single channels within a budget of multiply-accumulates.
        losses: [channels] of every convolution, in the order of its channels; infinite where a channel has to stay.
        factors: multiply-accumulates of an output with an input channel, of every convolution and the Linear; of the
            first one with all its inputs, of the last one with all its outputs, which stay.

    Example:
        >>> chain = vgg_chain((4, 6), share=0.5, seed=1)
        >>> chain.macs((4, 6)) == chain.task.budgets[0].used(np.ones(10, int))
        True
    """

    task: CompressionTask
    losses: tuple[NDArray[np.float64], ...]
    factors: tuple[float, ...]

    @property
    def limit(self) -> float:
        """The budget in multiply-accumulates."""
        return self.task.budgets[0].limit

    def macs(self, counts: tuple[int, ...]) -> float:
        """Return the multiply-accumulates if so many channels of every convolution stay."""
        sizes = (1, *counts, 1)
        return float(sum(factor * sizes[k] * sizes[k + 1] for k, factor in enumerate(self.factors)))


def vgg_chain(widths: tuple[int, ...], share: float, seed: int) -> Chain:
    """Make a chain; maps are halved where the width grows, so that they are 2 x 2 at the end.

    Args:
        widths: channels of the convolutions.
        share: the budget as a share of all multiply-accumulates.
        seed: random seed of the losses, which are log-normal within and between layers.
    """
    rng = np.random.default_rng(seed)
    halved = [bool(k) and width > widths[k - 1] for k, width in enumerate(widths)]
    sides = [2 ** (1 + sum(halved[k + 1 :])) for k in range(len(widths))]
    losses = tuple(np.exp(_BETWEEN * rng.normal() + _WITHIN * rng.normal(size=width)) / width for width in widths)
    starts = np.cumsum([0, *widths])
    numbers = [np.arange(first, first + width) for first, width in zip(starts, widths, strict=False)]
    read = [np.full(_COLOURS, STAYS), *numbers[:-1], np.repeat(numbers[-1], _PLACES)]
    made = [*numbers, np.full(_CLASSES, STAYS)]
    kernels = [*(side**2 * _KERNEL for side in sides), 1]
    names = [*(f"conv{k}" for k in range(len(widths))), "head"]
    layers = tuple(
        LayerChannels(name=name, macs=kernel * len(outputs) * len(inputs), made=outputs, read=inputs)
        for name, kernel, outputs, inputs in zip(names, kernels, made, read, strict=True)
    )
    channels = ChannelMap(layers, group_of=np.repeat(np.arange(len(widths)), widths), groups=tuple(names[:-1]))
    return Chain(
        task=_task(channels, losses, share),
        losses=losses,
        factors=(float(_COLOURS * kernels[0]), *map(float, kernels[1:-1]), float(_CLASSES * _PLACES)),
    )


def _task(channels: ChannelMap, losses: tuple[NDArray[np.float64], ...], share: float) -> CompressionTask:
    """Return the task of removing channels, without pairs."""
    every = np.concatenate(losses)
    sensitivity = np.zeros((2 * len(every), 2 * len(every)), np.float32)
    np.fill_diagonal(sensitivity[::2, ::2], 2.0 * every)
    shapes = tuple(
        LayerShape(layer.name, len(layer.made), _KERNEL * len(layer.read), 1)
        for layer in channels.layers[:-1]
        if layer.read is not None
    )
    sizes = np.repeat([shape.weights_per_channel for shape in shapes], [shape.channels for shape in shapes])
    task = CompressionTask(
        layers=shapes,
        options=bit_widths(0, FLOAT_BITS),
        cost=np.outer(sizes, [0, FLOAT_BITS]).astype(np.int64),
        overhead=0,
        limit=math.inf,
        # The channel that has to stay is the one whose loss is the largest.
        mean_magnitude=every,
        squared_error=np.stack([every, np.zeros(len(every))], axis=1),
        sensitivity=QuadraticLossModel(matrix=sensitivity, linear=np.zeros(2 * len(every))),
    )
    task = keep_one_channel(task, channels)
    return replace(task, budgets=(macs_budget(parse_budget(f"{100 * share:g}%macs"), task, channels),))
