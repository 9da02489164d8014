"""The backends of qubo-dnn, found by name through entry points, and `ParallelTemperingSampler` for Ocean code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qubo_backends.parallel_tempering import ParallelTemperingSampler

__all__ = ["ParallelTemperingSampler"]


def __getattr__(name: str) -> Any:
    """Import the sampler at its first use, because numba takes half a second to load."""
    if name == "ParallelTemperingSampler":
        from qubo_backends.parallel_tempering import ParallelTemperingSampler

        return ParallelTemperingSampler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
