"""Weights refitted to the outputs of the original network, layer after layer."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import SquaredError
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.network.layer_usage import usage
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.quantization.candidates import make_candidates
from qubo_dnn.compression.quantization.quantize import Quantized, dequantize
from qubo_dnn.compression.rewriting import least_squares, reconstruction, reference_outputs
from qubo_dnn.compression.rewriting.apply_plan import apply_plan_
from qubo_dnn.compression.rewriting.compressed_file import load_compressed_, save_compressed
from qubo_dnn.compression.rewriting.held_out import HeldOutDivergence
from qubo_dnn.compression.rewriting.reconstruction import Reconstruction
from qubo_dnn.compression.rewriting.recovery import repair_
from qubo_dnn.compression.search.plan_evaluator import PlanEvaluator
from qubo_dnn.compression.task.options import Option
from qubo_dnn.compression.task.plan import LayerPlan, Plan


def images(*shape: int, seed: int = 0) -> Data:
    """Bright ones and dark ones: the inputs of a layer are correlated."""
    random = torch.Generator().manual_seed(seed)
    brightness = torch.randn(shape[0], *(1 for _ in shape[1:]), generator=random)
    return Data.from_tensors(torch.randn(shape, generator=random) + 1.0 + brightness)


def pixels_of(data: Data) -> Tensor:
    return torch.cat([batch.only for batch, _ in data.batches()])


def channels(*texts: str) -> LayerPlan:
    return LayerPlan(1, tuple(map(Option.parse, texts)))


def applied(original: nn.Module, plan: Plan) -> tuple[nn.Module, dict[str, Quantized]]:
    network = copy.deepcopy(original)
    return network, apply_plan_(network, plan)


def refit(
    original: nn.Module, plan: Plan, data: Data, **options: Any
) -> tuple[nn.Module, nn.Module, dict[str, Quantized]]:
    """The network before and after, and the codes."""
    network, codes = applied(original, plan)
    refitted, codes = Reconstruction(find_layers(original), data, **options)(network, plan, codes)
    return network, refitted, codes


def error(network: nn.Module, original: nn.Module, data: Data) -> float:
    """After biases and BatchNorm are repaired too."""
    network = copy.deepcopy(network)
    repair_(network, original, data)
    return float((logits(network, data) - logits(original, data)).square().mean())


def test_a_layer_takes_a_removed_channel_from_its_equal() -> None:
    torch.manual_seed(0)
    original = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 2, 3), nn.Flatten()).eval()
    with torch.no_grad():
        weight, bias = original.get_parameter("0.weight"), original.get_parameter("0.bias")
        weight[1], bias[1] = weight[0], bias[0]
        bias.add_(1.0)
    _, refitted, _ = refit(original, Plan({"0": channels("8", "0", "8")}), images(40, 2, 7, 7))
    fitted, given = refitted.get_parameter("2.weight"), original.get_parameter("2.weight")
    assert torch.allclose(fitted[:, 0], given[:, 0] + given[:, 1], atol=0.02)
    assert torch.allclose(fitted[:, 2], given[:, 2], atol=0.02)


CONVOLUTIONS: dict[str, Callable[[], nn.Module]] = {
    "plain": lambda: nn.Conv2d(4, 6, 3),
    "groups": lambda: nn.Conv2d(4, 6, 3, groups=2),
    "depthwise": lambda: nn.Conv2d(4, 4, 3, groups=4, padding=1, bias=False),
    "strided": lambda: nn.Conv2d(4, 2, (3, 2), stride=(2, 1), padding=(1, 0)),
    "dilated": lambda: nn.Conv2d(4, 2, 2, dilation=2, padding=1, padding_mode="circular", bias=False),
    "transposed": lambda: nn.ConvTranspose2d(4, 6, (3, 2), stride=2, groups=2, output_padding=(1, 0)),
    "one axis": lambda: nn.Sequential(nn.Flatten(2), nn.Conv1d(4, 3, 5, stride=2)),
    "linear": lambda: nn.Sequential(nn.AdaptiveAvgPool2d((6, 1)), nn.Flatten(2), nn.Linear(6, 3)),
}


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_the_fit_is_that_of_explicit_least_squares(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(least_squares, "RIDGES", (1e-9,))
    torch.manual_seed(0)
    original = nn.Sequential(nn.Conv2d(4, 4, 1, bias=False), CONVOLUTIONS[kind]()).eval()
    name = next(layer.name for layer in find_layers(original).layers if layer.name != "0")
    data = images(200, 4, 6, 6)
    network, refitted, _ = refit(original, Plan({"0": channels("2", "3", "0", "2")}), data)
    axis = 2 if kind == "linear" else 1
    with torch.no_grad():
        hidden, wanted = network.get_submodule("0")(pixels_of(data)), original(pixels_of(data))
        best, ours = (residual(each, name, hidden, wanted, axis) for each in (network, refitted))
    assert ours[0] == pytest.approx(best[1], rel=1e-3)
    assert best[0] > 1.001 * best[1] > 1e-5


class SamePadded(nn.Conv2d):
    """Pads its input itself, as networks brought over from TensorFlow do."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (0, 1, 0, 1)), self.weight, self.bias, self.stride, self.padding)


