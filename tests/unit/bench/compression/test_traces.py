from __future__ import annotations

import numpy as np
import torch
from torch import nn

from bench.compression.measurements.traces import curvature_traces
from qubo_dnn.compression.data.dataset import Data


def test_traces_are_those_of_the_explicit_matrix() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))
    inputs, labels = torch.randn(20, 3), torch.randint(3, (20,))
    explicit = []
    for index in (0, 2):

        def logits(weight: torch.Tensor, index: int = index) -> torch.Tensor:
            outputs: torch.Tensor = torch.func.functional_call(model, {f"{index}.weight": weight}, (inputs,))
            return outputs

        weight = model.get_parameter(f"{index}.weight").detach()
        jacobian = torch.autograd.functional.jacobian(logits, weight).flatten(2)  # type: ignore[no-untyped-call]  # torch has no types here
        p = logits(weight).detach().softmax(1)
        hessian = torch.diag_embed(p) - p[:, :, None] * p[:, None]
        explicit.append(float(torch.einsum("nci,ncd,ndi->", jacobian, hessian, jacobian)) / len(inputs))
    images = Data.from_tensors(inputs, labels)
    found = curvature_traces(model, images, 400, 0)
    np.testing.assert_allclose(found, explicit, rtol=0.1)
    np.testing.assert_array_equal(found, curvature_traces(model, images, 400, 0))


def test_a_folded_networks_traces_are_positive(network: nn.Module, images: Data) -> None:
    assert (curvature_traces(network, images, 1, 0) > 0.0).all()
