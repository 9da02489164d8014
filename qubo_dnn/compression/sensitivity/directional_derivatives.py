"""Derivatives of the outputs along changes of the weights, image by image.

Many images at a time, from recorded calls: with g the gradient of a probe with respect to a layer's output, the probe's
derivative along a change d of output channel o is the sum over positions of g_o * layer(input; d)_o. That takes one
forward of the layer per option and one backward pass of the network per probe, and no weight gradients per image.

Activations on a grid are measured where a layer reads them: the probe's derivative is the product of their change and
the gradient with respect to them.

A removal that is measured where other layers read the channel (see `qubo_dnn.compression.sensitivity.removed_channels`)
takes no response: the probe's derivative is a product of the channel and the gradient with respect to it there.

A weight that is used in any other way is measured through its parameter: the probe's derivative is the product of the
change with the gradient with respect to the parameter. Only a run of a single image gives the gradient of that image,
so that such a network runs image by image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.inputs import Inputs
from qubo_dnn.compression.network.hooks import replacing_inputs
from qubo_dnn.compression.network.inference import forward
from qubo_dnn.compression.network.layer_calls import Call, by_channel, recorded, removed, responses
from qubo_dnn.compression.sensitivity.activation_changes import ActivationChanges
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges
from qubo_dnn.compression.user_code import foreign_code
from qubo_dnn.errors import ModelError

# Weight gradients held in memory at a time.
_GRADIENT_BYTES = 1 << 28


@dataclass(frozen=True, eq=False)
class RecordedRun:
    """A recorded forward pass of a batch.

    Attributes:
        layers: the layers with their changes.
        activations: the changes of what layers read.
        parts: the runs of the network, in the order of the images: one of all images, or one of every image.

    Example:
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> network = nn.Sequential(nn.Linear(3, 2)).eval()
        >>> layer = find_layers(network).layers[0]
        >>> prune_or_keep = LayerChanges(layer, 1, torch.stack([-layer.weight.detach(), torch.zeros(2, 3)]))
        >>> run = RecordedRun.of(network, [prune_or_keep], torch.eye(3))
        >>> run.derivatives(torch.ones(1, 3, 2)).shape  # 2 units at 2 options, 3 images
        torch.Size([4, 3])
    """

    layers: Sequence[LayerChanges]
    activations: Sequence[ActivationChanges]
    parts: Sequence[_Part]

    @classmethod
    def of(
        cls,
        model: nn.Module,
        layers: Sequence[LayerChanges],
        images: Tensor | Inputs,
        activations: Sequence[ActivationChanges] = (),
    ) -> RecordedRun:
        """Run the network; it must be in eval mode, with gradients enabled.

        Raises:
            ModelError: the network does not return finite outputs (N, ...) with gradients, or it calls a layer that is
                measured by calls with a batch axis that is not that of the images.
        """
        images = Inputs.of(images)
        at_once = len(images) if all(entry.layer.by_calls for entry in layers) else 1
        batches = [images[first : first + at_once] for first in range(0, len(images), at_once)]
        return cls(layers, activations, [_Part.of(model, layers, batch, activations) for batch in batches])

    @cached_property
    def outputs(self) -> Tensor:
        """[N, ...] outputs of the network, part of the autograd graph."""
        return torch.cat([part.outputs for part in self.parts])

    def bytes_per_image(self, probes: int) -> int:
        """Return an upper bound on the bytes per image: calls, derivatives along `probes` probes, intermediates."""
        each = max(part.bytes(probes) // len(part.outputs) for part in self.parts)
        return each + 4 * variables(self.layers, self.activations) * probes

    def derivatives(self, probes: Tensor) -> Tensor:
        """Return [U*K, N*P] float32 on the CPU: the derivative of every probe of every image along every change.

        Changes of weights come first.

        Args:
            probes: [P, N, ...] directions in the space of the outputs.

        Raises:
            ModelError: the backward pass fails, or a derivative is not finite.
        """
        count, images = probes.shape[:2]
        columns = torch.empty(variables(self.layers, self.activations), images * count)
        first = 0
        for part in self.parts:
            last = first + len(part.outputs)
            part.derivatives(probes[:, first:last].to(part.outputs), columns[:, first * count : last * count])
            first = last
        if not columns.isfinite().all():
            raise ModelError("derivatives of the network's outputs are not finite")
        return columns


def variables(layers: Sequence[LayerChanges], activations: Sequence[ActivationChanges]) -> int:
    """Return U*K, the number of pairs of a unit and an option.

    Example:
        >>> variables([], [])
        0
    """
    return sum(entry.units * len(entry.changes) for entry in layers) + sum(entry.options for entry in activations)


@dataclass(frozen=True, eq=False)
class _Part:
    """A recorded run of some images, or of one if a layer is measured through its parameter.

    Attributes:
        layers, activations: see `RecordedRun`.
        outputs: outputs of the network.
        calls: of every layer.
        inputs: name of a layer that reads channels -> its inputs.
        read: of every one of `activations`, what its layer was given, and what it then read; they differ if the network
            has a grid there.
    """

    layers: Sequence[LayerChanges]
    activations: Sequence[ActivationChanges]
    outputs: Tensor
    calls: Sequence[Sequence[Call]]
    inputs: Mapping[str, Sequence[Tensor]]
    read: Sequence[tuple[Sequence[Tensor], Sequence[Tensor]]]

    @classmethod
    def of(
        cls,
        model: nn.Module,
        layers: Sequence[LayerChanges],
        images: Inputs,
        activations: Sequence[ActivationChanges],
    ) -> _Part:
        inputs: dict[str, list[Tensor]] = {read.name: [] for entry in layers for read in entry.reads}
        watched = ((model.get_submodule(name), partial(_record, made)) for name, made in inputs.items())
        read: list[tuple[list[Tensor], list[Tensor]]] = [([], []) for _ in activations]
        places = [
            (module, given, taken)
            for entry, (given, taken) in zip(activations, read, strict=True)
            for module in entry.layer.modules
        ]
        with (
            recorded([entry.layer for entry in layers], len(images)) as calls,
            replacing_inputs(watched),
            replacing_inputs(((module, partial(_keep, given)) for module, given, _ in places), first=True),
            replacing_inputs((module, partial(_record, taken)) for module, _, taken in places),
        ):
            outputs = forward(model, images)
        if not outputs.requires_grad:
            raise ModelError(
                "no gradient of the outputs reaches a layer: are they detached, or computed under no_grad?"
            )
        return cls(layers, activations, outputs, calls, inputs, read)

    def bytes(self, probes: int) -> int:
        """Return an upper bound on the bytes of the calls, their gradients and intermediates."""
        calls = [(entry, call) for entry, made in zip(self.layers, self.calls, strict=True) for call in made]
        kept = sum(call.inputs.numel() + (probes + 2) * call.output.numel() for _, call in calls)
        kept += sum(4 * each.numel() for made in self.inputs.values() for each in made)
        kept += sum(
            (5 + len(entry.effective)) * each.numel()
            for entry, (_, taken) in zip(self.activations, self.read, strict=True)
            for each in taken
        )
        # Count the responses twice, because a matrix product may need a reordered copy.
        largest = max((2 * len(entry.changes) * call.output.numel() for entry, call in calls), default=0)
        weights = sum(weight.numel() for weight in self._weights)
        return 4 * (kept + largest) + 4 * min(probes, self._probes_at_once) * weights

    def derivatives(self, probes: Tensor, columns: Tensor) -> None:
        """Set [U*K, n*P] derivatives along [P, n, ...] probes."""
        gradients, totals, of_activations = self._backward(probes)
        sizes = [entry.units * len(entry.changes) for entry in self.layers]
        with torch.no_grad():
            *split, last = torch.split(columns, [*sizes, len(columns) - sum(sizes)])
            if self.activations:
                last.view(len(self.activations), -1, *probes.shape[1::-1]).copy_(of_activations)
            for entry, made, total, rows in zip(self.layers, self.calls, totals, split, strict=True):
                for call in made:
                    _add_derivatives(entry, call, gradients.pop(0), total)
                view = rows.view(entry.units, len(entry.changes), *probes.shape[1::-1])
                view.copy_(entry.per_unit(total.permute(1, 3, 0, 2)))

    @property
    def _weights(self) -> list[Tensor]:
        return [entry.layer.weight for entry in self.layers if not entry.layer.by_calls]

    @property
    def _probes_at_once(self) -> int:
        return max(1, _GRADIENT_BYTES // max(1, 4 * sum(weight.numel() for weight in self._weights)))

    def _backward(self, probes: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Run the backward passes.

        Returns:
            The gradient of every probe in the output of every call, each [n, channels, P, positions]; for every layer
            [n, channels or 1, P, K], the derivatives if it is measured through its parameter, and along removals that
            are measured where channels are read, else zeros; and [A, K, n, P], those along changes of activations.
        """
        calls = [(entry.layer, call) for entry, made in zip(self.layers, self.calls, strict=True) for call in made]
        read = [(name, each) for name, made in self.inputs.items() for each in made]
        activations = self._activation_changes()
        targets = [call.output for _, call in calls] + [each for _, each in read]
        targets += [each.taken for each in activations] + self._weights
        count, images = probes.shape[:2]
        options = self.activations[0].options if self.activations else 0
        of_activations = probes.new_zeros(len(self.activations), options, images, count)
        gradients = []
        for layer, call in calls:
            _, channels, positions = by_channel(layer, call, call.output).shape
            gradients.append(call.output.new_empty(images, channels, count, positions))
        totals = [
            probes.new_zeros(
                images,
                1 if entry.layer.is_table and entry.layer.by_calls else entry.layer.channels,
                count,
                len(entry.changes),
            )
            for entry in self.layers
        ]
        through = [(entry, total) for entry, total in zip(self.layers, totals, strict=True) if not entry.layer.by_calls]
        waiting: list[tuple[Tensor, ...]] = []
        # One backward pass per probe: vmap would do the same for most operations but fails for some.
        with foreign_code(ModelError, "the network's backward pass fails"):
            for p, probe in enumerate(probes):
                # Of a scalar: where the caller gives the gradient of a tensor, torch first loads sympy for two seconds.
                product = (self.outputs * probe).sum()
                of_probe = torch.autograd.grad(product, targets, retain_graph=p + 1 < count, materialize_grads=True)
                for (layer, call), gradient, stacked in zip(calls, of_probe, gradients, strict=False):
                    stacked[:, :, p] = by_channel(layer, call, gradient)
                _add_removals(self.layers, read, of_probe[len(calls) :], [total[:, :, p] for total in totals])
                behind = of_probe[len(calls) + len(read) :]
                with torch.no_grad():
                    for each, gradient in zip(activations, behind, strict=False):
                        of_activations[each.number, each.effective, :, p] += each.derivatives(gradient)
                waiting.append(behind[len(activations) :])
                if len(waiting) == self._probes_at_once or p + 1 == count:
                    _add_products(through, waiting, p + 1 - len(waiting))
                    waiting = []
        return gradients, totals, of_activations

    def _activation_changes(self) -> list[_ActivationCall]:
        with torch.no_grad():
            return [
                _ActivationCall(number, entry.effective, taken, entry.of(given))
                for number, (entry, made) in enumerate(zip(self.activations, self.read, strict=True))
                if entry.effective
                for given, taken in zip(*made, strict=True)
            ]


