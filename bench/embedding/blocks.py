"""A network with thousands of variables on a small solver: blocks on an emulated chip and in simulated circuits.

    python -m bench.embedding.blocks --data DIR --out bench/embedding/results/blocks

`pt` has 10 seconds. Every channel chooses among six bit widths. The backends start from the same random plan within the
budget, and solve blocks of the same sizes as the control `decompose:random` does, which draws as many random states of
every block. A block of so many variables switches as many channels to another width, or holds all widths of a sixth as
many. The chip and the circuit are asked once for each block, with the budget as a price. CPU seconds are of one thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.command import add_page_options, bit_widths_of, finish, make_parser
from bench.networks.problems import NetworkCase, stored_cases
from bench.processes import one_thread
from bench.results import read_results
from bench.solvers.run import setting
from bench.tables import Row, Table
from qubo_dnn.files.common.output import write_atomically
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_dnn.support.jit import compiling_here

RESULTS, TITLE = "results.json", "ResNet-20 by blocks on small solvers"
CHIP = {"block_size": 48, "block_reads": 20}
CIRCUIT = {"block_size": 14, "block_reads": 100}
WAYS: tuple[tuple[str, dict[str, Any]], ...] = (
    *((backend, {**CHIP, "max_blocks": 60}) for backend in ("decompose:random", "decompose:qpu-emulator:zephyr:15")),
    *((backend, {**CHIP, "max_blocks": 600}) for backend in ("decompose:random", "decompose:qpu-emulator:zephyr:15")),
    *((f"decompose:{name}", {**CIRCUIT, "max_blocks": 200}) for name in ("random", "qaoa", "exact")),
    *((f"decompose:{name}", {**CIRCUIT, "max_blocks": 2000}) for name in ("random", "exact")),
)


def rows(case: NetworkCase, seconds: float, seed: int) -> Iterator[Row]:
    """One row for `pt` and for every way.

    Args:
        case: the problem.
        seconds: time limit of `pt`.
        seed: of all.
    """
    best = None
    # Whatever is compiled for such a problem is compiled before.
    with compiling_here():
        solve(case.problem, get_backend("pt"), {"time_limit": 0.05, "seed": seed}, presolve=False)
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
            "processor": setting([])["processor"],
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
    """Run, or read what was run, and write the page."""
    parser = make_parser(__doc__, "--data", "--seed")
    parser.add_argument("--granularity", default="channel")
    parser.add_argument("--options", type=bit_widths_of, default=(0, 2, 3, 4, 6, 8), help="bit widths, as in 0,2,4")
    parser.add_argument("--budget", type=float, default=3.0, help="stored bits per weight")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=10.0, help="time limit of pt")
    add_page_options(parser, Path(__file__).parent / "results" / "blocks")
    words = parser.parse_args()
    if not words.report_only:
        one_thread()
        words.out.mkdir(parents=True, exist_ok=True)
        (case,) = stored_cases(words.data, words.images, [words.granularity], [words.options], words.budget, words.seed)
        TABLE.print(rows(case, words.seconds, words.seed), words.out / RESULTS)
    found = read_results(words.out / RESULTS, list[dict[str, Any]])
    first = found[0]
    size = f"{first['units']} units, {first['variables']:,} variables, seed {first['seed']}; {first['processor']}."
    page = f"# {TITLE}\n\n{__doc__}\n{size}\n\n{TABLE.markdown(found)}\n"
    write_atomically(words.out / "README.md", page.encode())


if __name__ == "__main__":
    finish(main)
