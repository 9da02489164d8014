"""Compensated candidates against the plain ones and against the error that the layer itself makes."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.layers import Layer, find_layers
from qubo_dnn.compression.quantization.gptq import compensate, output_error
from qubo_dnn.compression.quantization.grid import limits
from qubo_dnn.compression.quantization.input_moments import second_moments
from qubo_dnn.compression.quantization.quantize import Quantized, dequantize, quantize, scaled_rows
from qubo_dnn.compression.task.options import Option, parse_options

OPTIONS = parse_options("0,1,2,3@50%,3,4@75%,6")


def correlated(*shape: int, seed: int = 0) -> Tensor:
    """Images whose neighbouring pixels and channels are alike."""
    images = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    for axis in range(1, len(shape)):
        images = images + 0.9 * images.roll(1, axis)
    return images


def candidates(module: nn.Module, inputs: Tensor) -> tuple[Layer, Tensor, Tensor, list[Quantized], list[Quantized]]:
    (layer,) = find_layers(module).layers
    model = nn.Sequential(module, nn.Flatten())
    data = Data.from_tensors(inputs, torch.zeros(len(inputs), dtype=torch.int64))
    (moment,) = second_moments(model, [layer], data)
    plain = [quantize(layer.weight, option, layout=layer.layout) for option in OPTIONS]
    rows = scaled_rows(layer.weight, layer.layout, "layer")[1]
    return layer, rows, moment, plain, list(compensate(plain, rows, moment))


MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "conv": (lambda: nn.Conv2d(3, 5, 3, padding=1), (3, 8, 8)),
    "strided and dilated": (lambda: nn.Conv2d(3, 5, 3, stride=2, dilation=2), (3, 9, 9)),
    "depthwise": (lambda: nn.Conv2d(4, 8, 3, groups=4), (4, 8, 8)),
    "wider than a block": (lambda: nn.Linear(150, 4), (150,)),
    "transposed": (lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), (4, 5, 5)),
    "one weight a channel": (lambda: nn.Conv1d(3, 3, 1, groups=3), (3, 7)),
}


@pytest.fixture(params=MODULES)
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(1)
    make, shape = MODULES[request.param]
    return make(), correlated(20, *shape)


def test_the_output_error_is_that_of_the_layer_and_never_larger_than_the_plain_one(
    case: tuple[nn.Module, Tensor],
) -> None:
    module, inputs = case
    layer, rows, moment, plain, compensated = candidates(module, inputs)
    base = plain[0].base
    original = layer.weight.detach().clone()
    with torch.no_grad():
        before = module(inputs)
        axis = before.dim() - 1 if isinstance(module, nn.Linear) else 1
        for one, other in zip(plain, compensated, strict=True):
            errors = []
            for quantized in (one, other):
                layer.weight.copy_(dequantize(quantized))
                change = (module(inputs) - before).double().movedim(axis, 0).flatten(1)
                errors.append(change.square().sum(1) / len(inputs))
                stated = output_error(quantized, rows, moment.double()) * base**2
                torch.testing.assert_close(errors[-1], stated, rtol=1e-3, atol=1e-8)
            assert (errors[1] <= errors[0] * (1 + 1e-4)).all()
            layer.weight.copy_(original)


def test_widths_kept_weights_and_codes_are_those_of_the_options(case: tuple[nn.Module, Tensor]) -> None:
    _, _, _, plain, compensated = candidates(*case)
    for option, one, other in zip(OPTIONS, plain, compensated, strict=True):
        assert other.made_by([option] * other.layout.channels)
        assert (other.layout, other.base) == (one.layout, one.base)
        assert other.codes.dtype == torch.int8
        assert other.codes[~other.kept].eq(0).all()
        if option.bits:
            low, high = limits(option.bits)
            assert low <= other.codes.min() <= other.codes.max() <= high


def test_correlated_inputs_let_errors_cancel() -> None:
    torch.manual_seed(0)
    _, rows, moment, plain, compensated = candidates(nn.Conv2d(8, 16, 3), correlated(40, 8, 8, 8))
    for option, one, other in zip(OPTIONS, plain, compensated, strict=True):
        ratio = output_error(other, rows, moment.double()).sum() / output_error(one, rows, moment.double()).sum()
        most = {0: 1.0, 1: 0.9}.get(option.bits, 0.8)
        assert ratio <= most, str(option)


def test_uncorrelated_inputs_leave_nothing_to_make_up_for() -> None:
    weight = torch.randn(6, 20, generator=torch.Generator().manual_seed(0))
    plain = [quantize(weight, Option(3))]
    (compensated,) = compensate(plain, scaled_rows(weight, plain[0].layout, "layer")[1], torch.eye(20)[None])
    assert torch.equal(compensated.codes, plain[0].codes)


def test_a_layer_never_called_or_of_zeros_stays_plain() -> None:
    weight = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    for some, moment in ((weight, torch.zeros(1, 6, 6)), (torch.zeros(4, 6), torch.eye(6)[None])):
        plain = [quantize(some, option) for option in OPTIONS]
        rows = scaled_rows(some, plain[0].layout, "layer")[1]
        for one, other in zip(plain, compensate(plain, rows, moment), strict=True):
            assert torch.equal(dequantize(one), dequantize(other))


def test_two_weights_with_equal_inputs_find_the_best_pair_of_codes() -> None:
    """With H of rank one the second weight can make up for the whole error of the first, up to the grid."""
    weight = torch.tensor([[0.9, 0.33]])
    plain = [quantize(weight, Option(3))]
    rows = scaled_rows(weight, plain[0].layout, "layer")[1]
    moment = torch.ones(1, 2, 2)
    (found,) = compensate(plain, rows, moment)
    best = min(
        float(output_error(with_codes(plain[0], pair), rows, moment.double()))
        for pair in itertools.product(range(-4, 4), range(-4, 4))
    )
    assert float(output_error(found, rows, moment.double())) == pytest.approx(best, abs=1e-9)
    assert best < float(output_error(plain[0], rows, moment.double()))


def with_codes(quantized: Quantized, codes: tuple[int, int]) -> Quantized:
    changed = quantize(torch.ones(1, 2), Option(3))
    for name in ("scale_codes", "offset_codes"):
        getattr(changed, name).copy_(getattr(quantized, name))
    changed.codes.copy_(torch.tensor([codes]))
    return changed


def test_options_do_not_depend_on_each_other() -> None:
    torch.manual_seed(0)
    _, rows, moment, plain, together = candidates(nn.Conv2d(4, 4, 3, groups=2), correlated(10, 4, 6, 6))
    for one, other in zip(plain, together, strict=True):
        (alone,) = compensate([one], rows, moment)
        errors = [output_error(each, rows, moment.double()) for each in (alone, other)]
        torch.testing.assert_close(errors[0], errors[1])
