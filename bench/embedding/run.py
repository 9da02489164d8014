"""One row per problem, encoding of the budget and chip: what it takes, and what the emulated chip finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.embedding.problems import Case
from qubo_dnn.embedding.diagnosis import Settings, diagnose
from qubo_dnn.embedding.sent import sent
from qubo_dnn.embedding.target import target
from qubo_dnn.registry import get_backend
from qubo_dnn.solve import solve

ENCODINGS = ("lagrangian", "slack", "unbalanced")


@dataclass(frozen=True)
class Budget:
    """What the solvers get.

    Attributes:
        reads: of the emulated chip in every call.
        most_variables: up to which the chip is emulated.
        seconds: of parallel tempering.
        seeds: of both.
    """

    reads: int = 50
    most_variables: int = 90
    seconds: float = 2.0
    seeds: tuple[int, ...] = (0, 1, 2)


def rows(case: Case, chips: Sequence[str], budget: Budget) -> Iterator[dict[str, Any]]:
    """Everything about one problem.

    Args:
        case: the problem.
        chips: targets; the first is emulated.
        budget: of the solvers.
    """
    reference = _solved(case, "pt", {"time_limit": budget.seconds}, "lagrangian", budget.seeds)
    best = min(each for each in reference if each is not None)
    for encoding in ENCODINGS:
        what = sent(case.problem, encoding, presolve=False)
        for chip in chips:
            emulated = chip == chips[0] and what.model.num_variables <= budget.most_variables
            found = diagnose(what, target(chip), Settings(reads=budget.reads if emulated else 0)).to_json()
            row = {
                "granularity": case.granularity,
                "options": list(case.options),
                "units": case.units,
                "budget": encoding,
                "chip": chip,
                "pt_objectives": reference,
                **found,
            }
            if "emulated" in found:
                raw = found["emulated"]["best_objective"]
                row["raw_excess"] = None if raw is None else _excess(raw, best)
                options = {"num_reads": budget.reads, "target": chip}
                objectives = _solved(case, "qpu-emulator", options, encoding, budget.seeds)
                row["emulator_objectives"] = objectives
                row["emulator_excess"] = [None if each is None else _excess(each, best) for each in objectives]
            yield row


def _excess(objective: float, best: float) -> float:
    return (objective - best) / abs(best)


def _solved(
    case: Case, backend: str, options: dict[str, Any], encoding: str, seeds: Sequence[int]
) -> list[float | None]:
    """The backend's best objective for every seed, after repair; None where nothing feasible was found."""
    objectives: list[float | None] = []
    for seed in seeds:
        found = solve(case.problem, get_backend(backend), {**options, "seed": seed}, inequalities=encoding)
        objectives.append(found.best.objective if found.best.feasible else None)
    return objectives


def cells(row: dict[str, Any]) -> list[str]:
    """A row of the table."""
    fits, problem = row["fits"], row["problem"]
    embedding, program = row.get("embedding", {}), row.get("program", {})
    excess = [each for each in row.get("emulator_excess", []) if each is not None]
    return [
        f"{row['granularity']}, {len(row['options'])} options",
        str(row["units"]),
        row["budget"],
        str(problem["variables"]),
        row["chip"],
        "yes" if fits else f"no (clique {row['target']['largest_clique']})",
        f"{embedding['qubits']:,}" if fits else "",
        str(embedding["longest_chain"]) if fits else "",
        f"{program['bits_of_precision']:.1f}" if fits else "",
        f"{100 * row['emulated']['feasible']:.0f}" if "emulated" in row else "",
        _percent(row["raw_excess"]) if "emulated" in row else "",
        f"{100 * float(np.mean(excess)):.1f} ({100 * min(excess):.1f} to {100 * max(excess):.1f})" if excess else "",
    ]


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.1f}"


HEADINGS = (
    *("units of choice", "units", "budget as", "variables", "chip", "fits", "qubits", "longest chain", "bits needed"),
    *("feasible reads, %", "best read above pt, %", "solved and repaired, above pt, %"),
)