def test_a_convolution_that_pads_its_input_itself_is_refitted_as_a_plain_one_is() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(4, 5, 3, 2)).eval()
    padding = nn.Sequential(plain[0], nn.ReLU(), nn.Identity(), SamePadded(4, 5, 3, 2)).eval()
    padding.load_state_dict(plain.state_dict())
    data, plan = images(100, 4, 6, 6), Plan({"0": channels("2", "3", "0", "2"), "3": channels(*"34348")})
    used = usage(find_layers(padding), data)
    assert used.by_operators == {"3"}
    found = {}
    for original in (plain, padding):
        network, codes = applied(original, plan)
        inventory = usage(find_layers(original), data).of(find_layers(original))
        refitted, codes = Reconstruction(inventory, data, compensated=True)(network, plan, codes)
        found[original] = refitted.get_parameter("3.weight")
        assert not torch.equal(found[original], network.get_parameter("3.weight"))
    assert torch.allclose(found[plain], found[padding], atol=1e-5)


def test_a_fit_of_many_numbers_takes_a_part_of_the_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    original = nn.Sequential(nn.Conv2d(4, 4, 1, bias=False), nn.Conv2d(4, 4, 3)).eval()
    data, plan = images(100, 4, 8, 8), Plan({"0": channels("2", "3", "0", "2")})
    read: list[tuple[int, ...]] = []

    def watched(inputs: Tensor, *given: Any, **options: Any) -> Any:
        read.append(tuple(inputs.shape))
        return least_squares.refitted(inputs, *given, **options)

    monkeypatch.setattr(reconstruction, "refitted", watched)
    monkeypatch.setattr(reconstruction, "_NUMBERS", 36 * 100 * 36 // 3)
    network, refitted, _ = refit(original, plan, data)
    # A third of the 36 positions.
    assert read[-1] == (1, 36, 100 * 12)
    assert error(refitted, original, data) < 0.9 * error(network, original, data)


def residual(network: nn.Module, name: str, hidden: Tensor, wanted: Tensor, axis: int) -> tuple[float, float]:
    """Mean squared error of the second part of a network with its own weights, and with the best ones.

    Column j of the design is what the layer gives with weight j alone; a bias takes up means.
    """
    whole = copy.deepcopy(network)
    layer = whole.get_submodule(name)
    weights, columns = layer.get_parameter("weight").flatten().double(), []
    if layer.bias is not None:
        layer.get_parameter("bias").zero_()
    for j in range(len(weights)):
        layer.get_parameter("weight").zero_().view(-1)[j] = 1.0
        columns.append(whole.get_submodule("1")(hidden))
    design, target = torch.stack(columns, -1).double(), wanted.double()
    if layer.bias is not None:
        others = [place for place in range(wanted.dim()) if place != axis]
        design, target = design - design.mean(others, keepdim=True), target - target.mean(others, keepdim=True)
    rows, column = design.flatten(0, -2), target.flatten()
    best = torch.linalg.lstsq(rows, column, driver="gelsd").solution
    return float((rows @ weights - column).square().mean()), float((rows @ best - column).square().mean())


class TestQuantized:
    def network(self) -> nn.Sequential:
        torch.manual_seed(0)
        layers = (nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=2))
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, 3)).eval()

    plan = Plan({"0": channels("2", "0", "3", "1"), "3": channels("4@50%", "2", "0", "2@25%"), "5": channels(*"323")})

    def test_options_masks_and_codes_are_those_of_the_plan(self) -> None:
        original, data = self.network(), images(200, 2, 6, 6)
        network, codes = applied(original, self.plan)
        refitted, ours = Reconstruction(find_layers(original), data)(network, self.plan, codes)
        for name, planned in self.plan.layers.items():
            assert ours[name].made_by(planned.options)
            assert torch.equal(ours[name].kept, codes[name].kept)
            assert torch.equal(dequantize(ours[name]), refitted.get_parameter(f"{name}.weight"))
            # The inputs of the first layer are as they were.
            assert torch.equal(dequantize(ours[name]), dequantize(codes[name])) == (name == "0")
        assert not refitted.get_parameter("0.weight")[1].any()

    def test_compensated_it_is_closer(self) -> None:
        torch.manual_seed(0)
        original, data = nn.Sequential(nn.Linear(12, 40), nn.ReLU(), nn.Linear(40, 3)).eval(), images(200, 12)
        plan = Plan({"0": channels(*"88888880" * 5), "2": channels(*"222")})
        plain, compensated = (refit(original, plan, data, compensated=each)[1] for each in (False, True))
        assert error(compensated, original, data) < error(plain, original, data)

    def test_the_given_network_is_not_changed_and_the_same_comes_out_again(self) -> None:
        original, data = self.network(), images(200, 2, 6, 6)
        network, codes = applied(original, self.plan)
        before = [copy.deepcopy(each.state_dict()) for each in (original, network)]
        reconstruct = Reconstruction(find_layers(original), data)
        first, second = (reconstruct(network, self.plan, codes)[0] for _ in range(2))
        for model, state in zip((original, network, second), (*before, first.state_dict()), strict=True):
            assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
            assert not any(module._forward_hooks for module in model.modules())
        changed = {key for key, value in first.state_dict().items() if not torch.equal(value, before[1][key])}
        assert changed == {"3.weight", "5.weight"}

    def test_a_file_gives_the_same_bits(self, tmp_path: Path) -> None:
        original, data = self.network(), images(200, 2, 6, 6)
        network, refitted, codes = refit(original, self.plan, data)
        save_compressed(tmp_path / "model.safetensors", refitted, self.plan, codes)
        load_compressed_(network, tmp_path / "model.safetensors")
        assert torch.equal(logits(network, data), logits(refitted, data))

    def test_a_part_of_positions_and_images_is_enough(self, monkeypatch: pytest.MonkeyPatch) -> None:
        original, data, plan = self.network(), images(400, 2, 6, 6), Plan({"0": channels(*"8088")})
        network, every, _ = refit(original, plan, data)
        few_images = refit(original, plan, data, memory=1e-3)[1]
        monkeypatch.setattr(reference_outputs, "_SAMPLES", 400)
        monkeypatch.setattr(reference_outputs, "_SAMPLES_PER_WEIGHT", 1)
        few_positions = refit(original, plan, data)[1]
        best, *others, worst = (error(each, original, data) for each in (every, few_images, few_positions, network))
        assert all(best < 1.1 * other < worst for other in others)


