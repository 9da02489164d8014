"""Load the user's network and its weights, and try it on the data."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY, Loss
from qubo_dnn.compression.network.inference import eval_mode, forward, inference
from qubo_dnn.compression.network.norm_folding import computed_weights_detached, fold_norms_, normed_weights
from qubo_dnn.compression.network.state_dicts import load_weights_
from qubo_dnn.compression.user_code import foreign_code, resolve
from qubo_dnn.errors import DataError, ModelError, OptionError

_FILES = (".pt", ".pth", ".pt2", ".onnx", ".safetensors")
_INSTEAD = "give the nn.Module that was exported"


def load_network(network: str | nn.Module, weights: Path | None = None) -> nn.Module:
    """Load a network in eval mode; it shares nothing with the argument.

    Args:
        network: a module, which is copied; or `package.module:name` of a module or of a callable without arguments that
            returns one.
        weights: file of weights to load; None keeps the weights of the network.

    Raises:
        ModelError: the network is missing, its factory fails or returns something else, or the weights do not fit.
        FileFormatError: the file of weights cannot be read.

    Example:
        >>> network = load_network(nn.Linear(3, 2).train())
        >>> network.training  # a copy in eval mode
        False
    """
    module = _from_factory(network) if isinstance(network, str) else copied(network)
    check_network(module)
    if weights is not None:
        load_weights_(module, weights)
    return module.eval()


def _from_factory(spec: str) -> nn.Module:
    if Path(spec).suffix in _FILES:
        raise ModelError(f"{spec!r} is a file: name the code of the network, package.module:factory, and add --weights")
    given = resolve(spec, ModelError)
    if isinstance(given, nn.Module):
        return copied(given)
    if callable(given):
        with foreign_code(ModelError, f"{spec}: the factory fails"):
            given = given()
    if not isinstance(given, nn.Module):
        raise ModelError(f"{spec}: gives {_no_module(given)}")
    return given


def check_network(model: object) -> None:
    """Refuse a model unless it consists of ordinary modules whose layers can be called, measured and replaced.

    Raises:
        ModelError: the model is not of that kind; the message suggests a remedy.

    Example:
        >>> check_network(nn.Linear(3, 2))
        >>> check_network("resnet")
        Traceback (most recent call last):
            ...
        qubo_dnn.errors.ModelError: the network is str, not a torch nn.Module
    """
    if not isinstance(model, nn.Module):
        raise ModelError(f"the network is {_no_module(model)}")
    if type(model).__name__ == "UnflattenedModule":
        raise ModelError(f"the network is a module of torch.export: {_INSTEAD}")
    if isinstance(model, torch.jit.ScriptModule):
        raise ModelError("the network is TorchScript: give the nn.Module that it was made from")
    for name, module in model.named_modules():
        where = f"the module {name!r}" if name else "the network"
        tensors = (*module.parameters(recurse=False), *module.buffers(recurse=False))
        if any(map(is_lazy, tensors)):
            raise ModelError(f"{where} is lazy and has no weights yet: run a batch through the network first")
        if any(tensor.is_meta for tensor in tensors):
            raise ModelError(f"{where} has weights without data (meta device): make the network on the CPU")
        if any(tensor.is_inference() for tensor in tensors):
            raise ModelError(f"{where} has weights made in torch.inference_mode(): make the network outside of it")
        # Compare the name, because the part of torch with the class takes seconds to load.
        if type(module).__name__ == "OptimizedModule":
            raise ModelError(f"{where} is compiled by torch.compile: give the one that it was made from, `_orig_mod`")
        parallel = isinstance(module, nn.parallel.DistributedDataParallel) or getattr(module, "device_ids", None)
        if parallel and isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            raise ModelError(f"{where} is wrapped in {type(module).__name__}: give its `module`")
    try:
        with eval_mode(model):
            pass
    except NotImplementedError as cause:
        raise ModelError(f"the network is a module of torch.export: {_INSTEAD}") from cause


def _no_module(given: object) -> str:
    kind = type(given).__name__
    return f"{kind}, not a torch nn.Module" + (f": {_INSTEAD}" if kind == "ExportedProgram" else "")


def as_float32(model: nn.Module) -> nn.Module:
    """Return the network itself if its weights are float32, else a copy with all numbers in float32.

    Gradients in half precision lose small sensitivities, and images are float32.

    Raises:
        ModelError: the network cannot be copied.

    Example:
        >>> as_float32(nn.Linear(3, 2).half()).weight.dtype
        torch.float32
    """
    return copied(model).float() if _other_types(model) else model


def folded(model: nn.Module) -> nn.Module:
    """Return the network itself, or a copy with weight norms and spectral norms folded into the weights.

    Raises:
        ModelError: the network cannot be copied.

    Example:
        >>> network = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)))
        >>> sorted(folded(network).state_dict())
        ['0.bias', '0.weight']
    """
    if not normed_weights(model):
        return model
    copy_of_it = copied(model)
    fold_norms_(copy_of_it)
    return copy_of_it


def on_device(model: nn.Module, device: str) -> nn.Module:
    """Move a network to a device, in place, and return it.

    Args:
        model: the network.
        device: "cpu", "cuda", "cuda:1" or another name of torch.

    Raises:
        OptionError: the device is unknown or not available.

    Example:
        >>> on_device(nn.Linear(3, 2), "cpu").weight.device.type
        'cpu'
    """
    with foreign_code(OptionError, f"the device {device!r} cannot be used"):
        return model.to(torch.device(device))


def in_types_of(given: nn.Module, compressed: nn.Module) -> nn.Module:
    """Return a float32 network in the number types of another one with the same entries.

    Numbers that compression did not change become those of the given network, with all their digits.

    Args:
        given: the network before `as_float32`.
        compressed: the float32 network; not changed, and returned itself if its types are those already.

    Raises:
        ModelError: the network cannot be copied.

    Example:
        >>> in_types_of(nn.Linear(3, 2).half(), nn.Linear(3, 2)).weight.dtype
        torch.float16
    """
    originals = dict((*given.named_parameters(), *given.named_buffers()))
    now = dict((*compressed.named_parameters(), *compressed.named_buffers()))
    if all(tensor.dtype == originals[key].dtype for key, tensor in now.items()):
        return compressed
    typed = copied(compressed)
    for key, tensor in (*typed.named_parameters(), *typed.named_buffers()):
        original = originals[key].detach()
        same = original.to(tensor.dtype) == tensor.detach()
        tensor.data = torch.where(same, original, tensor.detach().to(original.dtype))
    return typed


def _other_types(model: nn.Module) -> list[str]:
    """Return the types of weights other than float32; vectors, such as biases and statistics, may have any type."""
    dtypes = {each.dtype for each in model.parameters() if each.is_floating_point() and each.dim() > 1}
    return sorted(str(dtype).removeprefix("torch.") for dtype in dtypes - {torch.float32})


def copied(model: nn.Module) -> nn.Module:
    """Return a copy that shares nothing with the network.

    Raises:
        ModelError: it cannot be copied, for example because it keeps outputs of an earlier run.

    Example:
        >>> network = nn.Linear(3, 2)
        >>> copied(network).weight is network.weight
        False
    """
    what = "the network cannot be copied (does it keep outputs of an earlier run?)"
    with foreign_code(ModelError, what), computed_weights_detached(model):
        return copy.deepcopy(model)


def check_fit(model: nn.Module, data: Data, loss: Loss = CROSS_ENTROPY) -> None:
    """Run the network in float32 on two images, and check all targets against its outputs.

    Raises:
        DataError: the network does not accept images of this shape, or targets do not fit its outputs.
        ModelError: the network does not return finite outputs that the loss accepts.

    Example:
        >>> check_fit(nn.Linear(3, 2), Data.from_tensors(torch.zeros(4, 3), torch.tensor([0, 1, 0, 1])))
        >>> check_fit(nn.Linear(3, 2), Data.from_tensors(torch.zeros(4, 3), torch.tensor([0, 1, 0, 2])))
        Traceback (most recent call last):
            ...
        qubo_dnn.errors.DataError: data: labels out of range: label 2, the network has 2 outputs
    """
    inputs, _ = next(data.batches(2))
    single = as_float32(model)
    what = f"{data.name}: the network does not take {data.described}"
    try:
        with inference(single), foreign_code(DataError, what):
            outputs = forward(single, inputs).cpu()
    except DataError as cause:
        if single is model:
            raise
        types = " and ".join(_other_types(model))
        raise ModelError(
            f"the network is {types} and does not run in float32 ({cause}): give it in float32, as by `.float()`, and "
            "without casts to other types in its forward"
        ) from cause
    loss.check(outputs, data.targets, data.name)
