"""`qubo-dnn compare`: compare backends on one problem."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qubo_dnn.cli.common import arguments
from qubo_dnn.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qubo_dnn.solving.comparison import Record


def compare(
    context: typer.Context,
    source: arguments.SourceArgument,
    backend: Annotated[
        list[str],
        arguments.solver_option(
            metavar="NAME", help="Backend, NAME or NAME:option=value,option=value; repeatable.", show_default=False
        ),
    ],
    time_limit: Annotated[
        float, arguments.solver_option(metavar="SECONDS", help="Time limit of the longest runs.")
    ] = 8.0,
    seeds: Annotated[
        int,
        arguments.solver_option(metavar="N", help="Number of runs of each kind, with the seeds 0, 1, ..."),
    ] = 3,
    cluster: arguments.ClusterOption = None,
    parameter: arguments.ParameterOption = None,
    sense: arguments.SenseOption = None,
    format_name: arguments.FormatOption = None,
    integers: arguments.IntegersOption = "binary",
    json_file: arguments.JsonOption = None,
    picture: Annotated[
        Path | None,
        arguments.output_option(metavar="FILE", help="Draw the best objective over time (.png or .svg)."),
    ] = None,
    report: arguments.ReportOption = None,
) -> None:
    """Run backends for equal times and several seeds; print the best objective, feasibility, and time to the best.

    Every backend also runs for an eighth, a quarter and half of the time, which shows how soon it is how good.
    """
    from dataclasses import asdict
    from itertools import count

    from qubo_dnn.cli.common.command_line import command_words
    from qubo_dnn.cli.common.output import print_table, write_json
    from qubo_dnn.cluster.dask_cluster import check_cluster
    from qubo_dnn.console_reporter import ConsoleReporter
    from qubo_dnn.pictures.image import check_image
    from qubo_dnn.reports.writer import check_report
    from qubo_dnn.solving.comparison import Contender, expected_seconds, number_of_runs, summarise
    from qubo_dnn.solving.comparison import compare as run
    from qubo_dnn.solving.comparison_report import write_comparison

    if time_limit <= 0.0 or seeds < 1:
        raise OptionError("--time-limit and --seeds are greater than 0")
    if picture is not None:
        check_image(picture)
    if report is not None:
        check_report(report)
    check_cluster(cluster)
    contenders = [Contender.parse(text) for text in backend]
    loaded = arguments.load(source, parameter, format_name, sense, integers, 0)
    problem = loaded.problem
    with ConsoleReporter({"compare": expected_seconds(contenders, time_limit, seeds)}) as reporter:
        reporter.stage("compare")
        begun, total = count(), number_of_runs(contenders, seeds)
        records = run(
            problem,
            contenders,
            time_limit,
            range(seeds),
            lambda text: reporter.item(text, next(begun), total),
            arguments.connect(context, cluster),
        )
    rows = summarise(records, problem.sense)
    if picture is not None:
        draw(records, problem.sense, source, picture)
    about = {"source": source, "sense": problem.sense, "time_limit": time_limit, "seeds": seeds}
    if json_file is not None:
        trials = {each.contender.name: [asdict(trial) for trial in each.trials] for each in records}
        write_json(json_file, {**about, "backends": rows, "trials": trials})
    if json_file is None or str(json_file) != "-":
        print_table(
            ("backend", "best", "mean", "worst", "feasible", "seconds to the best"),
            [(*(_cell(row[key]) for key in _COLUMNS), row["refusal"] or _cell(row["to_best"])) for row in rows],
        )
    if report is not None:
        size = {"variables": len(problem.variables), "interactions": problem.objective.num_interactions}
        title = f"Backends on {source}"
        write_comparison(report, records, problem.sense, title, {**about, **size}, command_words())


_COLUMNS = ("backend", "best", "mean", "worst", "feasible")


def _cell(value: Any) -> str | None:
    return f"{value:.8g}" if isinstance(value, float) else value


def draw(records: Sequence[Record], sense: str, title: str, path: Path) -> None:
    """Draw the best objective over the time limit: the mean of the seeds, and their range as a band."""
    from matplotlib.figure import Figure

    from qubo_dnn.pictures.image import save_figure

    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    axes = figure.subplots()
    for record in records:
        by_time: dict[float, list[float]] = {}
        for trial in record.trials:
            if trial.feasible:
                by_time.setdefault(trial.time_limit or trial.seconds, []).append(trial.objective)
        if not by_time:
            continue
        times = sorted(by_time)
        means = [sum(by_time[time]) / len(by_time[time]) for time in times]
        (line,) = axes.plot(times, means, marker="o", label=record.contender.name)
        low, high = [min(by_time[time]) for time in times], [max(by_time[time]) for time in times]
        axes.fill_between(times, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set_xscale("log", base=2)
    axes.set_xlabel("seconds given")
    axes.set_ylabel("objective (higher is better)" if sense == "max" else "objective (lower is better)")
    axes.set_title(title)
    if axes.lines:
        axes.legend()
    save_figure(figure, path)
