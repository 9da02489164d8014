"""A compressed network as a module that can be trained further, and back.

Every compressed weight gets a `FakeQuantize` as a parametrization: an optimizer trains a latent weight, and the network
computes with the weight on its grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from qubo_dnn.compression.network.loading import copied
from qubo_dnn.compression.network.state_dicts import check_shapes, load_state_
from qubo_dnn.compression.quantization.fake_quantize import FakeQuantize, on_grids_of
from qubo_dnn.compression.quantization.quantize import Quantized, dequantize
from qubo_dnn.compression.user_code import foreign_code
from qubo_dnn.errors import ModelError

_FOREIGN = "the module is not one that to_qat of this compression has made"


class ZeroEntries(nn.Module):
    """Parametrization that keeps some entries of a vector zero.

    Args:
        places: indices of these entries.
        length: number of all entries.

    Example:
        >>> ZeroEntries([1], 3)(torch.ones(3)).tolist()
        [1.0, 0.0, 1.0]
    """

    zero: Tensor

    def __init__(self, places: Sequence[int], length: int) -> None:
        super().__init__()
        zero = torch.zeros(length, dtype=torch.bool)
        zero[list(places)] = True
        self.register_buffer("zero", zero)

    def forward(self, vector: Tensor) -> Tensor:
        """Return the vector with these entries set to zero."""
        return vector.masked_fill(self.zero, 0.0)


def to_qat(
    network: nn.Module, quantized: Mapping[str, Quantized], silent: Mapping[str, Sequence[int]] | None = None
) -> nn.Module:
    """Return a copy of a compressed network whose compressed weights are fake-quantized.

    Args:
        network: the compressed network; not changed.
        quantized: key of every compressed weight in its `state_dict` -> codes.
        silent: key of a bias, or of the weight of a norm -> entries that stay zero.

    Raises:
        ModelError: the network cannot be copied, or a compressed weight is part of a parametrization of several
            tensors.

    Example:
        >>> from qubo_dnn.compression.quantization.quantize import quantize
        >>> from qubo_dnn.compression.task.options import Option
        >>> network = nn.Sequential(nn.Linear(3, 2))
        >>> codes = quantize(network[0].weight, Option(2))
        >>> module = to_qat(network, {"0.weight": codes})
        >>> torch.equal(module[0].weight, dequantize(codes)), module[0].weight.requires_grad
        (True, True)
    """
    module = copied(network)
    for key, codes in quantized.items():
        _parametrize_(module, key, FakeQuantize(codes))
    for key, places in (silent or {}).items():
        _parametrize_(module, key, ZeroEntries(places, len(network.get_parameter(key))))
    return module


def from_qat(
    module: object,
    network: nn.Module,
    quantized: Mapping[str, Quantized],
    silent: Mapping[str, Sequence[int]] | None = None,
) -> tuple[nn.Module, dict[str, Quantized]]:
    """Return a plain network with the weights of a module that `to_qat` has made and somebody has trained.

    Args:
        module: the trained module; not changed.
        network: the compressed network, as `to_qat` was given it; not changed.
        quantized: likewise.
        silent: likewise.

    Returns:
        A copy of `network` with everything that was trained, and key of every compressed weight -> its new codes.

    Raises:
        ModelError: the module is not one of `to_qat` with these arguments, it has been converted to other number types,
            or a weight is not finite.

    Example:
        >>> from qubo_dnn.compression.quantization.quantize import quantize
        >>> from qubo_dnn.compression.task.options import Option
        >>> network = nn.Sequential(nn.Linear(3, 2))
        >>> codes = {"0.weight": quantize(network[0].weight, Option(2))}
        >>> module = to_qat(network, codes)
        >>> _ = module[0].bias.data.add_(1.0)
        >>> trained, codes = from_qat(module, network, codes)
        >>> torch.equal(trained[0].bias, network[0].bias + 1.0), type(trained[0])
        (True, <class 'torch.nn.modules.linear.Linear'>)
    """
    if not isinstance(module, nn.Module):
        raise ModelError(f"{_FOREIGN}: it is {type(module).__name__}, not a torch nn.Module")
    # A fresh one shows what the module has to look like, and takes over its state.
    fresh = to_qat(network, quantized, silent)
    _check_state(module.state_dict(), fresh)
    load_state_(fresh, module.state_dict())
    plain = copied(network)
    codes = {key: on_grids_of(each, _latent(fresh, key), key) for key, each in quantized.items()}
    values = {key: dequantize(each) for key, each in codes.items()}
    values |= {key: _computed(fresh, key) for key in silent or {}}
    _uninsert_(fresh)
    state = fresh.state_dict()
    # Of shared tensors, the state_dict has several names; the values above are given by the first one.
    names = {id(tensor): key for key, tensor in _tensors(plain).items() if key in values}
    with torch.no_grad():
        for key, tensor in _tensors(plain).items():
            tensor.copy_(values[names[id(tensor)]] if id(tensor) in names else state[key])
    return plain, codes


def _parametrize_(model: nn.Module, key: str, step: nn.Module) -> None:
    """Register a parametrization for a parameter, in every module that owns it."""
    target = model.get_parameter(key)
    owners = [
        (module, name) for module in model.modules() for name, each in module._parameters.items() if each is target
    ]
    step.to(target.device)
    for module, name in owners:
        if isinstance(module, parametrize.ParametrizationList):
            # The user's parametrization computes with the weight on the grid.
            if not module.is_tensor:
                raise ModelError(f"the weight {key!r} cannot be trained: its parametrization has several tensors")
            module.insert(0, step)
            continue
        with foreign_code(ModelError, f"the weight {key!r} cannot be trained"):
            parametrize.register_parametrization(module, name, step)
        if isinstance(module, nn.RNNBase):
            _compute_flat_weights_(module)
        if isinstance(module, nn.Embedding | nn.EmbeddingBag):
            # Sparse gradients do not pass through a parametrization.
            module.sparse = False


def _uninsert_(model: nn.Module) -> None:
    """Take the steps before the user's parametrizations out again, so that the latter have their names."""
    for module in model.modules():
        if isinstance(module, parametrize.ParametrizationList) and len(module) > 1:
            steps: nn.ModuleList = module
            if isinstance(steps[0], FakeQuantize):
                del steps[0]


