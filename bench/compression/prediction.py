"""Divergences that the model of the loss predicts, against those that come out on held-out images.

    python -m bench.compression.prediction --data DIR --budgets 2bits 2.5bits --granularities group:8 channel

The limit of `qubo_dnn.compression.rewriting.divergence_limit` was chosen by these ratios.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import product
from typing import Any

from bench.command import finish, make_parser
from bench.compression.measurements.setting import Silent
from bench.networks.loading import load
from bench.tables import Row, Table
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

TABLE = Table(
    "budget | units | objective | recovery | predicted, nats | divergence, nats | ratio | limit, nats",
    lambda row: (
        *(row["budget"], row["granularity"], row["objective"], row["recovery"], f"{row['predicted']:.3g}"),
        *(f"{row['divergence']:.3g}", f"{row['divergence'] / row['predicted']:.2g}", f"{row['limit']:.3g}"),
    ),
)


def rows(words: argparse.Namespace) -> Iterator[Row]:
    """One row for every budget, granularity, objective and recovery, of first rounds."""
    model, calibration, _ = load(words.data)
    images = calibration.subset(words.calibration_size, words.seed)
    formulation = check_compression(get_formulation("pruning-quantization"))
    for budget, granularity, way, recovery in product(
        words.budgets, words.granularities, words.objectives, words.recovery
    ):
        search = SearchSettings(
            granularity=granularity,
            parameters=_WAYS[way],
            backend_options={"seed": words.seed, "time_limit": words.time_limit},
            rounds=1,
            seed=words.seed,
        )
        settings = CompressionSettings(budgets=(parse_budget(f"{budget}:weights"),), recovery=recovery, search=search)
        done = Compressor(formulation, get_backend("pt"), settings).compress(model, images, None, Silent())
        (first,) = done.found.rounds
        yield {
            **{"budget": budget, "granularity": granularity, "objective": way, "recovery": recovery},
            **{"predicted": first.predicted, "divergence": first.divergence, "limit": first.limit},
            "diverged": done.found.trial.diverged,
        }


def main() -> None:
    """Compress in every way and print a table."""
    parser = make_parser(__doc__, "--data", "--seed", "--json")
    parser.add_argument("--budgets", nargs="+", default=["2bits", "2.5bits"])
    parser.add_argument("--granularities", nargs="+", default=["group:8"])
    parser.add_argument("--objectives", nargs="+", choices=_WAYS, default=list(_WAYS))
    parser.add_argument("--recovery", nargs="+", choices=("auto", "none"), default=["none"])
    parser.add_argument("--calibration-size", type=int, default=384)
    parser.add_argument("--time-limit", type=float, default=8.0, help="seconds of the solver")
    words = parser.parse_args()
    TABLE.print(rows(words), words.json)


if __name__ == "__main__":
    finish(main)
