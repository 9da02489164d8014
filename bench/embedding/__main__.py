"""How large a pruning-quantization problem fits today's annealers, and what the emulator returns, compared with `pt`.

    python -m bench.embedding --data DIR --out bench/embedding/results

Every problem is embedded with its budget as a Lagrangian term, with binary slack, and unbalanced, without presolve. The
emulated chip is asked as `qubo-dnn solve` asks it, in rounds with rising weights; its reads are judged as they are, and
after repair.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bench.command import finish
from bench.embedding.run import HEADINGS, SolverBudget, cells, rows
from bench.networks.loading import add_data_option, load
from bench.networks.problems import cases
from qubo_dnn.cli.output import write_json
from qubo_dnn.files.output import write_atomically
from qubo_dnn.pictures.image import write_image
from qubo_dnn.pictures.picture import Picture, Series

TITLE = "Pruning-quantization on quantum annealers"


def table(found: list[dict[str, Any]]) -> str:
    """The rows in Markdown."""
    lines = [HEADINGS, ["---"] * len(HEADINGS), *map(cells, found)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def picture(found: list[dict[str, Any]]) -> Picture:
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
    parser = argparse.ArgumentParser(description="Embedding pruning-quantization problems.")
    add_data_option(parser)
    parser.add_argument("--granularities", nargs="+", default=["layer", "group:32", "group:16", "group:8"])
    parser.add_argument("--options", nargs="+", default=["2,4", "2,3,4", "2,3,4,6,8"])
    parser.add_argument("--chips", nargs="+", default=["pegasus:16", "zephyr:15"])
    parser.add_argument("--budget", type=float, default=3.0, help="stored bits per weight")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--out", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    network, images, _ = load(arguments.data)
    options = [tuple(int(width) for width in text.split(",")) for text in arguments.options]
    print(table([]), flush=True)
    found = []
    measured_on = images.subset(min(arguments.images, len(images)), 0)
    for case in cases(network, measured_on, arguments.granularities, options, arguments.budget, 0):
        for row in rows(case, arguments.chips, SolverBudget()):
            found.append(row)
            print(table([row]).splitlines()[-1], flush=True)
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        write_json(arguments.out / "results.json", found)
        write_atomically(
            arguments.out / "README.md", f"# {TITLE}\n\n{__doc__}\n{table(found)}\n\n![](qubits.png)\n".encode()
        )
        for ending in (".png", ".svg"):
            write_image(arguments.out / f"qubits{ending}", picture(found))


if __name__ == "__main__":
    finish(main)
