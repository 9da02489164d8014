"""The builder of all pages: one HTML file with everything in it, which opens without a network."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

from qubo_dnn.files.common.output import check_writable, write_atomically
from qubo_dnn.reports.page import Chart, Page, Section, Table, Text
from qubo_dnn.reports.text import shown, visible
from qubo_dnn.support.extras import require

_TEMPLATES = Path(__file__).parent
# Coordinates need no more digits than a screen shows.
_DIGITS = 8


def check_report(path: Path) -> None:
    """Refuse a page that could not be written, before the computation of its content.

    Raises:
        MissingExtraError: the extra `report` is not installed.
        OutputError: the file cannot be written.

    Example:
        >>> check_report(Path("/"))
        Traceback (most recent call last):
        qubo_dnn.errors.OutputError: / cannot be written: it is a folder
    """
    for module in ("jinja2", "plotly"):
        require(module, "report")
    check_writable(path)


def write_page(path: Path, page: Page) -> None:
    """Write a page.

    Raises:
        MissingExtraError: the extra `report` is not installed.
        OutputError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> from qubo_dnn.reports.page import Section
        >>> page = Page("Run", "It is optimal.", [Section("answer", "Answer", [Table("Answer", [("energy", -3)])])])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_page(Path(folder, "run.html"), page)
        ...     print(Path(folder, "run.html").read_text()[:15])
        <!doctype html>
    """
    # Lone surrogates, as of a file name that is no UTF-8, are spelled out by `visible`.
    write_atomically(path, render(page).encode())


def render(page: Page) -> str:
    """Return the HTML of a page.

    Raises:
        MissingExtraError: the extra `report` is not installed.

    Example:
        >>> "<h1>a &lt; b</h1>" in render(Page("a < b", "It is optimal.", []))
        True
    """
    jinja2, markup = require("jinja2", "report"), require("markupsafe", "report").Markup
    sections = _with_ids([section for section in page.sections if section.parts])
    charts = [part for section in sections for part in section.parts if isinstance(part, Chart)]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.filters["shown"] = shown
    macros = environment.get_template("parts.html").module
    numbers = count(1)

    def write(part: Table | Chart | Text) -> Any:
        if isinstance(part, Text):
            return markup("<pre>{}</pre>" if part.code else "<p>{}</p>").format(visible(part.text))
        if isinstance(part, Chart):
            return macros.chart(part, next(numbers))
        return (macros.folded if part.folded else macros.table)(part, next(numbers))

    def source(name: str) -> Any:
        return markup((_TEMPLATES / name).read_text())

    text: str = environment.get_template("page.html").render(
        page=page,
        sections=sections,
        write=write,
        version=version("qubo-dnn"),
        style=source("page.css"),
        script=source("page.js"),
        figures=markup(_json(charts)) if charts else "",
        plotly=markup(require("plotly.offline", "report").get_plotlyjs()) if charts else "",
    )
    return text


def _with_ids(sections: list[Section]) -> list[Section]:
    """Return the sections with ids of charts that occur once, and have letters, digits and hyphens only."""
    taken: set[str] = set()

    def of(part: Table | Chart | Text) -> Table | Chart | Text:
        if not isinstance(part, Chart):
            return part
        plain = re.sub(r"[^A-Za-z0-9]+", "-", part.name)
        name = next(each for n in count(1) if (each := plain if n == 1 else f"{plain}-{n}") not in taken)
        taken.add(name)
        return replace(part, name=name)

    return [replace(section, parts=[of(part) for part in section.parts]) for section in sections]


def _json(charts: list[Chart]) -> str:
    """Return the figures as JSON that can stand in a script: no tag in it can end or begin one."""
    figures = [{"name": chart.name, **_plain(chart.figure)} for chart in charts]
    text = json.dumps(figures, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _plain(value: Any) -> Any:
    """Return plain data: numbers that are not finite become None, others are rounded."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, str | bool) or value is None:
        return value
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
