from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bench.compression.measurements.folding import fold_batchnorm
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.errors import ModelError


def test_outputs_are_those_of_the_network(network: nn.Module, images: Data) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    folded = fold_batchnorm(network)
    torch.testing.assert_close(logits(folded, images), logits(network, images), rtol=1e-5, atol=1e-5)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert folded.get_submodule("conv1").bias is not None
    assert not torch.equal(folded.get_parameter("conv1.weight"), network.get_parameter("conv1.weight"))
    names = [layer.name for layer in find_layers(network).layers]
    assert [layer.name for layer in find_layers(folded).layers] == names
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


class Read(nn.Module):
    """The convolution's output is read beside the BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        z: Tensor = self.norm(y) + y
        return z.mean((2, 3))


class Twice(nn.Module):
    """One convolution before two BatchNorms."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.first, self.second = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.BatchNorm2d(2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(self.conv(self.first(self.conv(x))))
        return y.mean((2, 3))


@pytest.mark.parametrize("model", [Read(), Twice(), nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1))])
def test_what_cannot_be_folded_is_refused(model: nn.Module) -> None:
    with pytest.raises(ModelError, match="no BatchNorm can be folded"):
        fold_batchnorm(model)


class Branching(nn.Module):
    """Its flow depends on its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def test_what_cannot_be_traced_is_refused() -> None:
    with pytest.raises(ModelError, match=r"torch\.fx cannot trace"):
        fold_batchnorm(Branching())
