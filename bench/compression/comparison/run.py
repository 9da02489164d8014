"""All rows of a run: every method at every budget in every situation with every seed."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from bench.compression.comparison.roster import Method, MethodOutcome
from bench.compression.comparison.rows import MethodRow, Rows
from bench.compression.measurements.setting import Conditions, Setting
from bench.compression.measurements.situations import Recover, Situation, network, recovered
from bench.networks.loading import accuracy
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import kl_divergence
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.errors import BudgetError


def run(
    model: nn.Module,
    calibration: Data,
    test: Data,
    methods: Mapping[str, Method],
    rows: Rows,
    *,
    budgets: Sequence[float],
    seeds: Sequence[int],
    situations: Sequence[Situation],
    conditions: Conditions,
    cache: Path | None = None,
    recover: Recover = recovered,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> None:
    """Add to `rows` what is not there yet.

    "as-given" and "recovered" share a plan where a method knows no recovery of its own: it chooses once, and its
    network is looked at before and after.

    Raises:
        QuboDnnError: whatever the methods raise; but a budget that one cannot meet is said and left out.
    """
    for seed in seeds:
        for kinds in (tuple(s for s in situations if s != "folded"), tuple(s for s in situations if s == "folded")):
            if not kinds:
                continue
            setting = Setting(network(model, kinds[0]), calibration, seed, conditions, cache, _pairs_heard(say))
            for name, budget in itertools.product(methods, budgets):
                wanted = [kind for kind in kinds if (kind, budget, name, seed) not in rows]
                try:
                    for kind, outcome in _outcomes(methods[name], setting, budget, wanted, recover) if wanted else ():
                        rows.add(_row(kind, budget, name, setting, outcome, test))
                        say(str(rows.all[-1]))
                except BudgetError as cause:
                    say(f"{name}, budget {budget:g}: left out, {cause}")


def _outcomes(
    method: Method, setting: Setting, budget: float, kinds: Sequence[Situation], recover: Recover
) -> Iterator[tuple[Situation, MethodOutcome]]:
    chosen = None
    for kind in kinds:
        if kind == "recovered" and method.recovering is not None:
            yield kind, method.recovering(setting, budget)
        else:
            chosen = chosen or method.bare(setting, budget)
            yield kind, replace(chosen, model=recover(chosen.model, setting)) if kind == "recovered" else chosen


def _row(situation: str, budget: float, method: str, setting: Setting, outcome: MethodOutcome, test: Data) -> MethodRow:
    return MethodRow(
        situation=situation,
        budget=budget,
        method=method,
        seed=setting.seed,
        stored_bits=outcome.stored_bits,
        accuracy=accuracy(outcome.model, test),
        held_out_divergence=kl_divergence(setting.held_out_logits, logits(outcome.model, setting.held_out)),
        measure_seconds=outcome.measure_seconds,
        solve_seconds=outcome.solve_seconds,
        note=outcome.note,
    )


def _pairs_heard(say: Callable[[str], None]) -> Callable[[int, int], None]:
    """Progress of pair measurements, said every half minute."""
    last = time.monotonic()

    def heard(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > 30.0:
            last = time.monotonic()
            say(f"clado: {done} of {total} layers and options measured against all later ones")

    return heard
