"""Temporary hooks on the modules of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

Hook = Callable[..., Any]
"""Called with (module, positional arguments, keyword arguments, output); a returned output replaces `output`."""


@contextmanager
def forward_hooks(
    hooks: Iterable[tuple[nn.Module, Hook]], *, first: bool = True, always: bool = False
) -> Iterator[None]:
    """Call a hook after every forward pass of its module, until the block ends.

    Args:
        hooks: module and hook, registered in this order.
        first: call the hook before all other hooks, which may change the output; otherwise after them.
        always: call the hook even if the forward pass raises an exception.

    Example:
        >>> import torch
        >>> layer = nn.Linear(3, 2)
        >>> with forward_hooks([(layer, lambda module, args, kwargs, output: print(tuple(output.shape)))]):
        ...     _ = layer(torch.zeros(5, 3))
        (5, 2)
    """
    with _attached(
        module.register_forward_hook(hook, prepend=first, with_kwargs=True, always_call=always)
        for module, hook in hooks
    ):
        yield


@contextmanager
def forward_pre_hooks(hooks: Iterable[tuple[nn.Module, Callable[..., None]]]) -> Iterator[None]:
    """Call a hook with (module, arguments) before every forward pass of its module, after all other hooks.

    Example:
        >>> import torch
        >>> layer = nn.Linear(3, 2)
        >>> with forward_pre_hooks([(layer, lambda module, args: print(tuple(args[0].shape)))]):
        ...     _ = layer(torch.zeros(5, 3))
        (5, 3)
    """
    with _attached(module.register_forward_pre_hook(hook) for module, hook in hooks):
        yield


@contextmanager
def replacing_inputs(
    changes: Iterable[tuple[nn.Module, Callable[[Tensor], Tensor]]], *, first: bool = False
) -> Iterator[None]:
    """Replace the first argument of every forward pass of a module by a function of it, until the block ends.

    Args:
        changes: module and function.
        first: replace it before all other hooks, which may change it; otherwise after them.

    Example:
        >>> import torch
        >>> with replacing_inputs([(layer := nn.ReLU(), lambda x: -x)]):
        ...     layer(torch.tensor([-1.0])).item()
        1.0
    """

    def hook(change: Callable[[Tensor], Tensor]) -> Callable[..., Any]:
        def replace(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if args:
                return (change(args[0]), *args[1:]), kwargs
            name, given = next(iter(kwargs.items()))
            return args, kwargs | {name: change(given)}

        return replace

    with _attached(
        module.register_forward_pre_hook(hook(change), prepend=first, with_kwargs=True) for module, change in changes
    ):
        yield


@contextmanager
def _attached(handles: Iterable[RemovableHandle]) -> Iterator[None]:
    attached: list[RemovableHandle] = []
    try:
        attached.extend(handles)
        yield
    finally:
        for handle in attached:
            handle.remove()
