"""The measured matrix against explicit per-image Jacobians, on every kind of layer and wiring."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import CallableLoss, CrossEntropy, Loss, SquaredError
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.network.layers import Inventory, find_layers
from qubo_dnn.compression.quantization.candidates import make_candidates
from qubo_dnn.compression.search import task_builder as measure
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges
from qubo_dnn.compression.task.options import Option, bit_widths
from qubo_dnn.errors import DataError, ModelError, OptionError, UnsupportedProblemError

OPTIONS = bit_widths(0, 2, 5)


def images(*shape: int, classes: int = 3, seed: int = 1) -> Data:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randn(*shape, generator=generator)
    return Data.from_tensors(pixels, torch.arange(len(pixels)) % classes)


def layer_changes(inventory: Inventory, granularity: str, options: tuple[Option, ...]) -> list[LayerChanges]:
    return measure.layer_changes(inventory, granularity, make_candidates(inventory, options))


def matrix_of(model: nn.Module, layers: list[LayerChanges], data: Data, **options: Any) -> Tensor:
    measured = gauss_newton(model, layers, data, **options)
    assert measured.matrix is not None
    return torch.from_numpy(measured.matrix)


def derivatives(model: nn.Module, layers: list[LayerChanges], data: Data) -> tuple[Tensor, Tensor]:
    """[N, UK, C] derivatives of the outputs along every change, by one Jacobian of all weights for every image.

    With the outputs [N, C], both in double precision.
    """
    model = copy.deepcopy(model).double().eval()
    weights = {entry.layer.key: model.get_parameter(entry.layer.key).detach() for entry in layers}
    columns = [unit_columns(entry) for entry in layers]
    along, outputs = [], []
    for image in next(data.batches(len(data)))[0].only.double():

        def run(weights: dict[str, Tensor], image: Tensor = image) -> Tensor:
            outputs: Tensor = functional_call(model, weights, (image[None].clone(),))
            return outputs[0].flatten()

        jacobian = {key: each.detach() for key, each in jacrev(run)(weights).items()}
        along.append(
            torch.stack(
                [
                    jacobian[entry.layer.key].flatten(1) @ change.flatten()
                    for entry, changes in zip(layers, columns, strict=True)
                    for change in changes
                ]
            )
        )
        outputs.append(run(weights).detach())
    return torch.stack(along), torch.stack(outputs)


def hessians(outputs: Tensor) -> Tensor:
    """diag(p) - p p' of every row of logits."""
    p = outputs.softmax(1)
    return torch.diag_embed(p) - p[:, :, None] * p[:, None]


def brute_force(model: nn.Module, layers: list[LayerChanges], data: Data) -> Tensor:
    """Q of cross-entropy from the definition."""
    along, outputs = derivatives(model, layers, data)
    return (along @ hessians(outputs) @ along.mT).mean(0)


def unit_columns(entry: LayerChanges) -> list[Tensor]:
    """The change of the whole weight for every unit and option, zero outside the unit."""
    layout = entry.layer.layout
    columns = []
    for first in range(0, entry.layer.channels, entry.group):
        for rows in layout.rows(entry.changes.double()):
            column = torch.zeros_like(rows)
            column[first : first + entry.group] = rows[first : first + entry.group]
            columns.append(layout.weight(column))
    return columns


def assert_exact(model: nn.Module, data: Data, granularity: str = "channel") -> Tensor:
    layers = layer_changes(find_layers(model), granularity, OPTIONS)
    measured, exact = matrix_of(model, layers, data, batch_size=2), brute_force(model, layers, data)
    assert float(exact.trace()) > 0
    torch.testing.assert_close(measured.double(), exact, rtol=1e-4, atol=1e-5 * float(exact.abs().max()))
    return measured


