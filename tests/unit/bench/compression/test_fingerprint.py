from __future__ import annotations

import torch
from torch import nn

from bench.compression.measurements.fingerprint import fingerprint
from qubo_dnn.compression.data.dataset import Data


def test_a_fingerprint_sees_weights_tensors_images_and_labels(network: nn.Module, images: Data) -> None:
    extra = torch.zeros(3)
    first = fingerprint(network, [extra], images)
    assert first == fingerprint(network, [extra.clone()], images)
    others = {fingerprint(network, [extra + 1], images), fingerprint(network, [extra], images.subset(23, 0))}
    inputs, labels = next(images.batches(24))
    pixels = inputs.only
    assert labels is not None
    others.add(fingerprint(network, [extra], Data.from_tensors(pixels, (labels + 1) % 3)))
    with torch.no_grad():
        network.get_parameter("linear.weight")[0, 0] += 1e-3
    others.add(fingerprint(network, [extra], images))
    assert len(others | {first}) == 5
