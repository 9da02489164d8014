"""Charts and tables of a page about a compression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.task.options import FLOAT_BITS, Option
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.pictures.picture import Picture, Series
from qubo_dnn.reports.charts import bars, chart, heatmap, limited, width_color
from qubo_dnn.reports.notebook import small_rows
from qubo_dnn.reports.page import Chart, Table
from qubo_dnn.reports.text import percent

# Of the map of channels, and of the matrix of couplings, whose text at the mouse pointer takes most of the page.
_COLUMNS, _COUPLED = 512, 120

Layers = Sequence[Mapping[str, Any]]


def widths_chart(layers: Layers) -> Chart:
    """Return the share of every layer's output channels at every option.

    Args:
        layers: see `qubo_dnn.compression.records.layer_records`.

    Example:
        >>> names = {"name": "fc", "shape": [4, 9], "bytes": 30, "kind": "Linear", "activation_bits": 32}
        >>> layer = {**names, "widths": {"2": 3, "4": 1}, "predicted_share": 0.1, "measured_share": None}
        >>> widths_chart([layer]).table.rows
        [('fc', 75.0, 25.0)]
    """
    options = sorted({Option.parse(text) for layer in layers for text in layer["widths"]})
    shares = {
        _named(option): [100 * layer["widths"].get(str(option), 0) / sum(layer["widths"].values()) for layer in layers]
        for option in options
    }
    return bars(
        "widths",
        "Widths per layer",
        "% of the output channels",
        [layer["name"] for layer in layers],
        shares,
        stacked=True,
        colors={_named(option): _color(option) for option in options},
        hovers=[_about(layer) for layer in layers],
        note="Shape, bytes and shares of a layer are at the mouse pointer, and in the table of all layers.",
    )


def small_widths(layers: Layers) -> str:
    """Return the widths of every layer as an inline picture for notebooks.

    Example:
        >>> small_widths([{"name": "fc", "widths": {"2": 3, "4": 1}}]).count("<rect")
        2
    """
    rows = []
    for layer in layers:
        total = sum(layer["widths"].values())
        widths = sorted((Option.parse(text), count) for text, count in layer["widths"].items())
        rows.append((layer["name"], [(count / total, _color(option)) for option, count in widths]))
    return small_rows("Widths per layer, from few bits (dark) to many (light); red is pruned", rows)


def _about(layer: Mapping[str, Any]) -> list[str]:
    """Return lines about a layer."""
    widths = ", ".join(f"{count} at {text} bits" for text, count in layer["widths"].items())
    lines = [f"{layer['kind']}, {' x '.join(map(str, layer['shape']))}", widths, f"{layer['bytes']:,} bytes"]
    if layer["activation_bits"] != FLOAT_BITS:
        lines.append(f"reads {layer['activation_bits']} bits")
    for key, name in (("predicted_share", "predicted"), ("measured_share", "measured")):
        if layer[key] is not None:
            lines.append(f"{name}: {percent(layer[key])} of the divergence")
    return lines


def _named(option: Option) -> str:
    if not option.bits:
        return "pruned"
    return "float32" if option == Option(FLOAT_BITS) else f"{option} bits"


def _color(option: Option) -> str:
    """Return the colour of a width; masked ones are paler."""
    pale = {0: "ff", 1: "c0", 2: "80"}[min(2, int(3 * option.sparsity))]
    return f"{width_color(option.bits)}{pale}"


def channel_map(layers: Layers, plan: Plan) -> Chart:
    """Return the bits of every output channel, in the order of the layers and channels.

    Args:
        layers: see `widths_chart`.
        plan: the plan; wide layers are averaged, so that there are at most 512 columns.

    Example:
        >>> from qubo_dnn.compression.task.plan import LayerPlan
        >>> plan = Plan({"fc": LayerPlan(group=1, options=(Option(2), Option(4)))})
        >>> channel_map([{"name": "fc", "shape": [2, 9], "widths": {"2": 1, "4": 1}}], plan).figure["data"][0]["z"]
        [[2.0, 4.0]]
    """
    rows, runs = [], []
    for layer in layers:
        options = plan.layers[layer["name"]].channel_options(sum(layer["widths"].values()))
        lengths = [(str(option), sum(1 for _ in equal)) for option, equal in groupby(options)]
        runs.append((layer["name"], len(options), ", ".join(f"{count} at {text}" for text, count in lengths)))
        # 32 bits are not drawn to scale: the colours end at 8.
        rows.append([min(option.bits, FLOAT_BITS) * (1.0 - option.sparsity) for option in options])
    step = max(1, -(-max(map(len, rows)) // _COLUMNS))
    if step > 1:
        rows = [[float(np.mean(row[at : at + step])) for at in range(0, len(row), step)] for row in rows]
    note = "Bits per weight of every output channel: red is pruned, dark are few bits, light are many (8 or more)."
    if step > 1:
        note += f" A cell is the mean of {step} channels."
    names, title = [layer["name"] for layer in layers], "Map of the channels"
    table = limited(title, runs, ("layer", "channels", "channels at bits, in their order"))
    return heatmap("channels", title, names, step, rows, x="output channel", unit="bits", table=table, note=note)


def shares_chart(layers: Layers) -> Chart:
    """Return the layers' shares of the divergence, predicted and measured, and of the bytes.

    Example:
        >>> layer = {"name": "fc", "bytes": 30, "predicted_share": 0.1, "measured_share": None}
        >>> list(shares_chart([layer]).figure["data"][0]["x"])
        [10.0]
    """
    total = sum(layer["bytes"] for layer in layers)
    shares: dict[str, list[float | None]] = {}
    for key, name in (("predicted_share", "of the divergence, predicted"), ("measured_share", "of it, measured")):
        if any(layer[key] is not None for layer in layers):
            shares[name] = [None if layer[key] is None else 100 * layer[key] for layer in layers]
    shares["of the bytes"] = [100 * layer["bytes"] / total for layer in layers]
    note = (
        "The predicted share has half of the terms with other layers, so that it can be negative; the measured one is "
        "of the networks with only this layer compressed."
    )
    title = "Shares of divergence and bytes"
    return bars("shares", title, "%", [layer["name"] for layer in layers], shares, note=note)


def layer_table(layers: Layers) -> Table:
    """Return all figures of the layers.

    Example:
        >>> names = {"name": "fc", "kind": "Linear", "shape": [4, 9], "widths": {"2": 4}, "calls": 1, "weights": 36}
        >>> more = {"bops": 9.0, "bytes": 30, "activation_bits": 8, "predicted_share": 0.1, "measured_share": None}
        >>> layer_table([names | more]).rows[0][6]
        '6.67'
    """
    rows = [
        (
            layer["name"],
            layer["kind"],
            " x ".join(map(str, layer["shape"])),
            layer["calls"],
            layer["weights"],
            layer["bytes"],
            f"{8 * layer['bytes'] / layer['weights']:.3g}",
            ", ".join(f"{count} at {text}" for text, count in layer["widths"].items()),
            layer["activation_bits"],
            float(layer["bops"]),
            percent(layer["predicted_share"]),
            percent(layer["measured_share"]),
        )
        for layer in layers
    ]
    columns = (
        *("layer", "kind", "shape", "calls", "weights", "bytes", "bits per weight", "channels at bits", "reads bits"),
        *("bit operations", "predicted share", "measured share"),
    )
    return Table("All layers", rows, columns, folded=len(rows) > 12)


def tried_chart(rounds: Sequence[Mapping[str, Any]]) -> Chart | None:
    """Return predicted against measured divergence of all plans that were tried; None without predictions.

    Args:
        rounds: see `qubo_dnn.compression.search.progress.SearchRound`, as plain data.

    Example:
        >>> plan = {"bits_per_weight": 3.0, "predicted": 0.02, "bare": 0.05, "divergence": 0.03}
        >>> len(tried_chart([{"number": 1, "tried": [plan]}]).table.rows)
        2
    """
    series, ends = [], []
    for each in rounds:
        known = [plan for plan in each["tried"] if (plan["predicted"] or 0.0) > 0.0]
        for key, name in (("divergence", "repaired"), ("bare", "without repair")):
            shown = [plan for plan in known if plan[key] > 0.0]
            texts = [
                f"round {each['number']}, {name}: {plan[key]:.4g}, predicted {plan['predicted']:.4g}, "
                f"{plan['bits_per_weight']:.4g} bits per weight"
                for plan in shown
            ]
            x, y = [plan["predicted"] for plan in shown], [plan[key] for plan in shown]
            if shown:
                series.append(Series(f"round {each['number']}, {name}", x, y, "points", texts=texts))
            ends += [*x, *y]
    if not series:
        return None
    line = [min(ends) / 1.2, max(ends) * 1.2]
    note = "A point on the line has the divergence that was predicted; repairs are not part of the prediction."
    title, label = "Predicted and measured divergence", "held-out divergence"
    everything = [Series("", line, line, faint=True), *series]
    return chart(Picture("tried", title, "predicted", label, everything, log_x=True, log_y=True, note=note))


def coupling_map(parts: Sequence[str], couplings: NDArray[np.float64]) -> Chart | None:
    """Return how the predicted errors of every two layers go together, from -1 to 1; None if nothing is predicted.

    Args:
        parts: names of rows and columns.
        couplings: see `qubo_dnn.compression.task.task.CompressionTask.layer_couplings`. Of many parts, those with the
            largest terms of their own are shown.

    Example:
        >>> drawn = coupling_map(["a", "b"], np.array([[4.0, 1.0], [1.0, 1.0]]))
        >>> drawn.figure["data"][0]["z"]
        [[1.0, 0.5], [0.5, 1.0]]
    """
    own = np.diagonal(couplings)
    kept = np.sort(np.argsort(-own, kind="stable")[:_COUPLED])
    kept = kept[own[kept] > 0.0]
    if not len(kept):
        return None
    names = [parts[place] for place in kept]
    terms, scale = couplings[np.ix_(kept, kept)], np.sqrt(own[kept])
    values = terms / np.outer(scale, scale)
    total = couplings.sum() or 1.0
    shares = "% of the prediction", (100 * terms / total).tolist()
    note = (
        "Errors of two layers that go together (blue) add up to more than both alone, those against each other (red) "
        "to less. Values are relative to the layers' own terms."
    )
    if len(kept) < len(parts):
        note += f" {len(kept)} of {len(parts)} parts are shown."
    title = "Couplings between layers"
    return heatmap("couplings", title, names, names, values.tolist(), colors="signed", details=shares, note=note)


def stages_chart(seconds: Mapping[str, float]) -> Chart:
    """Return the wall-clock seconds of every stage.

    Example:
        >>> stages_chart({"measure": 3.0, "solve": 1.0, "total": 4.0}).note
        '4 seconds in all.'
    """
    stages = {name: value for name, value in seconds.items() if name != "total"}
    note = f"{seconds['total']:.3g} seconds in all."
    return bars("stages", "Seconds per stage", "seconds", list(stages), {"seconds": list(stages.values())}, note=note)
