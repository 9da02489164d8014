"""Random instances, the same for the same seed on every machine."""

from __future__ import annotations

import math

import dimod
import numpy as np
from numpy.typing import NDArray

from bench.solvers.instance import max_cut, model
from qubo_dnn.errors import OptionError

Edges = tuple[NDArray[np.int64], NDArray[np.int64]]

# Lehmer's generator as Palubeckis has it.
_MULTIPLIER, _MODULUS = 16807, 2**31 - 1


def regular_edges(n: int, degree: int, seed: int) -> Edges:
    """Edges of a random graph in which every node has `degree` neighbours, nearly uniformly drawn.

    Stubs are paired at random; pairs that are loops or there twice are paired anew with as many others.

    Args:
        n: nodes, more than `degree`.
        degree: with `n * degree` even.
        seed: any.

    Raises:
        OptionError: there is no such graph.
    """
    if not 0 < degree < n or n * degree % 2:
        raise OptionError(f"no graph of {n} nodes has {degree} edges at each")
    rng = np.random.default_rng(seed)
    pairs = rng.permutation(np.repeat(np.arange(n), degree)).reshape(-1, 2)
    while True:
        pairs.sort(axis=1)
        key = pairs[:, 0] * n + pairs[:, 1]
        order = np.argsort(key, kind="stable")
        bad = pairs[:, 0] == pairs[:, 1]
        bad[order[1:]] |= key[order[1:]] == key[order[:-1]]
        if not bad.any():
            return pairs[:, 0], pairs[:, 1]
        bad[rng.integers(len(pairs), size=int(bad.sum()) + 2)] = True
        pairs[bad] = rng.permutation(pairs[bad].ravel()).reshape(-1, 2)


def random_edges(n: int, edges: int, seed: int) -> Edges:
    """`edges` different pairs of `n` nodes."""
    places = np.random.default_rng(seed).choice(n * (n - 1) // 2, edges, replace=False)
    # Pair number t is (row, column), row > column, in a lower triangle read row by row.
    row = np.floor((1 + np.sqrt(1 + 8 * places.astype(float))) / 2).astype(np.int64)
    row -= row * (row - 1) // 2 > places
    row += (row + 1) * row // 2 <= places
    return row, places - row * (row - 1) // 2


def toroidal_edges(*sizes: int) -> Edges:
    """Edges of a square or cubic lattice that closes on itself all ways; every size is at least 3."""
    place = np.arange(math.prod(sizes)).reshape(sizes)
    # To the right first, then below.
    further = [np.roll(place, -1, axis=axis).ravel() for axis in reversed(range(len(sizes)))]
    return np.tile(place.ravel(), len(sizes)), np.concatenate(further)


def planar_union_edges(n: int, seed: int) -> Edges:
    """Edges of two random planar graphs over the same nodes, as in rudy's `-planar ... +`.

    Each is the Delaunay triangulation of random points, numbered at random.
    """
    from scipy.spatial import Delaunay

    rng = np.random.default_rng(seed)
    keys = []
    for _ in range(2):
        corners = Delaunay(rng.random((n, 2))).simplices
        pairs = rng.permutation(n)[np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [0, 2]]])]
        pairs.sort(axis=1)
        keys.append(pairs[:, 0] * n + pairs[:, 1])
    both = np.unique(np.concatenate(keys))
    return both // n, both % n


def weighted(n: int, edges: Edges, signs_seed: int | None = None) -> dimod.BinaryQuadraticModel:
    """Max-cut with weights 1, or -1 and 1 drawn at random."""
    count = len(edges[0])
    signs = np.ones(count) if signs_seed is None else np.random.default_rng(signs_seed).choice([-1.0, 1.0], count)
    return max_cut(n, *edges, signs)


def gaussian(n: int, edges: Edges, seed: int) -> dimod.BinaryQuadraticModel:
    """Max-cut with weights from a normal distribution, in hundred-thousandths, as in the DIMACS torus set."""
    return max_cut(n, *edges, np.rint(1e5 * np.random.default_rng(seed).standard_normal(len(edges[0]))))


def sherrington_kirkpatrick(n: int, seed: int) -> dimod.BinaryQuadraticModel:
    """All pairs of n spins coupled by -1 or 1."""
    signs = np.random.default_rng(seed).integers(0, 2, (n, n), np.int8)
    # Small entries: with two indices of every pair, 20,000 spins would not fit into memory.
    return dimod.BinaryQuadraticModel(np.triu(2 * signs - 1, 1).astype(np.float32), dimod.SPIN)


def palubeckis(n: int, density: int, seed: int) -> dimod.BinaryQuadraticModel:
    """Minus the objective of Palubeckis' maximisation problems, for instance p3000_1 = (3000, 50, 31000).

    Entries are whole numbers from -100 to 100; off the diagonal they count twice.

    Args:
        n: variables.
        density: of the entries off the diagonal, in percent.
        seed: state of the generator, 1 to 2^31 - 2.

    Source: Palubeckis 2004, "Multistart tabu search strategies for the unconstrained binary quadratic optimization
    problem", Annals of Operations Research 131.
    """
    state, linear = seed, np.empty(n)
    rows: list[int] = []
    columns: list[int] = []
    entries: list[int] = []
    for i in range(n):
        state = state * _MULTIPLIER % _MODULUS
        linear[i] = _entry(state)
        for j in range(i + 1, n):
            state = state * _MULTIPLIER % _MODULUS
            if 100 * state <= density * 2**31:
                state = state * _MULTIPLIER % _MODULUS
                rows.append(i)
                columns.append(j)
                entries.append(_entry(state))
    return model(dimod.BINARY, -linear, rows, columns, -2.0 * np.array(entries, float))


def _entry(state: int) -> int:
    return 201 * state // 2**31 - 100
