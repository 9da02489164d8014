"""What becomes of the network: rewritten by a plan, recovered, and tested."""

from __future__ import annotations

from functools import cache

import numpy as np

from bench.claims.cases import Network
from bench.networks.loading import accuracy
from bench.networks.subject import Subject
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
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
        return accuracy(self.subject.model, self.network.test)

    def _of(self, choice: tuple[int, ...]) -> tuple[float, float]:
        """Without and with recovery."""
        rewritten = self.subject.rewritten(np.array(choice, np.intp))
        recovered, _ = recover(rewritten, self.subject.model, self.network.measured_on, self._judge)
        return accuracy(rewritten, self.network.test), accuracy(recovered, self.network.test)
