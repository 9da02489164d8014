"""Backends on generated chains, beside the exact optimum by counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.macs.chains import vgg_chain
from bench.macs.counts import best_counts
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.pruning_quantization import PruningQuantization

Key = tuple[tuple[int, ...], float, int, str]


@dataclass(frozen=True)
class ChainRow:
    """The answer of a backend.

    Attributes:
        widths: channels of the layers.
        percent: of the multiply-accumulates that may stay.
        seed: of the chain and of the backend.
        backend: name.
        gap: of the answer, relative to the optimum.
        price: of the bound by a price of multiply-accumulates, relative to the optimum.
        used: share of the budget that the answer takes.
        feasible: True if that is at most 1.
        calls: of the backend.
        seconds: wall-clock.
    """

    widths: tuple[int, ...]
    percent: float
    seed: int
    backend: str
    gap: float
    price: float
    used: float
    feasible: bool
    calls: int
    seconds: float

    @property
    def key(self) -> Key:
        """What tells it from others."""
        return self.widths, self.percent, self.seed, self.backend


@dataclass
class ChainResults:
    """All rows of generated chains; `settings` are whatever decides the figures."""

    settings: dict[str, Any]
    rows: list[ChainRow] = field(default_factory=list)


def run_chains(
    results: ChainResults,
    heard: Callable[[str], None],
    *,
    widths: Sequence[int],
    percents: Sequence[float],
    seeds: Sequence[int],
    backends: Sequence[str],
    seconds: float,
) -> None:
    """Add to `results` what is not there yet: a row for every chain, budget and backend.

    Args:
        results: added to.
        heard: called with a text after every row.
        widths: channels of the layers.
        percents: of the multiply-accumulates that may stay.
        seeds: of chains and backends.
        backends: names.
        seconds: time limit of a backend.
    """
    done = {row.key for row in results.rows}
    for seed in seeds:
        for percent in percents:
            missing = [name for name in backends if (tuple(widths), percent, seed, name) not in done]
            if not missing:
                continue
            chain = vgg_chain(tuple(widths), percent / 100, seed)
            exact = best_counts(chain)
            problem = PruningQuantization(chain.task, objective="separable").compile()
            for name in missing:
                started = time.perf_counter()
                solution = solve(problem, get_backend(name), {"seed": seed, "time_limit": seconds})
                row = ChainRow(
                    widths=tuple(widths),
                    percent=percent,
                    seed=seed,
                    backend=name,
                    # Losses are single-precision numbers to the backends; adding 0 turns -0 into 0.
                    gap=round(solution.best.objective / exact.loss - 1.0, 6) + 0.0,
                    price=1.0 - exact.bound / exact.loss,
                    used=chain.task.budgets[0].used(chain.task.choice(solution.best.value)) / chain.limit,
                    feasible=solution.best.feasible,
                    calls=len(solution.calls),
                    seconds=time.perf_counter() - started,
                )
                results.rows.append(row)
                heard(f"chain, {percent:g} %, seed {seed}, {name}: gap {row.gap:.2%}")
