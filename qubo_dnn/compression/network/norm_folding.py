"""Fold weight norm and spectral norm: replace the tensors that a weight is computed from by the weight itself."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.utils import parametrizations, parametrize
from torch.nn.utils.spectral_norm import SpectralNorm, remove_spectral_norm
from torch.nn.utils.weight_norm import WeightNorm, remove_weight_norm

from qubo_dnn.compression.network.inference import eval_mode

_NEW = {parametrizations._WeightNorm: "weight norm", parametrizations._SpectralNorm: "spectral norm"}
# Both have an older form, which computes the weight in a hook before every call.
_OLD: dict[type, tuple[str, Any]] = {
    WeightNorm: ("weight norm", remove_weight_norm),
    SpectralNorm: ("spectral norm", remove_spectral_norm),
}


def normed_weights(model: nn.Module) -> dict[str, str]:
    """Return key of the weight -> "weight norm" or "spectral norm", for every weight that can be folded.

    Example:
        >>> normed_weights(nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 2))))
        {'0.weight': 'weight norm'}
    """
    return {f"{where}.{name}" if where else name: kind for where, _, name, kind, _ in _found(model)}


def fold_norms_(model: nn.Module) -> None:
    """Fold all weight norms and spectral norms, in place; the outputs in eval mode stay the same.

    Example:
        >>> network = nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 2)))
        >>> fold_norms_(network)
        >>> sorted(network.state_dict())
        ['0.bias', '0.weight']
    """
    # In train mode, spectral norm changes its weight whenever it is read.
    with eval_mode(model), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        for _, module, name, _, remove in list(_found(model)):
            if remove is None:
                _unparametrize(module, name)
            else:
                remove(module, name)


@contextmanager
def computed_weights_detached(model: nn.Module) -> Iterator[None]:
    """Take the weights that the older forms computed out of their autograd graph, so that a network can be copied.

    Example:
        >>> import copy
        >>> with warnings.catch_warnings(action="ignore"):
        ...     network = nn.utils.weight_norm(nn.Linear(3, 2))
        >>> with computed_weights_detached(network):
        ...     copy.deepcopy(network).weight.shape
        torch.Size([2, 3])
    """
    places = [(module, name) for _, module, name, _, remove in _found(model) if remove is not None]
    kept = [(module, name, vars(module)[name]) for module, name in places if name in vars(module)]
    for module, name, weight in kept:
        vars(module)[name] = weight.detach()
    try:
        yield
    finally:
        for module, name, weight in kept:
            vars(module)[name] = weight


def _unparametrize(module: nn.Module, name: str) -> None:
    """Replace a parametrization by its result.

    Unlike `remove_parametrizations`, do not change the class of the module, which its copies share.
    """
    parts: Any = module.parametrizations
    weight = nn.Parameter(
        getattr(module, name).detach().clone(), requires_grad=any(each.requires_grad for each in parts.parameters())
    )
    del parts[name]
    if not len(parts):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    module._parameters[name] = weight


def _found(model: nn.Module) -> Iterator[tuple[str, nn.Module, str, str, Any]]:
    """Generate name of the module, module, name of its weight, kind, and the function that folds the older form."""
    for where, module in model.named_modules():
        steps: dict[str, Any] = dict(module.parametrizations.items()) if parametrize.is_parametrized(module) else {}
        # The class of the module gets its ordinary weights back all at once.
        if all(len(each) == 1 and type(each[0]) in _NEW for each in steps.values()):
            for name, each in steps.items():
                yield where, module, name, _NEW[type(each[0])], None
        for hook in module._forward_pre_hooks.values():
            if found := _OLD.get(type(hook)):
                yield where, module, hook.name, found[0], found[1]
