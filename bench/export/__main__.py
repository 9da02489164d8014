"""Compressed networks as ONNX files: bytes beside the fp32 network and our own file, deviation, accuracy, latency.

    qubo-dnn compress resnet_cifar:resnet20 ... --budget 3bits --out runs/resnet20
    python -m bench.export --data DIR --run runs/resnet20 --json results.json

Without `--data`, runs are those of `zoo:mnist-cnn`. Latencies are medians on one thread, of runs in turns.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.command import finish, make_parser
from bench.export.run import TABLE, rows
from bench.networks.loading import load
from bench.tables import Row


def main() -> None:
    parser = make_parser(__doc__, "--data", "--json")
    parser.add_argument("--run", type=Path, nargs="+", required=True, metavar="DIR", help="folders of `compress`")
    parser.add_argument("--turns", type=int, default=200, help="runs of every file that are timed")
    words = parser.parse_args()
    network, calibration, test = load(words.data)
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as out:
        for folder in words.run:
            found += rows(folder.name, folder, network, calibration, test, Path(out), words.turns)
    TABLE.print(found, words.json)


if __name__ == "__main__":
    finish(main)
