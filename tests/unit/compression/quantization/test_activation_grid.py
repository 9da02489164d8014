from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from qubo_dnn.compression.quantization.activation_grid import (
    ActivationGrid,
    activation_grids,
    set_activation_grids_,
    without_activation_grids,
)
from qubo_dnn.errors import ModelError

GRID = ActivationGrid.over(-1.0, 2.0, 2)  # -1, 0, 1, 2


@pytest.mark.parametrize(("low", "high", "bits"), [(0.0, 6.0, 4), (-3.0, 1.0, 8), (0.5, 2.0, 3), (-2.0, -1.0, 2)])
def test_grids_contain_zero_and_span_the_range(low: float, high: float, bits: int) -> None:
    grid = ActivationGrid.over(low, high, bits)
    assert grid(torch.zeros(1)).item() == 0.0
    step = grid.scale
    assert grid.low == pytest.approx(min(low, 0.0), abs=step)
    assert grid.high == pytest.approx(max(high, 0.0), abs=step)
    values = torch.linspace(grid.low, grid.high, 2000)
    rounded = grid(values)
    assert len(set(rounded.tolist())) == 2**bits
    assert (rounded - values).abs().max() <= step / 2 * 1.001


def test_a_tensor_of_zeros_has_a_grid() -> None:
    assert ActivationGrid.over(0.0, 0.0, 4)(torch.zeros(3)).tolist() == [0.0, 0.0, 0.0]


def test_halves_are_rounded_to_even_as_in_onnx() -> None:
    assert ActivationGrid(4, 1.0, 0)(torch.tensor([0.5, 1.5, 2.5])).tolist() == [0.0, 2.0, 2.0]


def test_gradients_pass_within_the_range_alone() -> None:
    values = torch.tensor([-1.6, -1.4, 0.3, 2.4, 2.6], requires_grad=True)
    GRID(values).sum().backward()  # type: ignore[no-untyped-call]  # torch has no types here
    assert values.grad is not None
    assert values.grad.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_number_type_stays(dtype: torch.dtype) -> None:
    assert GRID(torch.tensor([0.9], dtype=dtype)).dtype is dtype


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))


def test_a_layer_reads_rounded_numbers_also_by_keyword() -> None:
    layer = nn.Sequential(nn.Linear(2, 1, bias=False))
    layer[0].get_parameter("weight").data.fill_(1.0)
    set_activation_grids_(layer, {"0": GRID})
    x = torch.tensor([[0.9, 0.2]])
    assert layer(x).item() == layer[0](input=x).item() == 1.0


def test_copies_and_pickles_keep_grids() -> None:
    model = network()
    set_activation_grids_(model, {"2": GRID})
    x = torch.randn(5, 2)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert activation_grids(other) == {"2": GRID}
        assert torch.equal(other(x), model(x))


def test_setting_grids_replaces_all_earlier_ones() -> None:
    model = network()
    x = torch.randn(5, 2)
    plain = model(x)
    set_activation_grids_(model, {"0": GRID, "2": GRID})
    assert not torch.equal(model(x), plain)
    set_activation_grids_(model, {"2": GRID})
    assert activation_grids(model) == {"2": GRID}
    set_activation_grids_(model, {})
    assert torch.equal(model(x), plain)


def test_modules_that_share_a_weight_share_a_grid() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    set_activation_grids_(model, {"0": GRID})
    assert activation_grids(model) == {"0": GRID}
    assert len(model[1]._forward_pre_hooks) == 1


def test_an_unknown_layer_is_refused_and_nothing_changes() -> None:
    model = network()
    set_activation_grids_(model, {"0": GRID})
    with pytest.raises(ModelError, match="there is no layer 'head'"):
        set_activation_grids_(model, {"2": GRID, "head": GRID})
    assert activation_grids(model) == {"0": GRID}


def test_grids_come_back_in_any_case() -> None:
    model = network()
    set_activation_grids_(model, {"2": GRID})
    x = torch.randn(5, 2)
    rounded = model(x)

    def fail() -> None:
        with without_activation_grids(model):
            assert not torch.equal(model(x), rounded)
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it has no text
        fail()
    assert torch.equal(model(x), rounded)
