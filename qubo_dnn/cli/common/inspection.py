"""Print what `qubo-dnn inspect` has found as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from qubo_dnn.cli.common.console import left_alone, percent, print_layers, print_onnx, print_run, shape
from qubo_dnn.cli.common.output import print_lines, print_table

if TYPE_CHECKING:
    from qubo_dnn.compression.inspection.figures import GranularityCost, LayerInspection, NetworkInspection
    from qubo_dnn.compression.inspection.model_file import ModelFile
    from qubo_dnn.compression.inspection.run_record import RunRecord

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def print_network(name: str, found: NetworkInspection) -> None:
    """Print a network before it is compressed."""
    share = percent(found.weights / found.numbers)
    print_lines(
        f"{name}: {found.numbers:,} numbers, {found.bytes:,} bytes in float32; {share} of the numbers, in "
        f"{len(found.layers)} weights, can be compressed",
        "",
    )
    known = found.samples is not None
    total = sum(layer.macs or 0 for layer in found.layers)
    rows = [
        (
            *(layer.name or "the model", layer.kind, shape(layer.shape), f"{layer.weights:,}", percent(layer.share)),
            *(_work(layer, total) if known else ()),
        )
        for layer in found.layers
    ]
    columns = ("layer", "type", "shape", "weights", "share of all")
    print_table((*columns, *(("calls", "MACs", "share", "measured by") if known else ())), rows)
    print_lines("", *left_alone({**entry, "share": entry["bytes"] / found.bytes} for entry in found.left_alone))
    print_lines(*(f"warning: {text}" for text in found.warnings), "")
    print_table(
        ("granularity", "units", "variables", "pairs, at most", "all pairs, memory", "measurement", "memory", "time"),
        map(_granularity_row, found.granularities),
    )
    print_lines("", f"options of every unit: {', '.join(found.options)}; one variable for each, and no budget of MACs")
    print_lines(_basis(found))


def _work(layer: LayerInspection, total: int) -> tuple[object, ...]:
    macs = layer.macs or 0
    return layer.calls, f"{macs:,}", percent(macs / total if total else None), layer.measured


def _granularity_row(cost: GranularityCost) -> tuple[str | None, ...]:
    shared = "" if cost.decisions == cost.units else f" ({cost.decisions:,} decisions)"
    known = cost.measurement_bytes is not None
    return (
        cost.granularity,
        f"{cost.units:,}{shared}",
        f"{cost.variables:,}",
        f"{cost.interactions:,}",
        memory(cost.pairs_bytes),
        cost.form or ("too large" if known else None),
        None if cost.measurement_bytes is None else memory(cost.measurement_bytes),
        None if cost.seconds is None else span(cost.seconds),
    )


def _basis(found: NetworkInspection) -> str:
    """Say what the figures rest on."""
    if found.samples is None:
        return (
            "without samples, calls, MACs, weights that nothing reads, and the measurement are not known: add "
            "--calibration or --input-shape"
        )
    return (
        f"measurement on {found.samples:,} samples with {found.probes} backward passes each, once for every round; "
        f"timed on a few samples, and how weights are used was seen on {found.examined}"
    )


def memory(size: int) -> str:
    """Format a number of bytes.

    Example:
        >>> memory(512), memory(155151936), memory(3 << 40)
        ('512 bytes', '148 MiB', '3 TiB')
    """
    amount, unit = float(size), 0
    while amount >= 1000 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.3g} {_UNITS[unit]}"


def span(seconds: float) -> str:
    """Format an estimated time.

    Example:
        >>> span(0.25), span(99.0), span(1410.0), span(36000.0)
        ('0.25 s', '99 s', '24 min', '10 h')
    """
    for amount, unit in ((seconds, "s"), (seconds / 60, "min")):
        if amount < 100:
            return f"{amount:.2g} {unit}"
    return f"{seconds / 3600:,.0f} h"


def print_record(record: RunRecord) -> None:
    """Print what was asked of a compression, and what came out."""
    figures = record.figures
    print_table((str(record.folder), "asked"), list(_asked(figures)))
    print_lines("")
    print_layers(figures["layers"])
    print_run(figures, None)
    if figures["onnx"] is not None:
        print_onnx(figures["onnx"], figures["compressed"]["bytes"])
    print_lines(
        *(f"warning: {text}" for text in figures["warnings"]),
        *([] if record.was_tested else ["no test data were given: there is no accuracy of the compressed network"]),
        *(f"{name}: {size:,} bytes" for name, size in record.files.items()),
    )


def _asked(figures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Generate what was asked; runs in Python say less of it."""
    yield "network", figures["network"]
    for budget in figures["budgets"]:
        share = budget["kind"].endswith("fraction")
        yield "budget", f"{budget['limit'] * (100 if share else 1):.6g} {'% ' if share else ''}{budget['unit']}"
    for name in ("formulation", "loss", "metric", "granularity", "compensation"):
        if figures[name] is not None:
            yield name, figures[name]
    if figures["options"] is not None:
        yield "options", ", ".join(figures["options"])
    if figures["calibration_size"] is not None:
        yield "calibration samples", f"{figures['calibration_size']:,}"
    for name, value in (figures["inputs"] or {}).items():
        if value is not None:
            yield name.replace("_", " "), value


def print_model_file(found: ModelFile) -> None:
    """Print the content of the file of a compressed network."""
    rows = [
        (
            *(weight.key, shape(weight.shape), weight.group, f"{weight.bytes:,}", f"{weight.bits_per_weight:.3f}"),
            None if weight.activation_bits == 32 else f"{weight.activation_bits} bits",
        )
        for weight in found.layers
    ]
    print_table(("weight", "shape", "channels in a unit", "bytes", "bits per weight", "reads"), rows)
    print_lines(
        "",
        f"{found.path}: {found.bytes:,} bytes, version {found.version} of the format; {len(found.others)} other "
        f"tensors take {sum(found.others.values()):,} bytes",
        *(f"{name} is {kept}" for name, kept in found.tied.items()),
    )
