"""What a few channels more or less cost in onnxruntime: two convolutions with ever fewer channels between them.

    python -m bench.export.channel_blocks

Latencies are medians on one thread, of runs in turns, in float32.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from bench.command import finish, make_parser
from bench.export.run import timed
from bench.tables import Row, Table
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.export.checking import session
from qubo_dnn.compression.export.onnx_file import export_onnx

# Channels outside -> side of the maps.
SIDES = {16: 32, 32: 16, 64: 8}
BATCHES = (1, 64)

TABLE = Table(
    "channels outside | between | batch 1, of the latency with all | batch 64",
    lambda row: (f"{row['outside']}", f"{row['between']}", *(f"{row[f'batch {batch}']:.2f}" for batch in BATCHES)),
)


def rows(outside: int, turns: int, folder: Path) -> Iterator[Row]:
    """One row for every number of channels between two convolutions.

    Args:
        outside: channels that the first one reads and the second one makes.
        turns: of timing; every file runs once in each.
        folder: for the files.
    """
    between = (outside, outside - 1, outside - 4, outside - 8, outside // 2)
    side = SIDES[outside]
    sessions: dict[str, Any] = {}
    for count in dict.fromkeys(between):
        convolutions = (nn.Conv2d(outside, count, 3, padding=1), nn.Conv2d(count, outside, 3, padding=1))
        network = nn.Sequential(convolutions[0], nn.ReLU(), convolutions[1], nn.ReLU()).eval()
        samples = Data.from_tensors(torch.randn(4, outside, side, side), name="noise")
        file = export_onnx(folder / f"{outside}-{count}.onnx", network, {}, samples)
        sessions[str(count)] = session(file.path, threads=1)
    noise = np.random.default_rng(0).standard_normal((max(BATCHES), outside, side, side), np.float32)
    times = {batch: timed(sessions, noise[:batch], turns) for batch in BATCHES}
    for name in sessions:
        ratios = {f"batch {batch}": each[name] / each[str(outside)] for batch, each in times.items()}
        yield {"outside": outside, "between": name, **ratios}


def main() -> None:
    """Measure and print a table."""
    parser = make_parser(__doc__, "--json")
    parser.add_argument("--turns", type=int, default=50, help="runs of every file that are timed")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = (row for outside in SIDES for row in rows(outside, words.turns, Path(folder)))
        TABLE.print(found, words.json)


if __name__ == "__main__":
    finish(main)
