"""Ridge regression: its limit is least squares, masks are kept, and the samples that check it decide."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from qubo_dnn.compression.rewriting import least_squares
from qubo_dnn.compression.rewriting.least_squares import FitMoments, refitted

GROUPS, INPUTS, CHANNELS, SAMPLES = 2, 5, 3, 400


@pytest.fixture(autouse=True)
def nearly_no_ridge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(least_squares, "RIDGES", (1e-9,))


def samples(offset: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """Correlated inputs [2, 5, samples], wanted outputs [2, 3, samples] with noise, and weights at hand [6, 5]."""
    random = torch.Generator().manual_seed(0)
    mixing = torch.randn(GROUPS, INPUTS, INPUTS, generator=random)
    inputs = mixing @ torch.randn(GROUPS, INPUTS, SAMPLES, generator=random) + offset
    wanted = torch.randn(GROUPS, CHANNELS, INPUTS, generator=random) @ inputs
    wanted += torch.randn(wanted.shape, generator=random) + offset
    return inputs, wanted, torch.randn(GROUPS * CHANNELS, INPUTS, generator=random)


def fit(inputs: Tensor, wanted: Tensor, weights: Tensor, *, centred: bool, kept: Tensor | None = None) -> Tensor:
    given = weights.reshape(GROUPS, CHANNELS, INPUTS) @ inputs
    checks = torch.arange(SAMPLES) % 4 == 0
    found = refitted(inputs, wanted - given, weights, checks, centred=centred, kept=kept)
    assert found is not None
    return found[0].reshape(GROUPS, CHANNELS, INPUTS)


def test_without_a_ridge_it_is_least_squares_in_every_group() -> None:
    inputs, wanted, weights = samples()
    expected = torch.linalg.lstsq(inputs.mT.double(), wanted.mT.double()).solution.mT
    assert torch.allclose(fit(inputs, wanted, weights, centred=False).double(), expected, atol=1e-4)


def test_centred_it_has_an_intercept() -> None:
    inputs, wanted, weights = samples(offset=3.0)
    design = torch.cat([inputs, torch.ones(GROUPS, 1, SAMPLES)], 1)
    expected = torch.linalg.lstsq(design.mT.double(), wanted.mT.double()).solution.mT[:, :, :INPUTS]
    assert torch.allclose(fit(inputs, wanted, weights, centred=True).double(), expected, atol=1e-4)


def test_masked_weights_are_zero_and_the_others_make_up_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(least_squares, "_MASKED_NUMBERS", 2 * GROUPS * INPUTS**2)  # in two steps
    inputs, wanted, weights = samples()
    kept = torch.rand(GROUPS * CHANNELS, INPUTS, generator=torch.Generator().manual_seed(1)) < 0.6
    found = fit(inputs, wanted, weights, centred=False, kept=kept)
    for channel, mask in enumerate(kept):
        group, row = divmod(channel, CHANNELS)
        design, target = inputs[group][mask].T.double(), wanted[group, row][:, None].double()
        expected = torch.linalg.lstsq(design, target).solution[:, 0]
        assert torch.allclose(found[group, row][mask].double(), expected, atol=1e-4)
        assert torch.equal(found[group, row][~mask], torch.zeros(int((~mask).sum())))


def test_large_masked_layers_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(least_squares, "_MASKED_OPERATIONS", 10.0)
    inputs, wanted, weights = samples()
    kept = torch.ones(GROUPS * CHANNELS, INPUTS, dtype=torch.bool)
    checks = torch.arange(SAMPLES) % 4 == 0
    assert refitted(inputs, wanted, weights, checks, centred=False, kept=kept) is not None
    kept[0, 0] = False
    assert refitted(inputs, wanted, weights, checks, centred=False, kept=kept) is None


def test_what_is_no_better_on_other_samples_is_not_taken() -> None:
    random = torch.Generator().manual_seed(0)
    inputs, noise = torch.randn(1, 30, 60, generator=random), torch.randn(1, 1, 60, generator=random)
    assert refitted(inputs, noise, torch.zeros(1, 30), torch.arange(60) % 4 == 0, centred=False) is None


def test_of_several_ridges_the_one_with_the_least_error_on_other_samples_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = torch.Generator().manual_seed(0)
    inputs = torch.randn(1, 30, 60, generator=random)
    wanted = 0.5 * inputs.sum(1, keepdim=True) + 3.0 * torch.randn(1, 1, 60, generator=random)
    found = {}
    for ridges in ((1e-9,), (3.0,), (1e-9, 3.0)):
        monkeypatch.setattr(least_squares, "RIDGES", ridges)
        found[ridges] = refitted(inputs, wanted, torch.zeros(1, 30), torch.arange(60) % 4 == 0, centred=False)
    assert found[1e-9,] is None
    both, strong = found[1e-9, 3.0], found[3.0,]
    assert both is not None
    assert strong is not None
    assert torch.equal(both[0], strong[0])


def test_the_error_of_a_change_is_that_of_the_outputs() -> None:
    inputs, wanted, _ = samples()
    moments, change = FitMoments.of(inputs, wanted), torch.randn(GROUPS, INPUTS, CHANNELS).double()
    expected = (wanted - change.mT @ inputs.double()).square().sum() / SAMPLES
    assert moments.error(change) == pytest.approx(float(expected), rel=1e-4)


def test_constant_inputs_keep_their_weights_where_a_bias_takes_them_up() -> None:
    inputs, wanted, weights = samples()
    inputs[:, 2] = 7.0
    found = fit(inputs, wanted, weights, centred=True)
    assert torch.allclose(found[:, :, 2], weights.reshape(found.shape)[:, :, 2])
