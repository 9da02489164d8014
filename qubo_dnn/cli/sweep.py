"""`qubo-dnn sweep`: compress a network to several budgets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qubo_dnn.cli import compress_options as given
from qubo_dnn.cli.common import arguments
from qubo_dnn.cli.common.command_line import command_words
from qubo_dnn.cli.common.output import AsJson
from qubo_dnn.compression.sweep.points import QUICK
from qubo_dnn.errors import MissingExtraError

if TYPE_CHECKING:
    from qubo_dnn.compression.sweep.record import SweepRecord

_Budgets = Annotated[
    list[str],
    typer.Option(
        rich_help_panel="Budget",
        metavar="RANGE",
        help="FIRST:LAST:STEP such as 2bits:4bits:0.25bits, 200KB:400KB:50KB, 40%bops:80%bops:10%bops, "
        "60%macs:90%macs:10%macs or latency=40%:80%:10%, or single ones, with commas; of one quantity; repeatable.",
        show_default=False,
    ),
]
_Kept = Annotated[
    list[str] | None,
    typer.Option(
        rich_help_panel="Budget",
        metavar="LIMIT",
        help="Further budget, of another quantity, that all points keep; as for `compress`; repeatable.",
    ),
]
_Baselines = Annotated[
    bool,
    typer.Option(
        "--baselines",
        rich_help_panel="Budget",
        help="Add curves of one width for all weights, and of plans of a loss model without pairs.",
    ),
]
_Out = Annotated[
    Path,
    arguments.output_option(
        metavar="DIR",
        help="Folder for sweep.json, a picture, and the model, plan and result of every point; the same command goes "
        "on where an earlier one was interrupted.",
        show_default=False,
    ),
]
_Overwrite = Annotated[
    bool,
    arguments.output_option(
        "--overwrite", help="Replace the sweep in the folder, and saved measurements that do not fit."
    ),
]


def sweep(
    context: typer.Context,
    network: given.Network,
    *,
    budgets: _Budgets,
    budget: _Kept = None,
    baselines: _Baselines = False,
    table: given.Table = None,
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
    rounds: given.Rounds = QUICK["rounds"],
    rerank: given.Rerank = QUICK["rerank"],
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
    out: _Out,
    overwrite: _Overwrite = False,
    report: arguments.ReportOption = None,
    as_json: AsJson = False,
) -> None:
    """Compress a network to several budgets of one quantity: measure once, search at every budget, in one round.

    The table and OUT/sweep.json have accuracy, divergence, bytes and multiply-accumulates of every point, the Pareto
    front of cost and held-out divergence, and its knee. OUT/points/3 is the third point as `compress` writes it;
    `qubo-dnn apply OUT --point 3` carries it out.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from qubo_dnn.support.extras import require

    for module in ("torch", "safetensors", "torch_pruning"):
        require(module, "torch")
    from qubo_dnn.cli.common.output import print_json
    from qubo_dnn.cli.common.sweep_table import print_sweep
    from qubo_dnn.cli.compress_inputs import Images, axes, measurements_folder, numbers
    from qubo_dnn.cli.compress_settings import make_settings, solver_options
    from qubo_dnn.cluster.dask_cluster import check_cluster
    from qubo_dnn.cluster.portfolio import portfolio_of
    from qubo_dnn.compression.compress import Compressor
    from qubo_dnn.compression.data.inputs import Interface
    from qubo_dnn.compression.network.loading import on_device
    from qubo_dnn.compression.search.loss_modeller import discard_measurements
    from qubo_dnn.compression.sweep.folder import SweepFolder
    from qubo_dnn.compression.sweep.report import write_sweep_report
    from qubo_dnn.compression.sweep.sweeper import Sweeper
    from qubo_dnn.compression.task.budget_ranges import parse_budgets
    from qubo_dnn.compression.task.budgets import parse_budget
    from qubo_dnn.compression.task.formats import Formats
    from qubo_dnn.compression.task.task import check_compression
    from qubo_dnn.console_reporter import ConsoleReporter
    from qubo_dnn.registry import get_formulation
    from qubo_dnn.reports.writer import check_report

    # Everything that can be refused without loading the network is refused first.
    asked = parse_budgets(budgets)
    folder = SweepFolder(out, overwrite)
    folder.check()
    if report is not None:
        check_report(report)
    measured = measurements_folder(out, checkpoints)
    interface = Interface(batch_axis=axes(batch_axis), mask=mask)
    images = Images(
        network, calibration, test, numbers("--mean", mean), numbers("--std", std), interface, calibration_size, seed
    )
    check_cluster(cluster)
    solver = portfolio_of(backend or "pt", portfolio)
    formulated = check_compression(get_formulation(formulation))
    settings = make_settings(
        formulated,
        Formats.parse(options, activations),
        (*map(parse_budget, budget or ()), asked[0]),
        backend_options=solver_options(solver, option, time_limit, seed),
        direct=backend is None,
        table=table,
        target_accuracy_drop=None,
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
    sweeper = Sweeper(compressor, asked, baselines=baselines)
    with ConsoleReporter() as reporter:
        reporter.stage("load")
        model, measured_on, reported_on = images.load(weights)
        about = {
            "network": network,
            "formulation": formulation,
            "loss": loss,
            "output": list(output or ()),
            "metric": metric,
            "compensation": compensation,
            "granularity": settings.granularity,
            "calibration_size": len(measured_on),
            "inputs": {
                "calibration": calibration,
                "test": test,
                "mean": mean,
                "std": std,
                "batch_axis": batch_axis,
                "mask": mask,
            },
        }
        record = sweeper.run(on_device(model, device), measured_on, reported_on, folder, about, reporter)
    if checkpoints is None and not record.interrupted:
        discard_measurements(measured)
    _draw(record, folder.path)
    if report is not None:
        write_sweep_report(report, record, f"Sweep of {network}", command_words())
    if as_json:
        print_json(record.to_dict())
    else:
        print_sweep(record, out)
    if record.interrupted:
        raise KeyboardInterrupt


def _draw(record: SweepRecord, folder: Path) -> None:
    """Draw the picture of a sweep, or say why there is none."""
    from qubo_dnn.compression.sweep.picture import sweep_picture
    from qubo_dnn.compression.sweep.record import PICTURE
    from qubo_dnn.pictures.image import write_image

    try:
        write_image(folder / PICTURE, sweep_picture(record))
    except MissingExtraError as cause:
        arguments.say(f"no picture: {cause}")
