"""The site that `make docs` has built: no broken link, nothing loaded from elsewhere, no complaint of a browser."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

SITE = Path(os.environ.get("QUBO_DNN_SITE", ""))
pytestmark = pytest.mark.skipif("QUBO_DNN_SITE" not in os.environ, reason="`make docs` builds the site and runs this")
PHONE, DESKTOP = "--window-size=500,900", "--window-size=1280,900"
# Of Sphinx itself: their links are those of the index of names.
_LISTS = ("genindex.html", "py-modindex.html")


class Page(HTMLParser):
    """Links, ids, and what is loaded."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.ids: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids |= {value for key in ("id", "name") if (value := given.get(key))}
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        if tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload"):
            self.loaded.append(str(given["href"]))
        if tag in ("script", "img", "iframe", "source") and given.get("src"):
            self.loaded.append(str(given["src"]))


@cache
def page(path: Path) -> Page:
    return Page(path)


def pages() -> list[Path]:
    return sorted(SITE.rglob("*.html"))


def missing(start: Path, target: str) -> bool:
    """Whether a link from a page leads nowhere."""
    parts = urlsplit(target)
    path = (start.parent / unquote(parts.path)).resolve() if parts.path else start.resolve()
    if not path.is_file():
        return True
    return bool(parts.fragment) and path.suffix == ".html" and unquote(parts.fragment) not in page(path).ids


def test_no_link_is_broken() -> None:
    assert len(pages()) > 100
    broken = [
        (path.relative_to(SITE).as_posix(), target)
        for path in pages()
        if path.name not in _LISTS
        for target in {*page(path).links, *page(path).loaded}
        if not urlsplit(target).scheme and target != "#" and missing(path, target)
    ]
    assert broken == []


def test_a_broken_link_is_noticed() -> None:
    start = SITE / "index.html"
    assert missing(start, "how-to/nothing.html")
    assert missing(start, "how-to/index.html#nothing")
    assert not missing(start, "how-to/index.html")


def test_nothing_is_loaded_from_elsewhere() -> None:
    loaded = {each for path in pages() for each in page(path).loaded}
    assert [each for each in loaded if urlsplit(each).scheme not in ("", "data")] == []


@pytest.mark.parametrize("window", [PHONE, DESKTOP])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("index.html", "State a quadratic binary problem once"),
        ("reference/api/solve.html", "Solve a model of any library"),
        ("explanation/network-as-a-qubo.html", "</math>"),
        ("search.html?q=parallel+tempering", "parallel-tempering.html"),
        ("search.html?q=travelling-salesman", "formulations/travelling-salesman.html"),
    ],
)
def test_a_browser_shows_it_and_does_not_complain(name: str, words: str, window: str, tmp_path: Path) -> None:
    shown = opened(name, window, tmp_path)
    assert words in shown
    if name.startswith("search"):
        assert int(re.findall(r"found (\d+) page", html.unescape(shown))[0]) > 0


@pytest.mark.parametrize("window", [PHONE, DESKTOP])
def test_a_tutorial_opens(window: str, tmp_path: Path) -> None:
    tutorials = [path for path in sorted((SITE / "tutorials").glob("*.html")) if path.stem != "index"]
    shown = opened(tutorials[0].relative_to(SITE).as_posix(), window, tmp_path)
    assert "sphx-glr-download-jupyter" in shown


def opened(name: str, window: str, folder: Path) -> str:
    """The document in a browser, opened as a file; the console has to stay empty."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        if os.environ.get("CI"):
            pytest.fail("CI has to bring a browser: apt-get install chromium")
        pytest.skip("there is no chromium")
    quiet = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
    further = ("--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--virtual-time-budget=20000")
    address = f"{SITE.resolve().as_uri()}/{name}"
    seen = subprocess.run(
        [browser, *quiet, *further, window, f"--user-data-dir={folder / 'profile'}", "--dump-dom", address],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert "CONSOLE" not in seen.stderr, seen.stderr
    return seen.stdout
