"""Write a compressed network as an ONNX file, after comparing it with the network in torch."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.data.inputs import Inputs
from qubo_dnn.compression.export.activation_pairs import Rounding
from qubo_dnn.compression.export.checking import (
    Agreement,
    agreement,
    check_form,
    check_roundings,
    feed,
    in_integers,
    operators,
    session,
)
from qubo_dnn.compression.export.fast import fast_model
from qubo_dnn.compression.export.latency import Feed, Latency, compare_latency
from qubo_dnn.compression.export.small import float_model, small_model
from qubo_dnn.compression.export.tracing import trace
from qubo_dnn.compression.network.loading import copied
from qubo_dnn.compression.quantization.activation_grid import without_activation_grids
from qubo_dnn.compression.quantization.quantize import Quantized, dequantize
from qubo_dnn.compression.removal.channel_groups import ChannelGroup
from qubo_dnn.compression.removal.remove_pruned import remove_pruned
from qubo_dnn.compression.rewriting.smaller_codes import codes_without
from qubo_dnn.errors import ModelError, OptionError, suggestion
from qubo_dnn.files.common.output import check_writable, write_atomically
from qubo_dnn.support.extras import require

SMALL, FAST, FAST_VNNI = "small", "fast", "fast-vnni"
FORMS = (SMALL, FAST, FAST_VNNI)
"""Forms of ONNX files: small ones, fast ones for any processor, and fast ones for those with VNNI or of ARM."""
LATENCY = "latency"
"""Name of the cost table whose prediction is compared with the measured latency."""
_SAMPLES = 256
_BATCH = 32
# onnxruntime computes blocks of channels: 63 of 64 take up to twice as long as all (bench/export/results).
_MULTIPLE = 8
_RUNS = 30
# Both compute in float32, in different orders.
_TOLERANCE = 1e-3
_ROUNDED = 8  # samples whose activations are compared one by one
_STEPS = (
    "activations half-way between two steps of their grid, but for the last bits of a sum, may be rounded to the other "
    "one than in torch; without rounding, the outputs agree"
)


@dataclass(frozen=True, kw_only=True)
class OnnxFile:
    """What is known about an ONNX file that was written.

    Attributes:
        path: the file.
        form: "small", "fast" or "fast-vnni".
        bytes: its size.
        fp32_bytes: size of the ONNX file of the same network in float32, with its pruned channels.
        latency: times of that file and of this one, with one thread and one sample.
        opset, ir_version: versions of the operator set and of the intermediate representation.
        agreement: deviation from the network in torch.
        integer_operators: number of convolutions and matrix products that onnxruntime runs in integers.
        float_operators: number of those that it runs in floating-point numbers.
        notes: what is not as one might expect, as sentences.
        predicted: time relative to that of the float32 file, as the cost table of a budget of latency predicts it; None
            without such a budget.

    Example:
        >>> equal = Agreement(samples=8, largest=0.0, mean=0.0, scale=1.0, equal_top1=1.0)
        >>> times = Latency(1, 1, 2.0, 1.0, before_quartiles=(1.9, 2.1), after_quartiles=(0.9, 1.1), runs=50)
        >>> sizes = {"bytes": 25, "fp32_bytes": 100, "integer_operators": 0, "float_operators": 3}
        >>> about = {"form": "small", "opset": 21, "ir_version": 10, "agreement": equal, "latency": times, "notes": ()}
        >>> OnnxFile(path=Path("a.onnx"), **about, **sizes).to_dict()["share"]
        0.25
    """

    path: Path
    form: str
    bytes: int
    fp32_bytes: int
    opset: int
    ir_version: int
    agreement: Agreement
    latency: Latency
    integer_operators: int
    float_operators: int
    notes: tuple[str, ...]
    predicted: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        figures = {**asdict(self), "path": str(self.path), "share": self.bytes / self.fp32_bytes}
        figures["latency"] |= {"speedup": self.latency.speedup, "share": 1.0 / self.latency.speedup}
        return figures


def check_export(form: str, path: Path) -> None:
    """Refuse an unknown form, a file that cannot be written, and missing packages, before any work is done.

    Raises:
        OptionError: the form is unknown.
        OutputError: the file cannot be written.
        MissingExtraError: a package of the extra `onnx` is not installed.

    Example:
        >>> check_export("smal", Path("a.onnx"))
        Traceback (most recent call last):
            ...
        qubo_dnn.errors.OptionError: unknown form of ONNX files 'smal'; did you mean 'small'?
    """
    if form not in FORMS:
        raise OptionError(f"unknown form of ONNX files {form!r}{suggestion(form, FORMS)}")
    for module in ("onnx", "onnxscript", "onnxruntime"):
        require(module, "onnx")
    check_writable(path)


def export_onnx(
    path: Path,
    network: nn.Module,
    quantized: Mapping[str, Quantized],
    data: Data,
    form: str = SMALL,
    *,
    remove: bool = True,
    groups: Sequence[ChannelGroup] | None = None,
) -> OnnxFile:
    """Write a compressed network as an ONNX file with a dynamic batch axis.

    The file is examined first: by onnx's checker, and by running it in onnxruntime on at most 256 samples, in batches
    of several sizes.

    Args:
        path: the file; replaced if it exists.
        network: the compressed network; not changed.
        quantized: key of every compressed weight in its `state_dict` -> codes.
        data: samples, at least two; their interface says how the network takes them.
        form: "small" (weights as integers of 2, 4 and 8 bits, made float32 when the file is loaded), "fast"
            (convolutions and matrix products in integers of 8 bits), or "fast-vnni" (the same with all 8 bits of
            activations, for processors with VNNI, or of ARM, whose products of 8 bits do not saturate).
        remove: True: pruned channels that can be removed are not in the file.
        groups: channel groups of the network, for the removal; None: they are found.

    Raises:
        ModelError: the network cannot be exported, the message names the module; or the file does not do what the
            network does.
        OptionError: the form is unknown.
        OutputError: the file cannot be written.
        MissingExtraError: a package of the extra `onnx` is not installed.

    Example:
        >>> def small_file(network: nn.Module, codes: Mapping[str, Quantized], images: Data) -> int:
        ...     return export_onnx(Path("network.onnx"), network, codes, images).bytes
    """
    check_export(form, path)
    network = _float_copy(network, quantized)
    data = data.subset(min(len(data), _SAMPLES), 0)
    inputs, _ = next(data.batches(2))
    if len(inputs) < 2:
        raise OptionError(f"{data.name}: one sample cannot show which axis is that of the samples; give at least two")
    notes: list[str] = []
    given, whole = network, trace(network, inputs, list(quantized))
    reference = float_model(whole, network).SerializeToString()
    traced = whole
    if remove and any((each.bits == 0).any() for each in quantized.values()):
        network, quantized, notes = _without_pruned(network, quantized, next(data.batches(_BATCH))[0], groups)
        traced = trace(network, inputs, list(quantized))
    found = set(traced.weights.values())
    notes += [_lost(key, codes, len(reference)) for key, codes in quantized.items() if key not in found]
    rounded: list[Rounding] = []
    if form == SMALL:
        model, rounded = small_model(traced, quantized)
    else:
        model, more = fast_model(traced, quantized, list(_batches(data)), saturating=form == FAST)
        notes += more
    check_form(model)
    content = model.SerializeToString()
    counted = _counted(content)
    agreed = agreement(session(content), given, _batches(data), traced.inputs)
    if rounded:
        if in_integers(counted):
            raise ModelError("onnxruntime computes with other weights than those of the file; nothing is written")
        check_roundings(model, rounded, next(data.batches(_ROUNDED))[0], traced.inputs)
        plain, _ = small_model(replace(traced, grids={}), quantized)
        with without_activation_grids(network):
            _check_equal(agreement(session(plain.SerializeToString()), network, _batches(data), traced.inputs))
        if agreed.relative > _TOLERANCE:
            notes.append(_STEPS)
    elif form == SMALL:
        _check_equal(agreed)
    write_atomically(path, content)
    return OnnxFile(
        path=path,
        form=form,
        bytes=len(content),
        fp32_bytes=len(reference),
        opset=next(each.version for each in model.opset_import if each.domain == ""),
        ir_version=model.ir_version,
        agreement=agreed,
        latency=_latency(reference, content, feed(traced.inputs, inputs[:1])),
        integer_operators=in_integers(counted),
        float_operators=sum(counted.get(name, 0) for name in ("Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul")),
        notes=tuple(notes),
    )


def _check_equal(agreed: Agreement) -> None:
    if agreed.relative > _TOLERANCE:
        raise ModelError(
            f"the outputs of the ONNX file differ from those of the network by up to {agreed.largest:.3g}, of "
            f"{agreed.scale:.3g}; nothing is written"
        )


def _float_copy(network: nn.Module, quantized: Mapping[str, Quantized]) -> nn.Module:
    """Return a float32 copy on the CPU, whose compressed weights are exactly those of the codes."""
    copy = copied(network).cpu().float().eval()
    with torch.no_grad():
        for key, codes in quantized.items():
            copy.get_parameter(key).copy_(dequantize(codes))
    return copy


def _without_pruned(
    network: nn.Module,
    quantized: Mapping[str, Quantized],
    samples: Inputs,
    groups: Sequence[ChannelGroup] | None,
) -> tuple[nn.Module, Mapping[str, Quantized], list[str]]:
    """Return the network without its pruned channels, its codes, and a note on what has been removed."""
    try:
        removal = remove_pruned(network, samples, round_to=_MULTIPLE, groups=groups)
    except ModelError as cause:
        return network, quantized, [f"pruned channels stay in the file: {cause}"]
    lost = sum(map(len, removal.channels.values()))
    share = 100 * removal.macs[1] / removal.macs[0]
    note = (
        f"{lost} pruned channels are removed, which leaves {share:.3g} % of the multiply-accumulates; layers that lose "
        f"any keep a multiple of {_MULTIPLE}, which onnxruntime computes faster"
    )
    return removal.model, codes_without(quantized, removal), [note] if lost else []


def _batches(data: Data) -> Iterator[Inputs]:
    """Generate all samples in batches; the first batch has one sample."""
    yield next(data.batches(1))[0]
    yield from (inputs for inputs, _ in data.batches(_BATCH, start=1))


def _lost(key: str, codes: Quantized, fp32_bytes: int) -> str:
    size = 4 * codes.codes.numel()
    return (
        f"the weight {key} is not a constant of its own in the traced network: what is used of it is stored in float32 "
        f"({100 * size / fp32_bytes:.3g} % of the fp32 file at most)"
    )


def _latency(before: bytes, after: bytes, fed: Feed) -> Latency:
    """Measure both files with one thread and one sample."""
    one, other = (session(content, threads=1) for content in (before, after))
    feeds = [{value.name: fed[value.name] for value in each.get_inputs()} for each in (one, other)]
    return compare_latency(one, other, (feeds[0], feeds[1]), threads=1, runs=_RUNS)


def _counted(content: bytes) -> Mapping[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        session(content, optimized=Path(folder, "optimized.onnx"))
        return operators(Path(folder, "optimized.onnx"))
