"""Candidates: what every layer's weight becomes under every option. Measured, and then assembled into the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from qubo_dnn.compression.evaluate import Progress
from qubo_dnn.compression.layers import Inventory
from qubo_dnn.compression.options import Option
from qubo_dnn.compression.plan import Plan
from qubo_dnn.compression.quantize import Quantized, dequantize, quantize
from qubo_dnn.errors import ModelError


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


def make_candidates(inventory: Inventory, options: Sequence[Option], progress: Progress | None = None) -> Candidates:
    """Quantize every layer at every option.

    Args:
        inventory: the layers of the network as given; its weights are read here and never again.
        options: of any unit, in the order wanted.
        progress: called after every layer with the layers done and in all.

    Raises:
        ModelError: a weight is not finite, or too large for float32 arithmetic.
    """
    layers: dict[str, tuple[Quantized, ...]] = {}
    for layer in inventory.layers:
        layers[layer.name] = tuple(quantize(layer.weight, option, layer.name, layer.layout) for option in options)
        if progress:
            progress(len(layers), len(inventory.layers))
    return Candidates(tuple(options), layers)


def _pick(made: Sequence[Quantized], chosen: Tensor) -> Quantized:
    """The layer whose channel c is that of `made[chosen[c]]`; all have one layout and base."""
    channel = torch.arange(len(chosen))

    def picked(name: str) -> Tensor:
        return torch.stack([getattr(quantized, name) for quantized in made])[chosen, channel]

    first = made[0]
    names = ("bits", "scale_codes", "offset_codes", "kept", "codes")
    return Quantized(first.layout, first.base, *map(picked, names))
