"""What becomes of the network: rewritten by a plan, recovered, and tested."""

from __future__ import annotations

from functools import cache

import numpy as np
from torch import nn

from bench.claims.cases import Network
from bench.networks.subject import Subject
from qubo_dnn.compression.network.inference import evaluate
from qubo_dnn.compression.network.losses import CROSS_ENTROPY
from qubo_dnn.compression.rewriting.held_out import HeldOutDivergence
from qubo_dnn.compression.rewriting.recovery import recover


class Tested:
    """Test accuracies of one network under plans; each plan is tested once.

    Args:
        network: with its images.
        subject: whose plans are asked for.
    """

    def __init__(self, network: Network, subject: Subject) -> None:
        self.network, self.subject = network, subject
        self._judge = HeldOutDivergence(subject.model, network.judged_on, CROSS_ENTROPY)
        self.of = cache(self._of)

    @property
    def reference(self) -> float:
        """Of the network as it was."""
        return self._accuracy(self.subject.model)

    def _of(self, choice: tuple[int, ...]) -> tuple[float, float]:
        """Without and with recovery."""
        rewritten = self.subject.rewritten(np.array(choice, np.intp))
        recovered, _ = recover(rewritten, self.subject.model, self.network.measured_on, self._judge)
        return self._accuracy(rewritten), self._accuracy(recovered)

    def _accuracy(self, model: nn.Module) -> float:
        accuracy = evaluate(model, self.network.test).accuracy
        assert accuracy is not None  # cross-entropy is a loss of classification
        return accuracy
