"""Trace a network of torch into an ONNX graph whose compressed weights are still open."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.inputs import Inputs, Key
from qubo_dnn.compression.network.inference import eval_mode
from qubo_dnn.compression.network.outputs import all_outputs
from qubo_dnn.compression.quantization.activation_grid import (
    ActivationGrid,
    activation_grids,
    without_activation_grids,
)
from qubo_dnn.compression.user_code import reason
from qubo_dnn.errors import ModelError
from qubo_dnn.support.extras import require

BASE_OPSET = 18
"""The oldest operator set that torch's exporter writes."""
BATCH = "batch"
"""Name of the number of samples in the shapes of a file."""
# Of torch's errors about dynamic shapes.
_FIXED = f"You marked {BATCH} as dynamic but your code specialized it"


@dataclass(frozen=True, eq=False)
class Traced:
    """An ONNX graph; the compressed weights are inputs of it, so that nothing was folded into them.

    Attributes:
        model: the graph, an `onnx_ir.Model` of operator set 18.
        weights: name of a graph input -> key of the weight in the `state_dict`.
        inputs: names of the inputs of the network in the graph.
        outputs: names of its outputs.
        batch: the symbol that stands for the number of samples in its shapes.
        grids: key of a weight -> grid of what is multiplied by it; nothing in the graph rounds it yet.

    Example:
        >>> def open_weights(traced: Traced) -> list[str]:
        ...     return sorted(traced.weights.values())
    """

    model: Any
    weights: Mapping[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    batch: str
    grids: Mapping[str, ActivationGrid]


class Flat(nn.Module):
    """A network with positional inputs only, that returns all of its outputs as a flat tuple.

    Example:
        >>> Flat(nn.Linear(3, 2), [0])(torch.zeros(5, 3))[0].shape
        torch.Size([5, 2])
    """

    def __init__(self, network: nn.Module, keys: Sequence[Key]) -> None:
        super().__init__()
        self.network, self.keys = network, tuple(keys)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Call the network with one tensor per key."""
        given = dict(zip(self.keys, tensors, strict=True))
        named = {key: value for key, value in given.items() if isinstance(key, str)}
        returned = self.network(*(value for key, value in given.items() if isinstance(key, int)), **named)
        return tuple(all_outputs(returned).values())


def trace(network: nn.Module, inputs: Inputs, keys: Sequence[str]) -> Traced:
    """Trace a network with a dynamic batch axis, without the hooks that round activations to grids.

    Args:
        network: the network, on the CPU; not changed.
        inputs: inputs of at least two samples.
        keys: keys of the compressed weights.

    Raises:
        ModelError: a module cannot be traced, or one of its operations has no counterpart in ONNX; the message names
            the module.
        MissingExtraError: a package of the extra `onnx` is not installed.

    Example:
        >>> def graph_of(network: nn.Module, inputs: Inputs) -> Traced:
        ...     return trace(network, inputs, ["0.weight"])
    """
    optimizer = require("onnxscript.optimizer", "onnx")
    given = inputs.arguments()
    flat = Flat(network, list(given))
    dimension = torch.export.Dim(BATCH)
    shapes = tuple({inputs.interface.axis_of(key, value.dim()): dimension} for key, value in given.items())
    grids = {f"{name}.weight".removeprefix("."): grid for name, grid in activation_grids(network).items()}
    with eval_mode(flat), without_activation_grids(flat), _quiet():
        with torch.no_grad():
            names = _names("output", all_outputs(inputs.call(network)))
        try:
            exported = _exported(flat, tuple(given.values()), shapes)
            program = torch.onnx.export(
                exported,
                (),
                dynamo=True,
                opset_version=BASE_OPSET,
                input_names=_names("input", given),
                output_names=names,
                optimize=False,
                verbose=False,
            )
        # torch raises errors of many types here, and those of the network's own code.
        except Exception as cause:
            raise ModelError(_at_fault(cause, flat)) from cause
        if program is None:
            raise ModelError("torch did not return an ONNX program")
        model = program.model
        opened = _opened(model, network, keys)
        optimizer.optimize_ir(model)
    unread = [value for value in model.graph.inputs if value.name in opened and not value.uses()]
    for value in unread:
        model.graph.inputs.remove(value)
        del opened[value.name]
    if lost := [key for key in grids if key not in opened.values()]:
        raise ModelError(
            f"the activations that {lost[0]} is multiplied by cannot be rounded in an ONNX graph: it is not a constant "
            "of its own in the traced network"
        )
    key, value = next(iter(given.items()))
    batch = model.graph.inputs[0].shape[inputs.interface.axis_of(key, value.dim())].value
    return Traced(model, opened, tuple(_names("input", given)), tuple(names), str(batch), grids)


def _exported(flat: Flat, tensors: tuple[Tensor, ...], shapes: tuple[dict[int, Any], ...]) -> Any:
    """Return the exported program.

    Python runs the network, which makes a constant of the batch in `len(x)`, and fails where NumPy computes. Torch then
    reads the bytecode.
    """

    def export(strict: bool) -> Any:
        with torch.no_grad():
            return torch.export.export(flat, tensors, {}, dynamic_shapes={"tensors": shapes}, strict=strict)

    try:
        return export(strict=False)
    except Exception as cause:
        first = cause
    # The second error speaks of torch's own code.
    with suppress(Exception):
        return export(strict=True)
    raise first


def _names(kind: str, things: Mapping[Any, object]) -> list[str]:
    """Return names of inputs or outputs for the file: their own, or the kind, numbered if there are several."""
    names = []
    for key in things:
        text = str(key).replace(".", "_")
        names.append(kind if text == "" or (len(things) == 1 and text == "0") else text)
    return [f"{kind}_{name}" if name.isdecimal() else name for name in names]


def _opened(model: Any, network: nn.Module, keys: Sequence[str]) -> dict[str, str]:
    """Make inputs of the compressed weights, in place; return name -> key. A shared weight may have several names."""
    first = {id(network.get_parameter(key)): key for key in keys}
    aliases = {
        f"network.{name}": first[id(parameter)]
        for name, parameter in network.named_parameters(remove_duplicate=False)
        if id(parameter) in first
    }
    graph = model.graph
    found = {name: aliases[name] for name in graph.initializers if name in aliases}
    for name in found:
        value = graph.initializers.pop(name)
        value.const_value = None
        graph.inputs.append(value)
    return found


def _at_fault(cause: BaseException, flat: Flat) -> str:
    """Describe why tracing failed, with the innermost module of the network that was running or being translated."""
    names = {module: name for name, module in flat.named_modules()}
    found = ""
    chain = list(_chain(cause))
    for each in chain:
        trail = each.__traceback__
        while trail is not None:
            place = trail.tb_frame.f_locals
            if (module := place.get("self")) is not None and isinstance(module, nn.Module):
                found = names.get(module, found)
            if isinstance(node := place.get("node"), torch.fx.Node):
                stack = node.meta.get("nn_module_stack") or {}
                found = next((where for where, _ in reversed(list(stack.values()))), found)
            trail = trail.tb_next
    # The first error in the chain is the root of the matter, the others wrap it.
    fixed = any(_FIXED in str(each) for each in chain)
    what = "its code fixes the number of samples" if fixed else reason(chain[-1]).rstrip(".")
    module = flat.get_submodule(found) if found not in ("", "network") else flat.network
    name = found.removeprefix("network").removeprefix(".")
    kind = type(module).__name__
    where = f"the module {name!r} ({kind})" if name else f"the network ({kind})"
    return f"{where} cannot be exported to ONNX: {what}"


def _chain(cause: BaseException | None) -> Iterator[BaseException]:
    """Generate an exception and those that it came from."""
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter, which logs, warns and prints graphs; what matters is raised."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
