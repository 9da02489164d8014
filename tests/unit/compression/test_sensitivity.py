"""The measured matrix against explicit per-image Jacobians, on every kind of layer and wiring."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from qubo_dnn.compression import measure
from qubo_dnn.compression.candidates import make_candidates
from qubo_dnn.compression.changes import LayerChanges
from qubo_dnn.compression.data import Data
from qubo_dnn.compression.evaluate import logits
from qubo_dnn.compression.layers import Inventory, find_layers
from qubo_dnn.compression.loss import CallableLoss, CrossEntropy, Loss, SquaredError
from qubo_dnn.compression.options import Option, bit_widths
from qubo_dnn.compression.sensitivity import gauss_newton
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
    for image in next(data.batches(len(data)))[0].double():

        def run(weights: dict[str, Tensor], image: Tensor = image) -> Tensor:
            return functional_call(model, weights, (image[None].clone(),))[0].flatten()

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


def conv_net(conv: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * channels, 3))


class Twice(nn.Module):
    """One convolution called twice, around a residual connection and an in-place activation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.shared = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(x)), inplace=True)
        for _ in range(2):
            x = x + F.relu_(self.shared(x))
        return self.head(input=x.mean((2, 3)))


class Tokens(nn.Module):
    """Linear layers on inputs with a further axis, and their product."""

    def __init__(self) -> None:
        super().__init__()
        self.key, self.value, self.head = nn.Linear(4, 3), nn.Linear(4, 3, bias=False), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.key(x).softmax(1)
        return self.head((weights * self.value(x)).sum(1))


class Standardised(nn.Conv2d):
    """Its output is not linear in its weight."""

    def forward(self, x: Tensor) -> Tensor:
        mean, deviation = self.weight.mean((1, 2, 3), keepdim=True), self.weight.std((1, 2, 3), keepdim=True)
        return self._conv_forward(x, (self.weight - mean) / deviation, self.bias)


class Resized(nn.Sequential):
    """A transposed convolution that is asked for an output size."""

    def forward(self, x: Tensor) -> Tensor:
        return self[1](self[0](x, output_size=[12, 11]).mean((2, 3)))


def conv1d_net(conv: nn.Module, features: int) -> nn.Sequential:
    return nn.Sequential(conv, nn.GELU(), nn.Flatten(), nn.Linear(features, 3))


def conv3d_net(conv: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(channels, 3))


IMAGE, SIGNAL, VOLUME = (3, 2, 6, 6), (3, 2, 6), (3, 2, 4, 5, 4)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "stride and padding": (lambda: conv_net(nn.Conv2d(2, 3, 3, stride=2, padding=1), 3), IMAGE),
    "reflect": (lambda: conv_net(nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), 3), IMAGE),
    "replicate": (lambda: conv_net(nn.Conv2d(2, 3, 3, padding=1, padding_mode="replicate"), 3), IMAGE),
    "circular": (lambda: conv_net(nn.Conv2d(2, 3, 3, padding=(0, 2), padding_mode="circular"), 3), IMAGE),
    "same, dilated": (lambda: conv_net(nn.Conv2d(2, 3, 3, padding="same", dilation=2, bias=False), 3), IMAGE),
    "same, reflect": (lambda: conv_net(nn.Conv2d(2, 3, 4, padding="same", padding_mode="reflect"), 3), IMAGE),
    "groups": (lambda: conv_net(nn.Conv2d(2, 6, 3, groups=2), 6), IMAGE),
    "depthwise": (lambda: conv_net(nn.Conv2d(2, 4, (3, 1), groups=2), 4), IMAGE),
    "standardised": (lambda: conv_net(Standardised(2, 3, 3), 3), IMAGE),
    "transposed": (
        lambda: conv_net(nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, output_padding=(1, 0)), 3),
        IMAGE,
    ),
    "transposed, groups": (
        lambda: conv_net(nn.ConvTranspose2d(2, 6, (3, 2), groups=2, dilation=(2, 1), bias=False), 6),
        IMAGE,
    ),
    "transposed, depthwise": (lambda: conv_net(nn.ConvTranspose2d(2, 2, 3, stride=2, groups=2), 2), IMAGE),
    "transposed to a size": (lambda: Resized(nn.ConvTranspose2d(2, 3, 2, stride=2), nn.Linear(3, 3)), (3, 2, 6, 5)),
    "conv1d": (lambda: conv1d_net(nn.Conv1d(2, 3, 3, stride=2), 6), SIGNAL),
    "conv1d, groups": (lambda: conv1d_net(nn.Conv1d(2, 4, 2, groups=2, dilation=2, padding=1), 24), SIGNAL),
    "transposed conv1d": (lambda: conv1d_net(nn.ConvTranspose1d(2, 4, 3, stride=2, groups=2), 52), SIGNAL),
    "conv3d": (lambda: conv3d_net(nn.Conv3d(2, 4, (2, 3, 1), groups=2, padding=(0, 1, 0)), 4), VOLUME),
    "transposed conv3d": (lambda: conv3d_net(nn.ConvTranspose3d(2, 3, 2, stride=(1, 2, 1)), 3), VOLUME),
    "linear": (lambda: nn.Sequential(nn.Linear(4, 5), nn.ReLU(inplace=True), nn.Linear(5, 3)), (3, 4)),
    "linear on tokens": (Tokens, (3, 5, 4)),
    "called twice": (Twice, IMAGE),
    "in-place on the images": (lambda: nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 3)), (3, 4)),
}


