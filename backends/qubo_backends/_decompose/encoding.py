"""Blocks of sites: all options of their groups, or for every site one switch to another option."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qubo_backends._decompose.block import Block
from qubo_dnn.arrays import LinearConstraints
from qubo_dnn.local_search import LocalModel, LocalState
from qubo_dnn.problem import Problem
from qubo_dnn.sites import OFF

Encoding = Literal["whole", "switches"]
ENCODINGS: tuple[Encoding, ...] = ("switches", "whole")
Indices = NDArray[np.intp]


class Encoder:
    """Makes blocks of at most so many variables out of sites.

    Args:
        problem: whose sites.
        model: its arrays.
        most: variables of a block, >= 2.
    """

    def __init__(self, problem: Problem[object], model: LocalModel, most: int) -> None:
        self.most = most
        self._model = model
        linear = [each for each in problem.constraints.values() if each.is_linear]
        self._linear = np.array([each.is_linear for each in problem.constraints.values()], bool)
        rows = LinearConstraints.of(linear, problem.index)
        self._weights = rows.weights.tocsc()
        self._lowers, self._uppers = rows.bounds()

    @property
    def encodings(self) -> tuple[Encoding, ...]:
        """The different ones: with two options, a switch is all that a group can do."""
        return ENCODINGS if max(map(len, self._model.groups), default=0) > 2 else ENCODINGS[:1]

    def block(
        self, encoding: Encoding, order: Indices, state: LocalState, rng: np.random.Generator
    ) -> tuple[Block, Indices]:
        """Make a block of the first sites of an order.

        Returns:
            The block, and the sites that it holds.
        """
        if encoding == "switches":
            taken = order[: self.most]
            return self._switches(taken, state, rng), taken
        fewest, options = 1, [self._some(self._options(int(order[0])), state, rng)]
        # Constraints rule options out, the more of them the more sites the rest holds, so that more sites may fit than
        # have so many options in all.
        low, high = 1, len(order)
        while low <= high:
            middle = (low + high) // 2
            possible = self._possible(order[:middle], state)
            if sum(len(each) for each in possible if len(each) > 1) <= self.most:
                fewest, options, low = middle, possible, middle + 1
            else:
                high = middle - 1
        return self._whole(options, state), order[:fewest]

    def _options(self, site: int) -> Indices:
        starts = self._model.sites.starts
        return np.asarray(self._model.sites.variables[starts[site] : starts[site + 1]], np.intp)

    def _some(self, options: Indices, state: LocalState, rng: np.random.Generator) -> Indices:
        """As many options of a large group as a block holds, the present one among them."""
        if len(options) <= self.most:
            return options
        present = options[state.x[options] == 1]
        others = rng.choice(np.setdiff1d(options, present), self.most - 1, replace=False)
        return np.sort(np.append(present, others))

    def _possible(self, sites: Indices, state: LocalState) -> list[Indices]:
        """Return the options of each site that the linear constraints allow with some options of the others."""
        options = [self._options(int(site)) for site in sites]
        if not len(self._uppers):
            return options
        flat, starts = np.concatenate(options), np.cumsum([0, *map(len, options)])
        of = np.repeat(np.arange(len(sites)), np.diff(starts))
        weights = self._weights[:, flat].toarray() * (flat != OFF)
        touched = np.flatnonzero((weights != 0.0).any(axis=1))
        weights = weights[touched]
        present = np.where(flat == OFF, False, state.x[flat] == 1)
        rest = state.values[1:][self._linear][touched] - weights[:, present].sum(axis=1)
        left, needed = self._uppers[touched] - rest, self._lowers[touched] - rest
        kept = np.ones(len(flat), bool)
        while True:
            least = np.minimum.reduceat(np.where(kept, weights, np.inf), starts[:-1], axis=1)
            largest = np.maximum.reduceat(np.where(kept, weights, -np.inf), starts[:-1], axis=1)
            low = weights + (least.sum(axis=1)[:, None] - least)[:, of]
            high = weights + (largest.sum(axis=1)[:, None] - largest)[:, of]
            possible = kept & (low <= left[:, None]).all(axis=0) & (high >= needed[:, None]).all(axis=0)
            # While constraints are broken, nothing may be possible: then everything is.
            if not np.logical_or.reduceat(possible, starts[:-1]).all():
                return options
            if (possible == kept).all():
                return [each[possible[a:b]] for each, a, b in zip(options, starts[:-1], starts[1:], strict=True)]
            kept = possible

    def _whole(self, options: list[Indices], state: LocalState) -> Block:
        """A variable for every option of a group, and one for the flip of a free variable."""
        steps: list[list[tuple[int, int]]] = []
        groups: list[Indices] = []
        now: list[int] = []
        for each in options:
            if len(each) == 1:
                continue
            if each[0] == OFF:
                steps.append(self._switch(int(each[1]), state))
                now.append(0)
                continue
            groups.append(np.arange(len(steps), len(steps) + len(each)))
            steps += [[(int(variable), 1)] for variable in each]
            now += state.x[each].tolist()
        return Block.of(steps, len(state.x), groups, now)

    def _switches(self, sites: Indices, state: LocalState, rng: np.random.Generator) -> Block:
        """A variable for every site: whether it changes to another option, the cheapest one or any."""
        changes = state.changes()[0]
        steps = []
        for site in sites:
            options = self._options(int(site))
            if options[0] == OFF:
                steps.append(self._switch(int(options[1]), state))
                continue
            others = options[state.x[options] == 0]
            if len(others):
                cheapest = others[np.argmin(changes[others])]
                steps.append(self._switch(int(cheapest if rng.random() < 0.5 else rng.choice(others)), state))
        return Block.of(steps, len(state.x), (), [0] * len(steps))

    @staticmethod
    def _switch(variable: int, state: LocalState) -> list[tuple[int, int]]:
        """The step that flips a free variable, or changes a group to `variable`."""
        if state.chosen[variable] >= 0:
            return [(int(state.chosen[variable]), -1), (variable, 1)]
        return [(variable, 1 - 2 * int(state.x[variable]))]
