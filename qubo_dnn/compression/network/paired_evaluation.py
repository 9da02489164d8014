"""Evaluate networks beside the one that they come from, which runs over the images once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import Loss
from qubo_dnn.compression.losses.metrics import Metric
from qubo_dnn.compression.network.inference import Evaluation, KeptOutputs, Progress, evaluate

Pair = tuple[Evaluation, Evaluation]


class PairedEvaluation:
    """Evaluates networks on calibration and test images, beside a reference.

    Outputs of the reference are kept for the next network, unless they take more than 1 GiB.

    Args:
        reference: the network before compression; it must not change.
        calibration: images that it was measured on.
        test: further images, or None.
        loss: the loss.
        metric: the user's metric, or None.

    Example:
        >>> import torch
        >>> from qubo_dnn.compression.losses.losses import SquaredError
        >>> images, networks = Data.from_tensors(torch.eye(3)), (nn.Linear(3, 2), nn.Linear(3, 2))
        >>> beside = PairedEvaluation(networks[0], images, None, SquaredError(), None)
        >>> (before, after), of_test = beside(networks[1])
        >>> after.divergence > 0.0, of_test is None
        (True, True)
    """

    def __init__(
        self, reference: nn.Module, calibration: Data, test: Data | None, loss: Loss, metric: Metric | None
    ) -> None:
        self._reference, self._loss, self._metric = reference, loss, metric
        self._sets: Sequence[Data] = [calibration] if test is None else [calibration, test]
        self._before: list[tuple[Evaluation, KeptOutputs]] = []

    def __call__(self, model: nn.Module, progress: Progress | None = None) -> tuple[Pair, Pair | None]:
        """Evaluate the reference, unless that was done before, and a network.

        Args:
            model: the network after compression.
            progress: called with the number of images done, of both networks, and their total.

        Returns:
            Before and after on the calibration images, and on the test images (None without them).

        Raises:
            QuboDnnError: see `qubo_dnn.compression.network.inference.evaluate`.
        """
        # An evaluation that broke off may have done some of the sets.
        total = sum(map(len, (*self._sets, *self._sets[len(self._before) :])))
        begun = 0
        pairs: list[Pair] = []

        def report(done: int, _: int) -> None:
            if progress:
                progress(begun + done, total)

        def evaluated(network: nn.Module, data: Data, **beside: Any) -> Evaluation:
            nonlocal begun
            found = evaluate(network, data, progress=report, loss=self._loss, metric=self._metric, **beside)
            begun += len(data)
            return found

        for place, data in enumerate(self._sets):
            if place == len(self._before):
                outputs = KeptOutputs()
                self._before.append((evaluated(self._reference, data, kept=outputs), outputs))
            before, kept = self._before[place]
            reference = self._reference if kept.batches is None else kept.batches
            pairs.append((before, evaluated(model, data, reference=reference)))
        return pairs[0], pairs[1] if len(pairs) > 1 else None
