"""Candidates: what every layer's weight becomes under every option. Measured, and then assembled into the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from qubo_dnn.compression.network.dataset import Data
from qubo_dnn.compression.network.inference import Progress
from qubo_dnn.compression.network.layers import Inventory, Layer
from qubo_dnn.compression.quantization.gptq import compensate
from qubo_dnn.compression.quantization.input_moments import BATCH, groups, second_moments
from qubo_dnn.compression.quantization.quantize import Quantized, dequantize, quantize, scaled_rows
from qubo_dnn.compression.task.options import Option
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.errors import ModelError, OptionError, suggestion

Compensation = Literal["none", "gptq"]
MOMENT_BYTES = 1 << 30
"""Second moments held at a time; a layer of n weights per channel has `4 * n**2` bytes of them per group."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """The weights that a plan can choose from, made from the original weights.

    Attributes:
        options: K of them.
        layers: layer name -> its weight with all channels at one option, for each of the options.
    """

    options: tuple[Option, ...]
    layers: Mapping[str, tuple[Quantized, ...]]

    def weights(self, layer: str) -> Tensor:
        """[K, *weight.shape] float32 on the CPU: the weight of the layer of that name under every option."""
        return torch.stack([dequantize(quantized) for quantized in self.layers[layer]])

    def assemble(self, plan: Plan) -> dict[str, Quantized]:
        """Layer name -> its weight with every channel at the option that `plan` gives it.

        Raises:
            ModelError: the plan names a layer or an option that there are no candidates of.
        """
        assembled = {}
        index = {option: k for k, option in enumerate(self.options)}
        for name, planned in plan.layers.items():
            if name not in self.layers:
                raise ModelError(f"there are no candidates of the layer {name!r}")
            if missing := sorted(set(planned.options) - set(index)):
                raise ModelError(f"there are no candidates of the layer {name!r} at the option {missing[0]}")
            made = self.layers[name]
            channels = made[0].layout.channels
            chosen = torch.tensor([index[option] for option in planned.channel_options(channels)])
            assembled[name] = _pick(made, chosen)
        return assembled


def check_compensation(compensation: str) -> None:
    """Refuse a compensation that does not exist.

    Raises:
        OptionError: it is unknown.
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
        inventory: the layers of the network as given; its weights are read here and never again.
        options: of any unit, in the order wanted.
        compensation: "none" rounds every weight to the nearest value; "gptq" lets the weights of a channel make up
            for each other's rounding errors, see `compensation`.
        data: images for "gptq"; the network is run on them once for every `MOMENT_BYTES` of second moments.
        progress: called after every step with the steps done and in all: layers, and for "gptq" batches of images.

    Raises:
        OptionError: `compensation` is unknown, or lacks data.
        ModelError: a weight is not finite, or too large for float32 arithmetic; for "gptq" also a layer whose class
            computes its output in a way of its own, or a network without finite outputs.
    """
    check_compensation(compensation)
    if compensation == "none":
        runs, batches = [list(inventory.layers)], 0
    elif data is None:
        raise OptionError(f"the compensation {compensation!r} needs images")
    else:
        runs, batches = _runs(inventory.layers), -(-len(data) // BATCH)
    step = _Steps(progress, len(inventory.layers) + batches * len(runs))
    made: dict[str, tuple[Quantized, ...]] = {}
    for layers in runs:
        moments = second_moments(inventory.model, layers, data, step) if data is not None and batches else None
        for index, layer in enumerate(layers):
            plain = tuple(quantize(layer.weight, option, layer.name, layer.layout) for option in options)
            if moments is None:
                made[layer.name] = plain
            else:
                rows = scaled_rows(layer.weight, layer.layout, layer.name)[1]
                made[layer.name] = compensate(plain, rows, moments[index])
            step()
    return Candidates(tuple(options), made)


def _runs(layers: Sequence[Layer]) -> list[list[Layer]]:
    """The layers, as many at a time as have second moments of `MOMENT_BYTES` together; at least one.

    Raises:
        ModelError: the output of a layer is not known to be linear in its weight.
    """
    runs: list[list[Layer]] = []
    room = 0
    for layer in layers:
        if not layer.linear_in_weight:
            raise ModelError(
                f"the layer {layer.name!r} computes its output in a way of its own ({type(layer.module).__name__}), "
                "so nothing is known of what its rounding errors do: choose the compensation 'none'"
            )
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
    """The layer whose channel c is that of `made[chosen[c]]`; all have one layout and base."""
    channel = torch.arange(len(chosen))

    def picked(name: str) -> Tensor:
        return torch.stack([getattr(quantized, name) for quantized in made])[chosen, channel]

    first = made[0]
    names = ("bits", "scale_codes", "offset_codes", "kept", "codes")
    return Quantized(first.layout, first.base, *map(picked, names))
