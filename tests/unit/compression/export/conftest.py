"""Files that are exported once, since tracing takes seconds."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.onnx._internal.exporter._registration import ONNXRegistry

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.export.onnx_file import OnnxFile, export_onnx
from qubo_dnn.compression.quantization.quantize import Quantized
from tests.unit.compression.export.networks import EVERY_WIDTH, EveryLayer, Residual, codes_of, with_codes


@dataclass(frozen=True, eq=False)
class Exported:
    """A network, its codes, its file, and samples."""

    network: nn.Module
    codes: dict[str, Quantized]
    samples: Data
    file: OnnxFile


@pytest.fixture(scope="session", autouse=True)
def translations() -> Iterator[None]:
    """Torch compiles its 500 translations of operators anew for every export, which takes most of a small one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(functools.cache(ONNXRegistry.from_torchlib)))
        yield


@pytest.fixture(scope="session")
def every_layer(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Every kind of layer, with every width in each, as a small file."""
    network = EveryLayer()
    codes = codes_of(network, EVERY_WIDTH)
    generator = torch.Generator().manual_seed(2)
    tokens = torch.randint(0, 20, (7, 4), generator=generator)
    samples = Data.from_tensors({"image": torch.randn(7, 2, 6, 6, generator=generator), "tokens": tokens})
    path = tmp_path_factory.mktemp("every") / "small.onnx"
    file = export_onnx(path, network, codes, samples, remove=False)
    return Exported(with_codes(network, codes), codes, samples, file)


@pytest.fixture(scope="session")
def residual(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A residual network, with every width in each layer, as a fast file."""
    network = Residual()
    codes = codes_of(network, EVERY_WIDTH)
    samples = Data.from_tensors(torch.randn(40, 2, 8, 8, generator=torch.Generator().manual_seed(3)))
    path = tmp_path_factory.mktemp("residual") / "fast.onnx"
    file = export_onnx(path, network, codes, samples, "fast", remove=False)
    return Exported(with_codes(network, codes), codes, samples, file)
