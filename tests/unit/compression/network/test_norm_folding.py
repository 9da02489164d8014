"""Folding keeps outputs, and leaves other networks and classes alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from qubo_dnn.compression.network.loading import copied, folded
from qubo_dnn.compression.network.norm_folding import fold_norms_, normed_weights

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

WRAPS: list[Callable[..., nn.Module]] = [
    parametrizations.weight_norm,
    parametrizations.spectral_norm,
    nn.utils.weight_norm,
    nn.utils.spectral_norm,
]


@pytest.mark.parametrize("wrap", WRAPS)
def test_outputs_stay_the_same_and_copies_do_not_matter(wrap: Callable[..., nn.Module]) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(wrap(nn.Conv1d(3, 4, 2)), nn.Flatten(), wrap(nn.Linear(8, 2))).train()
    x = torch.randn(2, 3, 3)
    model(x)  # a step of the power iteration
    model.eval()
    expected, keys = model(x), list(model.state_dict())
    other = folded(model)
    assert sorted(other.state_dict()) == ["0.bias", "0.weight", "2.bias", "2.weight"]
    assert all(parameter.requires_grad for parameter in other.parameters())
    assert torch.equal(other(x), expected)
    assert torch.equal(model(x), expected)
    assert list(model.state_dict()) == keys
    assert torch.equal(copied(other)(x), expected)


def test_of_a_recurrent_layer() -> None:
    torch.manual_seed(0)
    model = parametrizations.weight_norm(nn.LSTM(3, 4), "weight_hh_l0").eval()
    x = torch.randn(5, 2, 3)
    expected = model(x)[0]
    assert normed_weights(model) == {"weight_hh_l0": "weight norm"}
    fold_norms_(model)
    assert not normed_weights(model)
    torch.testing.assert_close(model(x)[0], expected)
    with torch.no_grad():
        model.get_parameter("weight_hh_l0").zero_()
    assert not torch.allclose(model(x)[0], expected)


def test_other_parametrizations_are_kept() -> None:
    class Double(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            return 2 * weight

    model = parametrizations.weight_norm(nn.Linear(3, 2))
    parametrize.register_parametrization(model, "weight", Double())
    assert not normed_weights(model)
    assert folded(model) is model
    assert folded(parametrizations.orthogonal(nn.Linear(3, 3))) is not None
    assert not normed_weights(parametrizations.orthogonal(nn.Linear(3, 3)))
