"""Print the figures of a compression as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qubo_dnn.cli.common.output import print_lines, print_table
from qubo_dnn.compression.rewriting.divergence_limit import share_text
from qubo_dnn.compression.task.options import FLOAT_BITS

# Losing more accuracy than this deserves a word.
COLLAPSE = 0.05


def print_run(result: Mapping[str, Any], out: Path | None) -> None:
    """Print the figures of a compression.

    Args:
        result: see `qubo_dnn.compression.result.result`.
        out: folder that it has just been written to; None: it is read from there.
    """
    before, after = result["reference"], result["compressed"]
    divergence = result["held_out_divergence"]
    rows = [
        ("test accuracy", percent(before["accuracy"]), percent(after["accuracy"])),
        ("test loss", _number(before["loss"]), _number(after["loss"])),
        *_metrics(result),
        ("file bytes", f"{before['bytes']:,}", f"{after['bytes']:,} ({percent(after['bytes'] / before['bytes'])})"),
        ("stored bits per weight", "32", _number(after["bits_per_weight"])),
        ("weights compressed", None, percent(result["coverage"])),
        ("weights pruned", None, percent(after["pruned_fraction"])),
        ("held-out divergence, bare", None, _number(divergence["bare"])),
        ("held-out divergence", None, f"{_number(divergence['recovered'])}{share_text(divergence)}"),
        ("calibration loss increase", None, _number(result["calibration_loss_increase"])),
        ("predicted loss increase", None, _number(result["predicted_loss_increase"])),
    ]
    print_table((result["network"], "reference", "compressed"), rows)
    print_lines("", *_remarks(result), *([] if out is None else [f"written to {out}"]))


def print_layers(layers: Sequence[Mapping[str, Any]]) -> None:
    """Print a line for every layer, and an empty one; shares are of the divergence.

    Args:
        layers: see `qubo_dnn.compression.records.layer_records`.
    """
    reads = any(layer["activation_bits"] != FLOAT_BITS for layer in layers)
    rows = [
        (
            layer["name"] or "the model",
            layer["kind"],
            shape(layer["shape"]),
            _widths(layer["widths"]),
            *([_activation_width(layer["activation_bits"])] if reads else []),
            f"{layer['bytes']:,}",
            percent(layer["bytes"] / (4 * layer["weights"])),
            percent(layer["predicted_share"]),
            percent(layer["measured_share"]),
        )
        for layer in layers
    ]
    columns = ("layer", "type", "shape", "options (channels)", *(["reads"] if reads else []), "bytes", "of float32")
    print_table((*columns, "predicted share", "measured share"), rows)
    print_lines("")


def shape(lengths: Sequence[int]) -> str:
    """Format the shape of a weight."""
    return " x ".join(map(str, lengths))


def _widths(counts: Mapping[str, int]) -> str:
    """Format option -> output channels; the channels are left out where all have the same option."""
    return ", ".join(counts) if len(counts) == 1 else ", ".join(f"{each} ({count})" for each, count in counts.items())


def _activation_width(bits: int) -> str | None:
    return None if bits == FLOAT_BITS else f"{bits} bits"


def print_onnx(file: Mapping[str, Any], own_bytes: int) -> None:
    """Print what is known about an ONNX file, see `qubo_dnn.compression.export.onnx_file.OnnxFile`.

    Args:
        file: the figures.
        own_bytes: size of model.safetensors.
    """
    agreement = file["agreement"]
    size = f"{percent(file['share'])} of the fp32 ONNX file, {file['bytes'] / own_bytes:.2f} times model.safetensors"
    same = "" if agreement["equal_top1"] is None else f", equal top-1 {percent(agreement['equal_top1'])}"
    integer, floating = file["integer_operators"], file["float_operators"]
    in_integers = f"{integer} of {integer + floating} convolutions and matrix products run in integers"
    lines = [
        f"ONNX, {file['form']}: {file['bytes']:,} bytes ({size}), opset {file['opset']}, IR {file['ir_version']}",
        f"in onnxruntime, on {agreement['samples']} calibration samples: largest deviation {agreement['largest']:.3g}, "
        f"mean {agreement['mean']:.3g}, of outputs up to {agreement['scale']:.3g}{same}",
        *([in_integers] if file["form"] != "small" else []),
        _latency(file),
        *(f"note: {note}" for note in file["notes"]),
        f"written to {file['path']}",
    ]
    print_lines("", *lines)


def _latency(file: Mapping[str, Any]) -> str:
    """Describe the measured latency, and the predicted one where a budget has a table of it."""
    said = "one thread, one sample: {before:.3g} ms in float32, {after:.3g} ms now, {speedup:.2f} times as fast".format(
        **file["latency"]
    )
    if file["predicted"] is None:
        return said
    return f"{said}; {file['latency']['share']:.3f} of the time, and the cost table predicts {file['predicted']:.3f}"


def print_profile(figures: Mapping[str, Any]) -> None:
    """Print the times of layers, see `qubo_dnn.compression.export.profile.Profile`."""
    floats, integers = figures["floats"], figures["integers"]
    rows = []
    for name, times in floats["layers"].items():
        other = integers["layers"].get(name)
        rows.append((name, *_milliseconds(times), *(_milliseconds(other) if other else (None, None))))
    columns = ("layer", "32 bits, ms", "memory, KB", "8 bits, ms", "memory, KB")
    print_table(columns, rows)
    print_lines(
        "",
        f"in onnxruntime, threads {figures['threads']}, batch {figures['batch']}; medians and quartiles of "
        f"{figures['runs']} runs",
    )
    for bits, times in ((32, floats), (8, integers)):
        layers = sum(each["milliseconds"] for each in times["layers"].values())
        rest = f"layers {layers:.4g} ms, rest {times['rest']:.4g} ms"
        print_lines(f"{bits} bits: whole network {times['whole']:.4g} ms, {rest}")


def _milliseconds(times: Mapping[str, Any]) -> tuple[str, str]:
    low, high = times["quartiles"]
    memory = (times["weight_bytes"] + times["activation_bytes"]) / 1000
    return f"{times['milliseconds']:.4g} ({low:.4g} to {high:.4g})", f"{memory:,.1f}"


def _metrics(result: Mapping[str, Any]) -> Iterator[tuple[str, str | None, str | None]]:
    """Generate the rows of the user's metric, on the test images or else on the calibration images."""
    before, after = result["reference"]["metric"], result["compressed"]["metric"]
    if before is not None:
        yield f"test {result['metric']}", _number(before), _number(after)
    elif result["calibration_metric"][0] is not None:
        before, after = result["calibration_metric"]
        yield f"calibration {result['metric']}", _number(before), _number(after)
    if result["compressed"]["divergence"] is not None:
        yield "test divergence", None, _number(result["compressed"]["divergence"])


