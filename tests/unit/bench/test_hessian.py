from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from bench.compression.hessian import hessian_traces
from qubo_dnn.compression.data import Data


def test_traces_are_those_of_the_explicit_hessian() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))
    inputs, labels = torch.randn(70, 3), torch.randint(3, (70,))
    explicit = []
    for index in (0, 2):

        def loss(weight: torch.Tensor, index: int = index) -> torch.Tensor:
            outputs = torch.func.functional_call(model, {f"{index}.weight": weight}, (inputs,))
            return F.cross_entropy(outputs, labels)

        weight = model[index].weight.detach()
        hessian = torch.autograd.functional.hessian(loss, weight)
        explicit.append(float(hessian.reshape(weight.numel(), -1).trace()))
    found = hessian_traces(model, Data.from_tensors(inputs, labels), 400, 0)
    np.testing.assert_allclose(found, explicit, rtol=0.1)
    np.testing.assert_array_equal(found, hessian_traces(model, Data.from_tensors(inputs, labels), 400, 0))


def test_the_model_may_have_frozen_weights_and_stays_as_it_is(network: nn.Module, images: Data) -> None:
    network.requires_grad_(False)
    assert hessian_traces(network, images, 2, 0).shape == (3,)
    assert not any(parameter.requires_grad for parameter in network.parameters())