def network(name: str) -> tuple[nn.Module, Data]:
    torch.manual_seed(0)
    make, shape = NETWORKS[name]
    model = make()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model.eval(), images(*shape)


@pytest.mark.parametrize("name", NETWORKS)
def test_matrix_is_that_of_explicit_jacobians(name: str) -> None:
    assert_exact(*network(name))


@pytest.mark.parametrize("granularity", ["group:2", "group:3", "layer"])
def test_units_of_several_channels_add_their_channels_up(granularity: str) -> None:
    assert_exact(*network("called twice"), granularity)


@pytest.mark.parametrize(
    "middle",
    [
        nn.MaxPool2d(2),
        nn.AdaptiveMaxPool2d(3),
        nn.LPPool2d(2, 2),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.PixelShuffle(2),
        nn.GroupNorm(2, 4),
        nn.Hardswish(inplace=True),
        nn.PReLU(4),
        nn.Dropout(0.5),
    ],
    ids=lambda module: type(module).__name__,
)
def test_common_operations(middle: nn.Module) -> None:
    torch.manual_seed(0)
    pool = nn.AdaptiveAvgPool2d(1)
    outputs = middle.eval()(torch.zeros(1, 4, 6, 6)).shape[1]
    assert_exact(
        nn.Sequential(nn.Conv2d(2, 4, 1), middle, pool, nn.Flatten(), nn.Linear(outputs, 3)).eval(), images(*IMAGE)
    )


