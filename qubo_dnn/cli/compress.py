"""`qubo-dnn compress`: compress a network to a budget."""

from __future__ import annotations

import os
from dataclasses import replace

import typer

from qubo_dnn.cli import compress_options as given
from qubo_dnn.cli.common import arguments
from qubo_dnn.cli.common.output import AsJson
from qubo_dnn.errors import DivergenceError, QuboDnnError

_EIGHT_BITS = (
    "activations take 8 bits in the compressed network too, so that its accuracy is about the integers of this file; "
    "--activations 32 leaves them as they are"
)


def compress(
    context: typer.Context,
    network: given.Network,
    *,
    budget: given.Budget = None,
    table: given.Table = None,
    target_accuracy_drop: given.TargetAccuracyDrop = None,
    weights: given.Weights = None,
    calibration: given.Calibration = None,
    test: given.Test = None,
    mean: given.Mean = None,
    std: given.Std = None,
    calibration_size: given.CalibrationSize = None,
    batch_axis: given.BatchAxis = "0",
    mask: given.Mask = None,
    options: given.Options = None,
    activations: given.Activations = None,
    activation_ranges: given.ActivationRanges = "mse",
    granularity: given.Granularity = "auto",
    skip: given.Skip = None,
    layer_options: given.LayerOptions = None,
    tie: given.Tie = None,
    loss: given.Loss = "cross-entropy",
    output: given.Output = None,
    metric: given.Metric = None,
    formulation: given.Formulation = "pruning-quantization",
    objective: given.Objective = None,
    parameter: arguments.ParameterOption = None,
    held_out: given.HeldOut = 0.25,
    rounds: given.Rounds = 2,
    rerank: given.Rerank = 4,
    probes: given.Probes = None,
    memory: given.Memory = 8.0,
    device: given.Device = "cpu",
    checkpoints: given.Checkpoints = None,
    backend: arguments.DefaultBackendOption = None,
    option: arguments.OptionOption = None,
    time_limit: given.TimeLimit = None,
    cluster: arguments.ClusterOption = None,
    portfolio: arguments.PortfolioOption = None,
    reward: given.Reward = "model",
    certify: arguments.CertifyOption = None,
    seed: arguments.SeedOption = 0,
    compensation: given.Compensation = "none",
    recovery: given.Recovery = "auto",
    remove: given.Remove = "auto",
    out: given.Out,
    onnx: given.Onnx = None,
    onnx_form: arguments.OnnxFormOption = "small",
    report: arguments.ReportOption = None,
    embed_report: given.EmbedReport = None,
    embed_target: given.EmbedTarget = "pegasus:16",
    accept_divergence: given.AcceptDivergence = False,
    overwrite: given.Overwrite = False,
    verbose: given.Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Compress a network to a budget, and write OUT/model.safetensors, plan.json and result.json."""
    # OpenMP threads spin while they wait, and take the cores from whatever else runs on them. Read by libgomp when
    # torch is first imported.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from qubo_dnn.support.extras import require

    for module in ("torch", "safetensors", "torch_pruning"):
        require(module, "torch")
    from qubo_dnn.cli.common.command_line import command_words
    from qubo_dnn.cli.common.console import print_layers, print_onnx, print_run
    from qubo_dnn.cli.common.output import print_json
    from qubo_dnn.cli.compress_inputs import Images, axes, measurements_folder, numbers
    from qubo_dnn.cli.compress_settings import make_settings, solver_options
    from qubo_dnn.cli.embed import find_chip, write_page_of
    from qubo_dnn.cluster.dask_cluster import check_cluster
    from qubo_dnn.cluster.portfolio import portfolio_of
    from qubo_dnn.compression.compress import Compressor
    from qubo_dnn.compression.data.inputs import Interface
    from qubo_dnn.compression.export.onnx_file import FAST, FAST_VNNI, check_export
    from qubo_dnn.compression.network.loading import on_device
    from qubo_dnn.compression.report import write_report
    from qubo_dnn.compression.result import check_output, rewrite_result, write_run
    from qubo_dnn.compression.search.loss_modeller import discard_measurements
    from qubo_dnn.compression.task.budgets import parse_budget
    from qubo_dnn.compression.task.formats import Formats
    from qubo_dnn.compression.task.options import MAX_BITS
    from qubo_dnn.compression.task.task import check_compression
    from qubo_dnn.console_reporter import ConsoleReporter
    from qubo_dnn.registry import get_formulation
    from qubo_dnn.reports.writer import check_report

    # Everything that can be refused without loading the network is refused first.
    chip = None if embed_report is None else find_chip(embed_report, embed_target)
    check_output(out, overwrite)
    if report is not None:
        check_report(report)
    if onnx is not None:
        check_export(onnx_form, onnx)
    measured = measurements_folder(out, checkpoints)
    interface = Interface(batch_axis=axes(batch_axis), mask=mask)
    images = Images(
        network, calibration, test, numbers("--mean", mean), numbers("--std", std), interface, calibration_size, seed
    )
    check_cluster(cluster)
    solver = portfolio_of(backend or "pt", portfolio)
    formulated = check_compression(get_formulation(formulation))
    formats = Formats.parse(options, activations)
    # What is reported is then about the integers that the file computes with. Formulations without a model of the loss
    # know no activations.
    in_integers = onnx is not None and onnx_form in (FAST, FAST_VNNI)
    as_in_file = in_integers and formulated.needs_sensitivity and not formats.activations
    if as_in_file:
        formats = replace(formats, activations=(MAX_BITS,))
    settings = make_settings(
        formulated,
        formats,
        tuple(map(parse_budget, budget or ())),
        backend_options=solver_options(solver, option, time_limit, seed),
        direct=backend is None,
        table=table,
        target_accuracy_drop=target_accuracy_drop,
        activation_ranges=activation_ranges,
        granularity=granularity,
        skip=skip,
        layer_options=layer_options,
        tie=tie,
        loss=loss,
        output=output,
        metric=metric,
        objective=objective,
        parameter=parameter,
        held_out=held_out,
        rounds=rounds,
        rerank=rerank,
        probes=probes,
        memory=memory,
        reward=reward,
        certify=certify,
        seed=seed,
        compensation=compensation,
        recovery=recovery,
        remove=remove,
        checkpoints=measured,
        replace_checkpoints=checkpoints is None or overwrite,
    )
    compressor = Compressor(formulated, solver, settings).on(arguments.connect(context, cluster))
    with ConsoleReporter({"solve": time_limit, "certify": certify}) as reporter:
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
        if verbose:
            print_layers(result["layers"])
        print_run(result, out)
        if "onnx" in result:
            print_onnx(result["onnx"], result["compressed"]["bytes"])
    if report is not None:
        write_report(report, done, result, command_words())
    if refusal is not None:
        raise refusal
    if rejected:
        raise DivergenceError(
            f"the network in {out} is much further from the original than predicted (see the warning above); "
            "add --accept-divergence to accept that"
        )
