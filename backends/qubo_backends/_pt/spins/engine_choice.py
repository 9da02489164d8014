"""The kernels that fit a spin model, compiled before any clock runs, and how long they run by default."""

from __future__ import annotations

from functools import cache

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.spins.dense import DenseEngine
from qubo_backends._pt.spins.engine import SpinEngine
from qubo_backends._pt.spins.model import SpinModel, spin_model
from qubo_backends._pt.spins.simd import LANES
from qubo_backends._pt.spins.sparse_engine import SparseEngine
from qubo_backends._pt.spins.temperatures import temperature_range
from qubo_backends._pt.sweep_limit import SweepLimit
from qubo_backends._shared import sampling

# From this mean number of neighbours on, the dense kernel sweeps sparse rows too, one replica after the other.
_DENSE_DEGREE = 256
# Work is counted in moves offered, times what they cost: one core does some 1e9 a second of a sparse model.
# Most work of a default run, some four to ten seconds; the first sweeps of a large model may cost more. Within it a run
# gets the second number of sweeps in any case.
_MOST_WORK, _LEAST_SWEEPS = 4e9, (20, 1000)
# Within this work it gets as many sweeps as the number of spins asks for, and more on tiny models.
_USUAL_WORK, _QUICK_SWEEPS, _SWEEPS_PER_SPIN = 1e9, 10_000, 100
# Of a tiny model, every replica has then seen all states so many times.
_VISITS = 64
# On dense models a move costs so many times as much, with the searches between sweeps.
_DENSE_COST = 8


def choose_engine(
    model: SpinModel,
    rng: np.random.Generator,
    watch: sampling.InterruptGuard,
    *,
    replicas: int,
    temperatures: tuple[float, float] | None,
    keep: int,
    states: NDArray[np.int8] | None,
    joining: bool,
    target: float,
) -> SpinEngine:
    """One ladder, on the kernel that fits the model.

    Args:
        model: to be sampled.
        rng: of every random choice.
        watch: stands still while kernels are compiled.
        replicas: temperatures; the sparse kernel takes the next multiple of 32.
        temperatures: coldest and hottest in the caller's unit, or None to measure them.
        keep: size of the elite.
        states: [k, n] of 0 and 1 to start from, or None for random ones.
        joining: whether these join random ones, see `SpinEngine`.
        target: energy at which to stop, in the caller's unit and without the offset.
    """
    if temperatures is None:
        coldest, hottest = temperature_range(model, rng)
    else:
        coldest, hottest = (each / model.unit for each in temperatures)
    dense = is_dense(model)
    kind: type[DenseEngine] | type[SparseEngine] = DenseEngine if dense else SparseEngine
    dtype = model.precision(coldest)
    # As near as sums of the caller's coefficients are.
    slack = 1e-9 * max(abs(target / model.unit), model.largest_field) if np.isfinite(target) else 0.0
    engine = kind(
        model,
        dtype,
        rng,
        temperatures=(coldest, hottest),
        adapts=temperatures is None,
        replicas=replicas if dense else -(-replicas // LANES) * LANES,
        keep=keep,
        states=None if states is None else 2 * states - 1,
        joining=joining,
        target=target / model.unit + slack,
    )
    with watch.stopped():
        engine.compile()
    return engine


def default_spin_limit(model: SpinModel, replicas: int) -> SweepLimit:
    """Return the limit of sweeps where nothing else ends the run; it never depends on the speed of the machine."""
    # About one move in ten is made, and costs a row.
    per_sweep = replicas * model.n * (1.0 + model.degree / 40.0)
    least = np.clip(_MOST_WORK / per_sweep, *_LEAST_SWEEPS)
    if is_dense(model):
        per_sweep *= _DENSE_COST
    enough = min(max(_QUICK_SWEEPS, _SWEEPS_PER_SPIN * model.n), _VISITS * 2.0 ** min(model.n, 1000))
    usual = min(_USUAL_WORK / per_sweep, enough)
    return SweepLimit.default(max(least, usual), _MOST_WORK / per_sweep)


def is_dense(model: SpinModel) -> bool:
    """Return whether the dense kernel sweeps the model."""
    return model.dense or model.degree >= _DENSE_DEGREE


@cache
def compile_model_reading() -> None:
    """Compile the functions that read models and measure temperatures, or load them from disk."""
    temperature_range(spin_model(dimod.BinaryQuadraticModel.from_ising({}, {(0, 1): 1.0})), np.random.default_rng(0))
