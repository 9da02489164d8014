"""Channels removed from a residual network by several ways of choosing them, with the same reconstruction.

    OMP_NUM_THREADS=1 python -m bench.removal --data DIR --seeds 0 1 2 --out bench/removal/results
    python -m bench.removal --report-only --out bench/removal/results

Channels inside residual blocks can leave; those that are added up cannot. A budget is a share of the multiply-
accumulates of the whole network. `ours` is what `compress` chooses with `--options 0,32`, in one round that refits one
plan: its model of the loss measures removal where a channel is read, behind BatchNorm and ReLU, in the order in which
the channels of a layer leave. `separable, activations` has the same measurement of single channels, while all others
stay; `separable, weights` measures the removal of the weights that make a channel, and `greedy with pairs` removes one
channel after the other by the matrix of all pairs. `Taylor` is first-order, on the scale and shift of BatchNorm, as
Molchanov et al. (2019) have it; it and torch-pruning's `GroupTaylor` and `GroupHessian` use the labels of the
calibration images, the others do not. torch-pruning's importances rank all channels together, as they are. `uniform`
takes the same share of every block, those of least norm.

Whatever was chosen, the network is silenced, refitted, repaired and really made smaller in the same way, with the same
images: 768 to measure and to fit, 256 to judge repairs. The accuracy, the divergence from the network as given and the
multiply-accumulates are those of the smaller network; test images share nothing with the others, and are the same for
all. Latencies are medians of runs in turns with the given network, on one thread; they are of the first seed.

What was run is kept as it comes, and the same command goes on with it.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import torch

from bench.command import add_page_options, finish, make_parser
from bench.networks.loading import load
from bench.removal.methods import METHODS
from bench.removal.page import page
from bench.removal.picture import draw
from bench.removal.results import RemovalResults
from bench.removal.run import run
from bench.results import read_results, resumed
from qubo_dnn.cli.common.output import write_json
from qubo_dnn.files.common.output import write_atomically

RESULTS, REMARKS, PAGE = "results.json", "remarks.md", "README.md"


def parse() -> argparse.Namespace:
    """The command line."""
    parser = make_parser(__doc__, "--data", "--seeds")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="NAME")
    parser.add_argument(
        "--percents", type=float, nargs="+", default=[60.0, 45.0, 75.0], help="of the MACs that stay, in this order"
    )
    parser.add_argument("--calibration-size", type=int, default=1024, help="images, a quarter of them held out")
    parser.add_argument("--test-size", type=int, default=2500)
    parser.add_argument("--turns", type=int, default=50, help="runs that are timed")
    add_page_options(parser, Path(__file__).parent / "results")
    return parser.parse_args()


def main() -> None:
    """Run, or read what was run, and write page and pictures."""
    words = parse()
    if not words.report_only:
        torch.set_num_threads(1)
        words.out.mkdir(parents=True, exist_ok=True)
        model, calibration, test = load(words.data)
        test = test.subset(min(len(test), words.test_size), 0)
        settings = {"calibration images": words.calibration_size, "test images": len(test)}
        results = resumed(words.out / RESULTS, RemovalResults, settings)

        def heard(text: str) -> None:
            write_json(words.out / RESULTS, asdict(results))
            print(text, flush=True)

        run(
            *(model, calibration, test, results, heard),
            methods=words.methods,
            percents=words.percents,
            seeds=words.seeds,
            size=words.calibration_size,
            turns=words.turns,
        )
    results = read_results(words.out / RESULTS, RemovalResults)
    remarks = words.out / REMARKS
    text = page(results, __doc__ or "", remarks.read_text() if remarks.exists() else "")
    write_atomically(words.out / PAGE, text.encode())
    draw(results, words.out)


if __name__ == "__main__":
    finish(main)