def test_operation_without_a_batching_rule() -> None:
    """A custom function that vmap refuses."""

    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:  # noqa: ARG004 (torch's signature)
            return 2 * x

        @staticmethod
        def backward(ctx: object, gradient: Tensor) -> Tensor:  # noqa: ARG004
            return 2 * gradient

    class Custom(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return Double.apply(x)

    torch.manual_seed(0)
    first, last = nn.Linear(4, 4), nn.Linear(4, 3)
    data, doubled = images(3, 4), copy.deepcopy(last)
    with torch.no_grad():
        doubled.weight.mul_(2)
    custom, plain = nn.Sequential(first, Custom(), last), nn.Sequential(first, doubled)
    changes = layer_changes(find_layers(custom), "channel", OPTIONS)
    ours = matrix_of(custom, changes[:1], data)
    torch.testing.assert_close(ours, matrix_of(plain, changes[:1], data))


def test_input_that_is_overwritten_after_the_call() -> None:
    class Overwriting(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            y = x.clone()
            z = self[0](y)
            y.zero_()
            return self[2](self[1](z))

    model, data = network("linear")
    layers = layer_changes(find_layers(model), "channel", OPTIONS)
    assert torch.equal(matrix_of(Overwriting(*model), layers, data), matrix_of(model, layers, data))


def test_hook_of_the_network_that_changes_an_output() -> None:
    model, data = network("linear")
    model[0].register_forward_hook(lambda _module, _inputs, output: output * output)
    assert_exact(model, data)


def test_batches_do_not_matter() -> None:
    model, _ = network("called twice")
    layers, data = layer_changes(find_layers(model), "channel", OPTIONS), images(7, 2, 6, 6)
    whole = matrix_of(model, layers, data)
    for batch_size in (1, 3, 7):
        torch.testing.assert_close(matrix_of(model, layers, data, batch_size=batch_size), whole, rtol=1e-4, atol=1e-7)


def test_confident_network_keeps_its_small_probabilities() -> None:
    """p(1 - p) of 1e-12 is still right: float32 would round 1 - p to zero."""
    model = nn.Sequential(nn.Linear(2, 3))
    with torch.no_grad():
        model[0].bias.copy_(torch.tensor([28.0, 0.0, 1.0]))
    layers = layer_changes(find_layers(model), "channel", OPTIONS)
    data = images(3, 2)
    exact = brute_force(model, layers, data)
    assert 0 < float(exact.abs().max()) < 1e-10
    torch.testing.assert_close(matrix_of(model, layers, data).double(), exact, rtol=1e-4, atol=1e-18)


def test_matrix_is_symmetric_and_positive_semidefinite() -> None:
    matrix = assert_exact(*network("groups")).double()
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
        draws = torch.stack([matrix_of(model, layers, data, probes=2, seed=s).double() for s in range(400)])
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


class Unused(nn.Module):
    """One layer is never called, and the outputs of two lead nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.uncalled, self.dropped, self.early, self.head = (nn.Linear(4, 3) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        self.dropped(x)
        with_gradient = self.early(x)
        return self.head(x) + 0 * with_gradient.detach()


def test_layers_without_influence_have_zero_rows() -> None:
    torch.manual_seed(0)
    model = Unused()
    layers = layer_changes(find_layers(model), "channel", OPTIONS)
    matrix = matrix_of(model, layers, images(3, 4))
    rows = 3 * len(OPTIONS)
    assert not matrix[: 3 * rows].any()
    assert not matrix[:, : 3 * rows].any()
    torch.testing.assert_close(matrix.double(), brute_force(model, layers, images(3, 4)), rtol=1e-4, atol=1e-7)


class TestModelIsLeftAsItWas:
    def state(self, model: nn.Module) -> list[object]:
        return [
            [(module.training, len(module._forward_hooks)) for module in model.modules()],
            [(parameter.requires_grad, parameter.grad) for parameter in model.parameters()],
            {key: value.tolist() for key, value in model.state_dict().items()},
        ]

    @pytest.mark.parametrize("frozen", [False, True])
    def test_after_measuring(self, frozen: bool) -> None:
        model, data = network("called twice")
        model.train()
        model.shared.eval()
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
        model, data = network("in-place on the images")
        before = next(data.batches())[0]
        matrix_of(model, layer_changes(find_layers(model), "channel", OPTIONS), data)
        assert torch.equal(next(data.batches())[0], before)

    def test_hooks_of_others_are_not_called_with_more_channels(self) -> None:
        model, data = network("linear")
        shapes = set()
        model[0].register_forward_hook(lambda _m, _i, output: shapes.add(output.shape[1:]))
        matrix_of(model, layer_changes(find_layers(model), "channel", OPTIONS), data)
        assert shapes == {(5,)}


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
            gauss_newton(model, layers, data, memory=memory, progress=lambda done, _, heard=heard: heard.append(done))
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
            model[0].weight.copy_(candidates.weights("0")[1])
        layers = measure.layer_changes(find_layers(model), "channel", candidates)
        measured = gauss_newton(model, layers, data, loss=SquaredError(), reference=original)
        for option in range(3):
            x = torch.zeros(3, 3)
            x[:, option] = 1
            changed = copy.deepcopy(model)
            with torch.no_grad():
                changed[0].weight.copy_(candidates.weights("0")[option])
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


class TestChangesThatNeedNoConvolution:
    """Options that change nothing, and the removal of layers without a bias."""

    @pytest.mark.parametrize("bias", [False, True])
    @pytest.mark.parametrize("transposed", [False, True])
    def test_are_exact(self, bias: bool, transposed: bool) -> None:
        torch.manual_seed(0)
        kind = nn.ConvTranspose2d if transposed else nn.Conv2d
        model, data = conv_net(kind(2, 3, 2, bias=bias), 3).eval(), images(*IMAGE)
        candidates = make_candidates(find_layers(model), OPTIONS)
        with torch.no_grad():
            for layer in find_layers(model).layers:
                layer.weight.copy_(candidates.weights(layer.name)[1])
        layers = measure.layer_changes(find_layers(model), "channel", candidates)
        assert [(entry.removal, entry.effective) for entry in layers] == [(0, [0, 2])] * 2
        exact = brute_force(model, layers, data)
        measured = matrix_of(model, layers, data)
        torch.testing.assert_close(measured.double(), exact, rtol=1e-4, atol=1e-5 * float(exact.abs().max()))
        assert not measured[1::3].any()


class TestRefused:
    @pytest.mark.parametrize(
        ("name", "text"), [("seed", "seed must be at least 0"), ("batch_size", "batch size must be")]
    )
    def test_negative_options(self, name: str, text: str) -> None:
        model, data = network("linear")
        with pytest.raises(OptionError, match=text):
            matrix_of(model, layer_changes(find_layers(model), "layer", OPTIONS), data, **{name: -1})

    def test_single_image_without_a_batch_axis(self) -> None:
        class One(nn.Sequential):
            def forward(self, x: Tensor) -> Tensor:
                return super().forward(x[0])[None].expand(len(x), -1)

        model = One(nn.Linear(2, 3))
        layers = layer_changes(find_layers(model), "channel", OPTIONS)
        with pytest.raises(ModelError, match=r"layer '0' with an input of shape \(2,\) for 2 images"):
            matrix_of(model, layers, images(2, 2))

    def test_network_under_no_grad(self) -> None:
        class Frozen(nn.Sequential):
            @torch.no_grad()
            def forward(self, x: Tensor) -> Tensor:
                return super().forward(x)

        model = Frozen(nn.Linear(4, 3))
        with pytest.raises(ModelError, match="the layer '0' without gradients"):
            matrix_of(model, layer_changes(find_layers(model), "channel", OPTIONS), images(2, 4))

    def test_network_that_overwrites_what_its_gradient_needs(self) -> None:
        class Overwrites(nn.Sequential):
            def forward(self, x: Tensor) -> Tensor:
                return super().forward(x).sigmoid().mul_(2)

        model = Overwrites(nn.Linear(4, 3))
        with pytest.raises(ModelError, match="backward pass fails: RuntimeError: one of the variables"):
            matrix_of(model, layer_changes(find_layers(model), "channel", OPTIONS), images(2, 4))

    def test_detached_logits(self) -> None:
        class Detached(nn.Sequential):
            def forward(self, x: Tensor) -> Tensor:
                return super().forward(x).detach()

        model = Detached(nn.Linear(4, 3))
        with pytest.raises(ModelError, match="no gradient of the outputs"):
            matrix_of(model, layer_changes(find_layers(model), "channel", OPTIONS), images(2, 4))

    def test_batch_axis_that_is_not_the_images(self) -> None:
        class Patches(nn.Sequential):
            def forward(self, x: Tensor) -> Tensor:
                return super().forward(x.reshape(-1, 2)).reshape(len(x), -1)

        model = Patches(nn.Linear(2, 3))
        with pytest.raises(ModelError, match=r"layer '0' with an input of shape \(4, 2\) for 2 images"):
            matrix_of(model, layer_changes(find_layers(model), "channel", OPTIONS), images(2, 4))

    def test_logits_that_are_not_finite(self) -> None:
        model = nn.Sequential(nn.Linear(4, 3))
        layers = layer_changes(find_layers(model), "channel", OPTIONS)
        with torch.no_grad():
            model[0].bias.fill_(torch.inf)
        with pytest.raises(ModelError, match="not finite"):
            matrix_of(model, layers, images(2, 4))


def test_progress_hears_of_every_batch() -> None:
    model, _ = network("linear")
    heard: list[tuple[int, int]] = []
    layers = layer_changes(find_layers(model), "channel", OPTIONS)
    matrix_of(model, layers, images(5, 4), batch_size=2, progress=lambda *args: heard.append(args))
    assert heard == [(2, 5), (4, 5), (5, 5)]
