"""What measuring takes: the sensitivity of all units, against a forward pass for every pair of them.

    python -m bench.compression.timing --data DIR --granularities layer group:8 channel

The sensitivity is measured in a process of its own. Pairwise measurements (as CLADO's) are not made at this
granularity but extrapolated: the seconds of one forward pass over the same images, times the number of pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.command import finish, make_parser
from bench.compression.measurements.setting import Conditions
from bench.networks.loading import load
from bench.networks.subject import UNIT_OPTIONS, Subject
from bench.processes import measured, timed
from bench.tables import Row, Table
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton

TABLE = Table(
    "units | measure, s | peak memory, GiB | forward pass, s | passes of all pairs | these, days",
    "{units} ({granularity}) | {measure_seconds:.1f} | {peak_gib:.2f} | {forward_seconds:.2f} "
    "| {pair_passes} | {pair_days:.3g}",
)
_PASSES = 3


@dataclass(frozen=True)
class Cost:
    """What one granularity takes.

    Attributes:
        granularity: "layer", "channel" or "group:N".
        images: measured on.
        units, options: numbers of them.
        measure_seconds: wall-clock seconds of the sensitivity, quantizing not counted.
        forward_seconds: of one forward pass over the images, the least of several.
    """

    granularity: str
    images: int
    units: int
    options: int
    measure_seconds: float
    forward_seconds: float


def pair_passes(units: int, options: int) -> int:
    """Forward passes of the network, of single options, and of all pairs of options of different units.

    1 + U K + K^2 U (U - 1) / 2.
    """
    return 1 + units * options + options**2 * units * (units - 1) // 2


def cost(folder: Path | None, granularity: str, images: int, seed: int) -> Cost:
    """Measure a network's sensitivity, and time a forward pass."""
    model, calibration, _ = load(folder)
    measured_on = calibration.subset(images, seed)
    subject = Subject.of(model, granularity, UNIT_OPTIONS)
    forward = min(timed(logits, model, measured_on).seconds for _ in range(_PASSES))
    _, seconds = timed(gauss_newton, model, subject.changes, measured_on, seed=seed)
    units, options = subject.task.cost.shape
    return Cost(granularity, images, units, options, seconds, forward)


def main() -> None:
    """Measure every granularity and print a table."""
    parser = make_parser(__doc__, "--data", "--seed", "--json")
    parser.add_argument("--granularities", nargs="+", default=["layer", "group:8", "channel"])
    parser.add_argument("--calibration-size", type=int, default=Conditions.calibration_size)
    words = parser.parse_args()

    def rows() -> Iterator[Row]:
        for granularity in words.granularities:
            took = measured(cost, words.data, granularity, words.calibration_size, words.seed)
            passes = pair_passes(took.value.units, took.value.options)
            days = passes * took.value.forward_seconds / 86400
            yield {**asdict(took.value), "peak_gib": took.peak_gib, "pair_passes": passes, "pair_days": days}

    TABLE.print(rows(), words.json)


if __name__ == "__main__":
    finish(main)
