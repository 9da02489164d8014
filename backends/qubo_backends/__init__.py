"""Backends of qubo-dnn, reached by name through entry points; `ParallelTemperingSampler` is for use in Ocean code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qubo_backends.parallel_tempering import ParallelTemperingSampler

__all__ = ["ParallelTemperingSampler"]


def __getattr__(name: str) -> Any:
    """Import the sampler when it is asked for: numba takes half a second."""
    if name == "ParallelTemperingSampler":
        from qubo_backends.parallel_tempering import ParallelTemperingSampler

        return ParallelTemperingSampler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
