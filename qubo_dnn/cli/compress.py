"""`qubo-dnn compress`: a network goes in, a smaller one that works comes out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from qubo_dnn.cli.arguments import TARGET_HELP, CertifyOption, assignments
from qubo_dnn.cli.output import AsJson
from qubo_dnn.errors import DivergenceError


def compress(
    network: Annotated[
        str, typer.Argument(help="zoo:NAME, or pkg.module:factory giving a torch module.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder for model, plan and result.", show_default=False)],
    budget: Annotated[
        list[str] | None,
        typer.Option(
            help="3bits (average per weight), 25% (of the fp32 size), 200KB, 40%bops, 1.2GBOPs, or NAME=12.5 or "
            "NAME=60% of a table; repeatable.",
            show_default=False,
        ),
    ] = None,
    table: Annotated[
        list[str] | None, typer.Option(help="NAME=FILE.csv with layer,option,cost, for budgets; repeatable.")
    ] = None,
    target_accuracy_drop: Annotated[
        str | None, typer.Option(help="Instead of a size: the smallest network within this drop, as 1% or 0.01.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights of the network: .safetensors, .pt or .pth.")] = None,
    calibration: Annotated[
        str | None, typer.Option(help="Images to measure on: .npz with x and y, or pkg.module:factory.")
    ] = None,
    test: Annotated[str | None, typer.Option(help="Images to report accuracy on; the same forms.")] = None,
    mean: Annotated[str | None, typer.Option(help="Subtracted per channel, as 0.485,0.456,0.406 (default: 0).")] = None,
    std: Annotated[str | None, typer.Option(help="Divided by per channel, as 0.229,0.224,0.225 (default: 1).")] = None,
    calibration_size: Annotated[
        int | None, typer.Option(help="Calibration images, drawn by the seed (default: all, at most 1024).")
    ] = None,
    formulation: Annotated[str, typer.Option(help="See `qubo-dnn formulations list`.")] = "pruning-quantization",
    objective: Annotated[
        str | None, typer.Option(help="gauss-newton, separable or trace (default: gauss-newton).")
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="name=value for the formulation; repeatable.")
    ] = None,
    granularity: Annotated[str, typer.Option(help="Unit of choice: layer, group:N or channel.")] = "channel",
    options: Annotated[
        str | None,
        typer.Option(help="Bit widths, as 0,2,4,4@50%; 0 prunes, @50% zeroes half of the weights (default: own ones)."),
    ] = None,
    loss: Annotated[
        str, typer.Option(help="cross-entropy, squared-error, or pkg.module:factory of (outputs, targets) -> loss.")
    ] = "cross-entropy",
    skip: Annotated[
        list[str] | None, typer.Option(help="Layer to leave float32: a name, layer1.*, first or last; repeatable.")
    ] = None,
    layer_options: Annotated[
        list[str] | None,
        typer.Option(help="LAYER=4,6,8: other options for some layers, named as in --skip; repeatable."),
    ] = None,
    tie: Annotated[
        list[str] | None, typer.Option(help="LAYER,LAYER: the same option, unit by unit; repeatable.")
    ] = None,
    compensation: Annotated[str, typer.Option(help="Of rounding errors inside a channel: none, or gptq.")] = "none",
    recovery: Annotated[str, typer.Option(help="auto (biases and BatchNorm statistics), or none.")] = "auto",
    held_out: Annotated[
        float, typer.Option(help="Share of the calibration images that judges, not measured on.")
    ] = 0.25,
    rounds: Annotated[int, typer.Option(help="Most rounds of linearising at the solution and solving again.")] = 2,
    reward: Annotated[
        str,
        typer.Option(help="What the backend optimises: model, or measured (each plan's divergence on the network)."),
    ] = "model",
    rerank: Annotated[int, typer.Option(help="Best answers of the backend to try on the network.")] = 4,
    probes: Annotated[
        int | None, typer.Option(help="Drawn backward passes per image (default: exact up to 32 classes).")
    ] = None,
    memory: Annotated[float, typer.Option(help="GiB for the measurement and for the problem.")] = 8.0,
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            help="Folder to keep measurements in, for runs that differ in budget or solver; others need --overwrite. "
            "Default: OUT.measured, removed when all went well."
        ),
    ] = None,
    backend: Annotated[str, typer.Option(help="See `qubo-dnn backends list`.")] = "pt",
    option: Annotated[
        list[str] | None, typer.Option("--option", "-o", help="name=value for the backend; repeatable.")
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(help="Seconds for the solver in every round, all its calls together.")
    ] = None,
    certify: CertifyOption = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of every random choice.")] = 0,
    embed_report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page on embedding the problem in a quantum annealer.")
    ] = None,
    embed_target: Annotated[str, typer.Option(help=TARGET_HELP)] = "pegasus:16",
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
            "--overwrite", help="Replace the folder of an earlier run, and measurements that do not fit this one."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compress a network to a budget: writes OUT/model.safetensors, plan.json and result.json."""
    # OpenMP threads spin while they wait, and take the cores from whatever else runs on them. Read by libgomp when
    # torch is first imported.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from qubo_dnn.extras import require

    for module in ("torch", "safetensors"):
        require(module, "torch")
    from qubo_dnn.cli.compress_inputs import Images, measurements_folder, numbers, share
    from qubo_dnn.cli.console import ConsoleReporter, print_run
    from qubo_dnn.cli.embed import find_chip, write_page_of
    from qubo_dnn.cli.output import print_json
    from qubo_dnn.compression.compress import Compressor
    from qubo_dnn.compression.network.losses import load_loss
    from qubo_dnn.compression.result import check_output, write_run
    from qubo_dnn.compression.search.loss_modeller import discard_measurements
    from qubo_dnn.compression.search.settings import SearchSettings
    from qubo_dnn.compression.settings import CompressionSettings
    from qubo_dnn.compression.task.budgets import parse_budget
    from qubo_dnn.compression.task.cost_tables import read_table
    from qubo_dnn.compression.task.layer_rules import Rules
    from qubo_dnn.compression.task.options import parse_options
    from qubo_dnn.compression.task.task import check_compression
    from qubo_dnn.parameters import make_parameters
    from qubo_dnn.registry import get_backend, get_formulation

    # Everything that can be refused without loading the network is refused first.
    chip = None if embed_report is None else find_chip(embed_target)
    check_output(out, overwrite)
    measured = measurements_folder(out, checkpoints)
    images = Images(network, calibration, test, numbers("--mean", mean), numbers("--std", std), calibration_size, seed)
    solver = get_backend(backend)
    solver_options = assignments("--option", option, {"time_limit": time_limit})
    if solver.capabilities.seeded:
        solver_options.setdefault("seed", str(seed))
    formulated = check_compression(get_formulation(formulation))
    settings = CompressionSettings(
        budgets=tuple(map(parse_budget, budget or ())),
        tables={name: read_table(Path(file)) for name, file in assignments("--table", table, {}).items()},
        target_accuracy_drop=None if target_accuracy_drop is None else share(target_accuracy_drop),
        options=None if options is None else parse_options(options),
        rules=Rules(
            skip=tuple(skip or ()),
            options={
                name: parse_options(text) for name, text in assignments("--layer-options", layer_options, {}).items()
            },
            ties=tuple(tuple(names.split(",")) for names in tie or ()),
        ),
        compensation=compensation,
        recovery=recovery,
        loss=load_loss(loss),
        held_out=held_out,
        certify=certify,
        search=SearchSettings(
            granularity=granularity,
            parameters=make_parameters(formulated, assignments("--parameter", parameter, {"objective": objective})),
            backend_options=solver_options,
            rounds=rounds,
            rerank=rerank,
            reward=reward,
            probes=probes,
            memory=memory,
            seed=seed,
            checkpoints=measured,
            replace_checkpoints=checkpoints is None or overwrite,
        ),
    )
    compressor = Compressor(formulated, solver, settings)
    with ConsoleReporter() as reporter:
        reporter.stage("load")
        model, measured_on, reported_on = images.load(weights, settings.loss)
        done = compressor.compress(model, measured_on, reported_on, reporter)
        reporter.stage("write")
        about = {
            "network": network,
            "formulation": formulation,
            "loss": loss,
            "options": [str(option) for option in done.found.task.options],
            "compensation": compensation,
            "granularity": granularity,
            "calibration_size": len(measured_on),
        }
        result = write_run(out, model, done, measured_on, about, overwrite=overwrite)
        rejected = done.found.trial.diverged and not accept_divergence
        if checkpoints is None and not rejected:
            discard_measurements(measured)
        if embed_report is not None and chip is not None:
            write_page_of(embed_report, f"the problem of {network}", done.found.problem, chip, seed, reporter)
    if as_json:
        print_json(result)
    else:
        print_run(result, out)
    if rejected:
        raise DivergenceError(
            f"the network in {out} is much further from the original than predicted (see the warning above); "
            "add --accept-divergence to accept that"
        )
