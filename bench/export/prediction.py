"""What a cost table predicts of the latency of a compressed network, and what onnxruntime takes for the whole of it.

    python -m bench.export.prediction --data DIR --budgets 60% 40% 30% --json prediction.json

Every layer is measured at every option as `qubo-dnn profile` does it, the network is compressed to shares of its time
in float32, and its fast file runs in turns with the fp32 file. One thread, one sample; times relative to float32.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.command import finish, make_parser
from bench.export.__main__ import load_network
from bench.networks.shipped.network import ShippedNetwork
from bench.tables import Row, Table
from qubo_dnn.api.networks import compress
from qubo_dnn.compression.export.onnx_file import FAST_VNNI, LATENCY
from qubo_dnn.compression.export.profile import profile_layers
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.task.cost_tables import CostTable
from qubo_dnn.compression.task.options import bit_widths

OPTIONS = bit_widths(0, 8, 32)
TABLE = Table(
    "budget of the layers | predicted, with the rest | measured | measured of predicted | fp32, ms | fast-vnni, ms | "
    "multiply-accumulates left, % | metric, %",
    "{budget} | {predicted:.3f} | {measured:.3f} | {ratio:.2f} | {before:.3f} | {after:.3f} | {macs:.1f} | "
    "{metric:.2f}",
)


def table_of(given: ShippedNetwork, runs: int) -> CostTable:
    """Milliseconds of every layer at every option, for one sample on one thread."""
    inventory = find_layers(given.module)
    measured = profile_layers(inventory, given.calibration, threads=1, batch=1, runs=runs)
    return CostTable("profile", measured.costs([layer.name for layer in inventory.layers], OPTIONS))


def compressed_to(budget: str, costs: CostTable, given: ShippedNetwork, seed: int, out: Path) -> Row:
    """Compress a network to a share of its latency, and measure its file.

    Args:
        budget: such as "60%".
        costs: see `table_of`.
        given: the network.
        seed: of everything.
        out: folder for the file.
    """
    done = compress(
        given.module,
        given.calibration,
        f"{LATENCY}={budget}",
        tables={LATENCY: costs},
        options=",".join(map(str, OPTIONS)),
        loss=given.loss,
        rounds=1,
        seed=seed,
    )
    file = done.to_onnx(out / "fast.onnx", form=FAST_VNNI)
    assert file.predicted is not None  # the table has costs in float32
    measured = 1.0 / file.latency.speedup
    removal = done.compression.removal
    return {
        "budget": budget,
        "predicted": file.predicted,
        "measured": measured,
        "ratio": measured / file.predicted,
        "before": file.latency.before,
        "after": file.latency.after,
        "macs": 100.0 if removal is None else 100 * removal.macs[1] / removal.macs[0],
        "metric": 100 * given.metric(done.model),
    }


def main() -> None:
    """Profile, compress, export, and print a table."""
    parser = make_parser(__doc__, "--data", "--seed", "--json")
    parser.add_argument("--budgets", nargs="+", default=["60%", "40%", "30%"], help="of the layers in float32")
    parser.add_argument("--images", type=int, default=256, help="for calibration, a part of them held out")
    parser.add_argument("--runs", type=int, default=100, help="of the profile")
    words = parser.parse_args()
    _, given = load_network(None, words.data, words.images, words.seed)
    costs = table_of(given, words.runs)
    with tempfile.TemporaryDirectory() as out:
        TABLE.print(
            (compressed_to(budget, costs, given, words.seed, Path(out)) for budget in words.budgets), words.json
        )


if __name__ == "__main__":
    finish(main)
