"""Measure the time and the memory that every layer takes in onnxruntime, in floating-point numbers and in integers.

The whole network runs as onnxruntime optimizes it, and onnxruntime's profiler times every operator. An operator belongs
to the layer whose weight it reads; what onnxruntime has fused with it belongs to this layer too. All other operators
(additions, pooling, conversions between number types) make the rest.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.export.checking import feed, session
from qubo_dnn.compression.export.fast import fast_model
from qubo_dnn.compression.export.latency import repeated
from qubo_dnn.compression.export.small import small_model
from qubo_dnn.compression.export.tracing import trace
from qubo_dnn.compression.network.inference import Progress
from qubo_dnn.compression.network.layers import Inventory
from qubo_dnn.compression.quantization.quantize import quantize
from qubo_dnn.compression.task.cost_tables import REST
from qubo_dnn.compression.task.options import FLOAT_BITS, MAX_BITS, Option
from qubo_dnn.support.extras import require

_WARM = 3
_SAMPLES = 64
_NEAR = 24  # operators between a layer and the output of what it was fused with
_KERNEL = "_kernel_time"
_NAME = "operator "
_PART = re.compile(rf"{_NAME}\d+\.")
# Operators that only move numbers into blocks of channels and back.
_LAYOUTS = ("ReorderInput", "ReorderOutput")


@dataclass(frozen=True)
class Times:
    """The times of one layer at one width.

    Attributes:
        milliseconds: median over the runs.
        quartiles: first and third quartile.
        weight_bytes: memory of its weights, 4 bytes or 1 byte each.
        activation_bytes: memory of what it reads and gives.

    Example:
        >>> Times(0.5, (0.4, 0.6), weight_bytes=100, activation_bytes=2000).milliseconds
        0.5
    """

    milliseconds: float
    quartiles: tuple[float, float]
    weight_bytes: int
    activation_bytes: int


@dataclass(frozen=True)
class WidthProfile:
    """Times of all layers with weights of one width.

    Attributes:
        layers: layer name -> its times; a layer that onnxruntime does not run has none.
        rest: milliseconds of all other operators, the median over the runs.
        whole: milliseconds of the whole network, the median over the runs.

    Example:
        >>> WidthProfile({}, rest=0.1, whole=0.2).whole
        0.2
    """

    layers: Mapping[str, Times]
    rest: float
    whole: float


@dataclass(frozen=True)
class Profile:
    """Times of a network in floating-point numbers and in integers of 8 bits.

    Attributes:
        threads: threads of onnxruntime.
        batch: samples in a batch.
        runs: runs of each.
        floats: with weights of 32 bits.
        integers: with weights of up to 8 bits, as in "fast" ONNX files.

    Example:
        >>> times = WidthProfile({"conv": Times(0.5, (0.4, 0.6), 100, 2000)}, rest=0.1, whole=0.7)
        >>> Profile(threads=1, batch=1, runs=20, floats=times, integers=times).cost("conv", Option(4))
        0.5
    """

    threads: int
    batch: int
    runs: int
    floats: WidthProfile
    integers: WidthProfile

    def cost(self, layer: str, option: Option) -> float:
        """Return the milliseconds of a layer with all its weights at an option; 0 if it is pruned, or does not run.

        Masked weights are multiplied like others, and fewer bits than eight take as long.
        """
        if not option.bits:
            return 0.0
        at = self.floats if option.bits == FLOAT_BITS else self.integers
        return at.layers[layer].milliseconds if layer in at.layers else 0.0

    def costs(self, layers: Sequence[str], options: Sequence[Option]) -> dict[tuple[str, Option], float]:
        """Return layer and option -> milliseconds, as in `qubo_dnn.compression.task.cost_tables.CostTable`.

        What runs beside the layers has rows of its own.
        """
        rest = {(REST, Option(bits)): at.rest for bits, at in ((MAX_BITS, self.integers), (FLOAT_BITS, self.floats))}
        return {(layer, option): self.cost(layer, option) for layer in layers for option in options} | rest

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return asdict(self)


def profile_layers(
    inventory: Inventory,
    data: Data,
    *,
    threads: int = 1,
    batch: int = 1,
    runs: int = 30,
    progress: Progress | None = None,
) -> Profile:
    """Measure every layer of a network in onnxruntime.

    Args:
        inventory: the network, on the CPU, and its layers.
        data: at least two samples.
        threads: threads of onnxruntime.
        batch: samples in a batch.
        runs: measured runs, at least two.
        progress: called after every run with the number of runs done and their total.

    Raises:
        ModelError: the network cannot be exported.
        MissingExtraError: a package of the extra `onnx` is not installed.

    Example:
        >>> def slowest(inventory: Inventory, data: Data) -> str:
        ...     layers = profile_layers(inventory, data).floats.layers
        ...     return max(layers, key=lambda name: layers[name].milliseconds)
    """
    samples = next(data.batches(_SAMPLES))[0]
    given = repeated(samples, batch)
    measured: list[WidthProfile] = []

    def report(done: int) -> None:
        if progress:
            progress(len(measured) * runs + done, 2 * runs)

    for bits in (FLOAT_BITS, MAX_BITS):
        codes = {
            layer.key: quantize(layer.weight, Option(bits), layer.name, layer.layout) for layer in inventory.layers
        }
        traced = trace(inventory.model, samples[:2], list(codes))
        names = {layer.key: layer.name for layer in inventory.layers}
        of_weights = {weight: names[key] for weight, key in traced.weights.items()}
        model = small_model(traced, codes)[0] if bits == FLOAT_BITS else fast_model(traced, codes, [samples])[0]
        taken = _measure(model, of_weights, feed(traced.inputs, given), threads, runs, report)
        sizes = {layer.name: bits // 8 * layer.weight.numel() for layer in inventory.layers}
        layers = {name: replace(times, weight_bytes=sizes[name]) for name, times in taken.layers.items()}
        measured.append(replace(taken, layers=layers))
    return Profile(threads, batch, runs, *measured)


def _measure(
    model: Any,
    weights: Mapping[str, str],
    fed: Mapping[str, Any],
    threads: int,
    runs: int,
    report: Callable[[int], None],
) -> WidthProfile:
    """Run a model, and add up the times of its operators by layer."""
    layers = _name_layers(model.graph, weights)
    content = model.SerializeToString()
    with tempfile.TemporaryDirectory() as folder:
        optimized = Path(folder, "optimized.onnx")
        running = session(content, threads=threads, optimized=optimized, profile=Path(folder, "profile"))
        taken = {value.name for value in running.get_inputs()}
        for number in range(_WARM + runs):
            running.run(None, {name: value for name, value in fed.items() if name in taken})
            report(max(0, number + 1 - _WARM))
        events = json.loads(Path(running.end_profiling()).read_text())
        layer_of = _layers_of_nodes(model.graph, layers, optimized)
    return _summed(events, layer_of, runs)


def _name_layers(graph: Any, weights: Mapping[str, str]) -> dict[str, str]:
    """Name the operators that read weights, in place; return name -> layer."""
    layers: dict[str, str] = {}
    constants = {tensor.name: _layer_of_value(tensor.name, weights) for tensor in graph.initializer}
    for number, node in enumerate(graph.node):
        node.name = f"{_NAME}{number}."
        read = [constants[name] for name in node.input if constants.get(name)]
        layer = read[0] if read else next((found for name in node.output if (found := weights.get(name))), None)
        if all(name in constants for name in node.input if name):
            # What is computed of constants alone is computed once, when the file is loaded.
            constants |= dict.fromkeys(node.output, layer)
        elif layer:
            layers[node.name] = layer
    return layers


def _layers_of_nodes(graph: Any, layers: Mapping[str, str], optimized: Path) -> dict[str, str]:
    """Return name of an operator as onnxruntime runs it -> the layer whose weight it reads.

    Some fused operators keep the name of one of their parts, and others are named after their output: the layer is then
    the nearest one in the graph as it was, at most as far back as what the operator reads.
    """
    makers = {name: node for node in graph.node for name in node.output}

    def nearest(value: str, stops: set[str]) -> str | None:
        reached = [value]
        for _ in range(_NEAR):
            nodes = {node.name: node for name in reached if (node := makers.get(name)) is not None}
            if found := [layers[name] for name in nodes if name in layers]:
                return found[0]
            reached = [name for node in nodes.values() for name in node.input if name not in stops]
        return None

    found = {}
    for node in require("onnx", "onnx").load(str(optimized)).graph.node:
        if node.op_type in _LAYOUTS:
            continue
        if (part := _PART.match(node.name)) and part[0] in layers:
            found[node.name] = layers[part[0]]
            continue
        # Convolutions in blocks of channels are named after their output, which has another name then.
        for value in (*node.output, node.name.removesuffix("_nchwc")):
            if value in makers and (layer := nearest(value, {*node.input})):
                found[node.name] = layer
                break
    return found


def _layer_of_value(name: str, weights: Mapping[str, str]) -> str | None:
    """Return the layer of a constant: a weight, or what the quantizer has made of it."""
    return next((layer for weight, layer in weights.items() if name == weight or name.startswith(f"{weight}_")), None)


def _summed(events: Sequence[Mapping[str, Any]], layer_of: Mapping[str, str], runs: int) -> WidthProfile:
    """Add up the profiler's events, by run and by layer."""
    whole = [event["dur"] / 1000 for event in events if event["name"] == "model_run"][-runs:]
    rest = np.zeros(runs)
    times: dict[str, NDArray[np.float64]] = {}
    memory: dict[str, int] = {}
    of_nodes: dict[str, list[Mapping[str, Any]]] = {}
    for event in events:
        if event["cat"] == "Node" and event["name"].endswith(_KERNEL):
            of_nodes.setdefault(event["name"].removesuffix(_KERNEL), []).append(event)
    for name, calls in of_nodes.items():
        # An operator within a loop runs more than once.
        taken = np.array([call["dur"] / 1000 for call in calls]).reshape(_WARM + runs, -1).sum(1)[_WARM:]
        if name not in layer_of:
            rest += taken
            continue
        size = sum(int(calls[-1]["args"].get(f"{kind}_size", 0)) for kind in ("activation", "output"))
        layer = layer_of[name]
        times[layer] = times.get(layer, 0.0) + taken
        memory[layer] = memory.get(layer, 0) + size
    layers = {name: _times(taken, memory[name]) for name, taken in times.items()}
    return WidthProfile(layers, float(np.median(rest)), median(whole))


def _times(taken: NDArray[np.float64], activation_bytes: int) -> Times:
    low, middle, high = (float(each) for each in np.quantile(taken, (0.25, 0.5, 0.75)))
    return Times(middle, (low, high), weight_bytes=0, activation_bytes=activation_bytes)
