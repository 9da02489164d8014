from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.compression.measurements.pairwise import pair_losses
from bench.networks.subject import Subject
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.inference import evaluate
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.errors import ModelError


def weights_of(network: nn.Module) -> list[Tensor]:
    subject = Subject.of(network, "layer", bit_widths(1, 2))
    return [subject.candidates.weights(layer.name) for layer in subject.task.layers]


def plain_loss(network: nn.Module, weights: list[Tensor], images: Data, *changes: tuple[int, int]) -> float:
    changed = copy.deepcopy(network)
    for layer, option in changes:
        find_layers(changed).layers[layer].weight.data.copy_(weights[layer][option])
    loss = evaluate(changed, images).loss
    assert loss is not None
    return loss


def test_losses_are_those_of_whole_passes(network: nn.Module, images: Data) -> None:
    weights = weights_of(network)
    found = pair_losses(network, weights, images)
    assert found.base == pytest.approx(evaluate(network, images).loss, rel=1e-6)
    for i in range(3):
        for m in range(2):
            for j in range(3):
                for n in range(2):
                    if i == j and m != n:
                        assert np.isnan(found.losses[i, m, j, n])
                        continue
                    whole = plain_loss(network, weights, images, (i, m), (j, n))
                    assert found.losses[i, m, j, n] == pytest.approx(whole, rel=1e-5)


def test_a_run_that_was_stopped_goes_on(network: nn.Module, images: Data, tmp_path: Path) -> None:
    weights = weights_of(network)
    whole = pair_losses(network, weights, images)

    def stop(done: int, _: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pair_losses(network, weights, images, tmp_path, stop)
    (file,) = tmp_path.iterdir()
    with np.load(file) as kept:
        assert np.isnan(kept["losses"][2, 1, 2, 1])
        earlier = float(kept["seconds"])
    found = pair_losses(network, weights, images, tmp_path)
    np.testing.assert_array_equal(found.losses, whole.losses)
    assert found.base == whole.base
    assert found.seconds > earlier
    # All is there now: nothing is measured again.
    assert pair_losses(network, weights, images, tmp_path).seconds == found.seconds


def test_other_images_do_not_read_the_file(network: nn.Module, images: Data, tmp_path: Path) -> None:
    weights = weights_of(network)
    pair_losses(network, weights, images, tmp_path)
    pair_losses(network, weights, images.subset(12, 0), tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


class InPlace(nn.Module):
    """Doubles a value after its last reader but one: running from the second layer on doubles it again."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        z: Tensor = self.second(x) + y.mul_(2.0)
        return z


def test_parts_that_change_their_inputs_are_refused() -> None:
    torch.manual_seed(0)
    images = Data.from_tensors(torch.randn(6, 4), torch.randint(4, (6,)))
    model = InPlace().eval()
    with pytest.raises(ModelError, match="in place"):
        pair_losses(model, weights_of(model), images)
