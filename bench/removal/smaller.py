"""A network without the channels that were chosen, really made smaller, and what it does on test images."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from bench.removal.channels import Channels, Flags
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
from qubo_dnn.compression.network.inference import evaluate
from qubo_dnn.compression.removal.remove_pruned import remove_pruned

# Samples on which the smaller network is compared with the one that it is made from.
_SAMPLES = 32


@dataclass(frozen=True, eq=False)
class SmallerNetwork:
    """A network without some channels, refitted and repaired.

    Attributes:
        model: the network.
        macs: share of the multiply-accumulates that it has, measured.
        accuracy, divergence: on the test images, 0 to 1, and from the network as given in nats.
        held_out_divergence: on calibration images that were not measured on.
    """

    model: nn.Module
    macs: float
    accuracy: float
    divergence: float
    held_out_divergence: float


def smaller_network(channels: Channels, removed: Flags, test: Data) -> SmallerNetwork:
    """Remove channels, and evaluate the smaller network.

    Args:
        channels: of the network.
        removed: [channels] True for those that leave.
        test: labelled images.
    """
    applied = channels.without(removed)
    removal = remove_pruned(applied.network, next(channels.measured_on.batches(_SAMPLES))[0])
    tested = evaluate(removal.model, test, reference=channels.model, loss=CROSS_ENTROPY)
    assert tested.accuracy is not None  # of a classifier
    assert tested.divergence is not None  # there is a reference
    return SmallerNetwork(
        model=removal.model,
        macs=removal.macs[1] / removal.macs[0],
        accuracy=tested.accuracy,
        divergence=tested.divergence,
        held_out_divergence=applied.held_out.divergence,
    )
