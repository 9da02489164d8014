"""Progress events of a compression, and the time of its stages."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from qubo_dnn.solving.solution import BackendCall


@dataclass(frozen=True, kw_only=True)
class TriedPlan:
    """What a plan that was applied was expected to cost, and what it cost.

    Attributes:
        bits_per_weight: stored bits per compressible weight.
        predicted: predicted divergence; None without a prediction.
        bare: divergence on held-out images before the repair.
        divergence: the same after it.

    Example:
        >>> tried = TriedPlan(bits_per_weight=3.0, predicted=0.02, bare=0.05, divergence=0.03)
        >>> tried.divergence < tried.bare
        True
    """

    bits_per_weight: float
    predicted: float | None
    bare: float
    divergence: float


@dataclass(frozen=True, kw_only=True)
class SearchRound:
    """The result of one round: a quadratic model around a network, and the quality of its solution.

    Attributes:
        number: 1 for the model around the original network; later rounds use the best network so far.
        parameters: parameters of the formulation, including those chosen on held-out data.
        predicted: loss increase of the plan that the model predicts; None if it predicts no loss.
        divergence: divergence of the best candidate on held-out images.
        limit: largest divergence consistent with the prediction, see
            `qubo_dnn.compression.rewriting.divergence_limit`; None without a prediction.
        best: least divergence of this and all earlier rounds.
        accepted: True if the candidate is clearly better than all earlier ones.
        seconds: wall-clock seconds of the round; measuring counts unless an earlier search did it.
        tried: all plans that were applied, in the order of their trials.

    Example:
        >>> losses = {"predicted": 0.02, "divergence": 0.03, "limit": 0.4, "best": 0.03}
        >>> first = SearchRound(number=1, parameters={}, accepted=True, seconds=1.5, **losses)
        >>> first.divergence <= first.limit
        True
    """

    number: int
    parameters: Mapping[str, Any]
    predicted: float | None
    divergence: float
    limit: float | None
    best: float
    accepted: bool
    seconds: float
    tried: tuple[TriedPlan, ...] = ()


@runtime_checkable
class CompressionReporter(Protocol):
    """Receives progress events.

    Example:
        >>> class Printer(CompressionReporter):
        ...     def stage(self, name: str) -> None:
        ...         print(name)
        >>> Printer().stage("measure")
        measure
    """

    def stage(self, name: str) -> None:
        """A stage begins; the previous one is finished."""

    def progress(self, done: int, total: int) -> None:
        """Receive the number of steps done in the current stage, and their total."""

    def backend_call(self, done: BackendCall) -> None:
        """The backend has returned an answer."""

    def search_round(self, done: SearchRound) -> None:
        """A round of measuring and solving is finished."""

    def warning(self, text: str) -> None:
        """Receive a warning for the user, of one line."""


class SilentReporter(CompressionReporter):
    """Ignores all events.

    Example:
        >>> SilentReporter().stage("measure")
    """

    def stage(self, name: str) -> None:
        """Ignore that a stage begins."""

    def progress(self, done: int, total: int) -> None:
        """Ignore the number of steps done."""

    def backend_call(self, done: BackendCall) -> None:
        """Ignore the answer of a backend."""

    def search_round(self, done: SearchRound) -> None:
        """Ignore the end of a round."""

    def warning(self, text: str) -> None:
        """Ignore a warning; the result keeps it."""


class StageClock:
    """Forwards all events to a reporter, sums the wall-clock seconds of every stage, and keeps the warnings.

    Args:
        reporter: the reporter.
        warnings: earlier ones, which are not forwarded again.

    Example:
        >>> clock = StageClock(SilentReporter())
        >>> clock.stage("measure")
        >>> clock.stage("solve")
        >>> list(clock.finish())
        ['measure', 'solve']
    """

    def __init__(self, reporter: CompressionReporter, warnings: Sequence[str] = ()) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._stage: str | None = None
        self._since = 0.0
        self._reporter = reporter
        self.progress = reporter.progress
        self.backend_call = reporter.backend_call
        self.search_round = reporter.search_round
        self.warnings = list(warnings)

    def stage(self, name: str) -> None:
        """Start a stage and finish the previous one; a name may be repeated."""
        self._stop()
        self._stage, self._since = name, time.perf_counter()
        self._reporter.stage(name)

    def warning(self, text: str) -> None:
        """Forward a warning of one line, and keep it in `warnings`."""
        self.warnings.append(text)
        self._reporter.warning(text)

    def finish(self) -> dict[str, float]:
        """Finish the last stage, and return stage -> seconds."""
        self._stop()
        return dict(self._seconds)

    def _stop(self) -> None:
        if self._stage is not None:
            self._seconds[self._stage] += time.perf_counter() - self._since
        self._stage = None
