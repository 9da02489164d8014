r"""Compressed networks as ONNX files: bytes beside the fp32 network and our own file, deviation, accuracy, latency.

    python -m bench.export --data DIR --options default 0,2,4,8 --json resnet20.json
    python -m bench.export --network crepe-tiny --bits 4 --compensation none --recovery none
    python -m bench.export --network efficientnet-lite0 --data DIR --bits 6 --options 4,6,8 --granularity layer \
        --compensation none --recovery none --images 32 --batches 1 8

Without `--network`, the network is that of `--data`, and without both `zoo:mnist-cnn`. It is compressed first, unless a
folder of `--keep` has it. Latencies are medians on one thread, of runs in turns.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.command import finish, make_parser
from bench.export.run import rows, table
from bench.networks.loading import accuracy, load
from bench.networks.shipped.network import ShippedNetwork
from bench.networks.shipped.roster import ENTRIES
from bench.tables import Row
from qubo_dnn.api.networks import Settings, compress

DEFAULT = "default"
NETWORKS = ("crepe-tiny", "efficientnet-lite0")


@dataclass(frozen=True)
class Conditions:
    """How a network is compressed.

    Attributes:
        bits: budget in stored bits per number of the network.
        options: see `compress`, or "default".
        granularity: "layer", "channel" or "group:N".
        compensation: "gptq" or "none".
        recovery: "auto" or "none".
        seed: of everything.

    Example:
        >>> Conditions(3.0, "0,2,4,8", "channel", "gptq", "auto", 0).name("resnet20")
        'resnet20, 3 bits, options 0,2,4,8, channel'
    """

    bits: float
    options: str
    granularity: str
    compensation: str
    recovery: str
    seed: int

    def name(self, network: str) -> str:
        """Of the run, in the table and as a folder."""
        return f"{network}, {self.bits:g} bits, options {self.options}, {self.granularity}"


def load_network(name: str | None, folder: Path | None, images: int, seed: int) -> tuple[str, ShippedNetwork]:
    """A network and its name: one of `NETWORKS`, or that of `bench.networks.loading.load`.

    Args:
        name: None for the latter.
        folder: of images.
        images: for calibration, at most.
        seed: draws them.

    Raises:
        QuboDnnError: a package or a file is missing.
    """
    if name is not None:
        shipped = ENTRIES[name].load(seed, folder)
        given = shipped.calibration
        return name, replace(shipped, calibration=given.subset(min(len(given), images), seed))
    module, calibration, test = load(folder)
    calibration = calibration.subset(min(len(calibration), images), seed)
    return "mnist-cnn" if folder is None else "resnet20", ShippedNetwork(
        module, calibration, test, lambda model: accuracy(model, test)
    )


def compress_to(folder: Path, given: ShippedNetwork, conditions: Conditions) -> None:
    """Compress a network, and write it to a folder."""
    settings: Settings = {
        "rounds": 1,
        "compensation": conditions.compensation,
        "recovery": conditions.recovery,
        "loss": given.loss,
        "granularity": conditions.granularity,
    }
    if conditions.options != DEFAULT:
        settings["options"] = conditions.options
    budget = f"{conditions.bits}bits"
    compress(given.module, given.calibration, budget, seed=conditions.seed, **settings).save(folder)


def main() -> None:
    """Compress, export, and print a table."""
    parser = make_parser(__doc__, "--data", "--seed", "--json")
    parser.add_argument("--network", choices=NETWORKS, help="of a package, instead of that of --data")
    parser.add_argument("--bits", type=float, default=3.0, help="stored bits per number of the network")
    parser.add_argument("--options", nargs="+", default=[DEFAULT], help=f"one run each; {DEFAULT}: the formulation's")
    parser.add_argument("--granularity", default="channel")
    parser.add_argument("--compensation", default="gptq")
    parser.add_argument("--recovery", default="auto")
    parser.add_argument("--remove", choices=("auto", "none"), default="auto", help="pruned channels from the files")
    parser.add_argument("--images", type=int, default=512, help="for calibration, a part of them held out")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64], help="numbers of samples that are timed")
    parser.add_argument("--turns", type=int, default=50, help="runs of every file that are timed")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="folder for compressed networks; those in it are used")
    words = parser.parse_args()
    name, given = load_network(words.network, words.data, words.images, words.seed)

    def found() -> Iterator[Row]:
        with tempfile.TemporaryDirectory() as out:
            for options in words.options:
                conditions = Conditions(
                    words.bits, options, words.granularity, words.compensation, words.recovery, words.seed
                )
                run = conditions.name(name)
                folder = (words.keep or Path(out, "runs")) / f"{run}, {words.compensation}, {words.recovery}"
                if not folder.exists():
                    compress_to(folder, given, conditions)
                remove = words.remove != "none"
                yield from rows(run, folder, given, Path(out), batches=words.batches, turns=words.turns, remove=remove)

    table(words.batches).print(found(), words.json)


if __name__ == "__main__":
    finish(main)
