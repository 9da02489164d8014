"""The page about a compression."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qubo_dnn.compression.outcome import Compression
from qubo_dnn.compression.report_charts import (
    channel_map,
    coupling_map,
    layer_table,
    shares_chart,
    stages_chart,
    tried_chart,
    widths_chart,
)
from qubo_dnn.compression.rewriting.divergence_limit import share_text
from qubo_dnn.compression.task.options import FLOAT_BITS
from qubo_dnn.reports.page import Chart, Page, Section, Table, Text
from qubo_dnn.reports.reproduction import reproduction
from qubo_dnn.reports.solver import backend_parts, calls_parts
from qubo_dnn.reports.text import percent
from qubo_dnn.reports.writer import write_page
from qubo_dnn.solving.report import certificate_table
from qubo_dnn.support.plain import plain

_PACKAGES = ("torch", "safetensors", "torch-pruning", "onnx", "onnxruntime")
# What was asked, by the names in the result.
_ASKED = (
    *("network", "formulation", "loss", "output", "metric", "options", "granularity", "compensation"),
    *("calibration_size", "inputs"),
)
# Losing more accuracy than this, as a share, deserves a word.
_COLLAPSE = 0.05
_NOT_TESTED = "the run had no test data"
_NOT_LABELLED = "the test data have no labels, or the loss knows no accuracy"
_AFTER_TRAINING = "after training, layers depend on each other"
_NO_MODEL = "no model of the loss was measured"


def write_report(path: Path, done: Compression, figures: Mapping[str, Any], command: Sequence[str] = ()) -> None:
    """Write a page about a compression.

    Args:
        path: path of the file.
        done: the compression.
        figures: its figures, see `qubo_dnn.compression.result.result`, and the settings of the run.
        command: words of the command line, if there was one.

    Raises:
        MissingExtraError: the extra `report` is not installed.
        OutputError: the page cannot be written.

    Example:
        >>> def report(done: Compression, figures: Mapping[str, Any]) -> None:
        ...     write_report(Path("run.html"), done, figures)
    """
    write_page(path, compression_page(done, figures, command))


def compression_page(done: Compression, figures: Mapping[str, Any], command: Sequence[str] = ()) -> Page:
    """Return the page about a compression; see `write_report` for the arguments.

    Example:
        >>> def title(done: Compression, figures: Mapping[str, Any]) -> str:
        ...     return compression_page(done, figures).title
    """
    figures = plain(figures)
    solution = done.found.solution
    absent = dict(_absent(done, figures))
    solver, missing = backend_parts(solution.sampleset.info)
    absent |= missing
    calls = [
        plain({"objective": call.objective, "seconds": call.seconds, "penalties": {**call.multipliers, **call.weights}})
        for call in solution.calls
    ]
    tried = tried_chart(figures["rounds"])
    couplings = None if done.couplings is None else coupling_map(_parts(done), done.couplings)
    layers = figures["layers"]
    return Page(
        f"Compression of {figures.get('network', 'a network')}",
        _verdict(figures),
        [
            Section("result", "Result", [_asked(figures), _budgets(figures), _outcome(figures), *_latency(figures)]),
            Section(
                "layers",
                "Layers",
                [
                    widths_chart(layers),
                    channel_map(layers, done.found.applied.plan),
                    *([shares_chart(layers)] if _has_shares(layers) else []),
                    *([couplings] if couplings else []),
                    layer_table(layers),
                ],
            ),
            Section("search", "Search", [*([tried] if tried else []), _rounds(figures)]),
            Section("certificate", "Certificate", _certificate(figures)),
            Section("solver", "Solver", [_problem(figures), *calls_parts(calls), *solver]),
            Section("left-alone", "Left alone", _left_alone(figures)),
            Section("time", "Time", [stages_chart(figures["seconds"])]),
            reproduction(command, _PACKAGES),
        ],
        notices=list(_notices(figures)),
        absent=absent,
    )


def _verdict(figures: Mapping[str, Any]) -> str:
    before, after = figures["reference"], figures["compressed"]
    said = [f"{after['bytes']:,} of {before['bytes']:,} bytes ({percent(after['bytes'] / before['bytes'])})"]
    if after["accuracy"] is not None:
        said.append(f"test accuracy {percent(before['accuracy'])} before, {percent(after['accuracy'])} after")
    held_out = figures["held_out_divergence"]
    said.append(f"held-out divergence {held_out['recovered']:.4g}{share_text(held_out)}")
    return "; ".join(said)


def _notices(figures: Mapping[str, Any]) -> Iterator[str]:
    """Generate what a reader has to know first."""
    if figures["interrupted"]:
        yield "The run was interrupted; this is the best network until then."
    if figures["failed"]:
        yield f"A later round broke off, and this is the best network until then: {figures['failed']}"
    yield from (f"This run was resumed: {said}." for said in figures["resumed"])
    if figures["compressed"]["divergence"] is None:
        yield "There are no test data; divergences are those of held-out calibration data."
    before, after = figures["reference"]["accuracy"], figures["compressed"]["accuracy"]
    if before is not None and after is not None and before - after > _COLLAPSE:
        yield f"The accuracy fell by {100 * (before - after):.2f} points."
    if figures["compressed"]["bytes"] >= figures["reference"]["bytes"]:
        yield "The file is not smaller."
    yield from (f"Warning: {text}" for text in figures["warnings"])


def _absent(done: Compression, figures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Generate what has no data, and why."""
    trained = done.effects is None
    if figures["compressed"]["divergence"] is None:
        yield "accuracy, loss and divergence on test data", _NOT_TESTED
    elif figures["compressed"]["accuracy"] is None:
        yield "accuracy", _NOT_LABELLED
    if done.predicted is None:
        yield "predicted shares and the couplings between layers", _AFTER_TRAINING if trained else _NO_MODEL
    if trained:
        yield "measured shares of the layers", _AFTER_TRAINING
    if figures["certificate"] is None:
        yield "a certificate", "none was asked for (--certify), and there are too many states to enumerate"
    if "onnx" not in figures:
        yield "latency", "it is measured with --onnx FILE"
    if not _removed(figures):
        yield "removed channels", "the plan prunes none, or they were not to be removed"


