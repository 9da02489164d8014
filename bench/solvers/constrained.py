"""Constraints kept by `pt` itself against the same as penalties, multipliers and repair.

    OMP_NUM_THREADS=1 python -m bench.solvers.constrained --data DIR --qaplib FILE.dat --json FILE

Assignment problems: CPU seconds until the best known value, by exchanges within the constraints and by `tabu` on the
penalties. Pruning-quantization of a network, one unit per channel: the best objective within the budget after so many
seconds, against multipliers with repair around `pt`, and `neal` on penalties with multipliers and with slack bits.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.command import finish
from bench.compression.measurements.setting import Conditions, Setting
from bench.networks.loading import add_data_option, load
from bench.solvers.applications import grid
from qubo_backends.parallel_tempering import ParallelTemperingBackend
from qubo_dnn.backend import Backend, Capabilities
from qubo_dnn.cli.output import write_json
from qubo_dnn.constraint import ConstraintKind
from qubo_dnn.files.qaplib import read_qaplib
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.pruning_quantization import PruningQuantization
from qubo_formulations.quadratic_assignment import QuadraticAssignment

Row = dict[str, Any]
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
        started = time.process_time()
        solution = solve(problem, backend, {"seed": seed, "time_limit": allowed, **given})
        seconds = time.process_time() - started
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
                yield {"problem": name, "backend": backend, "seed": seed, "target": target} | {
                    "found": found,
                    "seconds": seconds,
                }


def networks(folder: Path | None, bits: float, seeds: Sequence[int], ways: Sequence[Way]) -> Iterator[Row]:
    """A row for every way and seed, on the measured network of a folder."""
    network, images, _ = load(folder)
    usual, count = Conditions(), len(images)
    fits = usual.calibration_size + usual.judge_size < count
    conditions = usual if fits else Conditions(calibration_size=count // 2, judge_size=count // 4)
    task = Setting(network, images, 0, conditions).measured.value
    problem = PruningQuantization(replace(task, limit=bits * task.weights)).compile()
    for way in ways:
        for seed in seeds:
            started = time.process_time()
            options = {"seed": seed, "time_limit": way.time_limit}
            solution = solve(problem, way.backend, options, inequalities=way.inequalities)
            yield {
                "way": way.name,
                "seed": seed,
                "time_limit": way.time_limit,
                "objective": solution.best.objective,
                "feasible": solution.best.feasible,
                "seconds": time.process_time() - started,
                "variables": len(problem.variables),
            }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_option(parser)
    parser.add_argument("--qaplib", type=Path, help="file of a quadratic assignment problem")
    parser.add_argument("--best", type=float, default=578.0, help="its best known value (default: that of nug12)")
    parser.add_argument("--grids", nargs="*", default=["4x5", "5x6"], help="generated ones, HEIGHTxWIDTH")
    parser.add_argument("--seeds", type=int, default=20, help="of assignment problems; a fifth of networks")
    parser.add_argument("--limit", type=float, default=10.0, help="seconds for a target")
    parser.add_argument("--bits", type=float, default=3.0, help="budget of the network, stored bits per weight")
    parser.add_argument("--share", type=float, default=1.0, help="of the time limits on the network")
    parser.add_argument("--json", type=Path, help="file to write")
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
    solve(
        QuadraticAssignment(*grid(2, 2, 0)).compile(), pt, {"num_sweeps": 1}
    )  # whatever a first call has to load is not solving
    of_assignments = list(assignments(problems, range(words.seeds), words.limit))
    _print(of_assignments, ("problem", "backend", "target"), "found", min)
    of_networks = list(networks(words.data, words.bits, range(max(1, words.seeds // 5)), ways))
    _print(of_networks, ("way", "time_limit", "variables"), "objective", np.median)
    if words.json:
        write_json(words.json, {"assignments": of_assignments, "networks": of_networks})


def _print(rows: Sequence[Row], names: Sequence[str], value: str, middle: Callable[[list[float]], Any]) -> None:
    """A line for every group of seeds: the value, how often it is the best of all seeds, and the median seconds."""
    print("| " + " | ".join((*names, value, "range", "CPU s, median")) + " |\n" + "|---" * (len(names) + 3) + "|")
    for group in dict.fromkeys(tuple(row[name] for name in names) for row in rows):
        inside = [row for row in rows if tuple(row[name] for name in names) == group]
        values = [row[value] for row in inside]
        seconds = float(np.median([row["seconds"] for row in inside]))
        spread = f"{min(values):.6g} to {max(values):.6g}"
        print(f"| {' | '.join(map(str, group))} | {middle(values):.6g} | {spread} | {seconds:.3g} |", flush=True)


if __name__ == "__main__":
    finish(main)
