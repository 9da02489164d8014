"""Candidates: the quantized weight of every layer at every option, from which a plan is assembled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.inference import Progress
from qubo_dnn.compression.network.layers import Inventory, Layer
from qubo_dnn.compression.quantization.activations import NO_ACTIVATIONS, Activations
from qubo_dnn.compression.quantization.gptq import compensate
from qubo_dnn.compression.quantization.input_moments import BATCH, groups, second_moments
from qubo_dnn.compression.quantization.quantize import Quantized, dequantize, quantize, scaled_rows
from qubo_dnn.compression.task.options import Option
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.errors import ModelError, OptionError, suggestion

Compensation = Literal["none", "gptq"]
MOMENT_BYTES = 1 << 30
"""Bytes of second moments held in memory at a time; a layer of n weights per channel needs `4 * n**2` per group."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """The weights and the grids of activations that a plan can choose from, made from the original network.

    Attributes:
        options: the K options.
        layers: layer name -> K weights, each with all channels at one option.
        activations: what the layers read, with its widths.

    Example:
        >>> from torch import nn
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> candidates = make_candidates(find_layers(nn.Sequential(nn.Linear(3, 2))), [Option(0), Option(4)])
        >>> candidates.weights("0").shape
        torch.Size([2, 2, 3])
    """

    options: tuple[Option, ...]
    layers: Mapping[str, tuple[Quantized, ...]]
    activations: Activations = NO_ACTIVATIONS

    def weights(self, layer: str) -> Tensor:
        """Return [K, *weight.shape] float32 on the CPU: the weight of a layer at every option."""
        return torch.stack([dequantize(quantized) for quantized in self.layers[layer]])

    def assemble(self, plan: Plan) -> dict[str, Quantized]:
        """Return layer name -> its weight, with every channel at the option of the plan.

        Raises:
            ModelError: there are no candidates for a layer or an option of the plan.
        """
        assembled = {}
        index = {option: k for k, option in enumerate(self.options)}
        for name, planned in plan.layers.items():
            if name not in self.layers:
                raise ModelError(f"there are no candidates for the layer {name!r}")
            if missing := sorted(set(planned.options) - set(index)):
                raise ModelError(f"there are no candidates for the layer {name!r} at the option {missing[0]}")
            made = self.layers[name]
            channels = made[0].layout.channels
            chosen = torch.tensor([index[option] for option in planned.channel_options(channels)])
            assembled[name] = _pick(made, chosen)
        return assembled


def check_compensation(compensation: str) -> None:
    """Refuse an unknown compensation.

    Raises:
        OptionError: the compensation is unknown.

    Example:
        >>> check_compensation("gptq")
        >>> check_compensation("gptp")
        Traceback (most recent call last):
            ...
        qubo_dnn.errors.OptionError: unknown compensation 'gptp'; did you mean 'gptq'?
    """
    if compensation not in get_args(Compensation):
        raise OptionError(f"unknown compensation {compensation!r}{suggestion(compensation, get_args(Compensation))}")


def make_candidates(
    inventory: Inventory,
    options: Sequence[Option],
    *,
    compensation: str = "none",
    data: Data | None = None,
    progress: Progress | None = None,
) -> Candidates:
    """Quantize every layer at every option.

    Args:
        inventory: the layers of the original network; its weights are read only here.
        options: all options, in the order of the result.
        compensation: "none" rounds every weight to the nearest value; "gptq" lets the weights of a channel
            compensate each other's rounding errors, see `qubo_dnn.compression.quantization.gptq`, in the layers that
            `compensated` names.
        data: images for "gptq"; the network runs on them once for every `MOMENT_BYTES` of second moments.
        progress: called after every step with the steps done and their total; steps are layers and, for
            "gptq", batches.

    Raises:
        OptionError: `compensation` is unknown, or needs images and has none.
        ModelError: a weight is not finite, or too large for float32 arithmetic; for "gptq" also a network
            without finite outputs.

    Example:
        >>> from torch import nn
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> candidates = make_candidates(find_layers(nn.Sequential(nn.Linear(3, 2))), [Option(0), Option(4)])
        >>> [quantized.bits.tolist() for quantized in candidates.layers["0"]]
        [[0, 0], [4, 4]]
    """
    check_compensation(compensation)
    chosen = [layer for layer in inventory.layers if compensation != "none" and compensated(layer)]
    if compensation != "none" and data is None:
        raise OptionError(f"the compensation {compensation!r} needs images")
    runs = _runs(chosen)
    batches = 0 if data is None else len(runs) * -(-len(data) // BATCH)
    step = _Steps(progress, len(inventory.layers) + batches)
    made: dict[str, tuple[Quantized, ...]] = {}
    for layer in inventory.layers:
        made[layer.name] = tuple(quantize(layer.weight, option, layer.name, layer.layout) for option in options)
        step()
    for layers in runs:
        moments = [] if data is None else second_moments(inventory.model, layers, data, step)
        for layer, moment in zip(layers, moments, strict=True):
            rows = scaled_rows(layer.weight, layer.layout, layer.name)[1]
            made[layer.name] = compensate(made[layer.name], rows, moment)
    return Candidates(tuple(options), made)


def requantized(weight: Tensor, options: Sequence[Option], layer: Layer, moment: Tensor | None) -> Quantized:
    """Quantize another weight of a layer, channel by channel.

    Args:
        weight: the weight; masked weights are zero, so that they stay masked.
        options: option of every channel.
        layer: gives name and layout.
        moment: [groups, n, n] second moment of the inputs, to compensate rounding errors; None: no compensation.

    Raises:
        ModelError: a weight is not finite, or too large for float32 arithmetic.

    Example:
        >>> from torch import nn
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> layer = find_layers(nn.Sequential(nn.Linear(3, 2))).layers[0]
        >>> requantized(2.0 * layer.weight, [Option(0), Option(4)], layer, moment=None).bits.tolist()
        [0, 4]
    """
    plain = quantize(weight, options, layer.name, layer.layout)
    if moment is None:
        return plain
    return compensate((plain,), scaled_rows(weight, layer.layout, layer.name)[1], moment)[0]


def compensated(layer: Layer) -> bool:
    """Return whether the rounding errors of a layer can be compensated: its inputs are known from its calls.

    Example:
        >>> from torch import nn
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> inventory = find_layers(nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2)))
        >>> [compensated(layer) for layer in inventory.layers]
        [False, True]
    """
    return layer.by_calls and not layer.is_table


def _runs(layers: Sequence[Layer]) -> list[list[Layer]]:
    """Split the layers into runs whose second moments take at most `MOMENT_BYTES`, at least one layer each."""
    runs: list[list[Layer]] = []
    room = 0
    for layer in layers:
        size = 4 * groups(layer) * layer.weights_per_channel**2
        if not runs or size > room:
            runs.append([])
            room = MOMENT_BYTES
        runs[-1].append(layer)
        room -= size
    return runs


class _Steps:
    """Counts steps and reports them."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self) -> None:
        self._done += 1
        if self._progress:
            self._progress(self._done, self._total)


def _pick(made: Sequence[Quantized], chosen: Tensor) -> Quantized:
    """Return the layer whose channel c is that of `made[chosen[c]]`; all share one layout and base."""
    channel = torch.arange(len(chosen))

    def picked(name: str) -> Tensor:
        return torch.stack([getattr(quantized, name) for quantized in made])[chosen, channel]

    first = made[0]
    taken = {name: picked(name) for name in ("bits", "scale_codes", "offset_codes", "kept", "codes")}
    floats = [made[k].floats[c] for c, k in enumerate(chosen.tolist()) if len(made[k].floats)]
    together = torch.stack(floats) if floats else first.floats
    return Quantized(first.layout, first.base, **taken, floats=together)