class Convolutional(nn.Sequential):
    def __init__(self) -> None:
        torch.manual_seed(0)
        pooled = (nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        super().__init__(nn.Conv2d(2, 6, 3, groups=2), *pooled, nn.Linear(24, 3))


def network(name: str) -> tuple[nn.Module, Data]:
    torch.manual_seed(0)
    if name == "linear":
        return nn.Sequential(nn.Linear(4, 5), nn.ReLU(inplace=True), nn.Linear(5, 3)).eval(), images(3, 4)
    return Convolutional().eval(), images(3, 2, 6, 6)


def test_batches_do_not_matter() -> None:
    model, _ = network("convolutional")
    layers, data = layer_changes(find_layers(model), "channel", OPTIONS), images(7, 2, 6, 6)
    whole = matrix_of(model, layers, data)
    for batch_size in (1, 3, 7):
        torch.testing.assert_close(matrix_of(model, layers, data, batch_size=batch_size), whole, rtol=1e-4, atol=1e-7)


def test_confident_network_keeps_its_small_probabilities() -> None:
    """p(1 - p) of 1e-12 is still right: float32 would round 1 - p to zero."""
    model = nn.Sequential(nn.Linear(2, 3))
    with torch.no_grad():
        model.get_parameter("0.bias").copy_(torch.tensor([28.0, 0.0, 1.0]))
    layers = layer_changes(find_layers(model), "channel", OPTIONS)
    data = images(3, 2)
    exact = brute_force(model, layers, data)
    assert 0 < float(exact.abs().max()) < 1e-10
    torch.testing.assert_close(matrix_of(model, layers, data).double(), exact, rtol=1e-4, atol=1e-18)


def test_matrix_is_symmetric_and_positive_semidefinite() -> None:
    matrix = assert_exact(*network("convolutional")).double()
    torch.testing.assert_close(matrix, matrix.T, rtol=0, atol=1e-6 * float(matrix.max()))
    assert float(torch.linalg.eigvalsh(matrix).min()) > -1e-6 * float(matrix.trace())


def test_matrix_larger_than_a_block_of_the_product() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 200), nn.Tanh(), nn.Linear(200, 3))
    layers = layer_changes(find_layers(model), "channel", OPTIONS)
    matrix = matrix_of(model, layers, images(2, 4))
    assert len(matrix) == 609
    torch.testing.assert_close(matrix.double(), brute_force(model, layers, images(2, 4)), rtol=1e-3, atol=1e-6)


class TestSampledProbes:
    def test_are_unbiased(self) -> None:
        """The mean over seeds lies within 5 standard errors of the exact matrix, entry by entry."""
        model, data = network("linear")
        layers = layer_changes(find_layers(model), "layer", bit_widths(0, 3))
        exact = matrix_of(model, layers, data).double()
        inputs, targets = next(data.batches())
        assert targets is not None
        copies = Data.from_tensors(inputs.only.repeat(20, 1), targets.repeat(20))
        draws = torch.stack([matrix_of(model, layers, copies, probes=2, seed=s).double() for s in range(20)])
        error = draws.std(0) / len(draws) ** 0.5
        assert ((draws.mean(0) - exact).abs() <= 5 * error).all()
        assert (error < 0.1 * exact.trace()).all()

    def test_converge(self) -> None:
        model, data = network("linear")
        layers = layer_changes(find_layers(model), "channel", OPTIONS)
        exact = matrix_of(model, layers, data)
        few, many = (
            float((matrix_of(model, layers, data, probes=n, seed=0) - exact).norm() / exact.norm()) for n in (8, 4_000)
        )
        assert many < 0.05 < few

    def test_reproduce_by_seed(self) -> None:
        model, data = network("linear")
        layers = layer_changes(find_layers(model), "channel", OPTIONS)
        first, again, other = (matrix_of(model, layers, data, probes=3, seed=s) for s in (4, 4, 5))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    def test_are_the_default_beyond_32_classes(self) -> None:
        torch.manual_seed(0)
        for classes, sampled in ((32, False), (33, True)):
            model, data = nn.Sequential(nn.Linear(3, classes)), images(2, 3)
            layers = layer_changes(find_layers(model), "layer", OPTIONS)
            by_seed = [matrix_of(model, layers, data, seed=seed) for seed in (0, 1)]
            assert torch.equal(*by_seed) is not sampled

    @pytest.mark.parametrize("probes", [0, -1])
    def test_at_least_one(self, probes: int) -> None:
        model, data = network("linear")
        with pytest.raises(OptionError, match="probes must be at least 1"):
            matrix_of(model, layer_changes(find_layers(model), "layer", OPTIONS), data, probes=probes)


