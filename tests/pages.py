"""What every page has to keep, read from its HTML or in a browser."""

from __future__ import annotations

import html
import importlib.resources
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

# Plotly's own code and the style have no part in the structure.
_CODE = re.compile(r"<(script|style)>.*?</\1>", re.DOTALL)
_LIMIT = 2_000_000
# A label that an HTML page, a chart of plotly, a terminal and rich would each take for an instruction.
NASTY = "<script>alert(1)</script><b>&lt;i&gt;[red]\x1b[31m\u202eevil'\""


class Structure(HTMLParser):
    """Elements of a page with their attributes, and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(_CODE.sub("", text))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def named(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def figures(text: str) -> list[dict[str, Any]]:
    """The charts of a page."""
    found = re.search(r'<script type="application/json" id="page-figures">(.*?)</script>', text, re.DOTALL)
    drawn: list[dict[str, Any]] = [] if found is None else json.loads(found[1])
    return drawn


def checked_page(path: Path) -> Structure:
    """The structure of a page that is self-contained and small, with landmarks, headings and names in place."""
    text = path.read_text()
    page = Structure(text)
    tags = [tag for tag, _ in page.elements]
    assert [tags.count(tag) for tag in ("header", "nav", "main", "footer", "h1", "title")] == [1] * 6
    assert page.named("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    referred = [attributes[key] for _, attributes in page.elements for key in ("aria-labelledby",) if key in attributes]
    inside = [str(each["href"])[1:] for each in page.named("a")]
    assert set(referred) | set(inside) <= set(ids)
    assert all(str(each["href"]).startswith("#") for each in page.named("a"))
    assert tags.count("caption") == tags.count("table")
    assert all("scope" in each for each in page.named("th"))
    assert not re.search(r"<th[^>]*>\s*</th>", text)
    # Nothing is loaded: no address, but for an empty icon.
    assert [each["href"] for each in page.named("link")] == ["data:,"]
    assert not page.named("img", "iframe", "object", "embed", "base", "form")
    assert not any("src" in each for _, each in page.elements)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    library = max(map(len, re.findall(r"<script>(.*?)</script>", text, re.DOTALL)), default=0)
    assert text.count("plotly.js v") <= 1
    assert len(text.encode()) - library < _LIMIT
    for drawn in figures(text):
        (element,) = (each for _, each in page.elements if each.get("id") == drawn["name"])
        assert element["role"] == "img"
        assert element["aria-label"]
    return page


def check_figures(path: Path) -> list[str]:
    """Names of the charts of a page, which plotly accepts."""
    graphs = pytest.importorskip("plotly.graph_objects")
    drawn = figures(path.read_text())
    for figure in drawn:
        graphs.Figure(data=figure["data"], layout=figure["layout"])
    return [figure["name"] for figure in drawn]


def opened(page: Path, folder: Path) -> str:
    """The document of a page in a browser that had nothing to complain of, with every chart drawn, light and dark."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        if os.environ.get("CI"):
            pytest.fail("CI has to bring a browser: apt-get install chromium")
        pytest.skip("there is no chromium")
    names = [figure["name"] for figure in figures(page.read_text())]
    seen = ""
    for look in ("--window-size=1280,900", "--window-size=500,900 --blink-settings=preferredColorScheme=0"):
        copy = folder / "examined.html"
        copy.write_text(page.read_text().replace("</body>", f"{_examination()}</body>"))
        seen = _dumped(browser, copy, folder, look.split())
        assert re.findall(r'<div id="([\w-]+)"[^>]*class="[^"]*js-plotly-plot', seen) == names
        for name in names:
            # Every figure has its marks, not only its frame; a heatmap's are an image.
            drawn = seen.split(f'<div id="{name}"')[1].split("<details")[0]
            assert drawn.count("<path") > 2 or "<image" in drawn, name
        (said,) = re.findall(r'<pre id="examined">(.*?)</pre>', seen, re.DOTALL)
        found = json.loads(html.unescape(said))
        assert found == {"dark": "preferredColorScheme" in look, "violations": [], "wider": 0}
    return seen.split("<script>/*! axe")[0]


def _dumped(browser: str, page: Path, folder: Path, look: list[str]) -> str:
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
    quiet = ("--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--virtual-time-budget=60000")
    seen = subprocess.run(
        [browser, *options, *quiet, *look, f"--user-data-dir={folder / 'profile'}", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    # The policy of the page makes the browser complain of every request, and of code that is made from text.
    assert "CONSOLE" not in seen.stderr, seen.stderr
    return seen.stdout


def _examination() -> str:
    """A script that writes what axe-core finds at the end of the page, and how much wider than the window that is."""
    axe = Path(str(importlib.resources.files("axe_core_python") / "axe.min.js")).read_text()
    return f"<script>{axe}</script><script>{_EXAMINE}</script>"


# With all tables open. Charts are drawn at once, so that a moment is enough.
_EXAMINE = """
setTimeout(function () {
  document.querySelectorAll("details").forEach(function (each) { each.open = true; });
  axe.run().then(function (found) {
    var said = document.createElement("pre"), root = document.documentElement;
    said.id = "examined";
    said.textContent = JSON.stringify({
      dark: matchMedia("(prefers-color-scheme: dark)").matches,
      violations: found.violations.map(function (each) { return [each.id, each.nodes[0].html]; }),
      wider: root.scrollWidth - root.clientWidth
    });
    document.body.append(said);
  });
}, 1000);
"""