@dataclass(frozen=True, eq=False)
class _ActivationCall:
    """What one call of a layer reads, and its changes.

    Attributes:
        number: of the entry in `RecordedRun.activations`.
        effective: its effective options.
        taken: [n, ...] as read.
        changes: [E, n, ...].
    """

    number: int
    effective: list[int]
    taken: Tensor
    changes: Tensor

    def derivatives(self, gradients: Tensor) -> Tensor:
        """Return [E, n] the derivatives of a probe, from its gradients [n, ...]."""
        return torch.einsum("enf,nf->en", self.changes.flatten(2), gradients.flatten(1))


def _keep(made: list[Tensor], inputs: Tensor) -> Tensor:
    """Keep a copy of what a layer is given."""
    made.append(inputs.detach().clone())
    return inputs


def _record(made: list[Tensor], inputs: Tensor) -> Tensor:
    """Record the input of a layer as a part of the autograd graph."""
    # A copy, so that it has a gradient of its own where several layers read the same tensor.
    inputs = inputs.clone()
    if not inputs.requires_grad:
        inputs.requires_grad_()
    made.append(inputs)
    return inputs.clone()


def _add_removals(
    layers: Sequence[LayerChanges],
    read: Sequence[tuple[str, Tensor]],
    gradients: Sequence[Tensor],
    totals: Sequence[Tensor],
) -> None:
    """Add the derivatives of a probe along the removals that are measured where channels are read.

    Args:
        layers: the layers.
        read: name of a layer and its input, for every call.
        gradients: gradients of the probe with respect to the inputs.
        totals: of every layer [N, channels, K], increased in place.
    """
    with torch.no_grad():
        for entry, total in zip(layers, totals, strict=True):
            if entry.removal not in entry.effective:
                continue
            for each in entry.reads:
                for (name, inputs), gradient in zip(read, gradients, strict=False):
                    if name == each.name:
                        found = each.derivatives(inputs, gradient, entry.layer.channels)
                        total[..., entry.removal] += found.to(total.dtype)