def _remarks(result: Mapping[str, Any]) -> Iterator[str]:
    before, after = result["reference"], result["compressed"]
    for budget in result["budgets"]:
        in_percent = budget["kind"].endswith("fraction")
        used, limit = (f"{budget[name] * (100 if in_percent else 1):.6g}" for name in ("used", "limit"))
        yield f"budget: {used} of {limit} {'% ' if in_percent else ''}{budget['unit']}"
    if (widths := _activation_widths(result)) is not None:
        yield f"activations: {widths}"
    yield f"recovery: {' and '.join(result['recovery']) or 'none'}"
    if removal := result["removal"]:
        (before_macs, after_macs), left = removal["macs"], removal["left"]
        channels = sum(map(len, removal["channels"].values()))
        yield (
            f"removal: {channels:,} channels leave, {after_macs:,} of {before_macs:,} multiply-accumulates "
            f"({percent(after_macs / before_macs)})"
        )
        yield from (f"not removed: {name}, {reason}" for name, reason in left.items())
    rounds = f"{len(result['rounds'])} round{'' if len(result['rounds']) == 1 else 's'}"
    yield (
        f"solved by {result['backend']}"
        + ("" if result["seed"] is None else f" with seed {result['seed']}")
        + f": {result['variables']:,} variables, {result['interactions']:,} interactions, {rounds}"
        + (", interrupted" if result["interrupted"] else "")
    )
    if result["reward"]["kind"] == "measured":
        yield "measured reward: {evaluations:,} plans in {seconds:.1f} s".format(**result["reward"])
    if result["certificate"]:
        plan = _gap(result["certificate"]["plan_gap"])
        yield f"certificate: {proven(result['certificate'])}" + (f"; of the plan {plan}" if plan else "")
    if result["failed"]:
        yield f"warning: a later round broke off: {result['failed']}"
    yield "seconds: " + ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in result["seconds"].items())
    yield from left_alone(result["left_alone"], after["bytes"])
    if before["accuracy"] is not None and before["accuracy"] - after["accuracy"] > COLLAPSE:
        yield f"warning: the accuracy fell by {100 * (before['accuracy'] - after['accuracy']):.2f} points"
    if after["bytes"] >= before["bytes"]:
        yield "warning: the file is not smaller"


def left_alone(entries: Iterable[Mapping[str, Any]], file_bytes: int | None = None) -> Iterator[str]:
    """Generate a line for everything that is not compressed, with the reason.

    Args:
        entries: see `qubo_dnn.compression.result.result`.
        file_bytes: bytes of the compressed file, of which small networks have large shares left alone; None: unknown.
    """
    for entry in entries:
        kind = f" ({entry['type']})" if entry["type"] else ""
        of_file = "" if file_bytes is None else f", {percent(entry['bytes'] / file_bytes)} of the new one"
        size = f"{entry['bytes']:,} bytes ({percent(entry['share'])} of the fp32 file{of_file})"
        yield f"left alone: {entry['name'] or 'the model'}{kind}, {size}: {entry['reason']}"


def _activation_widths(result: Mapping[str, Any]) -> str | None:
    """Return how many layers read activations of which width; None if all stay as they are."""
    counts = Counter(layer["activation_bits"] for layer in result["layers"])
    if set(counts) <= {FLOAT_BITS}:
        return None
    return ", ".join(f"{bits} bits into {count} layer{'s' * (count > 1)}" for bits, count in sorted(counts.items()))


def proven(certificate: Mapping[str, Any]) -> str:
    """Format the figures of a certificate, see `qubo_dnn.bounds.certificate.Certificate.figures`, as one line."""
    gap, bound = _gap(certificate["gap"]), certificate["bound"]
    if certificate["infeasible"]:
        said = "infeasible: no state keeps the constraints"
    else:
        said = f"proven gap {gap}" if gap else "no proven gap"
        said += ", no bound" if bound is None else f", bound {bound:.10g}"
    optimal = "optimal: " if certificate["optimal"] else ""
    return f"{optimal}{said}, by {certificate['method']}, {certificate['seconds']:.1f} s"


def _gap(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.3g} %"


def percent(share: float | None) -> str | None:
    """Format a share as a percentage; None stays None."""
    return None if share is None else f"{100 * share:.2f} %"


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"
