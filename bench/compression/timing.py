"""What measuring takes: the sensitivity of all units, against a forward pass for every pair of them.

    python -m bench.compression.timing --data DIR --granularities layer group:8 channel

The sensitivity is measured in a process of its own. Pairwise measurements (as CLADO's) are not made at this
granularity but extrapolated: the seconds of one forward pass over the same images, times the number of pairs.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.command import finish
from bench.compression.measurements.setting import UNIT_OPTIONS, Conditions
from bench.networks.loading import add_data_option, load
from bench.networks.subject import Subject
from bench.processes import measured
from qubo_dnn.cli.output import write_json
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton

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

    @property
    def pair_passes(self) -> int:
        """Forward passes of all pairs of options of different units, of single options, and of the network."""
        return pair_passes(self.units, self.options)


def pair_passes(units: int, options: int) -> int:
    """1 + U K + K^2 U (U - 1) / 2."""
    return 1 + units * options + options**2 * units * (units - 1) // 2


def cost(folder: Path | None, granularity: str, images: int, seed: int) -> Cost:
    """Measure a network's sensitivity, and time a forward pass."""
    model, calibration, _ = load(folder)
    measured_on = calibration.subset(images, seed)
    subject = Subject.of(model, granularity, UNIT_OPTIONS)
    forward = []
    for _ in range(_PASSES):
        started = time.perf_counter()
        logits(model, measured_on)
        forward.append(time.perf_counter() - started)
    started = time.perf_counter()
    gauss_newton(model, subject.changes, measured_on, seed=seed)
    seconds = time.perf_counter() - started
    units, options = subject.task.cost.shape
    return Cost(granularity, images, units, options, seconds, min(forward))


def main() -> None:
    """Measure every granularity and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_option(parser)
    parser.add_argument("--granularities", nargs="+", default=["layer", "group:8", "channel"])
    parser.add_argument("--calibration-size", type=int, default=Conditions.calibration_size)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file to write")
    words = parser.parse_args()
    costs = []
    print("| units | measure, s | peak memory, GiB | forward pass, s | passes of all pairs | these, days |")
    print("|---" * 6 + "|")
    for granularity in words.granularities:
        took = measured(cost, words.data, granularity, words.calibration_size, words.seed)
        found, gib = took.value, took.peak_bytes / 2**30
        days = found.pair_passes * found.forward_seconds / 86400
        costs.append(asdict(found) | {"peak_gib": gib, "pair_passes": found.pair_passes, "pair_days": days})
        print(
            f"| {found.units} ({granularity}) | {found.measure_seconds:.1f} | {gib:.2f} | {found.forward_seconds:.2f} "
            f"| {found.pair_passes} | {days:.3g} |"
        )
    if words.json:
        write_json(words.json, costs)


if __name__ == "__main__":
    finish(main)
