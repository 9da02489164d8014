"""One problem of a network, and what every method proves of it."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

from bench.certify.methods import METHODS
from bench.networks.problems import stored_cases
from bench.processes import cpu_timed
from bench.tables import Table
from qubo_dnn.bounds.certificate import relative_gap
from qubo_dnn.bounds.steps import steps_of
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve

OPTIONS = (0, 2, 3, 4, 6, 8)
"""Bit widths that every unit chooses from."""


@dataclass(frozen=True)
class CertifyRow:
    """What one method proved of one problem.

    Attributes:
        granularity: unit of choice.
        units: how many choose.
        bits: budget in stored bits per weight.
        method: see `bench.certify.methods`.
        energy: of `pt`'s answer.
        bound: proven; None where there is none.
        gap: of `pt`'s answer; None without a bound.
        seconds: of CPU time.
        how: what the method says about its run.
    """

    granularity: str
    units: int
    bits: float
    method: str
    energy: float
    bound: float | None
    gap: float | None
    seconds: float
    how: str


def rows(words: argparse.Namespace, bits: float, granularity: str) -> list[CertifyRow]:
    """All methods on one problem."""
    (case,) = stored_cases(words.data, words.calibration_size, [granularity], [OPTIONS], bits, words.seed)
    answer = solve(case.problem, get_backend("pt"), {"seed": words.seed, "time_limit": words.pt_seconds}).best
    found = []
    for name in words.methods:
        proof, seconds = cpu_timed(METHODS[name], case.problem, answer.objective, words.time_limit, words.seed)
        bound = proof.bound if math.isfinite(proof.bound) else None
        gap = None if bound is None else relative_gap(answer.objective, bound, steps_of(case.problem).tolerance)
        found.append(CertifyRow(granularity, case.units, bits, name, answer.objective, bound, gap, seconds, proof.how))
    return found


def _cells(row: CertifyRow) -> tuple[str, ...]:
    bound = "-" if row.bound is None else f"{row.bound:.8g}"
    gap = "-" if row.gap is None else f"{100 * row.gap:.3g} %"
    return (
        *(f"{row.units} ({row.granularity})", str(row.bits), str(len(OPTIONS)), row.method),
        *(f"{row.energy:.8g}", bound, gap, f"{row.seconds:.1f}", row.how),
    )


TABLE = Table("units | bits | options | method | pt | bound | gap | CPU seconds | how", _cells)
