"""Columns of quantized activations against derivatives of the whole network, and their place among those of weights."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import SquaredError
from qubo_dnn.compression.network.hooks import replacing_inputs
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.quantization.activation_grid import set_activation_grids_
from qubo_dnn.compression.quantization.activations import observe_activations
from qubo_dnn.compression.quantization.candidates import Candidates, make_candidates
from qubo_dnn.compression.search.task_builder import activation_changes, layer_changes, measured_task, unmeasured_task
from qubo_dnn.compression.sensitivity.activation_changes import ActivationChanges
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton
from qubo_dnn.compression.sensitivity.large_changes import measure_nonlinearity
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.errors import FileFormatError

OPTIONS = bit_widths(0, 2, 3, 8, 32)
WIDTHS = (2, 3, 8, 32)


class Twice(nn.Module):
    """A convolution that reads twice, one that shares its input with another, and a Linear."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1, bias=False))
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.tanh(self.a(x))
        y = self.b(y) + self.c(y) + self.a(torch.relu(y))
        outputs: Tensor = self.fc(nn.functional.adaptive_avg_pool2d(y, 2).flatten(1))
        return outputs


def images(count: int = 6) -> Data:
    return Data.from_tensors(torch.randn(count, 2, 4, 4, generator=torch.Generator().manual_seed(2)))


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return Twice().eval()


def everything(model: nn.Module, original: nn.Module) -> tuple[list[LayerChanges], list[ActivationChanges], Candidates]:
    inventory = find_layers(original)
    read = observe_activations(inventory, images())
    read = read.with_widths(dict.fromkeys(read.names, WIDTHS))
    weights = make_candidates(inventory, OPTIONS)
    candidates = Candidates(OPTIONS, weights.layers, read)
    of_model = inventory.of(model)
    return layer_changes(of_model, "layer", candidates), activation_changes(of_model, candidates), candidates


def jacobians(model: nn.Module, layers: list[LayerChanges], activations: list[ActivationChanges], x: Tensor) -> Tensor:
    """[N, UK, C] derivatives of the outputs along every change, by automatic differentiation of all steps at once."""
    size, options = len(layers), len(OPTIONS)

    def keep(given: list[Tensor], inputs: Tensor) -> Tensor:
        given.append(inputs)
        return inputs

    def run(steps: Tensor) -> Tensor:
        weights = {
            entry.layer.key: model.get_parameter(entry.layer.key).detach()
            + torch.einsum("k,k...->...", steps[row], entry.changes)
            for row, entry in enumerate(layers)
        }
        given: list[list[Tensor]] = [[] for _ in activations]

        def moved(number: int, read: Tensor) -> Tensor:
            entry, raw = activations[number], given[number].pop(0).detach()
            for k, change in zip(entry.effective, entry.of(raw), strict=True):
                read = read + steps[size + number, k] * change
            return read

        modules = [(entry.layer.module, number) for number, entry in enumerate(activations)]
        with (
            replacing_inputs(((module, partial(keep, given[n])) for module, n in modules), first=True),
            replacing_inputs((module, partial(moved, n)) for module, n in modules),
        ):
            outputs: Tensor = functional_call(model, weights, (x,))
        return outputs

    steps = torch.zeros(size + len(activations), options)
    found: Tensor = torch.autograd.functional.jacobian(run, steps)  # type: ignore[no-untyped-call]  # torch's own
    return found.flatten(2).transpose(1, 2)


@pytest.mark.parametrize("around", ["given", "compressed"])
def test_columns_are_derivatives_along_rounded_activations(model: nn.Module, around: str) -> None:
    original, model = model, copy.deepcopy(model)
    if around == "compressed":
        grids = everything(original, original)[2].activations.sites
        set_activation_grids_(model, {name: site.grids[3] for site in grids for name in site.layers if name != "fc"})
    layers, activations, _ = everything(model, original)
    assert [entry.layer.name for entry in activations] == ["a", "b", "c", "fc"]
    measured = gauss_newton(model, layers, images(), activations=activations, loss=SquaredError(), batch_size=4)
    assert measured.matrix is not None
    along = jacobians(model, layers, activations, next(images().batches(6))[0].only)
    expected = torch.einsum("nuc,nvc->uv", along, along) / 6
    assert np.allclose(measured.matrix, expected.numpy(), rtol=1e-3, atol=1e-5 * float(expected.abs().max()))
    # Pairs of weights and activations are there, and those that change nothing are not.
    assert np.abs(measured.matrix[:20, 20:]).max() > 0.01 * np.abs(measured.matrix).max()
    kept = measured.diagonal()[20:].reshape(4, 5)
    assert (kept[:, 0] == 0.0).all()
    assert (kept[:3, 2 if around == "compressed" else 4] == 0.0).all()
    assert (kept[:3, 1] > 0.0).all()


