"""Examine an ONNX file: its form, and its outputs in onnxruntime beside those of the network in torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from qubo_dnn.compression.data.inputs import Inputs
from qubo_dnn.compression.export.activation_pairs import Rounding
from qubo_dnn.compression.network.inference import inference
from qubo_dnn.compression.network.outputs import all_outputs
from qubo_dnn.errors import ModelError
from qubo_dnn.support.extras import require

_INTEGER = ("QLinearConv", "QGemm", "QLinearMatMul", "MatMulIntegerToFloat")
_FLOAT = 1  # number of the type in onnx.TensorProto
_QUIET = 3  # onnxruntime's level of errors; its warnings speak of its own optimizations


@dataclass(frozen=True)
class Agreement:
    """How the outputs of an ONNX file differ from those of the network.

    Attributes:
        samples: number of samples that were compared.
        largest: largest absolute deviation of a number in an output, in the unit of the outputs.
        mean: mean absolute deviation.
        scale: largest absolute number in an output of the network.
        equal_top1: share of the samples (or of their positions) whose largest entry is the same in both, over axis 1 of
            outputs with two axes or with more than three, and over the last one of those with three; None: no output
            has such an axis.

    Example:
        >>> Agreement(samples=8, largest=0.5, mean=0.1, scale=10.0, equal_top1=1.0).relative
        0.05
    """

    samples: int
    largest: float
    mean: float
    scale: float
    equal_top1: float | None

    @property
    def relative(self) -> float:
        """Largest deviation relative to the largest number."""
        return self.largest / self.scale if self.scale else self.largest


def check_form(model: Any) -> None:
    """Let onnx's checker examine an `onnx.ModelProto`, with the types and shapes of all values.

    Raises:
        ModelError: the checker refuses it.

    Example:
        >>> def is_sound(model: Any) -> bool:
        ...     check_form(model)
        ...     return True
    """
    checker = require("onnx.checker", "onnx")
    try:
        checker.check_model(model, full_check=True)
    except Exception as cause:
        raise ModelError(f"the ONNX graph does not pass onnx's checker: {_line(cause)}") from cause


def session(
    content: bytes | Path, *, threads: int | None = None, optimized: Path | None = None, profile: Path | None = None
) -> Any:
    """Load an ONNX file into onnxruntime, on the CPU.

    Args:
        content: the file, or what it holds.
        threads: number of threads; None: onnxruntime's choice.
        optimized: file that the graph is written to as onnxruntime runs it; without a profile, before optimizations for
            this processor.
        profile: beginning of the name of a file that gets the times of all operators.

    Raises:
        ModelError: onnxruntime does not take it.

    Example:
        >>> def inputs_of(path: Path) -> list[str]:
        ...     return [value.name for value in session(path).get_inputs()]
    """
    runtime = require("onnxruntime", "onnx")
    options = runtime.SessionOptions()
    options.log_severity_level = _QUIET
    if threads is not None:
        options.intra_op_num_threads = threads
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
        if profile is None:
            options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    if profile is not None:
        options.enable_profiling, options.profile_file_prefix = True, str(profile)
    given = str(content) if isinstance(content, Path) else content
    try:
        return runtime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    except Exception as cause:
        raise ModelError(f"onnxruntime does not load the ONNX file: {_line(cause)}") from cause


def operators(path: Path) -> Mapping[str, int]:
    """Return operator -> number of nodes in a file; see `session`, whose `optimized` writes it.

    Example:
        >>> def convolutions(path: Path) -> int:
        ...     return operators(path)["Conv"]
    """
    nodes = require("onnx", "onnx").load(str(path), load_external_data=False).graph.node
    return Counter(node.op_type for node in nodes)


def in_integers(counted: Mapping[str, int]) -> int:
    """Return how many convolutions and matrix products run in integers.

    Example:
        >>> in_integers(Counter({"QLinearConv": 2, "Conv": 1}))
        2
    """
    return sum(counted[name] for name in _INTEGER if name in counted)


def feed(names: Sequence[str], inputs: Inputs) -> dict[str, NDArray[Any]]:
    """Return what onnxruntime takes for some samples.

    Example:
        >>> import torch
        >>> feed(["input"], Inputs({0: torch.zeros(5, 3)}))["input"].shape
        (5, 3)
    """
    tensors = inputs.arguments().values()
    return {name: value.contiguous().numpy() for name, value in zip(names, tensors, strict=True)}


def agreement(running: Any, network: nn.Module, batches: Iterable[Inputs], names: Sequence[str]) -> Agreement:
    """Compare an ONNX file with the network, batch by batch; batches may have different sizes.

    Args:
        running: the session.
        network: the network, on the CPU.
        batches: samples.
        names: names of the inputs in the file that the network takes, in the order of its arguments.

    Raises:
        ModelError: onnxruntime fails, or its outputs have other shapes, or are not finite where the network's are.

    Example:
        >>> def is_equal(running: Any, network: nn.Module, samples: Inputs) -> bool:
        ...     return agreement(running, network, [samples, samples[:1]], ["input"]).relative < 1e-4
    """
    # An input that no node reads is not in the file.
    taken = {value.name for value in running.get_inputs()}
    samples, largest, scale, total, count = 0, 0.0, 0.0, 0.0, 0
    same: list[NDArray[np.bool_]] = []
    for inputs in batches:
        given = {name: value for name, value in feed(names, inputs).items() if name in taken}
        try:
            found = running.run(None, given)
        except Exception as cause:
            raise ModelError(f"onnxruntime does not run {len(inputs)} samples: {_line(cause)}") from cause
        with inference(network):
            wanted = [value.numpy() for value in all_outputs(inputs.call(network)).values()]
        for one, other in zip(wanted, found, strict=True):
            deviation = _deviation(one, other)
            largest = max(largest, float(deviation.max(initial=0.0)))
            scale = max(scale, float(np.abs(np.nan_to_num(one, posinf=0.0, neginf=0.0)).max(initial=0.0)))
            total, count = total + float(deviation.sum()), count + deviation.size
            if one.ndim > 1 and np.issubdtype(one.dtype, np.floating):
                axis = -1 if one.ndim == 3 else 1
                same.append((one.argmax(axis) == other.argmax(axis)).ravel())
        samples += len(inputs)
    share = float(np.concatenate(same).mean()) if same else None
    return Agreement(samples, largest, total / max(count, 1), scale, share)


def check_roundings(model: Any, rounded: Sequence[Rounding], samples: Inputs, names: Sequence[str]) -> None:
    """Refuse a graph that does not round activations exactly as the network does.

    Args:
        model: an `onnx.ModelProto`.
        rounded: what is rounded in it.
        samples: run one by one.
        names: names of the inputs in the file that the network takes, in the order of its arguments.

    Raises:
        ModelError: a number after rounding is not that of the grid.

    Example:
        >>> def checked(model: Any, rounded: Sequence[Rounding], samples: Inputs) -> bool:
        ...     check_roundings(model, rounded, samples, ["input"])
        ...     return True
    """
    shown = list(dict.fromkeys(name for each in rounded for name in (each.given, each.rounded)))
    running = session(with_outputs(model, shown))
    taken = {value.name for value in running.get_inputs()}
    outputs = [value.name for value in running.get_outputs()]
    for number in range(len(samples)):
        fed = {name: value for name, value in feed(names, samples[number : number + 1]).items() if name in taken}
        values = {**fed, **dict(zip(outputs, running.run(None, fed), strict=True))}
        for each in rounded:
            if not torch.equal(each.grid(torch.from_numpy(values[each.given])), torch.from_numpy(values[each.rounded])):
                raise ModelError(f"the ONNX file does not round {each.given} to its grid")


def with_outputs(model: Any, names: Sequence[str]) -> bytes:
    """Return an ONNX file whose outputs are floating-point numbers of a graph, but for those that it is given.

    Example:
        >>> def file_of(model: Any) -> bytes:
        ...     return with_outputs(model, ["relu"])
    """
    helper = require("onnx.helper", "onnx")
    shown, given = type(model)(), {value.name for value in model.graph.input}
    shown.CopyFrom(model)
    del shown.graph.output[:]
    shown.graph.output.extend(helper.make_tensor_value_info(name, _FLOAT, None) for name in names if name not in given)
    content: bytes = shown.SerializeToString()
    return content


def _deviation(wanted: NDArray[Any], found: NDArray[Any]) -> NDArray[np.float64]:
    """Return absolute deviations; 0 where both are the same infinity, or NaN."""
    if wanted.shape != found.shape:
        raise ModelError(f"the ONNX file gives an output of shape {found.shape}, and the network one of {wanted.shape}")
    one, other = wanted.astype(np.float64), found.astype(np.float64)
    with np.errstate(invalid="ignore"):
        deviation = np.where((one == other) | (np.isnan(one) & np.isnan(other)), 0.0, np.abs(one - other))
    if not np.isfinite(deviation).all():
        raise ModelError("the ONNX file gives outputs that are not finite where those of the network are")
    return deviation


def _line(cause: BaseException) -> str:
    """Return the text of an error as one short line."""
    return " ".join(str(cause).split())[:300]
