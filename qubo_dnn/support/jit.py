"""Numba's compiler. It takes half a second to import, so modules with kernels are imported where they are needed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from numba import njit
from numba.core import event

F = TypeVar("F", bound=Callable[..., Any])

# Below `qubo_dnn.backend.PROGRESS`, which the command line shows.
_LOG = logging.getLogger("qubo_dnn.backend.kernels")
# Packages whose functions are kernels.
_OURS = ("qubo_dnn.", "qubo_backends.", "qubo_formulations.")


def compiled(function: F) -> F:
    """Compile on the first call, keep the machine code on disk, and let other threads run meanwhile.

    Example:
        >>> import colorsys
        >>> luminance, _, _ = compiled(colorsys.rgb_to_yiq)(1.0, 1.0, 1.0)
        >>> round(luminance, 6)
        1.0
    """
    # Nothing calls kernels from C, and the wrapper for that takes as long to compile as the one for Python.
    result: F = njit(cache=True, nogil=True, no_cfunc_wrapper=True)(function)
    return result


class KernelMissing(Exception):  # noqa: N818  # no error, and never seen by a caller
    """A kernel would have to be compiled inside `kernels_from_disk`.

    Example:
        >>> try:
        ...     raise KernelMissing
        ... except KernelMissing:
        ...     print("to be compiled")
        to be compiled
    """


class CompiledKernels(event.Listener):  # type: ignore[misc]
    """Notes which kernels are compiled rather than loaded from disk, and tells the user of the first one.

    Attributes:
        names: of every kernel that this process compiled.

    Example:
        >>> CompiledKernels().names
        []
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.policy = threading.local()
        self._told = False

    def on_start(self, event: event.Event) -> None:
        """See `numba.core.event.Listener`."""
        function = event.data["dispatcher"].py_func
        if not function.__module__.startswith(_OURS):
            return
        if not self._told:
            self._told = True
            _LOG.info(
                "compiling kernels, once on this machine: 5 to 30 seconds for each kind of model "
                "(`qubo-dnn compile-kernels` compiles all of them ahead of time)"
            )
        if getattr(self.policy, "refused", False):
            raise KernelMissing
        self.names.append(f"{function.__module__}.{function.__qualname__}")

    def on_end(self, event: event.Event) -> None:
        """See `numba.core.event.Listener`."""


COMPILED = CompiledKernels()
"""The kernels that this process has compiled."""
event.register("numba:compile", COMPILED)


@contextmanager
def kernels_from_disk() -> Iterator[None]:
    """Let this thread load kernels inside the block, but compile none, unless it is inside `compiling_here`.

    Raises:
        KernelMissing: one is not on disk.

    Example:
        >>> with kernels_from_disk():
        ...     print("nothing is compiled here")
        nothing is compiled here
    """
    COMPILED.policy.refused = not getattr(COMPILED.policy, "here", False)
    try:
        yield
    finally:
        COMPILED.policy.refused = False


@contextmanager
def compiling_here() -> Iterator[None]:
    """Let this thread compile all kernels that it lacks inside the block: compiling is what it is for.

    Example:
        >>> with compiling_here(), kernels_from_disk():
        ...     print("what is missing is compiled")
        what is missing is compiled
    """
    COMPILED.policy.here = True
    try:
        yield
    finally:
        COMPILED.policy.here = False