def _asked(figures: Mapping[str, Any]) -> Table:
    inputs = {name: value for name, value in figures.get("inputs", {}).items() if value is not None}
    asked = {name: figures.get(name) for name in _ASKED} | {"inputs": inputs}
    rows = [(name.replace("_", " "), value) for name, value in asked.items() if value not in (None, [], {})]
    return Table("What was asked", [*rows, ("backend", figures["backend"]), ("seed", figures["seed"])])


def _budgets(figures: Mapping[str, Any]) -> Table:
    rows = []
    for budget in figures["budgets"]:
        share = budget["kind"].endswith("fraction")
        limit, used = (f"{budget[key] * (100 if share else 1):.6g}{' %' if share else ''}" for key in ("limit", "used"))
        rows.append((budget["name"], limit, used, budget["unit"]))
    return Table("Budgets", rows, ("budget", "limit", "used", "unit"))


def _outcome(figures: Mapping[str, Any]) -> Table:
    before, after, divergence = figures["reference"], figures["compressed"], figures["held_out_divergence"]
    rows: list[tuple[Any, ...]] = [
        ("test accuracy", percent(before["accuracy"]), percent(after["accuracy"])),
        ("test loss", before["loss"], after["loss"]),
        ("test divergence", None, after["divergence"]),
    ]
    if before["metric"] is not None:
        rows.append((f"test {figures['metric']}", before["metric"], after["metric"]))
    if figures["calibration_metric"][0] is not None:
        rows.append((f"calibration {figures['metric']}", *figures["calibration_metric"]))
    rows += [
        ("bytes of the file", before["bytes"], after["bytes"]),
        ("stored bits per weight", FLOAT_BITS, after["bits_per_weight"]),
        ("weights compressed", None, percent(figures["coverage"])),
        ("weights pruned", None, percent(after["pruned_fraction"])),
        ("held-out divergence without repair", None, divergence["bare"]),
        ("held-out divergence", None, divergence["recovered"]),
        ("largest divergence that fits the prediction", None, divergence["limit"]),
        ("calibration divergence", None, figures["calibration_divergence"]),
        ("calibration loss increase", None, figures["calibration_loss_increase"]),
        ("predicted loss increase", None, figures["predicted_loss_increase"]),
        ("repairs", None, figures["recovery"] or "none"),
    ]
    if removal := figures["removal"]:
        rows += [("parameters, pruned channels removed", *removal["parameters"])]
        rows += [("multiply-accumulates of one sample", *removal["macs"])]
    rows = [row for row in rows if any(value is not None for value in row[1:])]
    return Table("What came out", rows, ("figure", "reference", "compressed"))


