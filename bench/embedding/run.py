"""One row per problem, encoding of the budget and chip: what it takes, and what the emulated chip finds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.networks.problems import NetworkCase
from bench.tables import Row, Table, percent_with_range
from qubo_dnn.backend import make_options
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.constraints.pool import Pool, different_rows
from qubo_dnn.constraints.relaxation import RelaxedProblem
from qubo_dnn.embedding.backend_model import make_backend_model
from qubo_dnn.embedding.diagnosis import DiagnosisSettings, diagnose
from qubo_dnn.embedding.target import target
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import MAX_CALLS, solve

ENCODINGS = ("lagrangian", "slack", "unbalanced")


@dataclass(frozen=True)
class SolverBudget:
    """What the solvers get.

    Attributes:
        reads: of the emulated chip in every call.
        most_variables: up to which the chip is emulated.
        seconds: of parallel tempering.
        seeds: of both.
    """

    reads: int = 50
    most_variables: int = 70
    seconds: float = 2.0
    seeds: tuple[int, ...] = (0, 1, 2)


def rows(case: NetworkCase, chips: Sequence[str], budget: SolverBudget) -> Iterator[Row]:
    """Everything about one problem.

    Args:
        case: the problem.
        chips: targets; the first is emulated.
        budget: of the solvers.
    """
    options = {"time_limit": budget.seconds}
    solutions = [solve(case.problem, get_backend("pt"), {**options, "seed": seed}) for seed in budget.seeds]
    reference = [each.best.objective for each in solutions]
    best = min(reference)
    for encoding in ENCODINGS:
        what = make_backend_model(case.problem, encoding, presolve=False)
        for chip in chips:
            found = diagnose(what, target(chip), DiagnosisSettings(reads=0)).to_json()
            row = {
                "granularity": case.granularity,
                "options": list(case.options),
                "units": case.units,
                "budget": encoding,
                "chip": chip,
                "pt_objectives": reference,
                **found,
            }
            if chip == chips[0] and found["fits"] and what.bqm.num_variables <= budget.most_variables:
                row["emulated"] = [
                    _emulated(case.problem, encoding, {"num_reads": budget.reads, "target": chip, "seed": seed}, best)
                    for seed in budget.seeds
                ]
            yield row


def _emulated(problem: Problem[Plan], encoding: str, options: dict[str, Any], best: float) -> dict[str, Any]:
    """The emulator asked in rounds with rising weights, as `solve` does it: its reads as they are, and after repair.

    Returns:
        Share of the reads that break nothing, round by round; the best of those, and the best after repair, by how much
        it is above the best of `pt`, None where nothing is feasible.
    """
    backend = get_backend("qpu-emulator")
    relaxation = RelaxedProblem(problem, backend.capabilities, inequalities=encoding)
    pool = Pool(1, math.inf)
    shares: list[float] = []
    objectives: list[float] = []
    for _ in range(MAX_CALLS):
        answer = relaxation.sample(
            backend, make_options(backend, {**options, "seed": options["seed"] + 1000 * len(shares)})
        )
        pool.add(relaxation, answer)
        rows = [problem.decode(sample) for sample in answer.samples(sorted_by=None)]
        objectives += [row.objective for row in rows if row.feasible]
        shares.append(sum(row.feasible for row in rows) / len(rows))
        relaxation.learn(different_rows(relaxation.problem, answer)[0])
        if relaxation.settled:
            break
    repaired = pool.best.objective if pool.best.violation == 0.0 else None
    return {
        "feasible_reads": shares,
        "best_read_excess": _excess(min(objectives), best) if objectives else None,
        "repaired_excess": None if repaired is None else _excess(repaired, best),
    }


def _excess(objective: float, best: float) -> float:
    return (objective - best) / abs(best)


def _cells(row: Row) -> list[str]:
    """A row of the table."""
    fits, problem = row["fits"], row["problem"]
    embedding, program = row.get("embedding", {}), row.get("program", {})
    emulated = row.get("emulated", [])
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
        percent_with_range([max(each["feasible_reads"]) for each in emulated]),
        percent_with_range([each["best_read_excess"] for each in emulated]),
        percent_with_range([each["repaired_excess"] for each in emulated]),
    ]


TABLE = Table(
    "units of choice | units | budget as | variables | chip | fits | qubits | longest chain | bits needed "
    "| feasible reads in the best round, % | best read above pt, % | repaired, above pt, %",
    _cells,
)
