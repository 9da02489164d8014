"""Leap's hybrid solver of binary quadratic models."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import Any, ClassVar

import dimod
import numpy as np

from qubo_backends._shared import leap, ocean, sampling
from qubo_dnn.backend import Backend, Capabilities, SolveOptions, check_model
from qubo_dnn.errors import UnsupportedProblemError

# Times reported by the service, in microseconds.
_TIMES = ("run_time", "charge_time", "qpu_access_time")


class HybridOptions(leap.ServiceOptions):
    """Options of the hybrid backends.

    The service always works for at least its minimum time for the problem (a few seconds), whatever the time limit. One
    call returns one sample; several samples take consecutive calls within the time limit.

    Example:
        >>> HybridOptions(num_reads=2, time_limit=20.0).queue_limit
        600.0
    """


class DwaveHybridBackend(leap.LeapBackend):
    """Leap's hybrid BQM solver; `dwave-hybrid:NAME` selects one by name.

    Example:
        >>> backend = DwaveHybridBackend()
        >>> backend.name, backend.capabilities.remote
        ('dwave-hybrid', True)
    """

    name: ClassVar[str] = "dwave-hybrid"
    summary: ClassVar[str] = "Leap's hybrid solver of binary quadratic models (needs an API token)"
    options_type: ClassVar[type[SolveOptions]] = HybridOptions
    kind = "LeapHybridSampler"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(seeded=False, remote=True)

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Draw samples; see `qubo_dnn.backend.Backend.sample`."""
        options = sampling.typed_options(self, options, HybridOptions)
        check_model(self, bqm)
        order = sampling.natural_order(bqm)
        with sampling.InterruptGuard(options.time_limit) as watch:
            if not order:
                return sampling.answer(bqm, order, np.empty((options.num_reads or 1, 0)), {"interrupted": False})
            with leap.connected(self.kind, self.variant, options) as sampler:
                model = sampling.indexed(bqm, dimod.BINARY)
                check_limits(self, sampler, {"variables": len(order), "biases": len(order) + model.num_interactions})
                least = float(sampler.min_time_limit(model))
                with model.to_file(version=2, ignore_labels=True) as file:
                    upload = sampler.solver.upload_bqm(file)
                    found, info = call_solver(sampler, sampler.solver.sample_bqm, upload, least, options, watch)
        rows = np.concatenate([ocean.columns(each.truncate(1)) for each in found])
        return sampling.answer(bqm, order, rows > 0, info | watch.told())


def check_limits(backend: Backend, sampler: Any, sizes: dict[str, int]) -> None:
    """Refuse a problem that exceeds the limits of the solver.

    Args:
        backend: the backend, for messages.
        sampler: sampler of dwave-system with properties `maximum_number_of_...`.
        sizes: counted quantity -> its number in the problem.

    Raises:
        UnsupportedProblemError: a limit is exceeded; the message names limit and size.

    Example:
        >>> from types import SimpleNamespace
        >>> solver = SimpleNamespace(name="hybrid")
        >>> sampler = SimpleNamespace(solver=solver, properties={"maximum_number_of_variables": 100})
        >>> check_limits(DwaveHybridBackend(), sampler, {"variables": 50})
    """
    for what, size in sizes.items():
        limit = sampler.properties.get(f"maximum_number_of_{what}")
        if limit is not None and size > limit:
            raise UnsupportedProblemError(
                f"backend {backend.name!r}: {sampler.solver.name} takes at most {limit:,} {what.replace('_', ' ')}, "
                f"the problem has {size:,}"
            )


def call_solver(
    sampler: Any,
    submit: Callable[..., Any],
    upload: concurrent.futures.Future[str],
    least: float,
    options: HybridOptions,
    watch: sampling.InterruptGuard,
) -> tuple[list[dimod.SampleSet], dict[str, Any]]:
    """Call a hybrid solver once per read within the time limit, at least once.

    Args:
        sampler: sampler of dwave-system.
        submit: method of its solver that takes the id of the uploaded problem.
        upload: future of that id.
        least: least time of the solver per call, in seconds.
        options: options of the run.
        watch: an entered guard.

    Returns:
        One sample set per call, and the entries to report.

    Example:
        >>> def samples(sampler: Any, upload: Any, options: HybridOptions) -> list[dimod.SampleSet]:
        ...     with sampling.InterruptGuard(options.time_limit) as watch:
        ...         return call_solver(sampler, sampler.solver.sample_bqm, upload, 3.0, options, watch)[0]
    """
    reads = options.num_reads or 1
    seconds = least if options.time_limit is None else max(least, options.time_limit / reads)
    problem = leap.uploaded(sampler, upload, watch, watch.seconds + options.queue_limit)
    parameters = {} if options.label is None else {"label": options.label}
    found: list[dimod.SampleSet] = []
    while len(found) < reads and not (found and watch.over):
        future = submit(problem, time_limit=seconds, **parameters)
        try:
            found += leap.answered(sampler, [future], watch, watch.seconds + seconds + options.queue_limit)
        except KeyboardInterrupt:
            if not found:
                raise
    info = {
        "solver": sampler.solver.name,
        "time_limit": seconds,
        "timing": [{name: each.info.get(name) for name in _TIMES} for each in found],
    }
    return found, info
