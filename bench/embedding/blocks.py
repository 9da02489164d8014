"""A network with thousands of variables on a small solver: blocks on an emulated chip and in simulated circuits.

    python -m bench.embedding.blocks --data DIR --json FILE

Every channel chooses among six bit widths. The backends start from the same random plan within the budget, and solve
blocks of the same sizes as the control `decompose:random` does, which draws as many random states of every block. A
block of so many variables switches as many channels to another width, or holds all widths of a sixth as many.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from bench.command import bit_widths_of, finish, make_parser
from bench.networks.problems import NetworkCase, stored_cases
from bench.processes import one_thread
from bench.tables import Row, Table
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve

CHIP = {"block_size": 48, "block_reads": 20, "max_blocks": 60}
CIRCUIT = {"block_size": 14, "block_reads": 100, "max_blocks": 200}
WAYS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("decompose:random", CHIP),
    ("decompose:qpu-emulator:zephyr:15", CHIP),
    ("decompose:random", CIRCUIT),
    ("decompose:qaoa", CIRCUIT),
    ("decompose:exact", CIRCUIT),
    ("decompose:random", {**CIRCUIT, "max_blocks": 4000}),
    ("decompose:exact", {**CIRCUIT, "max_blocks": 4000}),
)


def rows(case: NetworkCase, seconds: float, seed: int) -> Iterator[Row]:
    """One row for `pt` and for every way.

    Args:
        case: the problem.
        seconds: time limit of `pt`.
        seed: of all.
    """
    best = None
    for backend, options in (("pt", {"time_limit": seconds}), *WAYS):
        begun = time.process_time()
        found = solve(case.problem, get_backend(backend), {**options, "seed": seed}, presolve=False)
        cpu, info = time.process_time() - begun, found.sampleset.info
        best = found.best.objective if best is None else best
        yield {
            "backend": backend,
            "options": options,
            "units": case.units,
            "variables": len(case.problem.variables),
            "objective": found.best.objective,
            "feasible": found.best.feasible,
            "above_pt": found.best.objective / best - 1.0,
            "cpu_seconds": cpu,
            "seed": seed,
            **{name: info[name] for name in ("blocks", "improved", "rows", "rows_with_whole_groups") if name in info},
        }


def _cells(row: Row) -> list[str]:
    options, blocks = row["options"], "blocks" in row
    return [
        row["backend"],
        str(options["block_size"]) if blocks else "",
        str(options["block_reads"]) if blocks else "",
        str(row["blocks"]) if blocks else "",
        str(row["improved"]) if blocks else "",
        f"{row['objective']:.4f}",
        f"{100 * row['above_pt']:,.0f}",
        f"{row['cpu_seconds']:.0f}",
    ]


TABLE = Table("backend | block size | reads | blocks | improved | objective | above pt, % | CPU s", _cells)


def main() -> None:
    """Print the rows as they come."""
    parser = make_parser(__doc__, "--data", "--seed", "--json")
    parser.add_argument("--granularity", default="channel")
    parser.add_argument("--options", type=bit_widths_of, default=(0, 2, 3, 4, 6, 8), help="bit widths, as in 0,2,4")
    parser.add_argument("--budget", type=float, default=3.0, help="stored bits per weight")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=10.0, help="time limit of pt")
    words = parser.parse_args()
    one_thread()
    (case,) = stored_cases(words.data, words.images, [words.granularity], [words.options], words.budget, words.seed)
    print(f"{case.units} units, {len(case.problem.variables)} variables\n", flush=True)
    TABLE.print(rows(case, words.seconds, words.seed), words.json)


if __name__ == "__main__":
    finish(main)
