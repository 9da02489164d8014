"""Divergences that the model of the loss predicts, against those that come out on held-out images.

    python -m bench.compression.prediction --data DIR --budgets 2bits 2.5bits --granularities group:8 channel

The limit of `qubo_dnn.compression.rewriting.divergence_limit` was chosen by these ratios.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.command import finish
from bench.compression.measurements.setting import Silent
from bench.networks.loading import add_data_option, load
from qubo_dnn.cli.output import write_json
from qubo_dnn.compression.compress import Compressor
from qubo_dnn.compression.search.settings import SearchSettings
from qubo_dnn.compression.settings import CompressionSettings
from qubo_dnn.compression.task.budgets import parse_budget
from qubo_dnn.compression.task.task import check_compression
from qubo_dnn.registry import get_backend, get_formulation

_WAYS: dict[str, dict[str, Any]] = {
    "gauss-newton": {},
    "without shrinkage": {"shrinkage": 0.0},
    "separable": {"objective": "separable"},
    "trace": {"objective": "trace"},
}


def rows(words: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One row for every budget, granularity, objective and recovery, of first rounds."""
    model, calibration, _ = load(words.data)
    images = calibration.subset(words.calibration_size, words.seed)
    formulation = check_compression(get_formulation("pruning-quantization"))
    for budget in words.budgets:
        for granularity in words.granularities:
            for way in words.objectives:
                for recovery in words.recovery:
                    search = SearchSettings(
                        granularity=granularity,
                        parameters=_WAYS[way],
                        backend_options={"seed": words.seed, "time_limit": words.time_limit},
                        rounds=1,
                        seed=words.seed,
                    )
                    settings = CompressionSettings(budgets=(parse_budget(budget),), recovery=recovery, search=search)
                    compressor = Compressor(formulation, get_backend("pt"), settings)
                    done = compressor.compress(model, images, None, Silent())
                    (first,) = done.found.rounds
                    yield {
                        "budget": budget,
                        "granularity": granularity,
                        "objective": way,
                        "recovery": recovery,
                        "predicted": first.predicted,
                        "divergence": first.divergence,
                        "limit": first.limit,
                        "diverged": done.found.trial.diverged,
                    }


def main() -> None:
    """Compress in every way and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_option(parser)
    parser.add_argument("--budgets", nargs="+", default=["2bits", "2.5bits"])
    parser.add_argument("--granularities", nargs="+", default=["group:8"])
    parser.add_argument("--objectives", nargs="+", choices=_WAYS, default=list(_WAYS))
    parser.add_argument("--recovery", nargs="+", choices=("auto", "none"), default=["none"])
    parser.add_argument("--calibration-size", type=int, default=384)
    parser.add_argument("--time-limit", type=float, default=8.0, help="seconds of the solver")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file to write")
    words = parser.parse_args()
    print("| budget | units | objective | recovery | predicted, nats | divergence, nats | ratio | limit, nats |")
    print("|---|---|---|---|---|---|---|---|")
    found = []
    for row in rows(words):
        found.append(row)
        ratio = row["divergence"] / row["predicted"]
        print(
            f"| {row['budget']} | {row['granularity']} | {row['objective']} | {row['recovery']} "
            f"| {row['predicted']:.3g} "
            f"| {row['divergence']:.3g} | {ratio:.2g} | {row['limit']:.3g} |",
            flush=True,
        )
    if words.json:
        write_json(words.json, found)


if __name__ == "__main__":
    finish(main)
