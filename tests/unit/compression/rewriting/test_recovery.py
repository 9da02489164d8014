"""Repair by statistics: what channels follow, what is left alone, and when nothing is kept."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import SquaredError
from qubo_dnn.compression.rewriting import recovery
from qubo_dnn.compression.rewriting.channel_match import Part
from qubo_dnn.compression.rewriting.held_out import HeldOutDivergence
from qubo_dnn.compression.rewriting.recovery import recover, repair_

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d
Network = TypeVar("Network", bound=nn.Module)


def images(*shape: int, seed: int = 0) -> Data:
    pixels = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return Data.from_tensors(pixels, torch.zeros(shape[0], 2))


def pixels_of(data: Data) -> Tensor:
    return torch.cat([batch.only for batch, _ in data.batches()])


def used(norm: BatchNorm) -> nn.Module:
    """With statistics, weights and biases as after a training."""
    torch.manual_seed(5)
    for tensor, low, high in (
        (norm.running_mean, -1.0, 1.0),
        (norm.running_var, 0.5, 2.0),
        (norm.weight, 0.5, 1.5),
        (norm.bias, -1.0, 1.0),
    ):
        if tensor is not None:
            nn.init.uniform_(tensor, low, high)
    return norm


def damaged(model: Network, amount: float = 0.3, seed: int = 1) -> Network:
    """A copy with noise on the weights of its layers."""
    found = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in found.modules():
            if isinstance(module, nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                module.weight += amount * torch.randn(module.weight.shape, generator=generator)
    return found


def channels(output: Tensor) -> Tensor:
    """[channels, everything else], float64."""
    return output.movedim(1, 0).flatten(1).double()


def least_squares(x: Tensor, y: Tensor) -> Tensor:
    """Row by row, the best a x + c of y."""
    fits = []
    for row, target in zip(x, y, strict=True):
        columns = torch.stack([row, torch.ones_like(row)], 1)
        fits.append(columns @ torch.linalg.lstsq(columns, target[:, None]).solution[:, 0])
    return torch.stack(fits)


class TestBatchNorm:
    @pytest.mark.parametrize(
        ("layer", "norm", "shape"),
        [
            (lambda: nn.Conv2d(2, 4, 3, bias=False), lambda: nn.BatchNorm2d(4), (30, 2, 6, 6)),
            (lambda: nn.ConvTranspose2d(2, 4, 3, bias=False), lambda: nn.BatchNorm2d(4, affine=False), (30, 2, 4, 4)),
            (lambda: nn.Conv1d(2, 4, 3, bias=False), lambda: nn.BatchNorm1d(4), (30, 2, 9)),
            (lambda: nn.Linear(3, 4, bias=False), lambda: nn.BatchNorm1d(4, eps=0.1), (60, 3)),
        ],
        ids=["Conv2d", "ConvTranspose2d", "Conv1d", "Linear"],
    )
    def test_output_is_the_normalised_least_squares_estimate_of_the_originals_input(
        self, layer: Callable[[], nn.Module], norm: Callable[[], BatchNorm], shape: tuple[int, ...]
    ) -> None:
        torch.manual_seed(0)
        original = nn.Sequential(layer(), used(norm())).eval()
        data = images(*shape)
        network = damaged(original, 0.1)
        before = network(pixels_of(data)).detach()
        repair_(network, original, data)
        with torch.no_grad():
            pixels = pixels_of(data)
            estimate = least_squares(channels(network[0](pixels)), channels(original[0](pixels)))
            like = original[0](pixels).movedim(1, 0)
            wanted = original[1](estimate.reshape(like.shape).float().movedim(0, 1))
            assert torch.allclose(network(pixels), wanted, atol=1e-4)
            assert not torch.allclose(before, wanted, atol=1e-2)

    def test_all_batches_count_alike(self) -> None:
        """More images than a batch takes, the last of it much larger than the others."""
        torch.manual_seed(0)
        original = nn.Sequential(nn.Linear(3, 4, bias=False), used(nn.BatchNorm1d(4))).eval()
        pixels = torch.randn(150, 3)
        pixels[128:] = 5.0 * pixels[128:] + 3.0
        network = damaged(original, 0.1)
        repair_(network, original, Data.from_tensors(pixels, torch.zeros(150, 2)))
        with torch.no_grad():
            estimate = least_squares(channels(network[0](pixels)), channels(original[0](pixels)))
            assert torch.allclose(network(pixels), original[1](estimate.T.float()), atol=1e-3)

    def test_a_batch_has_as_many_images_as_the_memory_holds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A Linear and a BatchNorm read and give 3 + 4 and 4 + 4 numbers of 4 bytes: 60 bytes for every image."""
        original = nn.Sequential(nn.Linear(3, 4), used(nn.BatchNorm1d(4))).eval()
        network, sizes = damaged(original, 0.1), []
        network.register_forward_hook(lambda _, args, __: sizes.append(len(args[0])))
        monkeypatch.setattr(recovery, "_BYTES", 15 * 60 + 59)
        repair_(network, original, images(40, 3))
        assert sizes == [15, 15, 10]

    @pytest.mark.parametrize("left", [0.0, 3.0])
    def test_a_pruned_channel_becomes_the_mean_of_the_originals(self, left: float) -> None:
        """All its inputs are equal, zero or not: nothing of the original can be told from them."""
        torch.manual_seed(0)
        original = nn.Sequential(nn.Conv2d(2, 3, 3, bias=False), used(nn.BatchNorm2d(3))).eval()
        network = nn.Sequential(copy.deepcopy(original[0]), nn.ReLU(), copy.deepcopy(original[1])).eval()
        original.insert(1, nn.Identity())
        data = images(20, 2, 6, 6)
        with torch.no_grad():
            network.get_parameter("0.weight")[1] = 0.0
        network[1].register_forward_hook(lambda *call: call[2] + left)
        repair_(network, original, data)
        with torch.no_grad():
            output, wanted = network(pixels_of(data))[:, 1], original(pixels_of(data))[:, 1]
        assert torch.allclose(output, wanted.mean().expand_as(output), atol=1e-4)
        assert network.get_buffer("2.running_var").isfinite().all()

    def test_a_channel_that_runs_against_the_originals_is_turned_down(self) -> None:
        """A running variance knows no sign: next to nothing of the channel is left, and its mean."""
        torch.manual_seed(0)
        original = nn.Sequential(nn.Linear(3, 2, bias=False), used(nn.BatchNorm1d(2))).eval()
        network = copy.deepcopy(original)
        with torch.no_grad():
            network.get_parameter("0.weight")[0] *= -1.0
        data = images(50, 3)
        repair_(network, original, data)
        with torch.no_grad():
            output, wanted = network(pixels_of(data)), original(pixels_of(data))
        assert torch.allclose(output[:, 0], wanted[:, 0].mean().expand(50), atol=1e-2)
        assert torch.allclose(output[:, 1], wanted[:, 1], atol=1e-4)

    def test_later_ones_see_the_earlier_ones_repaired(self) -> None:
        torch.manual_seed(0)
        layers = (nn.Conv2d(2, 3, 3, bias=False), used(nn.BatchNorm2d(3)), nn.ReLU())
        original = nn.Sequential(*layers, nn.Conv2d(3, 2, 3, bias=False), used(nn.BatchNorm2d(2))).eval()
        network = damaged(original, 0.1)
        data = images(40, 2, 8, 8)
        repair_(network, original, data)
        with torch.no_grad():
            x, y = (model[:4](pixels_of(data)) for model in (network, original))
            estimate = least_squares(channels(x), channels(y)).reshape(x.movedim(1, 0).shape).movedim(0, 1)
            assert torch.allclose(network[4](x), original[4](estimate.float()), atol=1e-4)

    def test_without_statistics_is_left_alone(self) -> None:
        original = nn.Sequential(nn.Linear(3, 2, bias=False), nn.BatchNorm1d(2, track_running_stats=False))
        network = damaged(original)
        before = copy.deepcopy(network.state_dict())
        repair_(network, original, images(10, 3))
        assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