class TestModelIsLeftAsItWas:
    def state(self, model: nn.Module) -> list[object]:
        return [
            [(module.training, len(module._forward_hooks)) for module in model.modules()],
            [(parameter.requires_grad, parameter.grad) for parameter in model.parameters()],
            {key: value.tolist() for key, value in model.state_dict().items()},
        ]

    @pytest.mark.parametrize("frozen", [False, True])
    def test_after_measuring(self, frozen: bool) -> None:
        model, data = network("convolutional")
        model.train()
        model.get_submodule("1").eval()
        model.requires_grad_(not frozen)
        before = self.state(model)
        layers = layer_changes(find_layers(model), "channel", OPTIONS)
        with torch.no_grad():
            measured = matrix_of(model, layers, data)
        assert self.state(model) == before
        assert torch.equal(measured, matrix_of(model.eval(), layers, data))

    def test_after_an_exception(self) -> None:
        class Fails(nn.Module):
            def forward(self, _: Tensor) -> Tensor:
                raise KeyboardInterrupt

        model = nn.Sequential(nn.Linear(4, 3), Fails()).train()
        before = self.state(model)
        with pytest.raises(KeyboardInterrupt):
            matrix_of(model, layer_changes(find_layers(model), "channel", OPTIONS), images(2, 4))
        assert self.state(model) == before

    def test_images_are_not_changed(self) -> None:
        model, data = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 3)), images(3, 4)
        before = next(data.batches())[0].only
        matrix_of(model, layer_changes(find_layers(model), "channel", OPTIONS), data)
        assert torch.equal(next(data.batches())[0].only, before)


class TestMemory:
    def test_factor_where_the_matrix_does_not_fit(self) -> None:
        model, data = nn.Sequential(nn.Linear(4, 3)), images(2, 4)
        layers = layer_changes(find_layers(model), "channel", bit_widths(*range(9)))
        whole = matrix_of(model, layers, data)
        # Work on one image is 27 columns of 2 and some 100 numbers: the matrix of 729 is what makes the difference.
        measured = gauss_newton(model, layers, data, batch_size=1, memory=2500 / 2**30)
        assert measured.matrix is None
        assert measured.factor is not None
        assert measured.factor.shape == (27, 4)
        torch.testing.assert_close(torch.from_numpy(measured.factor @ measured.factor.T), whole)

    def test_neither_fits(self) -> None:
        model = nn.Sequential(nn.Linear(4, 3))
        layers = layer_changes(find_layers(model), "channel", OPTIONS)
        text = r"^measuring 9 unit-option pairs on 2 images with 2 probes each .* as a matrix .* fewer images or probes"
        with pytest.raises(UnsupportedProblemError, match=text):
            gauss_newton(model, layers, images(2, 4), memory=1e-9)

    def test_batches_shrink(self) -> None:
        model, data = nn.Sequential(nn.Linear(4, 400), nn.ReLU(), nn.Linear(400, 3)), images(8, 4)
        layers = layer_changes(find_layers(model), "layer", OPTIONS)
        sizes = []
        for memory in (1e-4, 2e-4, 8.0):
            heard: list[int] = []

            def progress(done: int, _: int, heard: list[int] = heard) -> None:
                heard.append(done)

            gauss_newton(model, layers, data, memory=memory, progress=progress)
            sizes.append(heard[0])
        assert sizes[0] < sizes[1] < sizes[2] == 8


