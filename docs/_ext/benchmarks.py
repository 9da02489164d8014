"""The committed pages of `bench/` become pages of the site, so that its figures are those of the results."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"(!?\[[^\]]*\])\(([^)#:]+)\)")


def pages() -> dict[str, Path]:
    """Names of the site's pages and the files of results that they show.

    Example:
        >>> pages()["qaoa"].relative_to(ROOT).as_posix()
        'bench/qaoa/README.md'
    """
    files = sorted([*ROOT.glob("bench/**/README.md"), *ROOT.glob("bench/**/further.md")])
    return {_name(path): path for path in files}


def _name(path: Path) -> str:
    parts = [part for part in path.relative_to(ROOT / "bench").parent.parts if part != "results"]
    return "-".join(parts if path.stem == "README" else [*parts, path.stem])


def _rewritten(text: str, source: Path, folder: Path) -> str:
    """Links between results become links between pages; pictures are taken from where they lie, data are named."""
    targets = {path.resolve(): name for name, path in pages().items()}

    def link(found: re.Match[str]) -> str:
        label, target = found.groups()
        path = (source.parent / target).resolve()
        if path in targets:
            return f"{label}({targets[path]}.md)"
        if label.startswith("!"):
            return f"{label}({os.path.relpath(path, folder)})"
        return f"{label[1:-1]} (`{path.relative_to(ROOT).as_posix()}`)"

    return _LINK.sub(link, text)


def _dated(source: Path) -> str:
    """Where the figures are kept, and since when; a clone without its history cannot tell."""
    asked = ["git", "-C", str(ROOT), "log", "-1", "--format=%as", "--", str(source)]
    shallow = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--is-shallow-repository"], capture_output=True, text=True, check=False
    )
    found = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    since = f", last changed on {found}" if found and shallow.stdout.strip() == "false" else ""
    return f"*The figures lie in `{source.parent.relative_to(ROOT).as_posix()}`{since}.*"


def write_pages(app: Sphinx) -> None:
    """Write a page for every file of results into `benchmarks/results`."""
    folder = Path(app.srcdir) / "benchmarks" / "results"
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in pages().items():
        title, _, rest = _rewritten(source.read_text(), source, folder).partition("\n")
        if name in _TITLES:
            title = f"# {_TITLES[name]}"
        (folder / f"{name}.md").write_text(f"{title}\n\n{_dated(source)}\n{rest}")


# Pages of one command with different arguments have the same heading.
_TITLES = {
    "compression": "ResNet-20 at 2 to 4 bits",
    "solvers": "Parallel tempering beside other samplers",
    "solvers-further": "Parallel tempering: scaling, constraints, small models",
    "solvers-g22": "Parallel tempering on G22, 30 seeds",
    "solvers-whole": "Parallel tempering: flips of long runs",
}


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
