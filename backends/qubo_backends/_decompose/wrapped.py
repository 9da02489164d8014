"""The wrapped backend: what it is asked about a block, and which of its states are usable."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from qubo_backends._decompose.block import BlockModel
from qubo_dnn.backend import Backend, make_options
from qubo_dnn.constraints.asking import ask
from qubo_dnn.constraints.relaxation import RelaxedProblem
from qubo_dnn.errors import OptionError
from qubo_dnn.local_search import Bits


class WrappedBackend:
    """Asks a backend about blocks and counts what it does.

    Args:
        backend: solves the blocks.
        reads: of every block.
        given: options of the backend that the user has set.

    Attributes:
        seconds: spent in the backend.
        blocks: blocks asked.
        rows: states returned.
        whole: of those, how many choose exactly one option of every group.
        sizes: variables of every block.
        interrupted: whether Ctrl-C ended a call of the backend.

    Raises:
        OptionError: an option of the backend is unknown, out of range, or set by decompose itself.
    """

    def __init__(self, backend: Backend, reads: int, given: Mapping[str, Any]) -> None:
        for name in ("num_reads", "seed", "time_limit"):
            if name in given:
                raise OptionError(f"block_options cannot set {name!r}: use block_reads, seed and time_limit")
        self.backend = backend
        # The chains of a complete graph suit every block, and are found once.
        cliques = backend.capabilities.structured and "embedder" in backend.options_type.model_fields
        self.options = make_options(
            backend, {"num_reads": reads, **({"embedder": "clique"} if cliques else {}), **given}
        )
        self.seconds = 0.0
        self.blocks = self.rows = self.whole = 0
        self.sizes: list[int] = []
        self.interrupted = False

    def answer(self, model: BlockModel, rng: np.random.Generator, seconds_left: float) -> Bits:
        """Return [r, k] the states of a block that keep its groups, possibly none.

        Constraints that the backend does not keep become penalties and prices, as `solve` relaxes them. Only weights
        come from there, no states.

        Args:
            model: the block's.
            rng: gives the seed of the call.
            seconds_left: passed on to a backend that treats its limit as a deadline.
        """
        able, problem = self.backend.capabilities, model.problem()
        update: dict[str, Any] = {"seed": int(rng.integers(2**32))} if able.seeded else {}
        if able.timed and not able.fills_time and seconds_left < math.inf:
            update["time_limit"] = max(seconds_left, 1e-3)
        options = self.options.model_copy(update=update)
        relaxation = None if able.supports(problem) else RelaxedProblem(problem, able)
        if relaxation is not None and relaxation.penalties:
            # Weights that are lowest for some groups are learned in further calls; a block is asked but once.
            relaxation.penalties = dict.fromkeys(relaxation.penalties, max(relaxation.penalties.values()))
        begun = time.perf_counter()
        found = ask(self.backend, problem, options) if relaxation is None else relaxation.sample(self.backend, options)
        self.seconds += time.perf_counter() - begun
        self.interrupted |= found.info.get("interrupted") is True
        place = {variable: column for column, variable in enumerate(found.variables)}
        rows = np.asarray(found.record.sample[:, [place[v] for v in range(len(place))]], np.int8)
        self.blocks += 1
        self.sizes.append(rows.shape[1])
        whole = model.whole_groups(rows)
        self.rows, self.whole = self.rows + len(rows), self.whole + int(whole.sum())
        return rows[whole]