class TestReference:
    """The model around a network that was changed already."""

    @pytest.mark.parametrize("probes", [None, 5_000])
    def test_terms_are_those_of_least_squares(self, probes: int | None) -> None:
        model, data = network("linear")
        layers = layer_changes(find_layers(model), "channel", OPTIONS)
        reference = logits(model, data) + torch.randn(3, 3, generator=torch.Generator().manual_seed(2))
        measured = gauss_newton(model, layers, data, reference=reference, probes=probes, batch_size=2)
        along, outputs = derivatives(model, layers, data)
        curvature, residual = hessians(outputs), (outputs - reference)[:, :, None]
        linear = (along @ curvature @ residual).mean(0)[:, 0]
        offset = float((residual.mT @ curvature @ residual).mean()) / 2
        tolerance = 1e-5 if probes is None else 0.05
        error = float((torch.from_numpy(measured.linear) - linear).norm() / linear.norm())
        assert error < tolerance
        assert measured.offset == pytest.approx(offset, rel=tolerance)
        assert measured.offset > 0

    def test_predicts_the_divergence_of_an_almost_linear_change(self) -> None:
        """Offset + linear'x + x'Qx / 2 against the loss itself: exact for squared error of a linear network."""
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 3))
        data = Data.from_tensors(torch.randn(5, 4), torch.randn(5, 3))
        original = logits(model, data)
        candidates = make_candidates(find_layers(model), OPTIONS)
        with torch.no_grad():
            model.get_parameter("0.weight").copy_(candidates.weights("0")[1])
        layers = measure.layer_changes(find_layers(model), "channel", candidates)
        measured = gauss_newton(model, layers, data, loss=SquaredError(), reference=original)
        for option in range(3):
            x = torch.zeros(3, 3)
            x[:, option] = 1
            changed = copy.deepcopy(model)
            with torch.no_grad():
                changed.get_parameter("0.weight").copy_(candidates.weights("0")[option])
            expected = SquaredError().divergence(original, logits(changed, data), data.targets)
            assert measured.increase(x.flatten().numpy()) == pytest.approx(expected, rel=1e-4)

    def test_the_network_itself_is_the_default(self) -> None:
        model, data = network("linear")
        layers = layer_changes(find_layers(model), "channel", OPTIONS)
        around = gauss_newton(model, layers, data, reference=logits(model, data))
        plain = gauss_newton(model, layers, data)
        assert around.offset == plain.offset == 0
        assert not around.linear.any()
        assert not plain.linear.any()

    def test_of_another_shape(self) -> None:
        model, data = network("linear")
        layers = layer_changes(find_layers(model), "channel", OPTIONS)
        with pytest.raises(ModelError, match=r"shape \(2, 3\), those of the network \(3, 3\)"):
            gauss_newton(model, layers, data, reference=torch.zeros(2, 3))


class TestOtherLosses:
    @pytest.mark.parametrize("loss", [SquaredError(), CallableLoss("mine", lambda z, y: (z - y).square().sum() / 2)])
    def test_of_maps(self, loss: Loss) -> None:
        """Q of squared error is the mean of J d J d' over images, outputs of any shape flattened."""
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Tanh(), nn.ConvTranspose2d(3, 1, 2, bias=False))
        data = Data.from_tensors(torch.randn(3, 2, 3, 3), torch.randn(3, 1, 4, 4))
        layers = layer_changes(find_layers(model), "channel", OPTIONS)
        along, _ = derivatives(model, layers, data)
        exact = (along @ along.mT).mean(0)
        measured = matrix_of(model, layers, data, loss=loss, batch_size=2)
        torch.testing.assert_close(measured.double(), exact, rtol=1e-4, atol=1e-5 * float(exact.max()))

    def test_targets_that_do_not_fit(self) -> None:
        model, data = network("linear")
        layers = layer_changes(find_layers(model), "channel", OPTIONS)
        with pytest.raises(DataError, match="data: targets of shape"):
            gauss_newton(model, layers, data, loss=SquaredError())
        with pytest.raises(DataError, match="labels out of range"):
            gauss_newton(model, layers, images(5, 4, classes=5), loss=CrossEntropy())


class TestRefused:
    @pytest.mark.parametrize(
        ("name", "text"), [("seed", "seed must be at least 0"), ("batch_size", "batch size must be")]
    )
    def test_negative_options(self, name: str, text: str) -> None:
        model, data = network("linear")
        with pytest.raises(OptionError, match=text):
            matrix_of(model, layer_changes(find_layers(model), "layer", OPTIONS), data, **{name: -1})

    def test_a_loss_without_curvature(self) -> None:
        """Absolute errors: all options would seem harmless, and the cheapest be chosen."""
        model, data = network("linear")
        layers = layer_changes(find_layers(model), "channel", OPTIONS)
        flat = CallableLoss("flat", lambda outputs, _: outputs.abs().mean())
        with pytest.raises(OptionError, match="no option of any layer changes the loss 'flat'"):
            gauss_newton(model, layers, data, loss=flat)

    def test_logits_that_are_not_finite(self) -> None:
        model = nn.Sequential(nn.Linear(4, 3))
        layers = layer_changes(find_layers(model), "channel", OPTIONS)
        with torch.no_grad():
            model.get_parameter("0.bias").fill_(torch.inf)
        with pytest.raises(ModelError, match="not finite"):
            matrix_of(model, layers, images(2, 4))


def test_progress_hears_of_every_batch() -> None:
    model, _ = network("linear")
    heard: list[tuple[int, int]] = []
    layers = layer_changes(find_layers(model), "channel", OPTIONS)
    matrix_of(model, layers, images(5, 4), batch_size=2, progress=lambda *args: heard.append(args))
    assert heard == [(2, 5), (4, 5), (5, 5)]