def test_the_linear_term_is_that_of_the_distance_to_the_reference(model: nn.Module) -> None:
    original, model = model, copy.deepcopy(model)
    sites = everything(original, original)[2].activations.sites
    set_activation_grids_(model, {name: site.grids[2] for site in sites for name in site.layers})
    layers, activations, _ = everything(model, original)
    reference = logits(original, images())
    found = gauss_newton(model, layers, images(), activations=activations, loss=SquaredError(), reference=reference)
    along = jacobians(model, layers, activations, next(images().batches(6))[0].only)
    residual = logits(model, images()) - reference
    expected = torch.einsum("nuc,nc->u", along, residual) / 6
    assert np.allclose(found.linear, expected.numpy(), rtol=1e-3, atol=1e-5 * float(expected.abs().max()))
    # To give the activations back lowers the loss.
    assert found.linear[20:].reshape(4, 5)[:, 4].sum() < 0.0


def test_tied_activations_are_one_decision(model: nn.Module) -> None:
    layers, activations, candidates = everything(model, model)
    task = unmeasured_task(layers, OPTIONS, 1e9, activations=activations)
    assert task.activations == ("a", "b", "c", "fc")
    assert task.units.tolist() == [0, 1, 2, 3, 4, 5, 5, 6]
    assert task.layer_of.tolist() == [0, 1, 2, 3, 4, 5, 7]
    assert task.choices[4:].tolist() == [[False, True, True, True, True]] * 3
    assert not task.cost[4:].any()
    errors = task.squared_error
    site = candidates.activations.sites[1]
    assert errors[5] == pytest.approx([0.0, *(2.0 * site.squared_error(site.grids[bits]) for bits in (2, 3, 8)), 0.0])
    measured = gauss_newton(model, layers, images(), activations=activations, loss=SquaredError())
    done = measured_task(task, layers, measured, activations=activations)
    assert done.sensitivity is not None
    both = np.zeros(8 * 5)
    both[[5 * 5 + 1, 6 * 5 + 1]] = 1.0
    one = np.zeros(7 * 5)
    one[5 * 5 + 1] = 1.0
    assert done.sensitivity.increase(one) == pytest.approx(measured.increase(both), rel=1e-5)


def test_large_changes_of_activations_are_measured(model: nn.Module) -> None:
    layers, activations, _ = everything(model, model)
    loss, data = SquaredError(), images()
    measured = gauss_newton(model, layers, data, activations=activations, loss=loss)
    ratios = measure_nonlinearity(model, layers, OPTIONS, measured, data, activations=activations, loss=loss)
    assert ratios.shape == (8, 5)
    for number, entry in enumerate(activations):
        for k, bits in enumerate((0, 2, 3, 8, 32)):
            if bits not in (2, 3):
                assert ratios[4 + number, k] == 1.0
                continue
            changed = copy.deepcopy(model)
            grid = entry.grids[k]
            assert grid is not None
            set_activation_grids_(changed, {entry.layer.name: grid})
            divergence = loss.divergence(logits(model, data), logits(changed, data), None)
            predicted = measured.diagonal()[20 + 5 * number + k] / 2.0
            assert ratios[4 + number, k] == pytest.approx(min(max(divergence / predicted, 1.0), 10.0), rel=1e-3)


def test_measurements_with_other_grids_are_others(model: nn.Module, tmp_path: Path) -> None:
    layers, activations, _ = everything(model, model)
    file, loss = tmp_path / "given.safetensors", SquaredError()
    first = gauss_newton(model, layers, images(), activations=activations, checkpoint=file, loss=loss)
    again = gauss_newton(model, layers, images(), activations=activations, checkpoint=file, loss=loss)
    assert np.array_equal(first.diagonal(), again.diagonal())
    other = everything(model, model)[1]
    other[0] = ActivationChanges(other[0].layer, other[0].site, 5, {1: other[0].site.grids[3]}, None)
    with pytest.raises(FileFormatError, match="options, units or compensation"):
        gauss_newton(model, layers, images(), activations=other, checkpoint=file, loss=loss)
