"""`qubo-dnn apply`: carry out a point of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from qubo_dnn.cli import compress_options as given
from qubo_dnn.cli.common import arguments
from qubo_dnn.cli.common.output import AsJson
from qubo_dnn.errors import OptionError


def apply(
    sweep: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that `sweep` has written.", show_default=False)],
    *,
    point: Annotated[
        str, typer.Option(metavar="N", help="Number of the point, or knee for that of the front.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        arguments.output_option(
            metavar="DIR", help="Folder for the model, the plan and the result (default: DIR.point-N)."
        ),
    ] = None,
    network: Annotated[
        str | None,
        arguments.data_option(
            metavar="NETWORK", help="zoo:NAME or pkg.module:factory of the network (default: that of the sweep)."
        ),
    ] = None,
    calibration: Annotated[
        str | None,
        arguments.data_option(metavar="DATA", help="Samples for --onnx, as for `compress` (default: of the sweep)."),
    ] = None,
    test: Annotated[
        str | None,
        arguments.data_option(metavar="DATA", help="Samples to evaluate on again (default: those of the sweep)."),
    ] = None,
    onnx: given.Onnx = None,
    onnx_form: arguments.OnnxFormOption = "small",
    overwrite: Annotated[
        bool, arguments.output_option("--overwrite", help="Replace the folder of an earlier run.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Carry out a point of a sweep: write its model, plan and result as `compress` does, and evaluate it again."""
    from qubo_dnn.compression.sweep.record import read_sweep

    record = read_sweep(sweep)
    chosen = record.point(point)
    name = network or record.about.get("network")
    if not isinstance(name, str) or ":" not in name:
        raise OptionError(f"{sweep} says of its network only that it is a {name}: add --network package.module:factory")
    from qubo_dnn.support.extras import require

    for module in ("torch", "safetensors"):
        require(module, "torch")
    from qubo_dnn.cli.common.console import print_onnx, print_run
    from qubo_dnn.cli.common.output import print_json
    from qubo_dnn.cli.compress_inputs import Images, axes, numbers
    from qubo_dnn.compression.data.inputs import Interface
    from qubo_dnn.compression.export.onnx_file import check_export, export_onnx
    from qubo_dnn.compression.export.run_folder import read_run
    from qubo_dnn.compression.losses.joint_loss import parse_term
    from qubo_dnn.compression.losses.losses import load_loss
    from qubo_dnn.compression.losses.metrics import load_metric
    from qubo_dnn.compression.network.fitting import accepted, fit
    from qubo_dnn.compression.network.inference import evaluate
    from qubo_dnn.compression.network.loading import as_float32
    from qubo_dnn.compression.result import check_output, rewrite_result
    from qubo_dnn.compression.sweep.carrying_out import carry_out
    from qubo_dnn.compression.sweep.folder import SweepFolder

    whole = sweep.resolve()
    target = whole.with_name(f"{whole.name}.point-{chosen.number}") if out is None else out
    check_output(target, overwrite)
    if onnx is not None:
        check_export(onnx_form, onnx)
    folder = SweepFolder(sweep).point(chosen.number)
    run = read_run(folder)
    interface = Interface(batch_axis=axes(run.typed("batch_axis", None) or "0"), mask=run.typed("mask", None))
    images = Images(
        name,
        run.typed("calibration", calibration),
        run.typed("test", test),
        numbers("--mean", run.typed("mean", None)),
        numbers("--std", run.typed("std", None)),
        interface,
        None,
        0,
    )
    model, data, reported_on = images.load(None)
    made, codes, result = carry_out(folder, model, target, overwrite=overwrite)
    # A loss in Python may have no name that can be loaded.
    if reported_on is not None and "loss" in record.about:
        metric, words = result.get("metric"), result.get("output") or ()
        stated, loss = fit(made, data, tuple(map(parse_term, words)), load_loss(str(record.about["loss"])))
        found = evaluate(
            as_float32(made),
            reported_on.with_interface(stated),
            loss=loss,
            metric=None if metric is None else load_metric(metric),
        )
        result["again"] = {"accuracy": found.accuracy, "loss": found.loss, "metric": found.metric}
    if onnx is not None:
        file = export_onnx(onnx, made, codes, accepted(made, data), onnx_form)
        result["onnx"] = file.to_dict()
    rewrite_result(target, result)
    if as_json:
        print_json(result)
        return
    print_run(result, target)
    if "again" in result:
        typer.echo(_again(result["again"], result["compressed"]))
    if "onnx" in result:
        print_onnx(result["onnx"], result["compressed"]["bytes"])


def _again(now: dict[str, Any], then: dict[str, Any]) -> str:
    """Say what the network reaches now, beside what it did in the sweep."""
    said = [
        f"{name} {value:.6g}" + ("" if then[name] is None else f" (in the sweep {then[name]:.6g})")
        for name, value in now.items()
        if value is not None
    ]
    return f"evaluated again: {', '.join(said) or 'no labels'}"