class TestBias:
    @pytest.mark.parametrize(
        ("layer", "shape"),
        [
            (lambda: nn.Conv2d(2, 4, 3), (10, 2, 6, 6)),
            (lambda: nn.ConvTranspose2d(2, 4, 3), (10, 2, 4, 4)),
            (lambda: nn.Conv1d(2, 4, 3), (10, 2, 9)),
            (lambda: nn.Linear(3, 4), (10, 3)),
            (lambda: nn.Linear(3, 4), (10, 5, 3)),
        ],
        ids=["Conv2d", "ConvTranspose2d", "Conv1d", "Linear", "Linear on sequences"],
    )
    def test_takes_up_the_mean_difference_of_every_channel(
        self, layer: Callable[[], nn.Module], shape: tuple[int, ...]
    ) -> None:
        torch.manual_seed(0)
        original = layer()
        data = images(*shape)
        network = damaged(original)
        weight = network.get_parameter("weight").clone()
        repair_(network, original, data)
        axis = -1 if isinstance(original, nn.Linear) else 1
        with torch.no_grad():
            difference = (network(pixels_of(data)) - original(pixels_of(data))).movedim(axis, 0).flatten(1)
        assert torch.allclose(difference.mean(1), torch.zeros(4), atol=1e-5)
        assert difference.abs().max() > 0.1
        assert torch.equal(network.get_parameter("weight"), weight)

    def test_of_a_module_called_twice_is_set_for_the_mean_of_its_calls(self) -> None:
        class Twice(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                torch.manual_seed(0)
                self.layer = nn.Linear(3, 3)

            def forward(self, x: Tensor) -> Tensor:
                return torch.cat([self.layer(x), self.layer(x + 1.0)], 1)

        original, data = Twice(), images(10, 3)
        network = damaged(original)
        repair_(network, original, data)
        with torch.no_grad():
            difference = network(pixels_of(data)) - original(pixels_of(data))
        means = difference.mean(0).reshape(2, 3)
        assert torch.allclose(means.sum(0), torch.zeros(3), atol=1e-5)
        assert means[0].abs().max() > 0.05

    def test_that_is_computed_from_a_mask_is_left_alone(self) -> None:
        original = nn.Linear(3, 2)
        prune.random_unstructured(original, "bias", amount=1)  # type: ignore[no-untyped-call]  # torch has no types here
        network = nn.Linear(3, 2)
        network.load_state_dict({"weight": original.weight * 2.0, "bias": original.bias_orig})
        prune.custom_from_mask(network, "bias", original.bias_mask)  # type: ignore[no-untyped-call]  # torch has no types here
        repair_(network, original, images(10, 3))
        assert torch.equal(network.get_parameter("bias_orig"), original.get_parameter("bias_orig"))


class Odd(nn.Module):
    """Hands its input over by name, and runs one layer only for networks whose first outputs are positive."""

    def __init__(self, sign: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.norm, self.maybe = nn.Linear(3, 2), used(nn.BatchNorm1d(2)), nn.Linear(2, 2)
        nn.init.constant_(self.first.bias, 100.0 * sign)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(input=self.first(input=x))
        if float(self.norm.get_buffer("running_mean")[0]) + float(self.first.bias[0]) > 0.0:
            y = self.maybe(y)
        return y


@pytest.mark.parametrize(("ours", "theirs"), [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0)])
def test_inputs_by_name_are_followed_and_calls_without_a_counterpart_left_alone(ours: float, theirs: float) -> None:
    original, network, data = Odd(theirs).eval(), Odd(ours).eval(), images(10, 3)
    with torch.no_grad():
        network.maybe.weight.mul_(2.0)
    maybe = network.maybe.bias.clone()
    repair_(network, original, data)
    with torch.no_grad():
        pixels = pixels_of(data)
        assert torch.allclose(network.first(pixels), original.first(pixels), atol=1e-4)
    assert torch.equal(network.maybe.bias, maybe) == (ours != theirs)


def test_calls_without_a_counterpart_do_not_shift_those_of_later_batches() -> None:
    """The original alone runs the layer on the first batch, both of them on the second."""

    class Late(nn.Module):
        def __init__(self, shift: float, first: bool) -> None:
            super().__init__()
            self.layer, self.first = nn.Linear(1, 1), first
            nn.init.ones_(self.layer.weight)
            nn.init.constant_(self.layer.bias, shift)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x) if self.first or float(x[0]) > 0.0 else x

    original, network = Late(0.0, first=True), Late(5.0, first=False)
    pixels = torch.cat([torch.full((128, 1), -1.0), torch.full((128, 1), 1.0)])
    repair_(network, original, Data.from_tensors(pixels, torch.zeros(256, 1)))
    assert network.layer.bias.item() == pytest.approx(0.0)


