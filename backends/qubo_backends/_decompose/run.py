"""Rounds over blocks until nothing improves, restarts, and the merging of good states."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from qubo_backends._decompose.block import Block, BlockModel
from qubo_backends._decompose.encoding import Encoder, Encoding
from qubo_backends._decompose.growth import SiteGraph, Strategy
from qubo_backends._decompose.limits import Limits, Rank, Stop, TimeIsUpError, lower, rank_of
from qubo_backends._decompose.merging import Merger, regions
from qubo_backends._decompose.wrapped import WrappedBackend
from qubo_dnn.backend import PROGRESS
from qubo_dnn.constraints.repair import restore
from qubo_dnn.errors import BackendFailedError
from qubo_dnn.local_search import Bits, LocalModel, LocalState
from qubo_dnn.problem import Problem

_LOGGER = logging.getLogger(f"{PROGRESS}.decompose")
_LOGGED_EVERY = 1.0
# States that are kept for merging, and how many others one is merged with at a time.
_ELITE, _PARTNERS = 12, 3
# Rounds of merging in a row, each with other states, that may improve nothing.
_QUIET_MERGES = 3
# Blocks without improvement after which a descent may end, unless a block holds all variables.
_PATIENCE = 100
Kind = tuple[Encoding, Strategy]


class Descent:
    """Rounds over the blocks of one problem.

    Args:
        problem: whose constraints are kept.
        wrapped: solves the blocks.
        most: variables of a block.
        strategies: how blocks are chosen.
        limits: what ends the run.
        seed: of every random choice.

    Attributes:
        tallies: rounds, and blocks and improving ones by strategy.
        failed: why the wrapped backend failed after the first block, if it did.
    """

    def __init__(
        self,
        problem: Problem[Any],
        wrapped: WrappedBackend,
        most: int,
        strategies: tuple[Strategy, ...],
        limits: Limits,
        seed: int,
    ) -> None:
        self.wrapped, self.most, self.limits, self.watch = wrapped, most, limits, limits.watch
        self.rng = np.random.default_rng(seed)
        self.model = LocalModel(problem)
        self.graph = SiteGraph(self.model)
        self.encoder = Encoder(problem, self.model, most)
        encodings = self.encoder.encodings
        self.kinds: list[Kind] = list(product(encodings, strategies))
        # States to be merged need not be the best that blocks can do.
        self._first_kinds = self.kinds[:: len(strategies)]
        self.tallies: Counter[str] = Counter()
        self.failed: str | None = None
        self.best: Bits | None = None
        self._best_rank: Rank = (math.inf, math.inf)
        self._deadline = math.inf
        self._logged = 0.0
        self._symmetric = self._has_symmetric_objective()

    def read(self, start: Bits | None, restarts: int | None, seconds: float) -> Bits:
        """Return the best state of one run: descents from random states, each merged with those before.

        Args:
            start: the state that the first descent begins at; a random one by default.
            restarts: descents after the first; None for no end but the time limit.
            seconds: after which the run ends.

        Raises:
            Stop: the whole run ends; the state so far is in `best`.
        """
        self.best, self._best_rank = None, (math.inf, math.inf)
        self._deadline = self.watch.seconds + seconds
        elite: list[tuple[Rank, Bits]] = []
        try:
            for number in range(restarts + 1) if restarts is not None else _endless():
                state = self._begun(start if number == 0 else None)
                self._refine(state, self._first_kinds if elite else self.kinds)
                elite.append((rank_of(state), state.x.copy()))
                if len(elite) > 1:
                    self._merge(elite)
                elite = sorted(elite, key=lambda each: each[0])[:_ELITE]
        except TimeIsUpError:
            pass
        assert self.best is not None
        return self.best

    def report(self) -> dict[str, Any]:
        """Return the entries of `info` about the blocks."""
        wrapped, sizes = self.wrapped, np.array(self.wrapped.sizes or [0])
        kinds = [name.removesuffix(" blocks") for name in self.tallies if name.endswith(" blocks")]
        found: dict[str, Any] = {
            "wrapped": wrapped.backend.name,
            "wrapped_seconds": wrapped.seconds,
            "rounds": self.tallies["rounds"],
            "starts": self.tallies["starts"],
            "blocks": wrapped.blocks,
            "improved": sum(self.tallies[f"{kind} improved"] for kind in kinds),
            "variables_of_blocks": [int(sizes.min()), round(float(sizes.mean()), 1), int(sizes.max())],
            "rows": wrapped.rows,
            "rows_with_whole_groups": wrapped.whole,
            "strategies": {kind: [self.tallies[f"{kind} blocks"], self.tallies[f"{kind} improved"]] for kind in kinds},
        }
        return found if self.failed is None else {**found, "failed": self.failed}

    def _begun(self, x: Bits | None) -> LocalState:
        """A given or a random state, brought within the constraints, as far as local moves do it."""
        if x is None:
            chosen = self.rng.integers(0, self.model.sites.sizes, (1, self.graph.count))
            x = self.model.sites.bits(chosen)[0]
        self.tallies["starts"] += 1
        state = LocalState(self.model, x)
        restore(state)
        self._keep(state)
        return state

    def _refine(self, state: LocalState, kinds: Sequence[Kind]) -> None:
        """Make rounds until one of every kind has improved nothing; the kind that gained most per block comes next."""
        worth, quiet = dict.fromkeys(kinds, math.inf), set[Kind]()
        improved_at = self.wrapped.blocks
        while True:
            if len(quiet) == len(kinds):
                # Rounds of a few blocks see few of the blocks that there are.
                if self.most >= len(self.model.variables) or self.wrapped.blocks - improved_at >= _PATIENCE:
                    return
                quiet.clear()
            kind = max((each for each in kinds if each not in quiet), key=worth.__getitem__)
            before, asked = rank_of(state), self.wrapped.blocks
            if self._improves(state, partial(self._round, state, *kind)):
                quiet.clear()
                improved_at = self.wrapped.blocks
                gain = before[1] - rank_of(state)[1] if before[0] == state.violation else math.inf
                worth[kind] = gain / (self.wrapped.blocks - asked)
            else:
                quiet.add(kind)
                worth[kind] = 0.0

    def _round(self, state: LocalState, encoding: Encoding, strategy: Strategy) -> None:
        """Solve blocks until every site was in one."""
        unvisited = np.ones(self.graph.count, bool)
        while unvisited.any():
            order = self.graph.order(strategy, state, unvisited, self.most, self.rng)
            block, held = self.encoder.block(encoding, order, state, self.rng)
            unvisited[held] = False
            self._solve(block, state, strategy)

    def _merge(self, elite: list[tuple[Rank, Bits]]) -> None:
        """Merge the newest state with others, and then the best one; each is replaced by what it becomes."""
        for newest in (True, False):
            place = len(elite) - 1 if newest else min(range(len(elite)), key=lambda each: elite[each][0])
            state = LocalState(self.model, elite[place][1])
            others = [x for number, (_, x) in enumerate(elite) if number != place]
            quiet = 0
            while quiet < _QUIET_MERGES:
                quiet = 0 if self._improves(state, partial(self._merge_round, state, others)) else quiet + 1
            if lower(rank_of(state), elite[place][0], self._rounding):
                self._refine(state, self._first_kinds if newest else self.kinds)
            elite[place] = (rank_of(state), state.x.copy())

    def _merge_round(self, state: LocalState, others: Sequence[Bits]) -> None:
        """Solve blocks until every region in which a state differs from some of the others was in one."""
        some = [others[i] for i in self.rng.permutation(len(others))[:_PARTNERS]]
        steps = regions(self.model, self.graph, state.x, some, self.most, self._symmetric)
        merger = Merger(steps, state)
        while merger.unvisited.any():
            self._solve(merger.block(state, self.most, self.rng), state, "merge")

    def _improves(self, state: LocalState, make: Callable[[], None]) -> bool:
        """Return whether a round improves a state."""
        before = rank_of(state)
        self.tallies["rounds"] += 1
        make()
        return lower(rank_of(state), before, self._rounding)

    def _solve(self, block: Block, state: LocalState, kind: str) -> None:
        """Ask for states of a block, and go to the best of them unless it is worse; equal ones are equally likely.

        Raises:
            Stop: see `read`.
        """
        if not len(block.now):
            return
        model = BlockModel(block, state)
        try:
            rows = self.wrapped.answer(
                model, self.rng, min(self._deadline - self.watch.seconds, self.watch.seconds_left)
            )
        except BackendFailedError as cause:
            if not self.wrapped.blocks:
                raise
            self.failed = str(cause)
            _LOGGER.warning("decompose: block %d failed: %s", self.wrapped.blocks + 1, cause)
            raise Stop from cause
        self.tallies[f"{kind} blocks"] += 1
        if len(rows):
            before = rank_of(state)
            violations, energies = model.judged(rows)
            least = violations.min()
            lowest = energies[violations == least].min()
            equal = np.flatnonzero((violations == least) & (energies <= lowest + self._rounding))
            if not lower(before, (float(least), float(lowest)), self._rounding):
                state.go_to(block.applied(state.x, rows[int(self.rng.choice(equal))]))
                self.tallies[f"{kind} improved"] += lower(rank_of(state), before, self._rounding)
                self._keep(state)
        self._log()
        if self.wrapped.interrupted:
            self.watch.interrupted = True
        reached = self._best_rank <= (0.0, self.limits.target + self._rounding)
        if self.watch.over or reached or self.wrapped.blocks >= self.limits.blocks:
            raise Stop
        if self.watch.seconds >= self._deadline:
            raise TimeIsUpError

    @property
    def _rounding(self) -> float:
        return float(self.model.forms[0].rounding * max(1, len(self.model.variables)))

    def _keep(self, state: LocalState) -> None:
        if self.best is None or rank_of(state) < self._best_rank:
            self.best, self._best_rank = state.x.copy(), rank_of(state)

    def _has_symmetric_objective(self) -> bool:
        if self.model.groups or self.model.constraints or not len(self.model.variables):
            return False
        x = self.rng.integers(0, 2, len(self.model.variables), np.int8)
        one, other = (LocalState(self.model, each).values[0] for each in (x, 1 - x))
        return bool(abs(one - other) <= self._rounding)

    def _log(self) -> None:
        if self.watch.seconds - self._logged >= _LOGGED_EVERY:
            self._logged = self.watch.seconds
            _LOGGER.debug(
                "decompose: %d blocks in %.0f s, best energy %.6g",
                self.wrapped.blocks,
                self._logged,
                self._best_rank[1],
            )


def _endless() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1
