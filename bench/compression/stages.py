"""Seconds of every stage of `compress`, its peak memory, and how far its networks are from the original.

    python -m bench.compression.stages --data DIR --bits 3 --seeds 0 1 2 3
    python -m bench.compression.stages --network efficientnet-lite0 --data DIR --images 256

Every seed runs in a process of its own; it draws the calibration images, of which `compress` holds a part out. CPU
seconds are of all threads together. Divergences are in nats, on the held-out images and on test images.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.command import finish, make_parser
from bench.networks.packaged import PACKAGED, load_named
from bench.processes import measured
from bench.tables import Row, Table
from qubo_dnn.api.networks import Settings, compress
from qubo_dnn.compression.search.progress import SilentReporter

# `tune` compares quick plans where pairs have to be clearly better than the diagonal; budgets of bits do without.
STAGES = ("quantize", "measure", "measure large changes", "tune", "solve", "apply")
TABLE = Table(
    f"network | units | seed | {' | '.join(STAGES)} | all CPU, s | wall, s | peak, GiB | held-out | test",
    lambda row: (
        *(row["network"], row["granularity"], str(row["seed"])),
        *(f"{row['cpu_seconds'].get(stage, 0.0):.1f}" for stage in STAGES),
        *(f"{sum(row['cpu_seconds'].values()):.1f}", f"{row['seconds']:.1f}", f"{row['peak_gib']:.2f}"),
        *(f"{row['held_out']:.5f}", f"{row['test']:.5f}"),
    ),
)


class CpuClock(SilentReporter):
    """Sums the CPU seconds of every stage, and prints those of each as it ends."""

    def __init__(self) -> None:
        self._stage, self._since = "read", time.process_time()
        self.seconds: dict[str, float] = defaultdict(float)

    def stage(self, name: str) -> None:
        """A stage begins; the previous one is finished."""
        now = time.process_time()
        print(f"{self._stage}: {now - self._since:.1f} s of CPU time", file=sys.stderr, flush=True)
        self.seconds[self._stage] += now - self._since
        self._stage, self._since = name, now


@dataclass(frozen=True)
class Conditions:
    """What a run is made with.

    Attributes:
        network: see `bench.networks.packaged.load_named`.
        folder: of images.
        granularity: "layer", "channel" or "group:N".
        images: for calibration, the held-out ones among them.
        test_images: at most so many.
        bits: budget in stored bits per number of the network.
        probes, rounds: see `compress`.
    """

    network: str | None
    folder: Path | None
    granularity: str
    images: int
    test_images: int
    bits: float
    probes: int | None
    rounds: int


@dataclass(frozen=True)
class Run:
    """What a run took, and what came of it.

    Attributes:
        cpu_seconds: stage -> CPU seconds of all threads.
        stage_seconds: stage -> wall-clock seconds.
        parameters: of the last round.
        bits: stored bits per number of the network.
        held_out, test: divergence of the compressed network.
        accuracy: share of the test images that are classified as their labels say; None without labels.
    """

    cpu_seconds: dict[str, float]
    stage_seconds: dict[str, float]
    parameters: dict[str, Any]
    bits: float
    held_out: float
    test: float | None
    accuracy: float | None


def run(conditions: Conditions, seed: int) -> Run:
    """Compress the network once."""
    network, calibration, test, loss = load_named(conditions.network, conditions.folder)
    clock = CpuClock()
    further: Settings = {"loss": loss, "granularity": conditions.granularity, "rounds": conditions.rounds}
    if conditions.probes is not None:
        further["probes"] = conditions.probes
    done = compress(
        network,
        calibration,
        f"{conditions.bits}bits",
        test=test.subset(min(len(test), conditions.test_images), 0),
        calibration_size=min(len(calibration), conditions.images),
        seed=seed,
        progress=clock,
        **further,
    )
    clock.stage("end")
    found = done.compression.found
    of_test = done.compression.test
    assert of_test is not None
    return Run(
        cpu_seconds=dict(clock.seconds),
        stage_seconds=dict(done.compression.seconds),
        parameters=dict(found.rounds[-1].parameters),
        bits=done.to_dict()["compressed"]["bits_per_weight"],
        held_out=found.applied.held_out.divergence,
        test=of_test[1].divergence,
        accuracy=of_test[1].accuracy,
    )


def main() -> None:
    """Compress with every seed and print a table."""
    parser = make_parser(__doc__, "--data", "--seeds", "--json")
    parser.add_argument("--network", choices=PACKAGED, help="of a package, instead of that of --data")
    parser.add_argument("--granularity", default="channel")
    parser.add_argument("--images", type=int, default=1024, help="for calibration, a part of them held out")
    parser.add_argument("--test-images", type=int, default=5000)
    parser.add_argument("--bits", type=float, default=3.0, help="stored bits per number of the network")
    parser.add_argument("--probes", type=int)
    parser.add_argument("--rounds", type=int, default=2)
    words = parser.parse_args()
    conditions = Conditions(
        *(words.network, words.data, words.granularity, words.images, words.test_images),
        *(words.bits, words.probes, words.rounds),
    )
    name = words.network or ("mnist-cnn" if words.data is None else "resnet20")

    def rows() -> Iterator[Row]:
        for seed in words.seeds:
            took = measured(run, conditions, seed)
            about = {"network": name, "granularity": words.granularity, "seed": seed}
            yield {**about, **asdict(took.value), "seconds": took.seconds, "peak_gib": took.peak_gib}

    TABLE.print(rows(), words.json)


if __name__ == "__main__":
    finish(main)
