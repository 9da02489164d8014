"""QAOA: its angles, its starts, its simulator, and layers of a network, each against what it has to be compared with.

    OMP_NUM_THREADS=1 python -m bench.qaoa --out bench/qaoa

On one thread. Rows are kept as they come: what is run again by `--parts` replaces its own rows in the folder and leaves
the others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.command import bit_widths_of, finish, make_parser
from bench.qaoa import layers, quality, speed, starts
from bench.tables import Row, Table
from qubo_dnn.cli.common.output import write_json
from qubo_dnn.files.common.output import write_atomically

TABLES: dict[str, Table] = {
    "quality": quality.TABLE,
    "speed": speed.TABLE,
    "starts": starts.TABLE,
    "layers": layers.TABLE,
}


def readme(found: dict[str, list[Row]]) -> str:
    """All tables there are rows for."""
    parts = [table.section(found[name]) for name, table in TABLES.items() if found.get(name)]
    return "\n".join([f"# Gate-model circuits\n\n{__doc__}", *parts])


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--parts", nargs="+", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--sizes", nargs="+", type=int, default=[10, 12, 14, 16, 18, 20], help="for quality")
    parser.add_argument("--timed-sizes", nargs="+", type=int, default=[12, 16, 20], help="for speed")
    parser.add_argument("--start-size", type=int, default=20, help="for starts")
    lists = [(2, 4), (2, 3, 4), (2, 3, 4, 6), (0, 2, 3, 4, 6)]
    parser.add_argument("--options", type=bit_widths_of, nargs="+", default=lists, help="bit widths, for layers")
    parser.add_argument("--budget", type=float, default=3.0, help="stored bits per weight, for layers")
    parser.add_argument("--depths", nargs="+", type=int, default=[1, 3, 5])
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5, help="of 20 spins and more at most 3")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for results.json and README.md")
    given = parser.parse_args()
    runs: dict[str, Callable[[], Iterator[Row]]] = {
        "speed": lambda: speed.rows(given.timed_sizes, 3, given.seeds),
        "starts": lambda: starts.rows(given.start_size, [1, 3], given.evaluations, given.seeds),
        "layers": lambda: layers.rows(given.options, [0, *given.depths], given.budget, given.seeds),
        "quality": lambda: quality.rows(given.sizes, given.depths, given.evaluations, given.seeds),
    }
    found: dict[str, list[Row]] = {}
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        if (given.out / "results.json").exists():
            found = json.loads((given.out / "results.json").read_text())

    def kept(name: str) -> Iterator[Row]:
        found[name] = []
        for row in runs[name]():
            found[name].append(row)
            yield row
            if given.out is not None:
                write_json(given.out / "results.json", found)
                write_atomically(given.out / "README.md", readme(found).encode())

    for name in given.parts:
        print()
        TABLES[name].print(kept(name))


if __name__ == "__main__":
    finish(main)