class TestLeft:
    def model(self) -> nn.Sequential:
        torch.manual_seed(0)
        layers = (nn.Conv2d(2, 3, 3), used(nn.BatchNorm2d(3)), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Flatten())
        return nn.Sequential(*layers, nn.Linear(48, 2))

    @pytest.mark.parametrize("training", [True, False])
    def test_original_flags_and_hooks_are_as_before(self, training: bool) -> None:
        original = self.model().train(training)
        original[3].train(not training)
        network = damaged(original)
        before = copy.deepcopy(original.state_dict())
        flags = [module.training for module in original.modules()]
        repair_(network, original, images(10, 2, 6, 6))
        assert all(torch.equal(value, before[key]) for key, value in original.state_dict().items())
        for model in (original, network):
            assert [module.training for module in model.modules()] == flags
            assert not any(module._forward_hooks for module in model.modules())
        assert all(parameter.requires_grad for parameter in network.parameters())
        network(torch.randn(2, 2, 6, 6)).sum().backward()

    @pytest.mark.parametrize("parts", [("bias",), ("batchnorm",)])
    def test_only_the_parts_asked_for_change(self, parts: tuple[Part, ...]) -> None:
        original = self.model().eval()
        network = damaged(original)
        before = copy.deepcopy(network.state_dict())
        repair_(network, original, images(10, 2, 6, 6), parts)
        changed = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
        assert changed == ({"0.bias", "5.bias"} if parts == ("bias",) else {"1.running_mean", "1.running_var"})

    def test_weights_are_never_changed(self) -> None:
        original = self.model().eval()
        network = damaged(original)
        before = copy.deepcopy(network.state_dict())
        repair_(network, original, images(10, 2, 6, 6))
        for key in ("0.weight", "1.weight", "1.bias", "5.weight"):
            assert torch.equal(network.state_dict()[key], before[key])


