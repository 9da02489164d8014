"""What callbacks of `compress` and `sweep` receive: parameters, and figures of rounds, points and results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qubo_dnn.api.tracked import described
from qubo_dnn.compression.compress import Compressor
from qubo_dnn.compression.search.progress import CompressionReporter, SearchRound
from qubo_dnn.compression.sweep.points import SweepPoint
from qubo_dnn.compression.task.budgets import Budget
from qubo_dnn.reports.reproduction import versions
from qubo_dnn.solving.solution import BackendCall
from qubo_dnn.tracking.tracker import Tracker

# Where measurements are made and kept changes no result.
_APART = {
    *("search", "budgets", "tables", "backend_options", "parameters", "rules", "seed"),
    *("checkpoints", "replace_checkpoints", "cluster"),
}


def compress_parameters(
    compressor: Compressor, budgets: Sequence[Budget], about: Mapping[str, Any], test_size: int | None
) -> dict[str, Any]:
    """Return the parameters of `compress` and `sweep`.

    Args:
        compressor: formulation, backend and settings.
        budgets: all budgets.
        about: further entries, such as the name of the network.
        test_size: number of test images; None without any.

    Example:
        >>> from qubo_dnn.api.networks import make_compressor
        >>> from qubo_dnn.compression.task.budgets import parse_budget
        >>> budgets = (parse_budget("3bits"),)
        >>> compressor = make_compressor(budgets, "tabu", "pruning-quantization", 7, {"rounds": 1})
        >>> found = compress_parameters(compressor, budgets, {"network": "ResNet"}, None)
        >>> found["budgets"], found["seed"], found["rounds"], found["backend"], found["network"]
        ('3bits', 7, 1, 'tabu', 'ResNet')
    """
    settings = compressor.settings
    effective = {**vars(settings), **vars(settings.search)}
    return {
        **about,
        "test_size": test_size,
        "budgets": ", ".join(budget.text for budget in budgets),
        "backend": compressor.backend.name,
        "backend_options": described(settings.search.backend_options),
        "seed": settings.search.seed,
        **described({name: value for name, value in effective.items() if name not in _APART}),
        "parameters": described(settings.search.parameters),
        "rules": described(vars(settings.rules)),
        "tables": ", ".join(sorted(settings.tables)) or None,
        "versions": dict(versions(("torch", "torch-pruning", "safetensors"))),
    }


class TrackedRounds(CompressionReporter):
    """Forwards events to a reporter, and the figures of rounds to a tracker.

    Args:
        reporter: receives all events.
        tracker: receives the figures.

    Attributes:
        number: number of rounds so far; a search for the smallest network within a drop has several rounds 1.

    Example:
        >>> from qubo_dnn.compression.search.progress import SilentReporter
        >>> rounds = TrackedRounds(SilentReporter(), Tracker([]))
        >>> rounds.stage("measure")
        >>> rounds.number
        0
    """

    def __init__(self, reporter: CompressionReporter, tracker: Tracker) -> None:
        self._reporter, self._tracker, self.number = reporter, tracker, 0

    def stage(self, name: str) -> None:
        """Begin a stage."""
        self._reporter.stage(name)

    def progress(self, done: int, total: int) -> None:
        """Forward the number of steps done."""
        self._reporter.progress(done, total)

    def backend_call(self, done: BackendCall) -> None:
        """Forward the answer of a backend."""
        self._reporter.backend_call(done)

    def search_round(self, done: SearchRound) -> None:
        """Forward the end of a round, and report its figures."""
        self._reporter.search_round(done)
        self.number += 1
        for name in ("predicted", "divergence", "best", "limit", "accepted", "seconds"):
            self._tracker.metric(f"round/{name}", getattr(done, name), self.number)
        if done.tried:
            best = min(done.tried, key=lambda each: each.divergence)
            self._tracker.metric("round/bits_per_weight", best.bits_per_weight, self.number)

    def warning(self, text: str) -> None:
        """Forward a warning."""
        self._reporter.warning(text)


def track_compression(tracker: Tracker, figures: Mapping[str, Any], step: int) -> None:
    """Report the figures of a compression, as `CompressedNetwork.to_dict` gives them.

    Args:
        tracker: receives the figures.
        figures: the figures.
        step: number of rounds.

    Example:
        >>> def report(figures: Mapping[str, Any]) -> None:
        ...     track_compression(Tracker([]), figures, len(figures["rounds"]))
    """
    named = {
        **{f"reference/{name}": value for name, value in figures["reference"].items()},
        **{("test_divergence" if name == "divergence" else name): each for name, each in figures["compressed"].items()},
        **{f"held_out_divergence/{name}": value for name, value in figures["held_out_divergence"].items()},
        "predicted_loss_increase": figures["predicted_loss_increase"],
        "calibration_divergence": figures["calibration_divergence"],
        "variables": figures["variables"],
        "interactions": figures["interactions"],
        "warnings": len(figures["warnings"]),
        **{f"seconds/{name}": value for name, value in figures["seconds"].items()},
    }
    for name, value in named.items():
        tracker.metric(name, value, step)


class TrackedPoints:
    """Reports every point of a sweep once, as soon as it is done.

    Args:
        tracker: receives the figures.

    Example:
        >>> from qubo_dnn.compression.sweep.points import SweepPoint
        >>> points = TrackedPoints(Tracker([]))
        >>> points(SweepPoint(number=1, budget="2bits", cost=900.0, divergence=0.3))
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker, self._seen = tracker, set[int]()

    def __call__(self, point: SweepPoint) -> None:
        """Report a point, unless it has been reported."""
        if point.number in self._seen:
            return
        self._seen.add(point.number)
        self._tracker.metric("point/met", point.is_met, point.number)
        for name, value in point.to_dict().items():
            if name not in ("number", "budget", "reason", "warnings"):
                self._tracker.metric(f"point/{name}", value, point.number)

    def finish(self, points: Sequence[SweepPoint], knee: SweepPoint | None) -> None:
        """Report the points that were there before the run, and the figures of the whole sweep."""
        for point in points:
            self(point)
        self._tracker.metric("points", sum(each.is_met for each in points), len(points))
        self._tracker.metric("knee", None if knee is None else knee.number, len(points))
