"""The points of a sweep, its Pareto front and its knee. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType, UnionType
from typing import Any, get_args, get_type_hints

from qubo_dnn.errors import FileFormatError

QUICK: Mapping[str, int] = MappingProxyType({"rounds": 1, "rerank": 1})
"""Settings of the search whose defaults are others than those of `compress`: most of its time goes into further rounds
and plans, and few of these are better."""

# A knee has a point on either side.
_LEAST = 3


@dataclass(frozen=True, kw_only=True)
class SweepPoint:
    """What came out at one budget, or the reason why nothing did.

    Attributes:
        number: 1 for the tightest budget.
        budget: the budget as written; of a baseline, what it is.
        reason: why no plan is within the budget; None if there is one. All figures are None without a plan.
        cost: the cost in the unit of the sweep: bytes of the file for budgets of stored size, else what they limit.
        divergence: divergence on held-out images, in the unit of the loss.
        accuracy, loss, metric: on the test images; None without test images, or targets, or a metric.
        test_divergence: divergence on the test images.
        bytes: size of the file.
        bits_per_weight: average stored bits per number of the network, without the header of the file.
        macs: multiply-accumulates for one sample, without removed channels; None if they are not known.
        seconds: wall-clock seconds, without what all points share.
        warnings: messages about this point.

    Example:
        >>> point = SweepPoint(number=1, budget="2bits", reason="the budget 2bits cannot be met")
        >>> point.is_met, SweepPoint.from_dict(point.to_dict()) == point
        (False, True)
    """

    number: int
    budget: str
    reason: str | None = None
    cost: float | None = None
    divergence: float | None = None
    accuracy: float | None = None
    loss: float | None = None
    metric: float | None = None
    test_divergence: float | None = None
    bytes: int | None = None
    bits_per_weight: float | None = None
    macs: int | None = None
    seconds: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def is_met(self) -> bool:
        """True if there is a plan within the budget."""
        return self.reason is None

    def to_dict(self) -> dict[str, Any]:
        """Return the point as plain data."""
        return {**vars(self), "warnings": list(self.warnings)}

    @classmethod
    def from_dict(cls, data: Any, source: str = "point") -> SweepPoint:
        """Read the output of `to_dict`; further entries are ignored.

        Raises:
            FileFormatError: `data` is not a point; the message names `source`.
        """
        if not isinstance(data, dict):
            raise FileFormatError(f"{source}: damaged: a point is not a record")
        hints = get_type_hints(cls)
        values: dict[str, Any] = {field.name: data.get(field.name) for field in fields(cls)}
        warnings = values.pop("warnings")
        if not isinstance(warnings, list) or not all(isinstance(text, str) for text in warnings):
            raise FileFormatError(f"{source}: damaged: the warnings of a point are not a list of words")
        for name, value in values.items():
            if not _fits(value, hints[name]):
                raise FileFormatError(f"{source}: damaged: {name} of a point is {value!r}")
        if values["reason"] is None and (values["cost"] is None or values["divergence"] is None):
            raise FileFormatError(f"{source}: damaged: point {values['number']} has no figures")
        return cls(**values, warnings=tuple(warnings))


def pareto_front(points: Sequence[SweepPoint]) -> tuple[int, ...]:
    """Return the numbers of the points that no other one beats, by increasing cost.

    A point beats another if neither its cost nor its held-out divergence is larger, and one of them is smaller; of
    equal points the first counts. Divergence on held-out images decides, not accuracy on test images, which are for
    reports.

    Example:
        >>> figures = [(100.0, 0.9), (200.0, 0.2), (250.0, 0.3), (300.0, 0.1)]
        >>> points = [SweepPoint(number=n, budget="", cost=c, divergence=d) for n, (c, d) in enumerate(figures, 1)]
        >>> pareto_front(points)
        (1, 2, 4)
    """
    front: list[int] = []
    least = float("inf")
    for _, divergence, number in sorted(_places(points).values()):
        if divergence < least:
            front.append(number)
            least = divergence
    return tuple(front)


def knee(points: Sequence[SweepPoint]) -> int | None:
    """Return the number of the knee, the point of the front that is farthest below the chord of its ends.

    Cost and divergence are scaled so that the front goes from (0, 1) to (1, 0); the knee has the largest distance to
    the line between these, on the side of the origin. Before it, more room helps much; behind it, little.

    Returns:
        Its number; None if the front has fewer than three points, or none of them is below the chord.

    Source: Satopää et al. 2011 ("Finding a Kneedle in a haystack"), without smoothing.

    Example:
        >>> figures = [(100.0, 0.9), (200.0, 0.2), (250.0, 0.3), (300.0, 0.1)]
        >>> points = [SweepPoint(number=n, budget="", cost=c, divergence=d) for n, (c, d) in enumerate(figures, 1)]
        >>> knee(points)
        2
    """
    places, numbers = _places(points), pareto_front(points)
    if len(numbers) < _LEAST:
        return None
    (low, most, _), (high, least, _) = places[numbers[0]], places[numbers[-1]]

    def below(number: int) -> float:
        """Return the distance below the chord, times the square root of 2."""
        cost, divergence, _ = places[number]
        return 1.0 - (cost - low) / (high - low) - (divergence - least) / (most - least)

    # The ends are on the chord, where rounding may leave a trace.
    best = max(numbers[1:-1], key=below)
    return best if below(best) > 1e-12 else None


def _places(points: Sequence[SweepPoint]) -> Mapping[int, tuple[float, float, int]]:
    """Return number -> cost, divergence and number, of points with a plan."""
    return {
        each.number: (each.cost, each.divergence, each.number)
        for each in points
        if each.cost is not None and each.divergence is not None
    }


def _fits(value: object, hint: Any) -> bool:
    """Return whether a value out of a file has the type of a field."""
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    # A whole number may stand for a float, and True for no number.
    allowed = {*kinds, *((int,) if float in kinds else ())}
    return type(value) in allowed
