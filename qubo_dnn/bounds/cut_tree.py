"""Branch and bound on the semidefinite relaxation with triangle inequalities: a proven optimum of a model of spins.

A node merges spins: some are equal, some opposite. Its bound is that of the relaxation of the merged model. It starts
from the dual variables of its parent, and is tightened as long as that promises to prune the node. The node with the
lowest bound is divided next, by the product of two spins, which is 1 or -1. States come from random hyperplanes and
descent.

Source: Rendl, Rinaldi & Wiegele 2010, "Solving Max-Cut to optimality by intersecting semidefinite and polyhedral
relaxations"; Krislock, Malick & Roupin 2017, "BiqCrunch: a semidefinite branch-and-bound method for solving binary
quadratic problems"; hyperplanes, Goemans & Williamson 1995.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.bounds.semidefinite import Dual, Relaxed, tighten
from qubo_dnn.bounds.site_model import Floats
from qubo_dnn.bounds.spin_model import Relations, SpinModel, bits, one_opt
from qubo_dnn.bounds.triangles import violated
from qubo_dnn.problem import Problem

# Weights of the regularisation, as shares of the mean absolute entry of the matrix: the first ones at the root and at
# other nodes, and the least; factor of the decrease after every round of `_STEPS` steps.
_FIRST_ALPHA, _LEAST_ALPHA, _FALL = 0.05, 1e-7, 0.5
_FIRST_SHARE, _LEAST_SHARE = 20.0, 0.1
_STEPS = 20
# New triangles in a round, and the least violation; triangles with a smaller share of the largest multiplier leave.
_MOST_TRIANGLES, _LEAST_VIOLATION, _LEAST_MULTIPLIER = 500, 0.01, 1e-4
# A node is tightened for at least so many rounds, then while a round closes this share of what is missing.
_FEWEST_ROUNDS, _PROMISING = 3, 0.2
# Products of spins of at least this size count as 1.
_INTEGRAL = 0.99
_HYPERPLANES = 10
# Largest number of variables, and of interactions per variable: linear programs are better on sparser models (regular
# graphs and grids of degree 3 and 4 with 150 to 260 spins take seconds there, one of degree 6 is open after 30).
_MOST_SPINS, _SPARSE = 1000, 2.5


def is_cut(problem: Problem[Any]) -> bool:
    """Return whether the search applies: no constraints, no groups, not too many variables.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> [is_cut(get_formulation(name).example(0).compile()) for name in ("max-cut", "knapsack")]
        [True, False]
    """
    bare = not (problem.one_hot or problem.constraints or problem.low_rank)
    return bool(bare) and len(problem.variables) <= _MOST_SPINS


def is_sparse(problem: Problem[Any]) -> bool:
    """Return whether a model has so few interactions that linear programs are better.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> complete = [(i, j, 1.0) for i in range(8) for j in range(i)]
        >>> [is_sparse(get_formulation("max-cut")(edges).compile()) for edges in (complete[:10], complete)]
        [True, False]
    """
    return bool(problem.objective.num_interactions <= _SPARSE * len(problem.variables))


@dataclass(frozen=True, eq=False)
class CutTree:
    """Result of a search.

    Attributes:
        bound: no state has a lower energy.
        energy: lowest energy of a state, from the search or known before; infinity if no state is known.
        state: [n] bits of the best state of the search; None if no state is below the known energy.
        nodes: number of processed nodes.

    Example:
        >>> tree = CutTree(bound=-2.0, energy=-2.0, state=np.array([0, 1], np.int8), nodes=3)
        >>> tree.energy - tree.bound
        0.0
    """

    bound: float
    energy: float
    state: NDArray[np.int8] | None
    nodes: int


def search(
    model: SpinModel,
    relations: Relations,
    known: float,
    enough: Callable[[float], float],
    over: Callable[[], bool],
    progress: Callable[[CutTree], None] = lambda _: None,
    seed: int = 0,
) -> CutTree:
    """Raise the bound until it is as high as the lowest energy.

    Args:
        model: see `qubo_dnn.bounds.spin_model.spin_model`.
        relations: see there.
        known: energy of a state, or infinity.
        enough: smallest bound that proves an energy to be optimal, see `qubo_dnn.bounds.steps.Steps`.
        over: called before every step; True ends the search.
        progress: receives the state of the search after every round.
        seed: random seed of the hyperplanes.

    Example:
        >>> from qubo_dnn.bounds.spin_model import spin_model
        >>> from qubo_dnn.registry import get_formulation
        >>> triangle = get_formulation("max-cut")([(0, 1, 1.0), (1, 2, 1.0), (0, 2, 1.0)]).compile()
        >>> model, relations = spin_model(triangle)
        >>> search(model, relations, np.inf, enough=lambda energy: energy - 0.5, over=lambda: False).energy
        -2.0
    """
    return _Search(model, relations, known, enough, over, progress, seed).run()


@dataclass(order=True)
class _Node:
    """A part of the states: `spins` follow from those that the relations leave, and are divided by a pair of these.

    If the relaxation has found `state`, the node is divided into this state and those that differ first at one spin.
    """

    bound: float
    number: int
    relations: Relations = field(compare=False)
    dual: Dual = field(compare=False)
    pair: tuple[int, int] = field(compare=False, default=(0, 1))
    state: NDArray[np.int8] | None = field(compare=False, default=None)


class _Search:
    def __init__(
        self,
        model: SpinModel,
        relations: Relations,
        known: float,
        enough: Callable[[float], float],
        over: Callable[[], bool],
        progress: Callable[[CutTree], None],
        seed: int,
    ) -> None:
        self.model, self.relations = model, relations
        self._enough, self.over, self.progress = enough, over, progress
        self.rng = np.random.default_rng(seed)
        self.best = known
        self.state: NDArray[np.int8] | None = None
        count = len(model.matrix)
        self.unit = float(np.abs(model.matrix).sum()) / count**2
        self.nodes, self.open = 0, list[_Node]()
        # The lowest bound of the pruned nodes, and that of the node at work.
        self.aside, self.current = np.inf, -np.inf

    @property
    def enough(self) -> float:
        """Nodes with at least this bound are pruned."""
        return self._enough(self.best)

    def run(self) -> CutTree:
        count = len(self.model.matrix)
        self.look(_Node(-np.inf, 0, Relations.none(count), Dual.zero(count)))
        while self.open and not self.over():
            node = heapq.heappop(self.open)
            self.current = node.bound
            if node.bound >= self.enough:
                self.aside = min(self.aside, node.bound)
                break
            for child in self.children(node):
                if self.over():
                    heapq.heappush(self.open, node)
                    break
                self.look(child)
        self.current = np.inf
        return self.result()

    def result(self) -> CutTree:
        # An energy has rounding errors too; subtracting them makes it a valid bound.
        lowest = min(self.aside, self.current, self.best - self.model.rounding)
        if self.open:
            lowest = min(lowest, self.open[0].bound)
        return CutTree(lowest, self.best, self.state, self.nodes)

    def look(self, node: _Node) -> None:
        """Bound a node, and add it to the open nodes unless it can be pruned."""
        self.nodes += 1
        model = self.model.merged(node.relations)
        if len(model.matrix) == 1 or not model.matrix.any():
            self.take(node.relations, model, np.ones((len(model.matrix), 1)))
            self.aside = min(self.aside, max(node.bound, model.offset - model.rounding))
            return
        alpha, rounds, last = _FIRST_ALPHA * self.unit, 0, -np.inf
        while True:
            # The bound is below that of the relaxation by alpha N^2 or less, by much less if X has a high rank.
            room = min((self.enough - node.bound) / len(model.matrix) ** 2, _FIRST_ALPHA * self.unit)
            least = max(_LEAST_SHARE * room, _LEAST_ALPHA * self.unit)
            alpha = max(min(alpha, _FIRST_SHARE * room), least)
            relaxed = tighten(model, node.dual, alpha, _STEPS, self.enough, self.over)
            gain, last, rounds = relaxed.bound - last, relaxed.bound, rounds + 1
            node.dual, node.bound = relaxed.dual, max(node.bound, relaxed.bound)
            if self.nodes == 1:
                self.current = node.bound
            self.round(node.relations, model, relaxed)
            self.progress(self.result())
            room = self.enough - node.bound
            if room <= 0.0:
                self.aside = min(self.aside, node.bound)
                return
            products = relaxed.products
            # Of a relaxation that has found a state, the bound approaches its energy.
            promising = alpha > least if relaxed.is_integral(_INTEGRAL) else gain >= _PROMISING * room
            if self.over() or (rounds >= _FEWEST_ROUNDS and not promising):
                break
            new = violated(products, _MOST_TRIANGLES, _LEAST_VIOLATION)
            node.dual = Dual(node.dual.diagonal, node.dual.triangles.in_use(_LEAST_MULTIPLIER).with_new(new))
            alpha *= _FALL
        self.divide(node, relaxed)
        node.number = self.nodes
        heapq.heappush(self.open, node)

    def round(self, relations: Relations, model: SpinModel, relaxed: Relaxed) -> None:
        """Look for better states near the relaxation."""
        normals = self.rng.normal(size=(relaxed.factor.shape[1], _HYPERPLANES))
        self.take(relations, model, one_opt(model, np.where(relaxed.factor @ normals < 0.0, -1.0, 1.0)))

    def take(self, relations: Relations, model: SpinModel, spins: Floats) -> None:
        """Keep the best of [N, R] states if it is the best so far."""
        energies = model.energy(spins)
        best = int(energies.argmin())
        if energies[best] < self.best:
            self.best = float(energies[best])
            self.state = bits(self.relations, relations.spins(spins[:, best]))

    def divide(self, node: _Node, relaxed: Relaxed) -> None:
        """Choose how to divide a node: by the least certain product in the row with the most certain ones."""
        products = relaxed.products
        if relaxed.is_integral(_INTEGRAL):
            node.state = np.where(products[0] < 0.0, -1, 1).astype(np.int8)
            return
        sizes = np.abs(products)
        row = int(np.square(1.0 - sizes).sum(axis=1).argmin())
        np.fill_diagonal(sizes, np.inf)
        column = int(sizes[row].argmin())
        node.pair = min(row, column), max(row, column)

    def children(self, node: _Node) -> Iterator[_Node]:
        """Yield the parts of a node."""
        model = self.model.merged(node.relations)

        def part(parent: _Node, model: SpinModel, i: int, j: int, sign: int) -> _Node:
            dual = parent.dual.merge(i, j, sign, float(model.matrix[i, j]))
            return _Node(node.bound, 0, parent.relations.merge(i, j, sign), dual)

        if node.state is None:
            yield part(node, model, *node.pair, 1)
            yield part(node, model, *node.pair, -1)
            return
        left = node
        for sign in node.state[1:].tolist():
            yield part(left, model, 0, 1, -sign)
            left = part(left, model, 0, 1, sign)
            model = self.model.merged(left.relations)
        yield left
