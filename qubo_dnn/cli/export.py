"""`qubo-dnn export`: write a compressed network as an ONNX file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from qubo_dnn.cli.common import arguments
from qubo_dnn.cli.common.output import AsJson
from qubo_dnn.errors import OptionError


def export(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that `compress` has written.", show_default=False)],
    onnx: Annotated[
        Path,
        arguments.output_option(metavar="FILE", help="ONNX file to write.", show_default=False),
    ],
    form: arguments.OnnxFormOption = "small",
    network: Annotated[
        str | None,
        arguments.data_option(
            metavar="NETWORK", help="zoo:NAME or pkg.module:factory of the network (default: that of the run)."
        ),
    ] = None,
    calibration: Annotated[
        str | None,
        arguments.data_option(
            metavar="DATA",
            help="Samples to compare outputs on, and for the ranges of activations: .npz, or pkg.module:factory "
            "(default: those of the run).",
        ),
    ] = None,
    mean: Annotated[
        str | None,
        arguments.data_option(metavar="X,X,...", help="Mean per channel (default: that of the run)."),
    ] = None,
    std: Annotated[
        str | None,
        arguments.data_option(metavar="X,X,...", help="Divisor per channel (default: that of the run)."),
    ] = None,
    batch_axis: Annotated[
        str | None,
        arguments.data_option(
            metavar="AXIS", help="Axis of the samples, as for `compress` (default: that of the run)."
        ),
    ] = None,
    mask: Annotated[
        str | None,
        arguments.data_option(metavar="INPUT", help="Input that is 0 at padding (default: that of the run)."),
    ] = None,
    seed: arguments.SeedOption = 0,
    as_json: AsJson = False,
) -> None:
    """Write a compressed network as an ONNX file that stock onnxruntime runs, and compare it with the network.

    The file has a dynamic batch axis. It is examined by onnx's checker and run on samples before it is written.
    """
    from qubo_dnn.support.extras import require

    for module in ("torch", "safetensors"):
        require(module, "torch")
    from qubo_dnn.cli.common.console import print_onnx
    from qubo_dnn.cli.common.output import print_json
    from qubo_dnn.cli.compress_inputs import Images, axes, numbers
    from qubo_dnn.compression.data.inputs import Interface
    from qubo_dnn.compression.export.onnx_file import check_export, export_onnx
    from qubo_dnn.compression.export.run_folder import read_run
    from qubo_dnn.compression.network.fitting import accepted
    from qubo_dnn.compression.rewriting.compressed_file import load_codes_
    from qubo_dnn.console_reporter import ConsoleReporter

    check_export(form, onnx)
    found = read_run(run)
    name = network or found.network
    if ":" not in name:
        raise OptionError(f"{run} says of its network only that it is a {name}: add --network package.module:factory")
    interface = Interface(batch_axis=axes(found.typed("batch_axis", batch_axis) or "0"), mask=found.typed("mask", mask))
    images = Images(
        name,
        found.typed("calibration", calibration),
        None,
        numbers("--mean", found.typed("mean", mean)),
        numbers("--std", found.typed("std", std)),
        interface,
        None,
        seed,
    )
    with ConsoleReporter() as reporter:
        reporter.stage("load")
        model, data, _ = images.load(None)
        codes = load_codes_(model, found.model)
        reporter.stage("export")
        file = export_onnx(onnx, model, codes, accepted(model, data), form)
    exported = replace(file, predicted=found.predicted).to_dict()
    if as_json:
        print_json(exported)
    else:
        print_onnx(exported, found.model.stat().st_size)
