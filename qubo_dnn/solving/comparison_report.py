"""The page about a comparison of backends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qubo_dnn.pictures.picture import Picture, Series
from qubo_dnn.reports.charts import bars, chart
from qubo_dnn.reports.page import Chart, Page, Section, Table
from qubo_dnn.reports.reproduction import reproduction
from qubo_dnn.reports.text import percent
from qubo_dnn.reports.writer import write_page
from qubo_dnn.solving.comparison import ContenderRun, Record, summarise
from qubo_dnn.support.plain import plain


def write_comparison(
    path: Path,
    records: Sequence[Record],
    sense: str,
    title: str,
    about: Mapping[str, Any],
    command: Sequence[str] = (),
) -> None:
    """Write a page about a comparison.

    Args:
        path: path of the file.
        records: what `qubo_dnn.solving.comparison.compare` returned.
        sense: sense of the problem, "min" or "max".
        title: title of the page.
        about: name -> value of what is known about the problem and the comparison.
        command: words of the command line, if there was one.

    Raises:
        MissingExtraError: the extra `report` is not installed.
        OutputError: the page cannot be written.

    Example:
        >>> import tempfile
        >>> from qubo_dnn.api.analysis import compare
        >>> records = compare([[-1.0, 3.0], [0.0, -2.0]], ["tabu", "steepest-descent"], time_limit=0.01, seeds=[1])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_comparison(Path(folder, "page.html"), records, "min", "Two variables", {})
        ...     "best objective -2" in Path(folder, "page.html").read_text()
        True
    """
    write_page(path, comparison_page(records, sense, title, about, command))


def comparison_page(
    records: Sequence[Record],
    sense: str,
    title: str,
    about: Mapping[str, Any],
    command: Sequence[str] = (),
) -> Page:
    """Return the page about a comparison; see `write_comparison` for the arguments.

    Example:
        >>> from qubo_dnn.api.analysis import compare
        >>> page = comparison_page(compare([[-1.0]], ["tabu"], 0.01, [1]), "min", "One variable", {})
        >>> page.verdict
        'best objective -1, found by tabu'
    """
    rows = summarise(records, sense)
    better = max if sense == "max" else min
    known = [row["best"] for row in rows if row["best"] is not None]
    best = better(known) if known else None
    winners = [row["backend"] for row in rows if best is not None and row["best"] == best]
    names = ", ".join(winners)
    parts: list[Table | Chart] = [_summary(rows)]
    absent = {row["backend"]: f"it cannot take the problem: {row['refusal']}" for row in rows if row["refusal"]}
    if best is None:
        absent["objectives over time and distances from the best"] = "no run found a feasible answer"
    else:
        parts += [_over_time(records, sense), _distances(records, best)]
    every = [run for record in records for run in record.trials]
    return Page(
        title,
        "no feasible answer" if best is None else f"best objective {best:.10g}, found by {names}",
        [
            Section("backends", "Backends", parts),
            Section("statistics", "Statistics", [_statistics(records, best), _runs(records)] if every else []),
            Section(
                "problem", "Problem", [Table("Problem and comparison", list(plain(about).items()))] if about else []
            ),
            reproduction(command),
        ],
        notices=["The comparison was interrupted; runs that had not begun are missing."]
        if any(run.interrupted for run in every)
        else [],
        absent=absent,
    )


def _summary(rows: Sequence[Mapping[str, Any]]) -> Table:
    return Table(
        "Runs with the full time limit; the best objective is over all seeds",
        [
            (row["backend"], row["best"], row["mean"], row["worst"], row["feasible"], row["refusal"] or row["to_best"])
            for row in rows
        ],
        ("backend", "best", "mean", "worst", "feasible", "seconds to the best of all"),
    )


def _over_time(records: Sequence[Record], sense: str) -> Chart:
    series = []
    for record in records:
        by_time: dict[float, list[float]] = {}
        for run in record.trials:
            if run.feasible:
                by_time.setdefault(run.time_limit or run.seconds, []).append(run.objective)
        times = sorted(by_time)
        if times:
            means = [float(np.mean(by_time[time])) for time in times]
            texts = [
                f"{record.contender.name}, {time:.4g} s: {min(by_time[time]):.8g} to {max(by_time[time]):.8g}"
                for time in times
            ]
            series.append(Series(record.contender.name, times, means, texts=texts))
    y = f"mean objective ({'higher' if sense == 'max' else 'lower'} is better)"
    note = "Separate runs with shorter limits; the range over the seeds is at the mouse pointer and in the table."
    return chart(Picture("over-time", "Objective over time", "seconds given", y, series, log_x=True, note=note))


def _distances(records: Sequence[Record], best: float) -> Chart:
    """Draw how far the runs with the full time limit are from the best objective of all."""
    scale = abs(best) or 1.0
    names, means, worst = [], [], []
    for record in records:
        distances = [abs(run.objective - best) / scale for run in record.final() if run.feasible]
        if distances:
            names.append(record.contender.name)
            means.append(100.0 * float(np.mean(distances)))
            worst.append(100.0 * max(distances))
    x = "distance from the best, %" if best else "distance from the best"
    note = "Of the runs with the full time limit that found a feasible answer; no bar: all of them are the best."
    return bars("distances", "Distance from the best", x, names, {"mean": means, "worst": worst}, note=note)


def _statistics(records: Sequence[Record], best: float | None) -> Table:
    rows = []
    for record in records:
        final = record.final()
        objectives = [run.objective for run in final if run.feasible]
        reached = [run for run in final if best is not None and run.feasible and _equal(run, best)]
        if final:
            rows.append(
                (
                    record.contender.name,
                    len(final),
                    float(np.median(objectives)) if objectives else None,
                    float(np.std(objectives, ddof=1)) if len(objectives) > 1 else None,
                    percent(len(reached) / len(final), 0),
                    float(np.median([run.seconds for run in final])),
                )
            )
    columns = (
        *("backend", "runs", "median", "standard deviation", "reach the best of all"),
        "median seconds to their own best",
    )
    return Table("Runs with the full time limit", rows, columns)


def _runs(records: Sequence[Record]) -> Table:
    rows = [
        (record.contender.name, run.time_limit, run.seed, f"{run.objective:.10g}", run.feasible, run.seconds)
        for record in records
        for run in record.trials
    ]
    columns = ("backend", "time limit", "seed", "objective", "feasible", "seconds to it")
    return Table("All runs", rows, columns, folded=True)


def _equal(run: ContenderRun, best: float) -> bool:
    return bool(np.isclose(run.objective, best, rtol=1e-9, atol=1e-12))
