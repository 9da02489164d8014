"""Fake quantization gives values of the grid, and the gradient of the identity within it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from qubo_dnn.compression.network.weight_layout import Layout
from qubo_dnn.compression.quantization.fake_quantize import FakeQuantize, on_grids_of
from qubo_dnn.compression.quantization.quantize import Quantized, dequantize, grids, quantize
from qubo_dnn.compression.task.options import parse_options
from qubo_dnn.errors import ModelError

OPTIONS = parse_options("0,1,2,3@50%,4,5,6@20%,7,8,32,32@40%")
LAYOUTS = [Layout((11, 3, 2, 2)), Layout((4, 11, 3)), Layout((6, 11, 2), transposed=1), Layout((11, 1))]


def random(shape: tuple[int, ...], seed: int, spread: float = 1.0) -> Tensor:
    return spread * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def every_option(layout: Layout, seed: int = 0) -> Quantized:
    """A weight whose channels have all options in turn."""
    options = [OPTIONS[channel % len(OPTIONS)] for channel in range(layout.channels)]
    return quantize(random(layout.shape, seed), options, layout=layout)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_weight_on_its_grid_stays_as_it_is(layout: Layout, dtype: torch.dtype) -> None:
    quantized = every_option(layout)
    weight = dequantize(quantized).to(dtype)
    given = FakeQuantize(quantized)(weight)
    assert given.dtype == dtype
    assert torch.equal(given, weight)


@pytest.mark.parametrize("spread", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_weight_goes_to_the_nearest_value_of_its_channel(layout: Layout, spread: float) -> None:
    quantized, latent = every_option(layout), random(layout.shape, 1, spread)
    rows, given = layout.rows(latent), layout.rows(FakeQuantize(quantized)(latent))
    scale, offset, low, high = grids(quantized)[:, :, 0]
    for channel in range(layout.channels):
        kept = quantized.kept[channel]
        assert not given[channel][~kept].any()
        if quantized.plain[channel]:
            assert torch.equal(given[channel][kept], rows[channel][kept])
            continue
        codes = torch.arange(low[channel].item(), high[channel].item() + 1)
        values = (codes + offset[channel]) * scale[channel]
        error = (rows[channel][kept, None] - values).abs()
        assert torch.isin(given[channel][kept], values).all()
        torch.testing.assert_close((rows[channel] - given[channel])[kept].abs(), error.amin(1))


@pytest.mark.parametrize("spread", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_codes_stand_for_the_very_same_weight(layout: Layout, spread: float) -> None:
    quantized, latent = every_option(layout), random(layout.shape, 2, spread)
    codes = on_grids_of(quantized, latent)
    assert torch.equal(dequantize(codes), FakeQuantize(quantized)(latent))
    for name in ("bits", "scale_codes", "offset_codes", "kept"):
        assert torch.equal(getattr(codes, name), getattr(quantized, name))


def test_gradients_pass_within_the_grid_alone() -> None:
    quantized, latent = every_option(LAYOUTS[0]), random(LAYOUTS[0].shape, 3, 3.0).requires_grad_()
    upstream = random(LAYOUTS[0].shape, 4)
    FakeQuantize(quantized)(latent).backward(upstream)
    assert latent.grad is not None
    scale, offset, low, high = grids(quantized)
    place = quantized.layout.rows(latent.detach()) / scale - offset
    within = quantized.plain[:, None] | ((low - 0.5 <= place) & (place <= high + 0.5))
    passes = quantized.layout.weight(within & quantized.kept)
    assert passes.any()
    assert not passes.all()
    assert torch.equal(latent.grad, torch.where(passes, upstream, 0.0))


def test_gradients_of_gradients_exist() -> None:
    quantized = every_option(LAYOUTS[3])
    latent = dequantize(quantized).requires_grad_()
    (first,) = torch.autograd.grad(FakeQuantize(quantized)(latent).pow(3).sum(), latent, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), latent)
    assert torch.equal(second, 6.0 * dequantize(quantized))


@pytest.mark.parametrize("size", [0.0, 1e-42])
def test_weights_of_next_to_nothing_stay_finite(size: float) -> None:
    quantized = quantize(torch.full((2, 3), size), parse_options("2,8"))
    for latent in (dequantize(quantized), torch.ones(2, 3)):
        given = FakeQuantize(quantized)(latent)
        assert torch.isfinite(given).all()
        assert torch.equal(given, dequantize(on_grids_of(quantized, latent)))


def test_the_grid_survives_conversions() -> None:
    quantized = every_option(LAYOUTS[0])
    step = FakeQuantize(quantized).half().double().bfloat16()
    assert torch.equal(step(dequantize(quantized)), dequantize(quantized))


def test_a_weight_that_is_not_finite_has_no_codes() -> None:
    with pytest.raises(ModelError, match="stem: a weight is not finite"):
        on_grids_of(every_option(LAYOUTS[3]), torch.full((11, 1), torch.nan), "stem")