def _compute_flat_weights_(module: nn.RNNBase) -> None:
    """Let a recurrent layer compute the list of its weights when it is read.

    It would otherwise keep the weights that it computed in its last call, and could not be copied.
    """
    vars(module).pop("_flat_weights", None)
    kind: Any = type(module)  # registering a parametrization has made a class for this module alone
    kind._flat_weights = property(
        lambda self: [getattr(self, name, None) for name in self._flat_weights_names], lambda *_: None
    )


def _parametrizations(model: nn.Module, key: str) -> Any:
    """Return the list of parametrizations of a parameter, which holds its latent values."""
    where, _, name = key.rpartition(".")
    module: Any = model.get_submodule(where)
    return module if isinstance(module, parametrize.ParametrizationList) else module.parametrizations[name]


def _latent(model: nn.Module, key: str) -> Tensor:
    latent: Tensor = _parametrizations(model, key).original.detach()
    return latent


def _computed(model: nn.Module, key: str) -> Tensor:
    computed: Tensor = _parametrizations(model, key)().detach()
    return computed


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers of the `state_dict`, themselves, shared ones under all names."""
    return {key: each for key, each in model.state_dict(keep_vars=True).items() if isinstance(each, Tensor)}


def _check_state(given: Mapping[str, Any], fresh: nn.Module) -> None:
    """Refuse a state that is not that of a module which `to_qat` has made for the same compression."""
    expected = _tensors(fresh)
    tensors = {key: each for key, each in given.items() if isinstance(each, Tensor)}
    check_shapes(fresh, {key: tuple(each.shape) for key, each in tensors.items()}, _FOREIGN)
    for key, each in tensors.items():
        dtype = expected[key].dtype
        if each.dtype != dtype:
            now, then = (str(kind).removeprefix("torch.") for kind in (each.dtype, dtype))
            raise ModelError(f"the module has been converted: {key!r} is {now}, not {then}; use autocast instead")
    for name, step in fresh.named_modules():
        if isinstance(step, FakeQuantize | ZeroEntries):
            for key, own in step.state_dict(prefix=f"{name}.").items():
                if not torch.equal(own.cpu(), tensors[key].cpu()):
                    raise ModelError(f"{_FOREIGN}: {key!r} is that of another plan")
