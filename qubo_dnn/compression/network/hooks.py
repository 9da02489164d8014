"""Hooks on modules for as long as a network runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle

Hook = Callable[..., Any]
"""Called with (module, positional arguments, keyword arguments, output); an output that it returns takes its place."""


@contextmanager
def forward_hooks(
    hooks: Iterable[tuple[nn.Module, Hook]], *, first: bool = True, always: bool = False
) -> Iterator[None]:
    """Call a hook after every forward pass of its module, until the block ends.

    Args:
        hooks: module and hook, registered in this order.
        first: call it before the hooks of others, which may change the output; otherwise after them.
        always: call it even where the forward pass raises an exception.
    """
    with _attached(
        module.register_forward_hook(hook, prepend=first, with_kwargs=True, always_call=always)
        for module, hook in hooks
    ):
        yield


@contextmanager
def forward_pre_hooks(hooks: Iterable[tuple[nn.Module, Callable[..., None]]]) -> Iterator[None]:
    """Call a hook with (module, arguments) before every forward pass of its module, after the hooks of others."""
    with _attached(module.register_forward_pre_hook(hook) for module, hook in hooks):
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
