"""Temperatures for parallel tempering, and the random states it starts from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt_kernels import Replicas, descend, sum_fields
from qubo_backends._pt_model import TemperingModel

_PROBES = 8
_MAX_DESCENT = 1000
# The least ratio of the hottest to the coldest temperature, for models so small that both criteria meet.
_LEAST_SPAN = 10.0


def random_replicas(model: TemperingModel, count: int, rng: np.random.Generator) -> Replicas:
    """`count` independent uniformly random states that choose exactly one variable of every group."""
    n, groups = model.linear.size, model.group_starts.size - 1
    sizes = np.diff(model.group_starts)
    choices = model.group_starts[:-1] + rng.integers(0, sizes, size=(count, groups))
    states = np.zeros((count, n), np.int8)
    states[:, model.free] = rng.integers(0, 2, size=(count, model.free.size))
    states[np.arange(count)[:, None], model.members[choices]] = 1
    return Replicas(
        states=states,
        fields=np.zeros((count, n)),
        energies=np.zeros(count),
        choices=choices,
        random=rng.integers(0, 2**64, size=count + 1, dtype=np.uint64),
        at=np.arange(count),
        best_state=states[0].copy(),
        best_energy=np.array([np.inf]),
        moves=np.zeros(count, np.int64),
        exchanges=np.zeros(count, np.int64),
    )


def polished(model: TemperingModel, state: NDArray[np.int8]) -> NDArray[np.int8]:
    """The local minimum that a descent from `state` reaches; never of higher energy."""
    replica = random_replicas(model, 1, np.random.default_rng(0))
    replica.states[0] = state
    replica.choices[0] = np.flatnonzero(state[model.members])
    descend(model, replica, _MAX_DESCENT)
    return replica.states.ravel()


def temperature_range(model: TemperingModel, rng: np.random.Generator) -> tuple[float, float]:
    """Coldest and hottest temperature, measured on the model itself and so in its unit, whatever that is.

    Hottest: half the root mean square change of energy that a move makes in random states, where two moves in
    three are then accepted; hotter replicas are costly and exchange nothing of use. Coldest: in the local minima
    that descents reach, all uphill moves of one sweep together are accepted once.
    """
    replicas = random_replicas(model, _PROBES, rng)
    sum_fields(model, replicas)
    changes = _changes(model, replicas)
    largest = float(np.abs(changes).max(initial=0.0))
    if largest == 0.0:
        return 1.0 / _LEAST_SPAN, 1.0
    # Scaled before squaring: coefficients may be near the limits of float64.
    hot = largest / 2 * float(np.sqrt(np.mean((changes[changes != 0] / largest) ** 2)))
    descend(model, replicas, _MAX_DESCENT)
    gaps = _changes(model, replicas)
    gaps = gaps[gaps > 1e-12 * largest]
    low, high = np.log(hot) - 50.0, np.log(hot / _LEAST_SPAN)
    for _ in range(40):
        middle = (low + high) / 2
        if np.exp(-gaps / np.exp(middle)).sum() > _PROBES:
            high = middle
        else:
            low = middle
    return float(np.exp(low)), hot


def _changes(model: TemperingModel, replicas: Replicas) -> NDArray[np.float64]:
    """Energy changes of all single moves of all replicas; a group's present choice counts as 0."""
    flips = (1 - 2 * replicas.states[:, model.free]) * replicas.fields[:, model.free]
    now = np.take_along_axis(replicas.fields, model.members[replicas.choices], axis=1)
    switches = replicas.fields[:, model.members] - np.repeat(now, np.diff(model.group_starts), axis=1)
    return np.concatenate([flips.ravel(), switches.ravel()])