def _latency(figures: Mapping[str, Any]) -> list[Table]:
    if "onnx" not in figures:
        return []
    file = figures["onnx"]
    times = file["latency"]
    return [
        Table(
            "Latency in onnxruntime, one thread, one sample",
            [
                ("form of the file", file["form"]),
                ("bytes of the file", file["bytes"]),
                ("milliseconds in float32", times["before"]),
                ("milliseconds now", times["after"]),
                ("times as fast", times["speedup"]),
                ("share of the time", times["share"]),
                ("share that the cost table predicts", file["predicted"]),
                ("largest deviation of an output", file["agreement"]["largest"]),
                *(("note", note) for note in file["notes"]),
            ],
        )
    ]


def _rounds(figures: Mapping[str, Any]) -> Table:
    rows = [
        (
            *(each[key] for key in ("number", "parameters", "predicted", "divergence", "limit", "best")),
            len(each["tried"]),
            *(each[key] for key in ("accepted", "seconds")),
        )
        for each in figures["rounds"]
    ]
    columns = (
        *("round", "parameters", "predicted", "held-out divergence", "largest that fits the prediction"),
        *("best so far", "plans tried", "accepted", "seconds"),
    )
    return Table("Rounds", rows, columns)


def _problem(figures: Mapping[str, Any]) -> Table:
    rows = [(name, figures[name]) for name in ("backend", "seed", "variables", "interactions", "repaired")]
    return Table("Problem", [*rows, *((f"reward: {name}", value) for name, value in figures["reward"].items())])


def _certificate(figures: Mapping[str, Any]) -> list[Table]:
    return [] if figures["certificate"] is None else [certificate_table(figures["certificate"])]


def _left_alone(figures: Mapping[str, Any]) -> list[Table | Chart | Text]:
    rows = [
        (entry["name"] or "the model", entry["type"], entry["bytes"], percent(entry["share"]), entry["reason"])
        for entry in figures["left_alone"]
    ]
    columns = ("what", "type", "bytes", "share of the float32 file", "reason")
    parts: list[Table | Chart | Text] = [Table("What stays as it is", rows, columns)] if rows else []
    if _removed(figures):
        removal = figures["removal"]
        gone = [(name, len(channels)) for name, channels in removal["channels"].items()]
        parts.append(Table("Pruned channels that leave the network", gone, ("layer", "channels")))
        if removal["left"]:
            kept = list(removal["left"].items())
            parts.append(Table("Pruned channels that stay", kept, ("layer", "reason")))
    return parts


def _removed(figures: Mapping[str, Any]) -> bool:
    return bool(figures["removal"] and any(figures["removal"]["channels"].values()))


def _has_shares(layers: Sequence[Mapping[str, Any]]) -> bool:
    return any(layer[key] is not None for layer in layers for key in ("predicted_share", "measured_share"))


def _parts(done: Compression) -> list[str]:
    """Return the names of the rows of `Compression.couplings`."""
    task = done.found.task
    return [*(layer.name for layer in task.layers), *(f"{name}, input" for name in task.activations)]
