"""The stages of a compression: announced as they begin, and timed."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from qubo_dnn.solving.solution import BackendCall


@dataclass(frozen=True, kw_only=True)
class SearchRound:
    """One round: a quadratic model around a network, and what its solution was worth.

    Attributes:
        number: from 1, which is around the network as given; later ones are around the best network so far.
        parameters: of the formulation, those chosen on held-out data included.
        predicted: loss increase that the model expected of the plan; None where it predicts no loss.
        divergence: of the best candidate, on held-out images.
        limit: most divergence that fits what was predicted, see `qubo_dnn.compression.rewriting.divergence_limit`;
            None where nothing is predicted.
        best: least divergence of this and all earlier rounds.
        accepted: whether the candidate is clearly better than all before it.
        seconds: wall-clock seconds of this round, measuring included unless an earlier search had done it.
    """

    number: int
    parameters: Mapping[str, Any]
    predicted: float | None
    divergence: float
    limit: float | None
    best: float
    accepted: bool
    seconds: float


class CompressionReporter(Protocol):
    """Hears how the work goes on."""

    def stage(self, name: str) -> None:
        """A stage begins, and the one before is done."""

    def progress(self, done: int, total: int) -> None:
        """Steps done in the present stage."""

    def backend_call(self, done: BackendCall) -> None:
        """The backend has answered once more."""

    def search_round(self, done: SearchRound) -> None:
        """A round of linearising and solving is over."""

    def warning(self, text: str) -> None:
        """Something that the user should know: one line."""


class StageClock:
    """Passes everything on to a reporter, adds up the wall-clock seconds of the stages, and keeps the warnings."""

    def __init__(self, reporter: CompressionReporter) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._stage: str | None = None
        self._since = 0.0
        self._reporter = reporter
        self.progress = reporter.progress
        self.backend_call = reporter.backend_call
        self.search_round = reporter.search_round
        self.warnings: list[str] = []

    def stage(self, name: str) -> None:
        """A stage begins, and the one before is done; a name may come again."""
        self._stop()
        self._stage, self._since = name, time.perf_counter()
        self._reporter.stage(name)

    def warning(self, text: str) -> None:
        """Something that the user should know: one line; it is kept in `warnings`."""
        self.warnings.append(text)
        self._reporter.warning(text)

    def finish(self) -> dict[str, float]:
        """The last stage is done; seconds of all."""
        self._stop()
        return dict(self._seconds)

    def _stop(self) -> None:
        if self._stage is not None:
            self._seconds[self._stage] += time.perf_counter() - self._since
        self._stage = None
