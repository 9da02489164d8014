"""What a quadratic budget of multiply-accumulates is worth, on a network in which every cost is a product.

    OMP_NUM_THREADS=1 python -m bench.zoo.train_vgg --data DIR --out vgg.safetensors
    OMP_NUM_THREADS=1 python -m bench.macs --data DIR --weights vgg.safetensors --out bench/macs/results
    python -m bench.macs --report-only --out bench/macs/results

The network is a small VGG (`bench.zoo.vgg`): every convolution reads all channels that the one before it makes, so its
multiply-accumulates are the outputs kept times the inputs kept, and both are free. With the separable loss, where every
channel adds a loss of its own, measured in the order in which the channels of a layer leave, only the number of
channels kept in every layer matters, and dynamic programming finds the `exact optimum` (`bench.macs.counts`). The
backends get the same loss and the same quadratic budget channel by channel, and know nothing of counts; gaps are
relative to the optimum. `pt, with pairs` minimises the loss with all pairs of channels instead, at the shrinkage that
held-out images choose, as `compress` does.

`linear budget` is what a solver does that takes no products: a channel counts the multiply-accumulates that leave with
it while all others stay. Where channels of neighbouring layers leave, it counts some twice, so its limit is lowered or
raised by bisection until the network that results keeps the budget: the methods are compared at equal measured
multiply-accumulates. Its problem is solved by `exact-milp`. `uniform` takes the same share of every layer, the channels
of least loss.

Whatever was chosen, the network is refitted, repaired and really made smaller in the same way, as in `bench.removal`.
Calibration images are those that the network was not trained on, a quarter of them held out to judge repairs; test
images share nothing with both, and are the same for all. Multiply-accumulates are measured on the smaller network.
`CPU, s` is the time of choosing; the measurement is shared, and not counted.

Generated chains are convolutions in the manner of VGG and a Linear, with a random loss for every channel. `price` is
the gap of the bound by a price of multiply-accumulates: as much as a price alone may miss. Without `--weights`, these
alone are run. `pt`, `genetic`, `reinforcement` and `exact-milp` keep the budget itself; the others get it as a price.
What was run is kept as it comes, and the same command goes on with it.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from bench.command import add_page_options, finish, make_parser
from bench.macs.generated import ChainResults, run_chains
from bench.macs.methods import BACKENDS, METHODS
from bench.macs.page import page
from bench.macs.picture import draw
from bench.macs.results import NetworkResults
from bench.macs.run import run_network
from bench.results import read_results, resumed
from bench.zoo.vgg import load_vgg
from qubo_dnn.cli.common.output import write_json
from qubo_dnn.errors import OptionError
from qubo_dnn.files.common.output import write_atomically

CHAINS, NETWORK, REMARKS, PAGE = "chains.json", "network.json", "remarks.md", "README.md"


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = make_parser(__doc__, "--data", "--seeds")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="what bench.zoo.train_vgg wrote")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="NAME")
    parser.add_argument(
        "--percents",
        type=float,
        nargs="+",
        default=[60.0, 30.0, 75.0, 45.0],
        help="of the MACs that stay, in this order",
    )
    parser.add_argument("--calibration-size", type=int, default=1024, help="images, a quarter of them held out")
    parser.add_argument("--test-size", type=int, default=2500)
    parser.add_argument("--time-limit", type=float, default=4.0, help="seconds for each backend")
    parser.add_argument("--exact-time-limit", type=float, default=30.0, help="seconds for exact-milp on the network")
    parser.add_argument(
        "--widths", type=int, nargs="+", default=[16, 16, 32, 32, 64, 64], help="channels of generated chains"
    )
    parser.add_argument(
        "--backends", nargs="*", default=list(BACKENDS), metavar="NAME", help="on generated chains; may be none"
    )
    add_page_options(parser, Path(__file__).parent / "results")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, or read what was run, and write page and picture."""
    words = parse(arguments)
    if not words.report_only:
        torch.set_num_threads(1)
        words.out.mkdir(parents=True, exist_ok=True)
        if words.backends:
            _run_chains(words)
        if words.weights:
            _run_network(words)
    chains = read_results(words.out / CHAINS, ChainResults) if (words.out / CHAINS).exists() else None
    network = read_results(words.out / NETWORK, NetworkResults) if (words.out / NETWORK).exists() else None
    remarks = words.out / REMARKS
    text = page(chains, network, __doc__ or "", remarks.read_text() if remarks.exists() else "")
    write_atomically(words.out / PAGE, text.encode())
    if network is not None:
        draw(network, words.out)


def _run_chains(words: argparse.Namespace) -> None:
    results = resumed(words.out / CHAINS, ChainResults, {"time limit": words.time_limit})
    run_chains(
        *(results, _keeping(words.out / CHAINS, results)),
        widths=words.widths,
        percents=words.percents,
        seeds=words.seeds,
        backends=words.backends,
        seconds=words.time_limit,
    )


def _run_network(words: argparse.Namespace) -> None:
    if words.data is None:
        raise OptionError("--weights needs --data, the folder of the images that the network was trained on")
    model, calibration, test = load_vgg(words.data, words.weights)
    test = test.subset(min(len(test), words.test_size), 0)
    settings = {
        "calibration images": words.calibration_size,
        "test images": len(test),
        "time limit": words.time_limit,
        "time limit of exact-milp": words.exact_time_limit,
        "weights": hashlib.sha256(words.weights.read_bytes()).hexdigest()[:12],
    }
    results = resumed(words.out / NETWORK, NetworkResults, settings)
    run_network(
        *(model, calibration, test, results, _keeping(words.out / NETWORK, results)),
        methods=words.methods,
        percents=words.percents,
        seeds=words.seeds,
        size=words.calibration_size,
        seconds=words.time_limit,
        exact_seconds=words.exact_time_limit,
    )


def _keeping(path: Path, results: Any) -> Callable[[str], None]:
    """Return what writes results and prints a text."""

    def heard(text: str) -> None:
        write_json(path, asdict(results))
        print(text, flush=True)

    return heard


if __name__ == "__main__":
    finish(main)
