"""What `qubo-dnn inspect` says that a measurement takes, against the measurement: time, and variables.

    OMP_NUM_THREADS=1 python -m bench.compression.estimates --data DIR --granularities layer channel

The networks are the one of DIR (or the zoo's) and those of `bench.networks` whose packages are installed. Every pair is
made in a process of its own, the estimate first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.command import finish, make_parser
from bench.networks.loading import load
from bench.networks.shipped.roster import ENTRIES, at_hand
from bench.networks.subject import UNIT_OPTIONS
from bench.processes import measured, timed
from bench.tables import Row, Table
from qubo_dnn.compression.inspection.network import inspect_network
from qubo_dnn.compression.losses.joint_loss import LossTerm
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY, Loss
from qubo_dnn.compression.network.fitting import fit
from qubo_dnn.compression.network.layer_usage import usage
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.quantization.candidates import make_candidates
from qubo_dnn.compression.search.task_builder import layer_changes
from qubo_dnn.compression.sensitivity.accumulator import FACTOR
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton

TABLE = Table(
    "network | granularity | images | variables | inspected in, s | estimate, s | measured, s | estimate / measured",
    "{network} | {granularity} | {images} | {variables:,} | {inspect_seconds:.1f} | {estimate:.2f} "
    "| {measure_seconds:.2f} | {ratio:.2f}",
)
GIVEN = "of --data"


@dataclass(frozen=True)
class Estimate:
    """An estimate beside what it is of.

    Attributes:
        network: name of the network.
        granularity: "layer", "channel" or "group:N".
        images: measured on.
        variables: estimated number, which is that of the measurement.
        inspect_seconds: wall-clock seconds of the inspection, all granularities together.
        estimate: estimated seconds of the measurement.
        measure_seconds: wall-clock seconds that it took, quantizing not counted.
    """

    network: str
    granularity: str
    images: int
    variables: int
    inspect_seconds: float
    estimate: float
    measure_seconds: float

    @property
    def ratio(self) -> float:
        """Estimated over measured seconds."""
        return self.estimate / self.measure_seconds


def estimate(name: str, folder: Path | None, granularity: str, images: int, seed: int) -> Estimate:
    """Inspect a network, and measure it."""
    loss: Loss = CROSS_ENTROPY
    outputs: Sequence[LossTerm] = ()
    if name == GIVEN:
        model, data, _ = load(folder)
    else:
        shipped = ENTRIES[name].load(seed, folder)
        model, data, loss, outputs = shipped.module, shipped.calibration, shipped.loss, shipped.outputs
    data = data.subset(min(len(data), images), seed)
    found, inspect_seconds = timed(
        inspect_network,
        *(model, data),
        options=UNIT_OPTIONS,
        granularities=[granularity],
        loss=loss,
        outputs=outputs,
        # All images are measured on here: one more stands for the one that a compression holds out at least.
        held_out=1e-9,
        samples=len(data) + 1,
    )
    (cost,) = found.granularities
    assert cost.seconds is not None  # it fits into the memory
    interface, loss = fit(model, data, outputs, loss)
    data = data.with_interface(interface)
    inventory = find_layers(model)
    used = usage(inventory, data)
    inventory = used.of(inventory.without(used.unmeasurable))
    changes = layer_changes(inventory, granularity, make_candidates(inventory, UNIT_OPTIONS))
    as_factor = cost.form == FACTOR
    model_of_loss, seconds = timed(gauss_newton, model, changes, data, loss=loss, seed=seed, as_factor=as_factor)
    assert len(model_of_loss.linear) == cost.variables
    return Estimate(name, granularity, len(data), cost.variables, inspect_seconds, cost.seconds, seconds)


def main() -> None:
    """Measure every network at every granularity and print a table."""
    parser = make_parser(__doc__, "--data", "--seed", "--json")
    parser.add_argument("--granularities", nargs="+", default=["layer", "group:16", "channel"])
    parser.add_argument("--networks", nargs="+", choices=[GIVEN, *ENTRIES], default=[GIVEN, *ENTRIES])
    parser.add_argument("--calibration-size", type=int, default=128)
    words = parser.parse_args()

    def rows() -> Iterator[Row]:
        names = [entry.name for entry in at_hand([ENTRIES[n] for n in words.networks if n != GIVEN], words.data)]
        for name in [*([GIVEN] if GIVEN in words.networks else []), *names]:
            for granularity in words.granularities:
                took = measured(estimate, name, words.data, granularity, words.calibration_size, words.seed).value
                yield {**asdict(took), "ratio": took.ratio}

    TABLE.print(rows(), words.json)


if __name__ == "__main__":
    finish(main)
