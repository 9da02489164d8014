"""Code blocks of the README and the pages of the site that are written by hand."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Written at every build, by tools that have tests of their own, or from files of `bench`.
_GENERATED = ("_build", "tutorials", "gallery", "benchmarks/results", "reference")
_FENCE = re.compile(r"(?:<!-- not run: ([^>]+) -->\n)?( *)```([^\n`]*)\n(.*?\n)\2```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One block of a page.

    Attributes:
        page: its file, from the root.
        line: line of the first line of code, from 1.
        language: word after the fence.
        code: its text.
        reason: why it is not run; None if it is.
    """

    page: str
    line: int
    language: str
    code: str
    reason: str | None


def pages() -> list[Path]:
    """The README and every page written by hand."""
    folder = ROOT / "docs"
    parts = [path for path in sorted(folder.rglob("*.md")) if not _is_generated(path.relative_to(folder))]
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *parts]


def _is_generated(path: Path) -> bool:
    named = path.as_posix()
    return named.startswith(_GENERATED) and named != "reference/index.md" and named != "reference/result-files.md"


def blocks(path: Path) -> Iterator[Block]:
    """The blocks of a page, in order; directives such as `{toctree}` are none."""
    text = path.read_text()
    for found in _FENCE.finditer(text):
        reason, _, language, code = found.groups()
        if language.startswith("{"):
            continue
        line = text.count("\n", 0, found.start(4)) + 1
        yield Block(path.relative_to(ROOT).as_posix(), line, language, textwrap.dedent(code), reason)


def commands(code: str) -> list[str]:
    """The lines of a shell block, continued ones joined, without comments."""
    joined = code.replace("\\\n", " ")
    return [line for line in (re.sub(r"\s+#.*", "", each).strip() for each in joined.splitlines()) if line]