class Uses(nn.Module):
    """Layers that are called twice, not at all, through their weight, as a table, and under two names."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.twice, self.once, self.last = (nn.Linear(4, 4) for _ in range(4))
        self.functional, self.never, self.shared, self.other = (nn.Linear(4, 4) for _ in range(4))
        self.other.weight = self.shared.weight
        for layer in self.children():
            nn.init.orthogonal_(layer.get_parameter("weight"), gain=2.0)

    def forward(self, x: Tensor) -> Tensor:
        x = self.once(self.twice(self.twice(self.first(x))).relu())
        x = self.other(self.shared(F.linear(x, self.functional.weight)))
        return torch.as_tensor(self.last(x.relu()))


def test_weights_used_otherwise_than_by_one_call_are_left() -> None:
    original, data = Uses().eval(), images(200, 4)
    network, codes = applied(original, plan := Plan({"first": channels(*"2022")}))
    inventory = find_layers(original).not_by_calls(["functional"])
    refitted, _ = Reconstruction(inventory, data)(network, plan, codes)
    changed = {key for key, value in refitted.state_dict().items() if not torch.equal(value, network.state_dict()[key])}
    assert changed == {"once.weight", "last.weight"}


def test_a_layer_of_very_many_weights_is_left_and_its_norm_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fit of 8 weights takes twice 8^3 operations at least."""
    torch.manual_seed(0)
    original = nn.Sequential(
        *(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2))
    ).eval()
    data = images(300, 4)
    network, codes = applied(original, plan := Plan({"0": channels(*"20202222")}))
    monkeypatch.setattr(reference_outputs, "_OPERATIONS", 2.0 * 8**3 - 1)
    reconstruct = Reconstruction(find_layers(original), data)
    refitted, _ = reconstruct(network, plan, codes)
    changed = {key for key, value in refitted.state_dict().items() if not torch.equal(value, network.state_dict()[key])}
    assert changed == {"0.weight", "5.weight"}
    assert list(reconstruct._reference.norms) == ["3"]


