"""Constraints kept by `pt` itself against the same as penalties, multipliers and repair.

    OMP_NUM_THREADS=1 python -m bench.solvers.constrained --data DIR --qaplib FILE.dat --json FILE

Assignment problems: CPU seconds until the best known value, by exchanges within the constraints and by `tabu` on the
penalties. Pruning-quantization of a network, one unit per channel: the best objective within the budget after so many
seconds, against multipliers with repair around `pt`, and `neal` on penalties with multipliers and with slack bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.command import finish, make_parser
from bench.compression.measurements.setting import Conditions, Setting
from bench.networks.loading import load
from bench.processes import cpu_timed
from bench.solvers.applications import grid
from bench.tables import Row, Table, grouped
from qubo_backends.parallel_tempering import ParallelTemperingBackend
from qubo_dnn.backend import Backend, Capabilities
from qubo_dnn.cli.common.output import write_json
from qubo_dnn.constraint import ConstraintKind
from qubo_dnn.files.qaplib import read_qaplib
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.pruning_quantization import PruningQuantization
from qubo_formulations.quadratic_assignment import QuadraticAssignment

# A target is sought with time limits that grow by this factor.
_GROWTH = 2.0


class Relaxing(ParallelTemperingBackend):
    """`pt` as if it kept nothing but one-hot groups."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(native_constraints=frozenset({ConstraintKind.ONE_HOT}))


@dataclass(frozen=True)
class Way:
    """A way to solve a problem with constraints.

    Attributes:
        name: in tables.
        backend: what is asked.
        inequalities: see `qubo_dnn.solving.solve.solve`.
        time_limit: seconds.
    """

    name: str
    backend: Backend
    inequalities: str
    time_limit: float


def seconds_to(problem: Problem[Any], backend: Backend, target: float, seed: int, limit: float) -> tuple[float, float]:
    """CPU seconds until the target, and the best objective.

    A backend with the option `target_energy` stops there; for another the time limit is doubled until it is reached,
    and the seconds are those of the run that does.
    """
    stops = "target_energy" in backend.options_type.model_fields
    given = {"target_energy": target} if stops else {}
    allowed = limit if stops else min(0.05, limit)
    while True:
        solution, seconds = cpu_timed(solve, problem, backend, {"seed": seed, "time_limit": allowed, **given})
        found = solution.best.objective if solution.best.feasible else float("inf")
        if found <= target + 1e-9 or allowed >= limit:
            return seconds, found
        allowed = min(limit, _GROWTH * allowed)


def assignments(
    problems: dict[str, tuple[QuadraticAssignment, float | None]], seeds: Sequence[int], limit: float
) -> Iterator[Row]:
    """A row for every problem, backend and seed; without a known value the target is the best of a longer run."""
    for name, (formulation, known) in problems.items():
        problem = formulation.compile()
        target = known
        if target is None:
            target = solve(problem, get_backend("pt"), {"seed": 1000, "time_limit": 4.0 * limit}).best.objective
        for backend in ("pt", "tabu"):
            for seed in seeds:
                seconds, found = seconds_to(problem, get_backend(backend), target, seed, limit)
                run: Row = {"problem": name, "backend": backend, "seed": seed, "target": target}
                yield {**run, "found": found, "seconds": seconds}


def networks(folder: Path | None, bits: float, seeds: Sequence[int], ways: Sequence[Way]) -> Iterator[Row]:
    """A row for every way and seed, on the measured network of a folder."""
    network, images, _ = load(folder)
    task = Setting(network, images, 0, Conditions.fitting(len(images))).measured.value
    problem = PruningQuantization(replace(task, limit=bits * task.weights)).compile()
    for way in ways:
        for seed in seeds:
            options = {"seed": seed, "time_limit": way.time_limit}
            solution, seconds = cpu_timed(solve, problem, way.backend, options, inequalities=way.inequalities)
            run: Row = {"way": way.name, "seed": seed, "time_limit": way.time_limit}
            best = {"objective": solution.best.objective, "feasible": solution.best.feasible}
            yield {**run, **best, "seconds": seconds, "variables": len(problem.variables)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables."""
    parser = make_parser(__doc__, "--data", "--json")
    parser.add_argument("--qaplib", type=Path, help="file of a quadratic assignment problem")
    parser.add_argument("--best", type=float, default=578.0, help="its best known value (default: that of nug12)")
    parser.add_argument("--grids", nargs="*", default=["4x5", "5x6"], help="generated ones, HEIGHTxWIDTH")
    parser.add_argument("--seeds", type=int, default=20, help="of assignment problems; a fifth of networks")
    parser.add_argument("--limit", type=float, default=10.0, help="seconds for a target")
    parser.add_argument("--bits", type=float, default=3.0, help="budget of the network, stored bits per weight")
    parser.add_argument("--share", type=float, default=1.0, help="of the time limits on the network")
    words = parser.parse_args(arguments)
    problems: dict[str, tuple[QuadraticAssignment, float | None]] = {}
    if words.qaplib:
        problems[words.qaplib.stem] = QuadraticAssignment(**vars(read_qaplib(words.qaplib))), words.best
    for name in words.grids:
        height, width = map(int, name.split("x"))
        problems[name] = QuadraticAssignment(*grid(height, width, seed=1)), None
    share, pt, neal = words.share, get_backend("pt"), get_backend("neal")
    ways = [
        *(Way("pt", pt, "lagrangian", share * seconds) for seconds in (1.0, 10.0)),
        Way("pt, multipliers and repair", Relaxing(), "lagrangian", share * 10.0),
        Way("neal, multipliers and repair", neal, "lagrangian", share * 60.0),
        Way("neal, slack", neal, "slack", share * 60.0),
    ]
    # Whatever a first call has to load is not solving.
    solve(QuadraticAssignment(*grid(2, 2, 0)).compile(), pt, {"num_sweeps": 1})
    of_assignments = list(assignments(problems, range(words.seeds), words.limit))
    _print(of_assignments, ("problem", "backend", "target"), "found", min)
    of_networks = list(networks(words.data, words.bits, range(max(1, words.seeds // 5)), ways))
    _print(of_networks, ("way", "time_limit", "variables"), "objective", np.median)
    if words.json:
        write_json(words.json, {"assignments": of_assignments, "networks": of_networks})


def _print(rows: Sequence[Row], names: Sequence[str], value: str, middle: Callable[[list[float]], Any]) -> None:
    """A line for every group of seeds: the value, how often it is the best of all seeds, and the median seconds."""

    def cells(group: Sequence[Row]) -> tuple[str, ...]:
        values = [row[value] for row in group]
        seconds = float(np.median([row["seconds"] for row in group]))
        spread = f"{min(values):.6g} to {max(values):.6g}"
        return *(str(group[0][name]) for name in names), f"{middle(values):.6g}", spread, f"{seconds:.3g}"

    Table(" | ".join((*names, value, "range", "CPU s, median")), cells).print(grouped(rows, *names).values())


if __name__ == "__main__":
    finish(main)
