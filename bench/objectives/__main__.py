"""The loss model of `compress` without pairs, with them, and chosen on held-out inputs, at equal budgets.

    pip install 'qubo-dnn[networks,report]'
    OMP_NUM_THREADS=1 python -m bench.objectives --data DIR --out bench/objectives/results
    python -m bench.objectives --report-only --out bench/objectives/results

`separable` optimises the diagonal of the loss model, `pairs` all of it, shrunk by 0.7, and `chosen` is the default of
`compress`: whichever of them is better on held-out inputs once weights are refitted, where widths of weights are chosen
within a budget of bits; in the other settings the diagonal, unless pairs at one of two shrinkages are clearly better.
Networks and inputs are those of `bench.networks`, and the ResNet-20 of DIR. Settings are budgets of stored
bits per weight, everything counted, for widths of 0 to 8 bits, and of multiply-accumulates that stay when whole
channels leave (`--options 0,32`). `W4A8` and `W4A4` are budgets of the bit operations of weights of 4 bits and
activations of 8 or 4, with widths of 0 to 8 bits for weights and of 4, 6 and 8 (3, 4, 6 and 8) for activations; the
uniform ones have these widths everywhere. All rows are after repair and refitting, over at most two rounds. A seed
draws the calibration inputs and seeds `compress`; the test inputs, which share nothing with these, are the same for all
seeds and looked at for the table alone. The divergence is from the network as it was, in the unit of its loss: nats,
and 1 - cosine for resemblyzer. CPU seconds, on one thread, are without measuring, which the objectives share.

What was run is kept as it comes, and the same command goes on with it. A network whose package is missing is left out,
and a setting that a network does not allow is named at the end.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.command import add_page_options, finish, make_parser
from bench.networks.shipped.roster import at_hand
from bench.objectives.networks import ENTRIES
from bench.objectives.page import page
from bench.objectives.picture import draw
from bench.objectives.results import ObjectiveResults
from bench.objectives.run import run
from bench.objectives.settings import OBJECTIVES, SETTINGS
from bench.results import read_results, resumed
from qubo_dnn.cli.common.output import write_json
from qubo_dnn.files.common.output import write_atomically

RESULTS, REMARKS, PAGE = "results.json", "remarks.md", "README.md"


def parse() -> argparse.Namespace:
    """The command line."""
    parser = make_parser(__doc__, "--data", "--seeds")
    parser.add_argument("--networks", nargs="+", choices=ENTRIES, default=list(ENTRIES), metavar="NAME")
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS), metavar="NAME")
    parser.add_argument("--objectives", nargs="+", choices=OBJECTIVES, default=list(OBJECTIVES), metavar="NAME")
    parser.add_argument("--processes", type=int, default=1, help="networks at a time")
    add_page_options(parser, Path(__file__).parent / "results")
    return parser.parse_args()


def main() -> None:
    """Run, or read what was run, and write page and picture."""
    words = parse()
    if not words.report_only:
        words.out.mkdir(parents=True, exist_ok=True)
        results = resumed(words.out / RESULTS, ObjectiveResults, settings())

        def heard(text: str) -> None:
            write_json(words.out / RESULTS, asdict(results))
            print(text, flush=True)

        entries = list(at_hand([ENTRIES[name] for name in words.networks], words.data))
        cells = [
            (SETTINGS[name], objective)
            for name in words.settings
            for objective in words.objectives
            if objective in SETTINGS[name].objectives
        ]
        run(entries, cells, words.seeds, words.data, words.processes, results, heard)
    results = read_results(words.out / RESULTS, ObjectiveResults)
    remarks = words.out / REMARKS
    text = page(results, __doc__ or "", remarks.read_text() if remarks.exists() else "")
    write_atomically(words.out / PAGE, text.encode())
    draw(results, words.out)


def settings() -> dict[str, Any]:
    """What decides the figures, but for the settings and networks themselves: more of these can be added to a run."""
    return {
        "objectives": OBJECTIVES,
        "granularities": {name: entry.granularity for name, entry in ENTRIES.items()},
    }


if __name__ == "__main__":
    finish(main)
