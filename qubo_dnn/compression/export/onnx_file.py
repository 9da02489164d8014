"""Write a compressed network as an ONNX file, after comparing it with the network in torch."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.data.inputs import Inputs
from qubo_dnn.compression.export.checking import Agreement, agreement, check_form, in_integers, operators, session
from qubo_dnn.compression.export.fast import fast_model
from qubo_dnn.compression.export.small import proto, small_model
from qubo_dnn.compression.export.tracing import BASE_OPSET, trace
from qubo_dnn.compression.network.loading import copied
from qubo_dnn.compression.quantization.quantize import Quantized, dequantize
from qubo_dnn.errors import ModelError, OptionError, suggestion
from qubo_dnn.files.common.output import check_writable, write_atomically
from qubo_dnn.support.extras import require

SMALL, FAST, FAST_VNNI = "small", "fast", "fast-vnni"
FORMS = (SMALL, FAST, FAST_VNNI)
"""Forms of ONNX files: small ones, fast ones for any processor, and fast ones for those with VNNI or of ARM."""
_SAMPLES = 256
_BATCH = 32
# Both compute in float32, in different orders.
_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class OnnxFile:
    """What is known about an ONNX file that was written.

    Attributes:
        path: the file.
        form: "small", "fast" or "fast-vnni".
        bytes: its size.
        fp32_bytes: size of the ONNX file of the same network in float32.
        opset, ir_version: versions of the operator set and of the intermediate representation.
        agreement: deviation from the network in torch.
        integer_operators: number of convolutions and matrix products that onnxruntime runs in integers.
        float_operators: number of those that it runs in floating-point numbers.
        notes: what is not as one might expect, as sentences.

    Example:
        >>> equal = Agreement(samples=8, largest=0.0, mean=0.0, scale=1.0, equal_top1=1.0)
        >>> sizes = {"bytes": 25, "fp32_bytes": 100, "integer_operators": 0, "float_operators": 3}
        >>> about = {"form": "small", "opset": 21, "ir_version": 10, "agreement": equal, "notes": ()}
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
    integer_operators: int
    float_operators: int
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {**asdict(self), "path": str(self.path), "share": self.bytes / self.fp32_bytes}


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
    path: Path, network: nn.Module, quantized: Mapping[str, Quantized], data: Data, form: str = SMALL
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
    traced = trace(network, inputs, list(quantized))
    opened = [quantized[key].codes.numel() for key in traced.weights.values()]
    fp32_bytes = len(proto(traced, BASE_OPSET).SerializeToString()) + 4 * sum(opened)
    found = set(traced.weights.values())
    notes = [_lost(key, codes, fp32_bytes) for key, codes in quantized.items() if key not in found]
    if form == SMALL:
        model = small_model(traced, quantized)
    else:
        model, more = fast_model(traced, quantized, list(_batches(data)), saturating=form == FAST)
        notes += more
    check_form(model)
    content = model.SerializeToString()
    counted = _counted(content)
    agreed = agreement(session(content), network, _batches(data), traced.inputs)
    if form == SMALL and agreed.relative > _TOLERANCE:
        raise ModelError(
            f"the outputs of the ONNX file differ from those of the network by up to {agreed.largest:.3g}, of "
            f"{agreed.scale:.3g}; nothing is written"
        )
    write_atomically(path, content)
    return OnnxFile(
        path=path,
        form=form,
        bytes=len(content),
        fp32_bytes=fp32_bytes,
        opset=next(each.version for each in model.opset_import if each.domain == ""),
        ir_version=model.ir_version,
        agreement=agreed,
        integer_operators=in_integers(counted),
        float_operators=sum(counted.get(name, 0) for name in ("Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul")),
        notes=tuple(notes),
    )


def _float_copy(network: nn.Module, quantized: Mapping[str, Quantized]) -> nn.Module:
    """Return a float32 copy on the CPU, whose compressed weights are exactly those of the codes."""
    copy = copied(network).cpu().float().eval()
    with torch.no_grad():
        for key, codes in quantized.items():
            copy.get_parameter(key).copy_(dequantize(codes))
    return copy


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


def _counted(content: bytes) -> Mapping[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        session(content, optimized=Path(folder, "optimized.onnx"))
        return operators(Path(folder, "optimized.onnx"))
