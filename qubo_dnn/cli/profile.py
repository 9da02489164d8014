"""`qubo-dnn profile`: measure every layer of a network at every option."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from qubo_dnn.cli.common import arguments
from qubo_dnn.cli.common.output import AsJson
from qubo_dnn.errors import OptionError

_table = partial(typer.Option, rich_help_panel="What is measured")
_RUNTIMES = ("onnxruntime",)
_MOST = 1_000_000


def profile(
    network: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK", help="zoo:NAME, or pkg.module:factory that returns a torch module.", show_default=False
        ),
    ],
    out: Annotated[
        Path,
        arguments.output_option(metavar="FILE", help="Cost table to write, for compress --table.", show_default=False),
    ],
    weights: Annotated[
        Path | None,
        arguments.data_option(metavar="FILE", help="Weights of the network: .safetensors, .pt or .pth."),
    ] = None,
    calibration: Annotated[
        str | None,
        arguments.data_option(
            metavar="DATA", help="Samples to run on: .npz (x, or named inputs), or pkg.module:factory."
        ),
    ] = None,
    mean: Annotated[
        str | None,
        arguments.data_option(metavar="X,X,...", help="Mean per channel (default: 0)."),
    ] = None,
    std: Annotated[
        str | None,
        arguments.data_option(metavar="X,X,...", help="Divisor per channel (default: 1)."),
    ] = None,
    batch_axis: Annotated[
        str,
        arguments.data_option(metavar="AXIS", help="Axis of the samples in the inputs, as for `compress`."),
    ] = "0",
    options: Annotated[
        str, _table(metavar="BITS,...", help="Options of the table; 32 stands for floating-point numbers.")
    ] = "0,2,3,4,6,8,32",
    runtime: Annotated[str, _table(metavar="NAME", help="Runtime that is measured: onnxruntime.")] = "onnxruntime",
    threads: Annotated[int, _table(metavar="N", min=1, max=1024, help="Number of threads.")] = 1,
    batch: Annotated[int, _table(metavar="N", min=1, max=_MOST, help="Number of samples in a batch.")] = 1,
    runs: Annotated[int, _table(metavar="N", min=2, max=_MOST, help="Number of measured runs.")] = 30,
    seed: arguments.SeedOption = 0,
    as_json: AsJson = False,
) -> None:
    """Measure the time of every layer in onnxruntime, and write a cost table in milliseconds.

    Weights of up to 8 bits run in integers of 8 bits, and those of 32 bits in floating-point numbers. What runs beside
    the layers has rows of the name (rest), which no budget counts.
    """
    from qubo_dnn.support.extras import require

    for module in ("torch", "safetensors"):
        require(module, "torch")
    for module in ("onnx", "onnxscript", "onnxruntime"):
        require(module, "onnx")
    from qubo_dnn.cli.common.console import print_profile
    from qubo_dnn.cli.common.output import print_json, print_lines
    from qubo_dnn.cli.compress_inputs import Images, axes, numbers
    from qubo_dnn.compression.data.inputs import Interface
    from qubo_dnn.compression.export.profile import profile_layers
    from qubo_dnn.compression.network.fitting import accepted
    from qubo_dnn.compression.network.layers import find_layers
    from qubo_dnn.compression.task.cost_tables import write_table
    from qubo_dnn.compression.task.options import parse_options
    from qubo_dnn.console_reporter import ConsoleReporter
    from qubo_dnn.errors import suggestion
    from qubo_dnn.files.common.output import check_writable

    if runtime not in _RUNTIMES:
        raise OptionError(f"unknown runtime {runtime!r}{suggestion(runtime, _RUNTIMES)}")
    chosen = parse_options(options)
    check_writable(out)
    interface = Interface(batch_axis=axes(batch_axis))
    images = Images(network, calibration, None, numbers("--mean", mean), numbers("--std", std), interface, None, seed)
    with ConsoleReporter() as reporter:
        reporter.stage("load")
        model, data, _ = images.load(weights)
        inventory = find_layers(model)
        reporter.stage("profile")
        measured = profile_layers(
            inventory, accepted(model, data), threads=threads, batch=batch, runs=runs, progress=reporter.progress
        )
    names = [layer.name for layer in inventory.layers]
    write_table(out, measured.costs(names, chosen))
    if as_json:
        print_json(measured.to_dict())
    else:
        print_profile(measured.to_dict())
        print_lines(f"written to {out}")
