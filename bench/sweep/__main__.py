"""A sweep over nine budgets beside single runs at five of them.

    OMP_NUM_THREADS=1 python -m bench.sweep --data DIR --out bench/sweep/results
    python -m bench.sweep --report-only --out bench/sweep/results

Both are run as they come, with default settings: a sweep searches in one round and refits one plan of each loss model
at a budget, a single run in up to two rounds with up to four plans. Divergences and accuracies are those of test images
that neither has seen. CPU seconds are of whole calls, on one thread.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import qubo_dnn as qd
from bench.command import add_page_options, finish, make_parser
from bench.networks.loading import load
from bench.processes import one_thread
from bench.results import read_results
from bench.solvers.run import setting
from bench.tables import Table
from qubo_dnn.cli.common.output import write_json
from qubo_dnn.files.common.output import write_atomically

T = TypeVar("T")
RESULTS, PAGE = "results.json", "README.md"
BUDGETS, SINGLE = "2bits:4bits:0.25bits", ("2bits", "2.5bits", "3bits", "3.5bits", "4bits")
_TEST = 2500

POINTS = Table(
    "budget | bytes, sweep | single run | divergence, sweep | single run | accuracy, %, sweep | single run",
    "{budget} | {bytes:,} | {single_bytes:,} | {divergence:.4g} | {single_divergence:.4g} | {accuracy:.2f} | "
    "{single_accuracy:.2f}",
    "Points",
    "Of the test images.",
)


@dataclass(frozen=True)
class SweepComparison:
    """What was run: rows of `POINTS`, and CPU seconds of the sweep and of every single run."""

    settings: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    sweep: float
    singles: Sequence[float]


def timed(function: Callable[..., T], *arguments: Any, **options: Any) -> tuple[T, float]:
    """What a function returns, and its CPU seconds."""
    started = time.process_time()
    return function(*arguments, **options), time.process_time() - started


def compared(folder: Path | None, images: int, seed: int) -> SweepComparison:
    """Run the sweep and the single runs."""
    network, calibration, test = load(folder)
    calibration, test = calibration.subset(images, seed), test.subset(min(len(test), _TEST), 0)
    swept, seconds = timed(qd.sweep, network, calibration, BUDGETS, test=test, seed=seed)
    points = {point.budget: point for point in swept.points}
    rows, singles = [], []
    for budget in SINGLE:
        single, spent = timed(qd.compress, network, calibration, budget, test=test, seed=seed)
        figures, point = single.to_dict(), points[budget]
        after = figures["compressed"]
        row = {"budget": budget, "bytes": point.bytes, "single_bytes": after["bytes"]}
        row |= {"divergence": point.test_divergence, "single_divergence": after["divergence"]}
        assert point.accuracy is not None  # the test images have labels
        rows.append(row | {"accuracy": 100 * point.accuracy, "single_accuracy": 100 * after["accuracy"]})
        singles.append(spent)
        print(POINTS.line(rows[-1]), flush=True)
    about = {**setting([]), "seed": seed, "calibration images": images}
    return SweepComparison(about, rows, seconds, singles)


def page(results: SweepComparison) -> str:
    """The page as Markdown."""
    facts = ", ".join(f"{name} {value}" for name, value in results.settings.items())
    ratio = results.sweep / statistics.median(results.singles)
    verdict = (
        f"The sweep took {results.sweep:.0f} CPU s, single runs {statistics.median(results.singles):.0f} in the median "
        f"({min(results.singles):.0f} to {max(results.singles):.0f}): {ratio:.1f} times as long for nine points."
    )
    return "\n".join([f"# Sweeps\n\n{__doc__}\n{facts}.\n", f"{verdict}\n", POINTS.section(results.rows)])


def main() -> None:
    """Run, or read what was run, and write the page."""
    parser = make_parser(__doc__, "--data", "--seed")
    parser.add_argument("--calibration-size", type=int, default=512)
    add_page_options(parser, Path(__file__).parent / "results")
    words = parser.parse_args()
    if not words.report_only:
        one_thread()
        words.out.mkdir(parents=True, exist_ok=True)
        write_json(words.out / RESULTS, asdict(compared(words.data, words.calibration_size, words.seed)))
    write_atomically(words.out / PAGE, page(read_results(words.out / RESULTS, SweepComparison)).encode())


if __name__ == "__main__":
    finish(main)
