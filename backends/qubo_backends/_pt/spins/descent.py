"""Descent by single flips."""

from __future__ import annotations

from qubo_backends._pt.spins.model import Couplings, Floats, flip
from qubo_backends._shared.jit import compiled, inner


@inner
def descend(couplings: Couplings, spins: Floats, fields: Floats, least: float) -> float:
    """Flip spins in order while one of them gains, in place; returns the change of the energy.

    Args:
        couplings: the model.
        spins: [n] of one state.
        fields: [n] its local fields, of the same float type.
        least: half of the least gain that counts, > 0.
    """
    change, improved = 0.0, True
    while improved:
        improved = False
        for i in range(spins.size):
            gain = spins[i] * fields[i]
            if gain > least:
                change -= 2.0 * gain
                flip(couplings, spins, fields, i)
                improved = True
    return change


@compiled
def descend_all(couplings: Couplings, states: Floats, fields: Floats, least: float) -> float:
    """Descend from every one of some states [k, n], see `descend`; returns the sum of the changes."""
    change = 0.0
    for k in range(states.shape[0]):
        change += descend(couplings, states[k], fields[k], least)
    return change
