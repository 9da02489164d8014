"""Models whose least energy is known by construction: planted states, and trees, whose variables are eliminated."""

from __future__ import annotations

import math
from itertools import combinations, product

import dimod
import numpy as np
from numpy.typing import NDArray

from bench.solvers.instance import max_cut, model
from qubo_formulations.max_sat import MaxSat

Known = tuple[dimod.BinaryQuadraticModel, float]
"""A model and its least energy."""

# Corners of a square and of a cube, and the pairs of them that an edge joins.
_SQUARE = np.array(list(product((0, 1), repeat=2)))
_CUBE = np.array(list(product((0, 1), repeat=3)))


def tiles(sizes: tuple[int, ...], largest: int, seed: int) -> Known:
    """A square or cubic lattice, closed in all directions, made of cells that share corners but no edges.

    Each cell has random couplings, regauged so that its own ground state is part of the planted state, which therefore
    is a ground state of the whole.

    Args:
        sizes: (height, width), or (depth, height, width); even, at least 4.
        largest: couplings are -largest, ..., -1, 1, ..., largest.
        seed: of couplings and planted state.

    Source: Hamze et al. 2018, "From near to eternity: spin-glass planting, tiling puzzles, and constraint-satisfaction
    problems".
    """
    corners = _SQUARE if len(sizes) == 2 else _CUBE
    edges = np.array([pair for pair in combinations(range(len(corners)), 2) if _apart(*corners[list(pair)]) == 1])
    rng = np.random.default_rng(seed)
    # All even or all odd: every edge of the lattice belongs to one of these cells.
    cells = [place for place in product(*map(range, sizes)) if len({part % 2 for part in place}) == 1]
    planted = rng.choice([-1.0, 1.0], math.prod(sizes))
    states = np.array(list(product((-1.0, 1.0), repeat=len(corners))))
    rows, columns, weights, energy = [], [], [], 0.0
    for cell in cells:
        nodes = np.ravel_multi_index(tuple(((corners + cell) % sizes).T), sizes)
        own = rng.integers(1, largest + 1, len(edges)) * rng.choice([-1.0, 1.0], len(edges))
        energies = (states[:, edges[:, 0]] * states[:, edges[:, 1]]) @ own
        best = states[int(np.argmin(energies))]
        # The cell's ground state becomes the planted one.
        turned = best * planted[nodes]
        rows.append(nodes[edges[:, 0]])
        columns.append(nodes[edges[:, 1]])
        weights.append(own * turned[edges[:, 0]] * turned[edges[:, 1]])
        energy += float(energies.min())
    arrays = (np.concatenate(rows), np.concatenate(columns), np.concatenate(weights))
    return model(dimod.SPIN, np.zeros(len(planted)), *arrays), energy


def _apart(one: NDArray[np.int64], other: NDArray[np.int64]) -> int:
    return int(np.abs(one - other).sum())


def as_max_cut(known: Known) -> tuple[dimod.BinaryQuadraticModel, float]:
    """A SPIN model without fields as maximum cut, with the weight of the largest cut."""
    bqm, energy = known
    _, (rows, columns, weights), _ = bqm.to_numpy_vectors(variable_order=range(len(bqm)))
    # A cut edge has lowered the energy by twice its weight.
    return max_cut(len(bqm), rows, columns, weights), (float(weights.sum()) - energy) / 2.0


def wishart(n: int, columns: int, seed: int) -> Known:
    """Dense couplings `W W^T` of a random W whose columns are orthogonal to the planted state.

    Args:
        n: spins.
        columns: of W; few make hard instances.
        seed: of W and planted state.

    Source: Hamze et al. 2020, "Wishart planted ensemble: a tunably rugged pairwise Ising model with a first-order phase
    transition".
    """
    rng = np.random.default_rng(seed)
    planted = rng.choice([-1.0, 1.0], n)
    drawn = rng.standard_normal((n, columns))
    factor = drawn - np.outer(planted, planted @ drawn) / n
    couplings = factor @ factor.T
    i, j = np.triu_indices(n, 1)
    bqm = model(dimod.SPIN, np.zeros(n), i, j, couplings[i, j])
    # Half of |W^T s|^2 less the diagonal, and nothing is less than 0.
    return bqm, -0.5 * float(np.trace(couplings))


def xorsat(n: int, seed: int) -> Known:
    """3-regular 3-XORSAT: n equations of three out of n bits, each bit in three, all satisfied by a planted state.

    An equation is `(a + b + c - parity - 2 z)^2` with a further bit z, which is 0 where it can be satisfied and else at
    least 1. The energy is minus the number of satisfied equations.

    Source: Hen 2019, "Equation planting: a tool for benchmarking Ising machines".
    """
    rng = np.random.default_rng(seed)
    equations = rng.permutation(np.repeat(np.arange(n), 3)).reshape(n, 3)
    # A bit that an equation has twice changes places with any other one.
    while twice := [row for row, each in enumerate(equations.tolist()) if len(set(each)) < 3]:
        for row in twice:
            other, (k, m) = rng.integers(n), rng.integers(0, 3, 2)
            equations[row, k], equations[other, m] = equations[other, m], equations[row, k]
    parity = rng.integers(0, 2, n)[equations].sum(axis=1) % 2
    linear = np.concatenate([np.zeros(n), 4.0 + 4.0 * parity])
    np.add.at(linear, equations, (1.0 - 2.0 * parity)[:, None])
    further = np.arange(n, 2 * n)
    pairs = [(equations[:, k], equations[:, m], np.full(n, 2.0)) for k, m in combinations(range(3), 2)]
    pairs += [(equations[:, k], further, np.full(n, -4.0)) for k in range(3)]
    rows, columns, biases = (np.concatenate(each) for each in zip(*pairs, strict=True))
    return model(dimod.BINARY, linear, rows, columns, biases, float(parity.sum() - n)), -float(n)


