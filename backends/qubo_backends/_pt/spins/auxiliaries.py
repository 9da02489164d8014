"""Auxiliary variables that are minimised out: a search flips the others, and these always have their best values.

Quadratic models of products and of clauses have many variables that are coupled to no other of their kind, each to few
variables. With the others, s, given, such a variable a of the field `h_a = own_a + sum_j J_aj s_j` is worth `-|h_a|`.
What is left is a model of s alone, no longer quadratic. A single flip of it is a flip together with all that follows
from it, where the full model has a barrier: an auxiliary variable may not flip before the others do, nor these before
it.

Flipping s_j changes `-|h_a|` from `-|r + J_aj s_j|` to `-|r - J_aj s_j|`, where r is what h_a is without s_j. This is
what a field of `(|r - J_aj| - |r + J_aj|) / 2` on s_j would do, so that what searches by flips know, a field on every
spin, is kept here too, and kept exactly.

Source: the elimination of variables is that of the basic algorithm of Hammer, Rosenberg & Rudeanu 1963, see Boros &
Hammer 2002, "Pseudo-Boolean optimization"; products as minima over such variables are those of Ishikawa 2011.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_backends._shared.jit import inner
from qubo_backends._shared.struct import Struct


@dataclass(frozen=True, eq=False)
class Auxiliaries(Struct):
    """Couplings of A auxiliary spins with m others, from both sides, and the state of a search.

    Attributes:
        own: [A] fields of the model itself.
        starts: [A + 1] where the row of every auxiliary spin begins.
        others: [entries] int32, the spins coupled with it.
        weights: [entries] by how much.
        starts_of: [m + 1] where the row of every other spin begins.
        auxiliaries: [entries] int32, the auxiliary spins coupled with it.
        weights_of: [entries] by how much.
        fields: [A] of the auxiliary spins; changed in place.
    """

    own: NDArray[Any]
    starts: NDArray[np.int64]
    others: NDArray[np.int32]
    weights: NDArray[Any]
    starts_of: NDArray[np.int64]
    auxiliaries: NDArray[np.int32]
    weights_of: NDArray[Any]
    fields: NDArray[Any]


@inner
def _add_share(auxiliaries: Auxiliaries, spins: Any, fields: Any, a: int, factor: float) -> None:
    """Add `factor` times the fields that stand for one auxiliary spin to those of the spins coupled with it."""
    field, half = auxiliaries.fields[a], fields.dtype.type(0.5) * factor
    for k in range(auxiliaries.starts[a], auxiliaries.starts[a + 1]):
        j, weight = auxiliaries.others[k], auxiliaries.weights[k]
        rest = field - weight * spins[j]
        fields[j] += half * (abs(rest - weight) - abs(rest + weight))


@inner
def add_auxiliaries(auxiliaries: Auxiliaries, spins: Any, fields: Any) -> float:
    """Compute the fields of auxiliary spins, and add what stands for them to the others'; returns their energy."""
    energy = 0.0
    for a in range(auxiliaries.own.size):
        field = auxiliaries.own[a]
        for k in range(auxiliaries.starts[a], auxiliaries.starts[a + 1]):
            field += auxiliaries.weights[k] * spins[auxiliaries.others[k]]
        auxiliaries.fields[a] = field
        energy -= abs(float(field))
        _add_share(auxiliaries, spins, fields, a, fields.dtype.type(1.0))
    return energy


@inner
def follow_flip(auxiliaries: Auxiliaries, spins: Any, fields: Any, i: int) -> None:
    """Change all fields for a flip of spin i, which is still to be made."""
    one = fields.dtype.type(1.0)
    # Its own field does not depend on it.
    kept, twice = fields[i], spins[i] + spins[i]
    for k in range(auxiliaries.starts_of[i], auxiliaries.starts_of[i + 1]):
        a = auxiliaries.auxiliaries[k]
        _add_share(auxiliaries, spins, fields, a, -one)
        auxiliaries.fields[a] -= auxiliaries.weights_of[k] * twice
        _add_share(auxiliaries, spins, fields, a, one)
    fields[i] = kept