def _add_products(
    through: Sequence[tuple[LayerChanges, Tensor]], gradients: Sequence[Sequence[Tensor]], first: int
) -> None:
    """Set the derivatives of layers that are measured through their parameter.

    Args:
        through: layers with their totals [1, channels, P, K].
        gradients: gradients of some probes with respect to the weights.
        first: number of the first of these probes.
    """
    with torch.no_grad():
        for (entry, total), *of_layer in zip(through, *gradients, strict=True):
            rows = entry.layer.rows(torch.stack(of_layer)).transpose(0, 1)
            changes = entry.effective_rows.to(rows)
            last = first + len(of_layer)
            total[0, :, first:last, entry.effective] = (rows @ changes).to(total.dtype)


def _add_derivatives(entry: LayerChanges, call: Call, gradients: Tensor, total: Tensor) -> None:
    """Add the contribution of one call of a layer.

    Args:
        entry: the layer.
        call: a call of the layer.
        gradients: [N, channels, P, positions] gradients of the probes.
        total: [N, channels, P, K], increased in place.
    """
    asked = [k for k in entry.effective if not entry.reads or k != entry.removal]
    if entry.removal in asked and (response := removed(entry.layer, call)) is not None:
        total[..., entry.removal] += (gradients @ response.to(gradients.dtype)[..., None])[..., 0]
        asked = [k for k in asked if k != entry.removal]
    if asked:
        # Under autocast, the inputs of a layer have less precision than its gradients.
        response = responses(entry.layer, call, entry.changes[asked].to(gradients.device)).to(gradients.dtype)
        total[..., asked] += gradients @ response.mT
