"""Refit the weights of a compressed network by least squares, layer by layer, to the outputs of the original network.

The layers are refitted in the order in which they run. A layer reads what it reads in the compressed network, in which
the earlier layers are already refitted and repaired, and its weights are fitted to the outputs that it has in the
original network on the same images: so it makes up for removed channels and for rounding errors of earlier layers, as
far as its inputs can. A weight that the plan quantizes is fitted first, and then quantized again at the same options.
Weights that the plan does not name are fitted too. There are no labels and no training.

Left as they are: weights that are used otherwise than by one call of one module or operator per pass, tables, layers
with more than some 5,000 weights per channel, and masked layers so large that a fit of every channel by itself would
take long.

Source: He et al. 2017, "Channel pruning for accelerating very deep neural networks" (reconstruction by least squares);
Frantar et al. 2022 (GPTQ).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.hooks import Hook, forward_hooks
from qubo_dnn.compression.network.inference import forward, inference
from qubo_dnn.compression.network.layer_calls import input_of
from qubo_dnn.compression.network.layers import Inventory, Layer
from qubo_dnn.compression.network.operators import call_hooks
from qubo_dnn.compression.quantization.candidates import requantized
from qubo_dnn.compression.quantization.input_moments import columns, groups
from qubo_dnn.compression.quantization.quantize import Quantized, dequantize
from qubo_dnn.compression.rewriting.channel_match import ChannelMatch, repairable
from qubo_dnn.compression.rewriting.least_squares import refitted
from qubo_dnn.compression.rewriting.reference_outputs import ReferenceOutputs, Wanted, reference_outputs
from qubo_dnn.compression.task.plan import Plan

# Every fourth image chooses the strength of the ridge.
_CHECKS = 4
# Inputs of one fit in memory. A depthwise layer, with few weights per channel, reaches it with thousands of samples.
_NUMBERS = 1 << 26


class Reconstruction:
    """Refits networks that plans compress.

    Args:
        inventory: the original network, and the layers that may be refitted; those not measured by calls are left.
        data: images; targets are not used.
        compensated: True: rounding errors are compensated, see `qubo_dnn.compression.quantization.gptq`.
        memory: GiB for activations and reference outputs.
        seed: random seed of the positions that are used.

    Example:
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> from qubo_dnn.compression.rewriting.apply_plan import apply_plan_
        >>> from qubo_dnn.compression.task.options import Option
        >>> from qubo_dnn.compression.task.plan import LayerPlan
        >>> original = nn.Sequential(nn.Linear(1, 2, bias=False), nn.Linear(2, 1, bias=False))
        >>> with torch.no_grad():
        ...     for parameter in original.parameters():
        ...         _ = parameter.fill_(1.0)
        >>> network, plan = copy.deepcopy(original), Plan({"0": LayerPlan(1, (Option(0), Option(8)))})
        >>> codes = apply_plan_(network, plan)  # the first of two equal channels is removed
        >>> reconstruct = Reconstruction(find_layers(original), Data.from_tensors(torch.randn(8, 1)))
        >>> refitted, _ = reconstruct(network, plan, codes)
        >>> refitted[1].weight.detach().round(decimals=2).tolist()  # the second one takes its place
        [[1.0, 2.0]]
    """

    def __init__(
        self, inventory: Inventory, data: Data, *, compensated: bool = False, memory: float = 8.0, seed: int = 0
    ) -> None:
        self._inventory, self._data, self._compensated = inventory, data, compensated
        self._memory, self._seed = memory, seed

    def on(self, data: Data) -> Reconstruction:
        """Return the same with other images."""
        return Reconstruction(
            self._inventory, data, compensated=self._compensated, memory=self._memory, seed=self._seed
        )

    @cached_property
    def _reference(self) -> ReferenceOutputs:
        model = self._inventory.model
        layers = [
            each for each in self._inventory.layers if each.by_calls and not each.is_table and len(each.modules) == 1
        ]
        norms = repairable(model, ("batchnorm",))
        return reference_outputs(model, layers, norms, self._data, self._memory, self._seed)

    def __call__(
        self,
        network: nn.Module,
        plan: Plan,
        quantized: Mapping[str, Quantized],
        silent: Mapping[str, Sequence[int]] = MappingProxyType({}),
    ) -> tuple[nn.Module, dict[str, Quantized]]:
        """Return a refitted copy of a network, and the codes of its planned layers.

        Biases and BatchNorm statistics do not change: `qubo_dnn.compression.rewriting.recovery` repairs them later.

        Args:
            network: the network that `apply_plan_` has rewritten; not changed.
            plan: the plan.
            quantized: the result of `apply_plan_`.
            silent: name of a layer -> output channels whose bias is not repaired later.

        Raises:
            ModelError: a network does not give finite outputs.
        """
        reference = self._reference
        network, codes = copy.deepcopy(network), dict(quantized)
        biased = repairable(network, ("bias",))
        originals = {layer.name: layer.weight.detach() for layer in self._inventory.layers}
        hooks: list[tuple[Layer, Hook]] = []
        for layer in self._inventory.of(network).layers:
            if layer.name in reference.layers:
                wanted, centred = reference.layers[layer.name], layer.name in biased or layer.name in reference.normed
                fit = _LayerFit(layer, originals[layer.name], wanted, centred)
                match = ChannelMatch(layer.module, silent.get(layer.name, ())) if layer.name in biased else None
                hooks.append((layer, self._refitting(fit, plan, codes, match)))
        norms = [(network.get_submodule(name), _repairing(wanted)) for name, wanted in reference.norms.items()]
        data = reference.data
        with call_hooks(hooks), forward_hooks(norms), inference(network):
            for inputs, _ in data.batches(len(data)):
                forward(network, inputs)
        return network, codes

    def _refitting(self, fit: _LayerFit, plan: Plan, codes: dict[str, Quantized], match: ChannelMatch | None) -> Hook:
        """Return a hook that refits a layer, and gives the output that it then has, with the bias repaired, if any."""
        layer = fit.layer

        def refit(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Tensor) -> Tensor:
            inputs = input_of(args, kwargs)
            if not fit.wanted.matches(output):
                return output
            # Weights and codes outlive the inference mode of the run.
            with torch.inference_mode(False), torch.no_grad():
                found = fit(inputs, output, codes.get(layer.name))
                if found is not None:
                    weight, moment = found
                    if layer.name in codes:
                        options = plan.layers[layer.name].channel_options(layer.channels)
                        codes[layer.name] = requantized(weight, options, layer, moment if self._compensated else None)
                        weight = dequantize(codes[layer.name])
                    layer.weight.copy_(weight)
            output = module.forward(*args, **kwargs)
            return output if match is None else _repaired(match, output, fit.wanted)

        return refit


@dataclass(frozen=True, eq=False)
class _LayerFit:
    """The fit of one layer.

    Attributes:
        layer: the layer in the compressed network.
        original: its weight in the original network.
        wanted: its outputs in the original network.
        centred: True if the means of its outputs do not matter, because a bias or a BatchNorm is repaired afterwards.
    """

    layer: Layer
    original: Tensor
    wanted: Wanted
    centred: bool

    def __call__(self, inputs: Tensor, output: Tensor, codes: Quantized | None) -> tuple[Tensor, Tensor] | None:
        """Return the fitted weight and the second moments of its inputs; None: the weight stays as it is."""
        layer, count = self.layer, groups(self.layer)
        places, each = self.wanted.positions, count * layer.weights_per_channel * len(output)
        chosen = torch.arange(len(places))[:: max(1, -(-each * len(places) // _NUMBERS))]
        read = columns(layer, inputs, output, places[chosen])
        weights = layer.rows(self.original.cpu().float())
        given = weights.reshape(count, -1, layer.weights_per_channel) @ read
        values = self.wanted.values.reshape(len(output), len(places), -1)[:, chosen]
        missing = values.flatten(0, 1).T.reshape(given.shape) - given
        bias = getattr(layer.module, "bias", None)
        if bias is not None:
            missing -= bias.detach().cpu().float().reshape(count, -1, 1)
        checks = (torch.arange(len(output)) % _CHECKS == 0).repeat_interleave(len(chosen))
        pruned = torch.zeros(layer.channels, dtype=torch.bool) if codes is None else codes.bits == 0
        kept = None if codes is None else codes.kept | pruned[:, None]
        found = refitted(read, missing, weights, checks, centred=self.centred, kept=kept)
        if found is None:
            return None
        rows, moment = found
        return layer.layout.weight(rows.masked_fill(pruned[:, None], 0.0)), moment


def _repairing(wanted: Wanted) -> Hook:
    """Return a hook that gives the output of a BatchNorm whose statistics are repaired; they are not changed."""

    def repair(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Tensor) -> Tensor:
        inputs = input_of(args, kwargs)
        return _repaired(ChannelMatch(module), inputs, wanted) if wanted.matches(inputs) else output

    return repair


def _repaired(match: ChannelMatch, x: Tensor, wanted: Wanted) -> Tensor:
    """Return the output of a repaired module; x as in `ChannelMatch`."""
    return match.repaired(x, match.means(wanted.of(x), wanted.values).to(x.device))