class TestRecover:
    def test_keeps_what_lowers_the_held_out_divergence(self) -> None:
        original = TestLeft().model().eval()
        network = damaged(original, 0.2)
        before = copy.deepcopy(network.state_dict())
        judge = HeldOutDivergence(original, images(40, 2, 6, 6, seed=1), SquaredError())
        repaired, done = recover(network, original, images(200, 2, 6, 6), judge)
        assert done.parts == ("bias", "batchnorm")
        assert done.before.divergence == judge(network).divergence
        assert done.after.divergence == judge(repaired).divergence < done.before.divergence
        assert repaired is not network
        assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())

    def test_tries_each_part_alone_where_both_together_do_not_help(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tried: list[tuple[Part, ...]] = []

        def repair(network: nn.Module, _reference: nn.Module, _data: Data, parts: tuple[Part, ...], _: object) -> None:
            tried.append(parts)
            with torch.no_grad():
                network.get_parameter("5.bias").add_(1.0 if "batchnorm" in parts else -0.5)

        monkeypatch.setattr("qubo_dnn.compression.rewriting.recovery.repair_", repair)
        original = TestLeft().model().eval()
        network = copy.deepcopy(original)
        with torch.no_grad():
            network.get_parameter("5.bias").add_(0.5)
        repaired, done = recover(
            network, original, images(5, 2, 6, 6), HeldOutDivergence(original, images(9, 2, 6, 6), SquaredError())
        )
        assert tried == [("bias", "batchnorm"), ("batchnorm",), ("bias",)]
        assert done.parts == ("bias",)
        assert done.after.divergence == pytest.approx(0.0, abs=1e-12)
        assert torch.allclose(repaired.get_parameter("5.bias"), original.get_parameter("5.bias"))
        tried.clear()
        judge = HeldOutDivergence(original, images(9, 2, 6, 6), SquaredError())
        kept, done = recover(network, original, images(5, 2, 6, 6), judge, apart=False)
        assert tried == [("bias", "batchnorm")]
        assert kept is network
        assert done.parts == ()

    def test_gives_the_given_network_back_where_nothing_helps(self) -> None:
        """It is the original already."""
        original = TestLeft().model().eval()
        network = copy.deepcopy(original)
        kept, done = recover(
            network,
            original,
            images(20, 2, 6, 6),
            HeldOutDivergence(original, images(9, 2, 6, 6, seed=1), SquaredError()),
        )
        assert kept is network
        assert done.parts == ()
        assert done.before is done.after
        assert done.after.divergence == 0.0

    @pytest.mark.parametrize(
        ("layer", "parts"),
        [
            (lambda: nn.Sequential(nn.Linear(3, 2), nn.GELU()), ("bias",)),
            (lambda: nn.Sequential(nn.Linear(3, 2, bias=False), used(nn.BatchNorm1d(2))), ("batchnorm",)),
            (lambda: nn.Linear(3, 2, bias=False), ()),
        ],
        ids=["no BatchNorm", "no bias", "neither"],
    )
    def test_of_networks_with_one_part_or_none(self, layer: Callable[[], nn.Module], parts: tuple[Part, ...]) -> None:
        torch.manual_seed(0)
        original = layer().eval()
        # Off by a mean, which both parts can take up.
        shifted = Data.from_tensors(pixels_of(images(60, 3)) + 2.0, torch.zeros(60, 2))
        network = damaged(original, 0.2)
        repaired, done = recover(network, original, shifted, HeldOutDivergence(original, shifted, SquaredError()))
        assert done.parts == parts
        assert (repaired is network) == (not parts)
