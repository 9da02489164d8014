"""Compare ways of choosing options: one network, one quantizer, equal budgets, several seeds.

    python -m bench.compression                  the zoo's network and its images
    python -m bench.compression --data DIR       ResNet-20 on CIFAR-10

A seed draws the calibration images and seeds the methods; what is measured once serves all budgets. The situations:
"as-given" is the network rewritten and nothing else, "recovered" has its BatchNorm and biases adjusted afterwards
on the same calibration images, "folded" is rewritten after BatchNorm was folded into the convolutions. Methods measure
on some calibration images and choose on others (the paper's beta, our shrinkage and rounds, what recovery keeps); the
held-out divergence is of the remaining ones, and test images are looked at for the table alone.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, fields
from pathlib import Path

from bench.command import finish, make_parser
from bench.compression.comparison.roster import methods
from bench.compression.comparison.rows import Rows
from bench.compression.comparison.run import run
from bench.compression.comparison.table import table
from bench.compression.measurements.fingerprint import fingerprint
from bench.compression.measurements.setting import Conditions
from bench.compression.measurements.situations import SITUATIONS
from bench.compression.pictures import accuracies
from bench.networks.loading import load
from qubo_dnn.compression.network.inference import evaluate
from qubo_dnn.errors import OptionError, suggestion


def parse() -> argparse.Namespace:
    """The command line."""
    parser = make_parser(__doc__, "--data", "--seeds")
    parser.add_argument("--budgets", type=float, nargs="+", default=[2.5, 3.0, 3.5, 4.0], help="stored bits per weight")
    parser.add_argument("--situations", nargs="+", choices=SITUATIONS, default=list(SITUATIONS))
    parser.add_argument("--methods", nargs="+", help=f"default: all of {', '.join(methods())}")
    parser.add_argument("--shrinkages", type=float, nargs="*", default=[], help="further values for gauss-newton")
    for field in fields(Conditions):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    parser.add_argument("--json", type=Path, help="file to keep all rows in; those it has are not computed again")
    parser.add_argument("--cache", type=Path, help="folder to keep CLADO's measurements in as they go")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="folder for pictures of the table")
    return parser.parse_args()


def main() -> None:
    """Run and print the table."""
    words = parse()
    roster = methods(tuple(words.shrinkages))
    chosen = words.methods or list(roster)
    if unknown := [name for name in chosen if name not in roster]:
        raise OptionError(f"unknown method {unknown[0]!r}{suggestion(unknown[0], roster)}")
    model, calibration, test = load(words.data)
    conditions = Conditions(**{field.name: getattr(words, field.name) for field in fields(Conditions)})
    reference = evaluate(model, test)
    settings = {
        "network_and_images": fingerprint(model, (), calibration, test),
        "reference": asdict(reference),
        **asdict(conditions),
    }
    rows = Rows(settings, words.json)
    run(
        model,
        calibration,
        test,
        {name: roster[name] for name in chosen},
        rows,
        budgets=words.budgets,
        seeds=words.seeds,
        situations=words.situations,
        conditions=conditions,
        cache=words.cache,
    )
    print(f"\nreference accuracy {100 * (reference.accuracy or 0.0):.2f} %\n")
    print(table(rows.all))
    if words.pictures:
        accuracies(rows.all, reference.accuracy or 0.0, words.pictures)


if __name__ == "__main__":
    finish(main)