class TestEvaluator:
    def evaluator(self, reconstruct: Any, recovery: str = "auto") -> PlanEvaluator:
        original = TestQuantized().network()
        candidates = make_candidates(find_layers(original), [Option.parse(text) for text in ("0", "2", "3", "8")])
        judge = HeldOutDivergence(original, images(40, 2, 6, 6, seed=1), SquaredError())
        return PlanEvaluator(original, candidates, images(100, 2, 6, 6), judge, recovery, reconstruct)

    plan = Plan({"0": channels(*"2032"), "3": channels(*"3322")})

    def test_reconstruction_comes_with_the_other_parts_and_is_said(self) -> None:
        without = self.evaluator(None)(self.plan)
        evaluator = self.evaluator(None)
        evaluator.reconstruction = Reconstruction(find_layers(evaluator.model), evaluator.data)
        found = evaluator.refitted(evaluator(self.plan))
        assert (found.repaired, without.repaired) == (("reconstruction", "bias", "batchnorm"), ("bias", "batchnorm"))
        assert found.held_out.divergence < 0.8 * without.held_out.divergence
        assert found.held_out.divergence == evaluator.judge(found.network).divergence
        assert found.bare.divergence == without.bare.divergence
        assert found.with_candidates is not None
        states = (found.with_candidates.state_dict(), without.network.state_dict())
        assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())

    def test_one_that_does_not_help_is_not_kept(self) -> None:
        def ruin(network: nn.Module, _: Plan, codes: dict[str, Quantized], __: Any) -> tuple[nn.Module, Any]:
            ruined = copy.deepcopy(network)
            nn.init.zeros_(ruined.get_parameter("5.weight"))
            return ruined, dict(codes)

        evaluator, without = self.evaluator(ruin), self.evaluator(None)(self.plan)
        found = evaluator.refitted(evaluator(self.plan))
        assert found.repaired == without.repaired
        assert found.held_out.divergence == without.held_out.divergence
        assert found.with_candidates is None

    def test_without_recovery_there_is_none(self) -> None:
        def refuse(*_: Any) -> None:
            raise AssertionError

        evaluator = self.evaluator(refuse, recovery="none")
        assert evaluator.refitted(evaluator(self.plan)).repaired == ()
