"""Seconds and memory of large problems, and what a network of 7 billion weights would take.

    python -m bench.scale --data DIR --out bench/scale/results

Instances are made from a seed, and every one is run in a process of its own, on one thread. The largest sparse model
(10 million variables, 30 million couplings) takes some 4 minutes of one core and 2 GiB, the largest factor as long and
3 GiB. `--largest 1e5` leaves out what is larger.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.command import add_page_options, finish, make_parser
from bench.results import read_results
from bench.scale.factors import FACTORS, OPTIONS, FactorRow, factor_rows
from bench.scale.instances import Lattice
from bench.scale.network import ACCELERATOR, GIB, LLM, Solver, windows
from bench.scale.resnet import CHECKS, Check, check_rows, rate_of
from bench.scale.sparse import SPARSE, SparseRow, sparse_rows
from bench.solvers.run import setting
from bench.tables import Table
from qubo_dnn.cli.common.output import write_json
from qubo_dnn.errors import OptionError
from qubo_dnn.files.common.output import write_atomically

_SPARSE = (
    *(("coo", 10**5, 3), ("coo", 10**6, 3), ("coo", 10**7, 3)),
    *(("npz", 10**7, 3), ("npz", 10**7, 10)),
)
_GROUPS = (2_500, 25_000, 250_000)
FOLDER = Path(__file__).parent / "results"
_PARTS = ("sparse", "factors", "network")
_RANK, _WINDOW_LAYERS, _WORKERS = 64, 14, 8

ESTIMATES = Table(
    "quantity | value",
    "{quantity} | {value}",
    "7 billion weights in groups of 128",
    "Calculated by `bench.scale.network` with the rate of measuring and the coefficients of the solver of the tables "
    "above: a transformer of 32 blocks of 7 matrices, four options per group, 128 samples of 2,048 tokens with 8 "
    "probes each.",
)


@dataclass
class Results:
    """Rows of all tables, and the machine that they were measured on."""

    setting: dict[str, str] = field(default_factory=dict)
    sparse: list[SparseRow] = field(default_factory=list)
    factors: list[FactorRow] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)


def fitted(rows: Sequence[FactorRow]) -> Solver:
    """Return the coefficients of the largest problem whose sweeps were timed; larger ones test them."""
    timed = max((each for each in rows if each.sweep_seconds is not None), key=lambda each: each.variables)
    assert timed.sweep_seconds is not None
    return Solver(variable_bytes=timed.beside, product_seconds=timed.sweep_seconds / (timed.variables * timed.rank))


def estimates(solver: Solver, flops: float) -> list[dict[str, str]]:
    """Return what the large network takes, as rows of a table.

    Args:
        solver: measured coefficients.
        flops: per second that measuring sustains on one core here.
    """
    design = windows(LLM, solver, _WINDOW_LAYERS, _RANK, _WORKERS)
    seconds_here, seconds = LLM.measuring_flops / flops, LLM.measuring_flops / ACCELERATOR.flops
    whole = solver.bytes(LLM.variables, LLM.columns)
    values = {
        "units": f"{LLM.units:,}",
        "binary variables": f"{LLM.variables:,}",
        "columns of the factor (samples times probes)": f"{LLM.columns:,}",
        "operations of measuring": f"{LLM.measuring_flops:.2g} FLOP",
        "measuring on one core here": f"{seconds_here / 86_400:.0f} days at {flops / 1e9:.1f} GFLOP/s",
        "measuring on 8 accelerators of 400 TFLOP/s": f"{seconds:.0f} s",
        "changes of all weights at all options": f"{LLM.change_bytes / GIB:,.0f} GiB",
        "factor": f"{LLM.factor_bytes / GIB:,.0f} GiB",
        "labels and arrays of the solver beside it": f"{LLM.variables * solver.variable_bytes / GIB:,.0f} GiB",
        "solver in one process": f"{whole / GIB:,.0f} GiB",
        "a sweep of 8 replicas on one core": f"{solver.sweep_seconds(LLM.variables, LLM.columns) / 3600:,.1f} h",
        f"windows of {_WINDOW_LAYERS} of {LLM.layers} layers, overlapping by half": f"{design.count}",
        "variables of a window": f"{design.variables:,}",
        f"factor of a window, projected onto {_RANK} directions": f"{design.factor_bytes / GIB:.1f} GiB",
        "solver of a window": f"{design.solver_bytes / GIB:.1f} GiB",
        f"sent once by each of {_WORKERS} workers": f"{design.scattered_bytes / GIB:.0f} GiB, "
        f"{design.scattered_bytes / ACCELERATOR.link:.0f} s at 400 Gbit/s",
        "sent by a worker in a round": f"{design.round_bytes / 2**20:.1f} MiB",
        f"a sweep of 8 replicas of all windows, {_WORKERS} cores": f"{design.sweep_seconds / 60:.0f} min",
    }
    return [{"quantity": name, "value": value} for name, value in values.items()]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all sizes, print their tables, and write them."""
    parser = make_parser(__doc__, "--seed", "--data")
    parser.add_argument("--largest", type=float, default=1e7, help="variables of the largest instance")
    parser.add_argument("--time-limit", type=float, default=60.0, help="seconds of solving each")
    parser.add_argument("--factor-limit", type=float, default=240.0, help="seconds of solving the largest factor")
    parser.add_argument("--images", type=int, default=64, help="measured on")
    parser.add_argument("--granularities", nargs="+", default=["layer", "group:16", "channel"])
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=_PARTS, help="to run; others are read from --out")
    add_page_options(parser, FOLDER)
    words = parser.parse_args(arguments)
    sizes = [(form, Lattice(n, degree, words.seed)) for form, n, degree in _SPARSE if n <= words.largest]
    groups = [count for count in _GROUPS if count * len(OPTIONS) <= words.largest]
    parts = () if words.report_only else words.parts
    file = words.out / "results.json"
    results = read_results(file, Results) if file.exists() else Results()
    results.setting = setting([]) if parts else results.setting
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "sparse" in parts:
            results.sparse = SPARSE.print(sparse_rows(sizes, folder, words.time_limit))
            write_json(file, asdict(results))
        if "factors" in parts:
            results.factors = FACTORS.print(factor_rows(groups, _RANK, words.factor_limit, words.seed))
            write_json(file, asdict(results))
        if "network" in parts:
            if not results.factors:
                raise OptionError("the part 'network' needs the part 'factors', now or in --out")
            solver = fitted(results.factors)
            checks = check_rows(solver, words.data, words.granularities, words.images, words.seed, folder)
            results.checks = CHECKS.print(checks)
            write_json(file, asdict(results))
    write_atomically(words.out / "README.md", page(results).encode())


def page(results: Results) -> str:
    """The page as Markdown, with the tables of the parts that were run."""
    command = "python -m bench.scale --data DIR --out bench/scale/results"
    facts = ", ".join(f"{name} {value}" for name, value in results.setting.items())
    sections = [f"# Scale\n\n```\n{command}\n```\n\n{facts}.\n"]
    tables: tuple[tuple[Table, Sequence[object]], ...] = (
        (SPARSE, results.sparse),
        (FACTORS, results.factors),
        (CHECKS, results.checks),
    )
    sections += [table.section(rows) for table, rows in tables if rows]
    if results.checks:
        sections.append(ESTIMATES.section(estimates(fitted(results.factors), rate_of(results.checks))))
    return "\n".join(sections)


if __name__ == "__main__":
    finish(main)
