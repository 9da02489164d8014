"""Fit data to a network: which outputs are compared, along which axis, and with which loss."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.data.inputs import Interface
from qubo_dnn.compression.losses.joint_loss import JointLoss, LossTerm
from qubo_dnn.compression.losses.losses import Loss
from qubo_dnn.compression.network.inference import inference
from qubo_dnn.compression.network.loading import as_float32
from qubo_dnn.compression.network.outputs import axes_of_samples, chosen, named_outputs
from qubo_dnn.compression.user_code import foreign_code
from qubo_dnn.errors import DataError

ALL = "all"
"""Stands for all floating-point outputs."""


def fit(model: nn.Module, data: Data, terms: Sequence[LossTerm], loss: Loss) -> tuple[Interface, Loss]:
    """Run the network on a few samples, and find how its outputs are read and compared.

    Args:
        model: the network.
        data: samples; their interface states the batch axis of the inputs and the mask.
        terms: the compared outputs with their losses; the single name "all" stands for all of them; empty: the only
            one.
        loss: loss of the outputs without a loss of their own.

    Returns:
        The interface with outputs and axes, and the loss of all compared outputs.

    Raises:
        DataError: the network does not accept the samples.
        ModelError: the network gives no or several outputs, or no axis of an output is that of the samples.
        OptionError: there is no output of a name.

    Example:
        >>> import torch
        >>> from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
        >>> data = Data.from_tensors(torch.zeros(4, 3))
        >>> interface, loss = fit(nn.Linear(3, 2), data, (), CROSS_ENTROPY)
        >>> interface.output_axes, loss.name
        ((0,), 'cross-entropy')
    """
    data = accepted(model, data)
    sizes = (2, min(3, len(data))) if len(data) > 1 else (1, 1)
    runs = [_run(model, data, size) for size in sizes]
    if [term.name for term in terms] == [ALL] and ALL not in named_outputs(runs[0]):
        terms = [replace(terms[0], name=name) for name in named_outputs(runs[0])]
    names = tuple(term.name for term in terms)
    outputs = [chosen(returned, names) for returned in runs]
    axes = axes_of_samples(outputs[0], outputs[1], sizes)
    interface = replace(data.interface, outputs=names, output_axes=axes)
    losses = [term.loss or loss for term in terms]
    if len(terms) < 2:
        return interface, losses[0] if losses else loss
    shapes = [_without(output, axis) for output, axis in zip(outputs[0], axes, strict=True)]
    return interface, JointLoss(tuple(terms), tuple(losses), tuple(shapes))


def accepted(model: nn.Module, data: Data) -> Data:
    """Return data of which all outputs are read, and whose mask is an input only if the network takes it.

    Example:
        >>> import torch
        >>> samples = Data.from_tensors({"input": torch.zeros(4, 3), "valid": torch.ones(4)})
        >>> masked = samples.with_interface(Interface(mask="valid"))
        >>> accepted(nn.Linear(3, 2), masked).interface.passes_mask
        False
    """
    taken = takes(model, data.interface.mask)
    return data.with_interface(replace(data.interface, outputs=(), output_axes=(), passes_mask=taken))


def _run(model: nn.Module, data: Data, size: int) -> object:
    inputs, _ = next(data.batches(size))
    model = as_float32(model)
    with inference(model), foreign_code(DataError, f"{data.name}: the network does not take {data.described}"):
        return inputs.call(model)


def _without(output: Tensor, axis: int) -> tuple[int, ...]:
    return tuple(n for place, n in enumerate(output.shape) if place != axis)


def takes(model: nn.Module, name: str | None) -> bool:
    """Return whether the forward of the network has an argument of this name; positions are always taken.

    Example:
        >>> takes(nn.Linear(3, 2), "input"), takes(nn.Linear(3, 2), "attention_mask")
        (True, False)
    """
    if name is None or name.isdecimal():
        return True
    parameters = inspect.signature(model.forward).parameters
    return name in parameters or any(each.kind is each.VAR_KEYWORD for each in parameters.values())
