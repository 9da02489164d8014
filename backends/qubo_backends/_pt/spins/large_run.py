"""A run of `pt` on a `SparseModel`: anneals one replica per thread, see `qubo_backends._pt.spins.annealing_engine`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from qubo_backends._pt.drive import Progress, drive, report
from qubo_backends._pt.elite import Elite
from qubo_backends._pt.spins.annealing_engine import FIRST_SWEEPS, AnnealingEngine
from qubo_backends._pt.spins.large_model import large_model_bytes, large_spin_model
from qubo_backends._pt.spins.model import SpinModel
from qubo_backends._pt.sweep_limit import SweepLimit
from qubo_backends._shared import sampling
from qubo_dnn.backend import PROGRESS
from qubo_dnn.errors import OptionError, UnsupportedProblemError
from qubo_dnn.sparse_model import SparseModel, SparseSamples
from qubo_dnn.support.memory import available_bytes

if TYPE_CHECKING:
    from qubo_backends.parallel_tempering import ParallelTemperingOptions

_LOG = logging.getLogger(f"{PROGRESS}.pt")
# Without a limit a run anneals twice: in the first number of sweeps, and in twice as many.
_USUAL_SWEEPS = 3 * FIRST_SWEEPS


def sample_large(
    model: SparseModel, options: ParallelTemperingOptions, progress: Callable[[Progress], object] | None
) -> SparseSamples:
    """Draw samples; see `qubo_dnn.backend.SparseBackend`.

    `info["memory"]` has the estimated bytes beside the model, and those that were available.

    Raises:
        OptionError: an option of a ladder is given.
        UnsupportedProblemError: the run would need more memory than is available.
    """
    for name in ("num_replicas", "initial_states"):
        if getattr(options, name) is not None:
            raise OptionError(f"backend 'pt': {name} does not apply to a model without labels, which is annealed")
    needed, free = large_model_bytes(model.num_variables, model.num_interactions, options.threads), available_bytes()
    if needed > free:
        raise UnsupportedProblemError(
            f"backend 'pt' needs about {needed / 2**30:.1f} GiB for {model.num_variables:,} variables, "
            f"{model.num_interactions:,} couplings and {options.threads} threads, and {free / 2**30:.1f} GiB are free"
        )
    seed, count = sampling.drawn_seed(options), options.num_reads or 1
    with sampling.InterruptGuard(options.time_limit) as watch:
        with watch.stopped():
            _compile(type(options))
        _LOG.debug("pt: arranges %d couplings by their variables", model.num_interactions)
        spins, offset = large_spin_model(model)
        _LOG.debug("pt: measures temperatures")
        engines = _engines(spins, offset, seed, options)
        unit = spins.unit
        del spins
        usual = np.inf if options.time_limit is not None else _USUAL_SWEEPS
        limit = SweepLimit.exactly(options.num_sweeps or usual)
        course = drive(engines, limit, watch, lambda energy: energy * unit + offset, progress)
        elite = Elite(count)
        for engine in engines:
            engine.settle()
            elite.merge(engine.elite)
    states = np.array(elite.states, np.int8)[np.arange(count) % len(elite.states)]
    if model.vartype == "SPIN":
        states += states - np.int8(1)
    info = {
        "seed": seed,
        **report(engines, watch, unit),
        "memory": {"estimated_bytes": needed, "available_bytes": free},
        "trace": course,
    }
    return SparseSamples(states, model.energies(states), info)


def _engines(spins: SpinModel, offset: float, seed: int, options: ParallelTemperingOptions) -> list[AnnealingEngine]:
    """Return one engine per thread, in float32 unless the coldest temperature asks for more."""
    asked = options.temperature_range
    target = -np.inf
    if options.target_energy is not None:
        target = (options.target_energy - offset) / spins.unit
        # As near as sums of the caller's coefficients are.
        target += 1e-9 * max(abs(target), spins.largest_field)

    def made(dtype: type[np.floating[Any]]) -> list[AnnealingEngine]:
        couplings = spins.kernel_couplings(dtype, dtype)
        return [
            AnnealingEngine(
                couplings,
                spins.least_gain,
                np.random.default_rng(sequence),
                None if asked is None else (asked[0] / spins.unit, asked[1] / spins.unit),
                options.num_reads or 1,
                target,
                options.num_sweeps or FIRST_SWEEPS,
            )
            for sequence in np.random.SeedSequence(seed).spawn(options.threads)
        ]

    engines = made(np.float32)
    precise = spins.precision(min(engine.temperatures[0] for engine in engines))
    return engines if precise is np.float32 else made(precise)


@cache
def _compile(kind: type[ParallelTemperingOptions]) -> None:
    """Compile the kernels, or load them from disk."""
    watch = sampling.InterruptGuard(None)
    for bias in (1.0, 0.1):  # the latter is no number of single precision
        pair = np.array([0], np.int32), np.array([1], np.int32)
        spins, offset = large_spin_model(SparseModel(np.zeros(2), *pair, np.array([bias]), 0.0, "SPIN"))
        drive(_engines(spins, offset, 0, kind()), SweepLimit.exactly(1), watch, float, None)
