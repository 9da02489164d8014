"""Candidates are what `quantize` makes, and a plan assembles its network from them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.quantization.candidates import compensated, make_candidates
from qubo_dnn.compression.quantization.quantize import dequantize, quantize
from qubo_dnn.compression.rewriting.apply_plan import apply_plan_
from qubo_dnn.compression.task.options import bit_widths, parse_options
from qubo_dnn.compression.task.plan import LayerPlan, Plan
from qubo_dnn.errors import ModelError, OptionError

OPTIONS = parse_options("0,2,4@50%,4,32")


def images(count: int = 40) -> Data:
    pixels = torch.randn(count, 3, 3, 3, generator=torch.Generator().manual_seed(1))
    return Data.from_tensors(pixels + pixels.roll(1, 3), torch.arange(count) % 3)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.ConvTranspose2d(5, 4, 2), nn.Flatten(), nn.Linear(16, 3))


def test_weights_are_those_of_every_option_in_the_shape_of_the_layer() -> None:
    inventory = find_layers(network())
    candidates = make_candidates(inventory, OPTIONS)
    for layer in inventory.layers:
        weights = candidates.weights(layer.name)
        assert weights.shape == (5, *layer.weight.shape)
        for k, option in enumerate(OPTIONS):
            assert torch.equal(weights[k], dequantize(quantize(layer.weight, option, layout=layer.layout)))


def test_a_plan_is_assembled_from_the_candidates_whatever_the_weights_are_now() -> None:
    model = network()
    candidates = make_candidates(find_layers(model), OPTIONS)
    plan = Plan({"0": LayerPlan(2, parse_options("4,0,4@50%")), "1": LayerPlan(1, parse_options("2,32,4@50%,0"))})
    fresh = network()
    expected = apply_plan_(fresh, plan)
    with torch.no_grad():
        model.get_parameter("0.weight").zero_()
    assembled = apply_plan_(model, plan, candidates)
    for name in ("0", "1"):
        for field in ("bits", "scale_codes", "offset_codes", "kept", "codes", "floats"):
            assert torch.equal(getattr(assembled[name], field), getattr(expected[name], field))
        assert torch.equal(model.get_parameter(f"{name}.weight"), fresh.get_parameter(f"{name}.weight"))


def test_progress_counts_layers() -> None:
    heard: list[tuple[int, int]] = []
    make_candidates(find_layers(network()), OPTIONS, progress=lambda done, total: heard.append((done, total)))
    assert heard == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (Plan({"2": LayerPlan(3, bit_widths(4))}), "no candidates for the layer '2'"),
        (Plan({"0": LayerPlan(5, bit_widths(3))}), "no candidates for the layer '0' at the option 3"),
    ],
)
def test_what_there_are_no_candidates_of_is_refused(plan: Plan, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make_candidates(find_layers(network()), OPTIONS).assemble(plan)


def test_weights_that_are_not_finite_are_named() -> None:
    model = network()
    with torch.no_grad():
        model.get_parameter("3.weight")[0, 0] = torch.nan
    with pytest.raises(ModelError, match="3: a weight is not finite"):
        make_candidates(find_layers(model), OPTIONS)


class TestCompensation:
    def test_brings_the_outputs_of_every_layer_nearer(self) -> None:
        inventory = find_layers(network())
        plain, compensated = (
            make_candidates(inventory, OPTIONS, compensation=name, data=images()) for name in ("none", "gptq")
        )
        read: dict[str, Tensor] = {}
        handles = [
            layer.module.register_forward_hook(lambda _, args, __, name=layer.name: read.update({name: args[0]}))
            for layer in inventory.layers
        ]
        with torch.no_grad():
            inventory.model(next(images().batches())[0].only)
            for handle in handles:
                handle.remove()
            for layer in inventory.layers:
                before, original = layer.module(read[layer.name]), layer.weight.detach().clone()
                for k, option in enumerate(OPTIONS):
                    errors = []
                    for candidates in (plain, compensated):
                        layer.weight.copy_(candidates.weights(layer.name)[k])
                        errors.append(float((layer.module(read[layer.name]) - before).square().sum()))
                    layer.weight.copy_(original)
                    assert errors[1] < errors[0] if 0 < option.bits < 32 else errors[1] == errors[0]

    def test_changes_neither_the_network_nor_the_options(self) -> None:
        model = network().train()
        before = {key: value.clone() for key, value in model.state_dict().items()}
        candidates = make_candidates(find_layers(model), OPTIONS, compensation="gptq", data=images())
        assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
        assert model.training
        plan = Plan({"0": LayerPlan(2, parse_options("4,0,4@50%")), "3": LayerPlan(1, parse_options("2,4,4@50%"))})
        for name, quantized in apply_plan_(model, plan, candidates).items():
            assert quantized.made_by(plan.layers[name].channel_options(quantized.layout.channels))

    def test_gives_the_same_in_several_passes_over_the_images(self, monkeypatch: pytest.MonkeyPatch) -> None:
        heard: dict[int, list[tuple[int, ...]]] = {}
        made = []
        for room in (1 << 30, 1):
            monkeypatch.setattr("qubo_dnn.compression.quantization.candidates.MOMENT_BYTES", room)
            heard[room] = []

            def progress(*step: int, room: int = room) -> None:
                heard[room].append(step)

            made.append(
                make_candidates(
                    find_layers(network()),
                    OPTIONS,
                    compensation="gptq",
                    data=images(),
                    progress=progress,
                )
            )
        for name in ("0", "1", "3"):
            assert torch.equal(made[0].weights(name), made[1].weights(name))
        # Two batches of images a pass, and three layers.
        assert heard[1 << 30] == [(step, 5) for step in range(1, 6)]
        assert heard[1] == [(step, 9) for step in range(1, 10)]

    def test_by_an_unknown_name_or_without_images_is_refused(self) -> None:
        inventory = find_layers(network())
        with pytest.raises(OptionError, match="unknown compensation 'gtpq'; did you mean 'gptq'"):
            make_candidates(inventory, OPTIONS, compensation="gtpq", data=images())
        with pytest.raises(OptionError, match="'gptq' needs images"):
            make_candidates(inventory, OPTIONS, compensation="gptq")

    def test_leaves_out_layers_whose_inputs_are_not_known(self) -> None:
        class Scaled(nn.Linear):
            def forward(self, images: Tensor) -> Tensor:
                return nn.functional.linear(images, self.weight.square(), self.bias)

        inventory = find_layers(nn.Sequential(nn.Flatten(), nn.Linear(27, 3), Scaled(3, 3)))
        assert [compensated(layer) for layer in inventory.layers] == [True, False]
        plain = make_candidates(inventory, OPTIONS)
        made = make_candidates(inventory, OPTIONS, compensation="gptq", data=images())
        assert not torch.equal(made.weights("1"), plain.weights("1"))
        assert torch.equal(made.weights("2"), plain.weights("2"))
