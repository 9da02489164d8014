"""How large a pruning-quantization problem fits today's annealers, and what the emulator returns, compared with `pt`.

    python -m bench.embedding --data DIR --out bench/embedding/results

Every problem is embedded with its budget as a Lagrangian term, with binary slack, and unbalanced, without presolve. The
emulated chip is asked as `qubo-dnn solve` asks it, in rounds with rising weights; its reads are judged as they are, and
after repair.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.command import bit_widths_of, finish, make_parser
from bench.embedding.run import TABLE, SolverBudget, rows
from bench.networks.problems import stored_cases
from bench.tables import Row
from qubo_dnn.files.common.output import write_atomically
from qubo_dnn.pictures.image import ENDINGS, write_image
from qubo_dnn.pictures.picture import Picture, Series

TITLE = "Pruning-quantization on quantum annealers"
FURTHER = "Larger problems can be solved [by blocks](blocks/README.md)."


def picture(found: Sequence[Row]) -> Picture:
    """Qubits over variables, per chip."""
    series = []
    for chip in dict.fromkeys(row["chip"] for row in found):
        fitting = {
            row["problem"]["variables"]: row["embedding"]["qubits"]
            for row in found
            if row["fits"] and row["chip"] == chip
        }
        variables = sorted(fitting)
        series.append(Series(chip, list(variables), [fitting[n] for n in variables]))
    return Picture("qubits", "Qubits for a pruning-quantization problem", "variables", "qubits", series)


def main() -> None:
    parser = make_parser(__doc__, "--data")
    parser.add_argument("--granularities", nargs="+", default=["layer", "group:32", "group:16", "group:8"])
    parser.add_argument("--options", type=bit_widths_of, nargs="+", default=[(2, 4), (2, 3, 4), (2, 3, 4, 6, 8)])
    parser.add_argument("--chips", nargs="+", default=["pegasus:16", "zephyr:15"])
    parser.add_argument("--budget", type=float, default=3.0, help="stored bits per weight")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for results.json, README.md and the picture")
    words = parser.parse_args()
    if words.out is not None:
        words.out.mkdir(parents=True, exist_ok=True)
    problems = stored_cases(words.data, words.images, words.granularities, words.options, words.budget)
    found = TABLE.print(
        (row for case in problems for row in rows(case, words.chips, SolverBudget())),
        words.out and words.out / "results.json",
    )
    if words.out is not None:
        page = f"# {TITLE}\n\n{__doc__}\n{TABLE.markdown(found)}\n\n![](qubits.png)\n\n{FURTHER}\n"
        write_atomically(words.out / "README.md", page.encode())
        for ending in ENDINGS:
            write_image(words.out / f"qubits{ending}", picture(found))


if __name__ == "__main__":
    finish(main)
