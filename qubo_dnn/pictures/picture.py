"""Pictures as data, independent of the library that draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Value = float | int | str | None


@dataclass(frozen=True)
class Series:
    """One series of marks.

    Attributes:
        name: name in the legend; an empty series name does not appear there.
        x, y: coordinates, equally many; None interrupts a line.
        kind: type of the marks; "steps" is a line that stays at a value until the next.
        colors: one number per mark, mapped to a colour; None uses one colour for all.
        texts: one text per mark, shown at the mouse pointer.
        faint: draw in grey, behind the other series.
        ring: draw points as large rings, around marks of other series.

    Example:
        >>> energies = Series("energy", x=[1, 2, 3], y=[4.0, 2.5, 2.0])
        >>> energies.kind
        'line'
    """

    name: str
    x: Sequence[Value]
    y: Sequence[Value]
    kind: Literal["line", "steps", "bars", "points"] = "line"
    colors: Sequence[float] | None = None
    texts: Sequence[str] | None = None
    faint: bool = False
    ring: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture with a title and one or more series on common axes.

    Attributes:
        name: name of its file, without extension.
        title: title above the picture.
        x, y: labels of the axes, with units. If both are empty, the picture has no axes and equal scales, like a map.
        series: at least one series.
        log_x, log_y: use a logarithmic axis.
        note: a sentence below the picture that explains it.

    Example:
        >>> picture = Picture("energy", "Energy", "sweep", "energy", [Series("", [1, 2], [4.0, 2.5])], log_x=True)
        >>> picture.series[0].y
        [4.0, 2.5]
    """

    name: str
    title: str
    x: str
    y: str
    series: Sequence[Series]
    log_x: bool = False
    log_y: bool = False
    note: str = ""