def tree(n: int, seed: int) -> Known:
    """A random tree with couplings and fields of -10 to 10, whose least energy is found from the leaves to the root.

    Args:
        n: spins.
        seed: of the tree and its numbers.
    """
    rng = np.random.default_rng(seed)
    # Every node but the first hangs on an earlier one.
    above = np.array([rng.integers(node) for node in range(1, n)], np.int64)
    fields, couplings = rng.integers(-10, 11, n).astype(float), rng.integers(-10, 11, n - 1).astype(float)
    spin = np.array([-1.0, 1.0])
    # [n, 2] least energy of what hangs on a node, for either value of it.
    least = np.outer(fields, spin)
    for node in range(n - 1, 0, -1):
        coupled = least[node] + couplings[node - 1] * np.outer(spin, spin)
        least[above[node - 1]] += coupled.min(axis=1)
    bqm = model(dimod.SPIN, fields, np.arange(1, n), above, couplings)
    return bqm, float(least[0].min())


def independent_set(cliques: int, size: int, seed: int) -> Known:
    """The largest independent set of a graph of model RB, forced to have one node in each of its disjoint cliques.

    The parameters are those of Xu's benchmarks frb: the constraints between cliques are so many and so tight that the
    planted set is at the threshold at which such sets vanish. An edge costs 2, a node brings 1, so that the least
    energy is minus the number of cliques.

    Args:
        cliques: of the graph; 30 cliques of 15 nodes are as large as frb30-15.
        size: nodes of a clique.
        seed: of constraints and planted set.

    Source: Xu, Boussemart, Hemery & Lecoutre 2007, "Random constraint satisfaction: easy generation of hard
    (satisfiable) instances".
    """
    rng = np.random.default_rng(seed)
    # Values of a variable are its number to the power alpha; a constraint forbids a quarter of the pairs of values.
    alpha, tightness = math.log(size) / math.log(cliques), 0.25
    constraints = round(-alpha / math.log(1.0 - tightness) * cliques * math.log(cliques))
    planted = rng.integers(0, size, cliques)
    joined = np.zeros((cliques * size, cliques * size), bool)
    for one in range(cliques):
        own = slice(one * size, (one + 1) * size)
        joined[own, own] = np.triu(np.ones((size, size), bool), 1)
    for _ in range(constraints):
        one, other = np.sort(rng.choice(cliques, 2, replace=False))
        pairs = np.array([(a, b) for a in range(size) for b in range(size) if (a, b) != (planted[one], planted[other])])
        chosen = pairs[rng.choice(len(pairs), round(tightness * size**2), replace=False)]
        joined[one * size + chosen[:, 0], other * size + chosen[:, 1]] = True
    # Nodes are numbered at random, so that cliques are not seen from the numbers.
    number = rng.permutation(len(joined))
    rows, columns = np.nonzero(joined)
    bqm = model(dimod.BINARY, -np.ones(len(joined)), number[rows], number[columns], np.full(len(rows), 2.0))
    return bqm, -float(cliques)


def satisfiable(variables: int, clauses: int, seed: int) -> MaxSat:
    """Random clauses of three literals that a planted assignment satisfies, drawn so that it does not stand out.

    A clause in which the assignment makes k literals true is kept in proportion to 0.618^k, which makes every literal
    as often true as false.

    Source: Jia, Moore & Strain 2005, "Generating hard satisfiable formulas by hiding solutions deceptively".
    """
    rng = np.random.default_rng(seed)
    planted = rng.choice([-1, 1], variables)
    golden = (math.sqrt(5.0) - 1.0) / 2.0
    found: list[list[int]] = []
    while len(found) < clauses:
        chosen, signs = rng.choice(variables, 3, replace=False), rng.choice([-1, 1], 3)
        true = int(np.sum(planted[chosen] == signs))
        if true and rng.random() < golden**true:
            found.append(((chosen + 1) * signs).tolist())
    return MaxSat(found, variables=variables)


def random_clauses(variables: int, clauses: int, length: int, seed: int) -> MaxSat:
    """Random clauses of so many literals, of which not all can be satisfied if they are many."""
    rng = np.random.default_rng(seed)
    return MaxSat(
        [
            ((rng.choice(variables, length, replace=False) + 1) * rng.choice([-1, 1], length)).tolist()
            for _ in range(clauses)
        ],
        variables=variables,
    )


def partition(n: int, bits: int, seed: int) -> NDArray[np.float64]:
    """[n] numbers of about so many bits, of which half have the same sum as the other half."""
    rng = np.random.default_rng(seed)
    first, second = rng.integers(1, 2**bits, n // 2), rng.integers(1, 2**bits, n // 2)
    difference = int(first.sum() - second.sum())
    # The lighter half gets what it lacks, spread over its numbers.
    light, lack = (second, difference) if difference > 0 else (first, -difference)
    light += lack // len(light) + (np.arange(len(light)) < lack % len(light))
    return rng.permutation(np.concatenate([first, second])).astype(float)
