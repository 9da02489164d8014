"""A page as data: sections of tables, charts and texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Table:
    """Rows with a caption.

    Attributes:
        caption: what the rows are.
        rows: rows of values; see `qubo_dnn.reports.text.shown` for how they are written. The first names the row.
        columns: titles; none if each row is a name and a value.
        note: a sentence below the table.
        folded: show the table only when it is asked for.

    Example:
        >>> Table("Answer", [("objective", -3.0)]).columns
        ()
    """

    caption: str
    rows: Sequence[Sequence[Any]]
    columns: Sequence[str] = ()
    note: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Chart:
    """A chart of plotly, and the same as a table for those who cannot see it.

    Attributes:
        name: its id on the page; charts of equal names get different ones.
        title: title above the chart.
        figure: "data" and "layout" of plotly as plain data; labels in them are made by `qubo_dnn.reports.text.label`.
        height: in pixels.
        table: the data.
        note: a sentence below the chart that explains it.

    Example:
        >>> from qubo_dnn.reports.charts import bars
        >>> bars("bytes", "Bytes", "bytes", ["conv1"], {"file": [120]}).figure["data"][0]["x"]
        [120]
    """

    name: str
    title: str
    figure: Mapping[str, Any]
    height: int
    table: Table
    note: str = ""


@dataclass(frozen=True)
class Text:
    """A paragraph, or lines of code.

    Attributes:
        text: the text.
        code: True shows it as typed.

    Example:
        >>> Text("qubo-dnn solve model.lp", code=True).code
        True
    """

    text: str
    code: bool = False


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        name: its id on the page, of letters, digits and hyphens.
        title: title, also in the list of contents.
        parts: what it has; a section without parts is left out.

    Example:
        >>> Section("answer", "Answer", [Table("Answer", [("objective", -3.0)])]).title
        'Answer'
    """

    name: str
    title: str
    parts: Sequence[Table | Chart | Text]


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        title: title of the page.
        verdict: the most important sentence, below the title.
        sections: sections, in this order.
        notices: what a reader has to know first: an interruption, a warning.
        absent: what a reader may miss, and why it is not there.

    Example:
        >>> page = Page("Run", "It is optimal.", [Section("answer", "Answer", [Text("a and b")])])
        >>> page.absent
        {}
    """

    title: str
    verdict: str
    sections: Sequence[Section]
    notices: Sequence[str] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
