"""`qubo-dnn compress`: compress a network to a budget."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from qubo_dnn.cli.common import arguments
from qubo_dnn.cli.common.output import AsJson
from qubo_dnn.errors import DivergenceError, QuboDnnError

_EIGHT_BITS = (
    "activations take 8 bits in the compressed network too, so that its accuracy is about the integers of this file; "
    "--activations 32 leaves them as they are"
)


def compress(
    network: Annotated[
        str, typer.Argument(help="zoo:NAME, or pkg.module:factory that returns a torch module.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder for the model, the plan and the result.", show_default=False)],
    budget: Annotated[
        list[str] | None,
        typer.Option(
            help="Budget: 3bits (average per weight), 25% (of the float32 size), 200KB, 40%bops, 1.2GBOPs, "
            "60%macs (multiply-accumulates without removed channels), 1.2GMACs, or NAME=12.5 or NAME=60% for a table; "
            "repeatable.",
            show_default=False,
        ),
    ] = None,
    table: Annotated[
        list[str] | None, typer.Option(help="Cost table of a budget, NAME=FILE.csv with layer,option,cost; repeatable.")
    ] = None,
    target_accuracy_drop: Annotated[
        str | None,
        typer.Option(
            help="Largest drop of the accuracy or metric, such as 1% or 0.01, of the smallest network, instead of a "
            "size."
        ),
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights of the network: .safetensors, .pt or .pth.")] = None,
    calibration: Annotated[
        str | None,
        typer.Option(
            help="Images or other samples to measure on: .npz (x, or named inputs; y), or pkg.module:factory."
        ),
    ] = None,
    test: Annotated[str | None, typer.Option(help="Images for the final evaluation, in the same forms.")] = None,
    mean: Annotated[str | None, typer.Option(help="Mean per channel, such as 0.485,0.456,0.406 (default: 0).")] = None,
    std: Annotated[
        str | None, typer.Option(help="Divisor per channel, such as 0.229,0.224,0.225 (default: 1).")
    ] = None,
    calibration_size: Annotated[
        int | None, typer.Option(help="Number of calibration images, drawn at random (default: all, at most 1024).")
    ] = None,
    formulation: Annotated[str, typer.Option(help="See `qubo-dnn formulations list`.")] = "pruning-quantization",
    objective: Annotated[
        str | None,
        typer.Option(
            help="Objective: gauss-newton, separable or trace (default: one of the first two, by held-out images)."
        ),
    ] = None,
    parameter: arguments.ParameterOption = None,
    granularity: Annotated[
        str,
        typer.Option(
            help="Unit of an option: layer, group:N, channel, coupled-channel (a channel of all layers that make it, "
            "which can be removed), or auto (the last one with a budget of MACs, else channel)."
        ),
    ] = "auto",
    options: Annotated[
        str | None,
        typer.Option(
            help="Bit widths, such as 0,2,4,4@50%; 0 prunes, @50% zeroes half the weights; or formats with widths of "
            "activations, such as 4a8,8a8,4a4 (default: formulation's)."
        ),
    ] = None,
    activations: Annotated[
        str | None,
        typer.Option(
            help="Bit widths of what the layers read, to choose from, such as 4,8, or one for all of them; 32 leaves "
            "them as they are (default: 8 with --onnx and --onnx-form fast or fast-vnni, whose files compute in "
            "integers of 8 bits; otherwise 32)."
        ),
    ] = None,
    activation_ranges: Annotated[
        str, typer.Option(help="Ranges of activations: mse, minmax, or percentile:99.99.")
    ] = "mse",
    loss: Annotated[
        str,
        typer.Option(
            help="Loss: cross-entropy (classes on axis 1), token-cross-entropy (on the last one), "
            "binary-cross-entropy-with-logits, binary-cross-entropy (of sigmoid outputs), squared-error, "
            "absolute-error, huber, cosine (of embeddings), or pkg.module:factory of a function of (outputs, targets)."
        ),
    ] = "cross-entropy",
    output: Annotated[
        list[str] | None,
        typer.Option(
            help="Output of the network that is compared: NAME, NAME=LOSS, NAME=LOSS*WEIGHT, or all; repeatable "
            "(default: the only one)."
        ),
    ] = None,
    mask: Annotated[
        str | None, typer.Option(help="Input that is 0 where the outputs are padding, such as attention_mask.")
    ] = None,
    batch_axis: Annotated[
        str, typer.Option(help="Axis of the samples in the inputs, such as 1, or per input: src=1,tgt=1.")
    ] = "0",
    metric: Annotated[
        str | None,
        typer.Option(help="pkg.module:function of (outputs, targets), larger is better; reported, and for the drop."),
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="Layer to leave in float32: a name, layer1.*, first or last; repeatable.")
    ] = None,
    layer_options: Annotated[
        list[str] | None,
        typer.Option(help="Other options for some layers, LAYER=4,6,8, named as in --skip; repeatable."),
    ] = None,
    tie: Annotated[
        list[str] | None, typer.Option(help="Layers that share their options, LAYER,LAYER, unit by unit; repeatable.")
    ] = None,
    compensation: Annotated[str, typer.Option(help="Compensation of rounding errors: none or gptq.")] = "none",
    recovery: Annotated[str, typer.Option(help="Recovery of weights, biases and BatchNorm: auto or none.")] = "auto",
    remove: Annotated[
        str, typer.Option(help="Removal of pruned channels where it does not change the outputs: auto or none.")
    ] = "auto",
    held_out: Annotated[
        float, typer.Option(help="Share of the calibration images that is held out to compare plans.")
    ] = 0.25,
    rounds: Annotated[int, typer.Option(help="Most rounds of measuring at the solution and solving again.")] = 2,
    reward: Annotated[
        str,
        typer.Option(help="Objective of the backend: model, or measured (the network's divergence for each plan)."),
    ] = "model",
    rerank: Annotated[int, typer.Option(help="Number of best answers of the backend to evaluate on the network.")] = 4,
    probes: Annotated[
        int | None, typer.Option(help="Number of random backward passes per image (default: exact up to 32 classes).")
    ] = None,
    memory: Annotated[float, typer.Option(help="Memory limit of the measurement and of the problem in GiB.")] = 8.0,
    device: Annotated[str, typer.Option(help="Device that runs the network: cpu, cuda or cuda:1.")] = "cpu",
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            help="Folder that keeps measurements for runs with another budget or solver; other changes need "
            "--overwrite (default: OUT.measured, removed after success)."
        ),
    ] = None,
    backend: arguments.DefaultBackendOption = None,
    option: arguments.OptionOption = None,
    time_limit: Annotated[
        float | None, typer.Option(help="Time limit of the backend in each round in seconds, for all calls together.")
    ] = None,
    certify: arguments.CertifyOption = None,
    seed: arguments.SeedOption = 0,
    embed_report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page about its embedding in a quantum annealer.")
    ] = None,
    embed_target: Annotated[str, typer.Option(help=arguments.TARGET_HELP)] = "pegasus:16",
    onnx: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write an ONNX file too, compared with the network; see `qubo-dnn export`."),
    ] = None,
    onnx_form: arguments.OnnxFormOption = "small",
    accept_divergence: Annotated[
        bool,
        typer.Option(
            "--accept-divergence",
            help="Exit with 0 even if the held-out divergence exceeds 20 times the predicted one (and 2 % of that of "
            "a network with constant outputs); without it the exit code is then 25.",
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace the folder of an earlier run, and saved measurements that do not fit."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compress a network to a budget, and write OUT/model.safetensors, plan.json and result.json."""
    # OpenMP threads spin while they wait, and take the cores from whatever else runs on them. Read by libgomp when
    # torch is first imported.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from qubo_dnn.support.extras import require

    for module in ("torch", "safetensors", "torch_pruning"):
        require(module, "torch")
    from qubo_dnn.cli.common.console import print_onnx, print_run
    from qubo_dnn.cli.common.output import print_json
    from qubo_dnn.cli.compress_inputs import Images, axes, measurements_folder, numbers, share
    from qubo_dnn.cli.embed import find_chip, write_page_of
    from qubo_dnn.compression.compress import Compressor
    from qubo_dnn.compression.data.inputs import Interface
    from qubo_dnn.compression.export.onnx_file import FAST, FAST_VNNI, check_export
    from qubo_dnn.compression.losses.joint_loss import parse_term
    from qubo_dnn.compression.losses.losses import load_loss
    from qubo_dnn.compression.losses.metrics import load_metric
    from qubo_dnn.compression.network.loading import on_device
    from qubo_dnn.compression.result import check_output, rewrite_result, write_run
    from qubo_dnn.compression.search.loss_modeller import discard_measurements
    from qubo_dnn.compression.search.settings import SearchSettings
    from qubo_dnn.compression.settings import CompressionSettings
    from qubo_dnn.compression.task.budgets import parse_budget
    from qubo_dnn.compression.task.cost_tables import read_table
    from qubo_dnn.compression.task.formats import Formats
    from qubo_dnn.compression.task.layer_rules import Rules
    from qubo_dnn.compression.task.options import MAX_BITS
    from qubo_dnn.compression.task.task import check_compression
    from qubo_dnn.console_reporter import ConsoleReporter
    from qubo_dnn.parameters import make_parameters
    from qubo_dnn.registry import get_backend, get_formulation

    # Everything that can be refused without loading the network is refused first.
    chip = None if embed_report is None else find_chip(embed_target)
    check_output(out, overwrite)
    if onnx is not None:
        check_export(onnx_form, onnx)
    measured = measurements_folder(out, checkpoints)
    interface = Interface(batch_axis=axes(batch_axis), mask=mask)
    images = Images(
        network, calibration, test, numbers("--mean", mean), numbers("--std", std), interface, calibration_size, seed
    )
    solver = get_backend(backend or "pt")
    solver_options = arguments.assignments("--option", option, {"time_limit": time_limit})
    if solver.capabilities.seeded:
        solver_options.setdefault("seed", str(seed))
    formulated = check_compression(get_formulation(formulation))
    formats = Formats.parse(options, activations)
    # What is reported is then about the integers that the file computes with. Formulations without a model of the loss
    # know no activations.
    in_integers = onnx is not None and onnx_form in (FAST, FAST_VNNI)
    as_in_file = in_integers and formulated.needs_sensitivity and not formats.activations
    if as_in_file:
        formats = replace(formats, activations=(MAX_BITS,))
    settings = CompressionSettings(
        budgets=tuple(map(parse_budget, budget or ())),
        tables={name: read_table(Path(file)) for name, file in arguments.assignments("--table", table, {}).items()},
        target_accuracy_drop=None if target_accuracy_drop is None else share(target_accuracy_drop),
        options=formats.options,
        activations=formats.activations,
        excluded_formats=formats.excluded,
        activation_ranges=activation_ranges,
        rules=Rules.parse(
            skip or (),
            arguments.assignments("--layer-options", layer_options, {}),
            [names.split(",") for names in tie or ()],
        ),
        compensation=compensation,
        recovery=recovery,
        remove=remove,
        loss=load_loss(loss),
        outputs=tuple(map(parse_term, output or ())),
        metric=None if metric is None else load_metric(metric),
        held_out=held_out,
        certify=certify,
        search=SearchSettings(
            granularity=granularity,
            parameters=make_parameters(
                formulated, arguments.assignments("--parameter", parameter, {"objective": objective})
            ),
            backend_options=solver_options,
            rounds=rounds,
            rerank=rerank,
            reward=reward,
            probes=probes,
            memory=memory,
            direct=backend is None,
            seed=seed,
            checkpoints=measured,
            replace_checkpoints=checkpoints is None or overwrite,
        ),
    )
    compressor = Compressor(formulated, solver, settings)
    with ConsoleReporter() as reporter:
        reporter.stage("load")
        model, measured_on, reported_on = images.load(weights)
        done = compressor.compress(on_device(model, device), measured_on, reported_on, reporter)
        reporter.stage("write")
        about = {
            "network": network,
            "formulation": formulation,
            "loss": done.loss.name,
            "output": list(output or ()),
            "metric": metric,
            "options": [str(option) for option in done.found.task.options],
            "compensation": compensation,
            "granularity": settings.granularity,
            "calibration_size": len(measured_on),
            "inputs": {
                "calibration": calibration,
                "mean": mean,
                "std": std,
                "batch_axis": batch_axis,
                "mask": mask,
            },
        }
        result = write_run(out, model, done, measured_on, about, overwrite=overwrite)
        rejected = done.found.trial.diverged and not accept_divergence
        if checkpoints is None and not rejected:
            discard_measurements(measured)
        if embed_report is not None and chip is not None:
            write_page_of(embed_report, f"the problem of {network}", done.found.problem, chip, seed, reporter)
        refusal = None
        if onnx is not None:
            reporter.stage("export")
            try:
                file = done.to_onnx(onnx, measured_on, onnx_form)
                if as_in_file:
                    file = replace(file, notes=(*file.notes, _EIGHT_BITS))
                result["onnx"] = file.to_dict()
                rewrite_result(out, result)
            except QuboDnnError as cause:
                # The network is compressed all the same.
                refusal = cause
    if as_json:
        print_json(result)
    else:
        print_run(result, out)
        if "onnx" in result:
            print_onnx(result["onnx"], result["compressed"]["bytes"])
    if refusal is not None:
        raise refusal
    if rejected:
        raise DivergenceError(
            f"the network in {out} is much further from the original than predicted (see the warning above); "
            "add --accept-divergence to accept that"
        )
