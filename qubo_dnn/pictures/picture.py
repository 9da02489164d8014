"""What a picture shows, whatever draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Value = float | int | str | None


@dataclass(frozen=True)
class Series:
    """One set of marks.

    Attributes:
        name: for the legend; empty leaves it out.
        x, y: as many of both; None in a line ends a stroke.
        kind: how they are drawn.
        colors: a number per mark that stands for a colour, in place of one colour for all.
        texts: one per mark, shown beneath the pointer.
        faint: drawn in grey, behind the others.
    """

    name: str
    x: Sequence[Value]
    y: Sequence[Value]
    kind: Literal["line", "bars", "points"] = "line"
    colors: Sequence[float] | None = None
    texts: Sequence[str] | None = None
    faint: bool = False


@dataclass(frozen=True)
class Picture:
    """A titled set of series over common axes.

    Attributes:
        name: of its file, without an ending.
        title: above it.
        x, y: what the axes show, with units; both empty draws no axes, at equal scales, as for a map.
        series: at least one.
        log_x: whether the x axis is logarithmic.
        note: a sentence below it that says what to see.
    """

    name: str
    title: str
    x: str
    y: str
    series: Sequence[Series]
    log_x: bool = False
    note: str = ""
