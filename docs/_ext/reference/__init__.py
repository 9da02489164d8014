"""The reference, read from the code before every build: a Markdown page per name, command and plugin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reference.api import api_pages
from reference.commands import command_pages
from reference.files import encodings_page, errors_page, formats_page, model_file_page
from reference.plugins import backend_pages, formulation_pages

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def pages() -> dict[str, str]:
    """All pages: path below `reference`, without its suffix -> Markdown.

    Example:
        >>> "backends/pt" in pages()
        True
    """
    return {
        **api_pages(),
        **command_pages(),
        **backend_pages(),
        **formulation_pages(),
        "formats": formats_page(),
        "encodings": encodings_page(),
        "errors": errors_page(),
        "model-file": model_file_page(),
    }


def write_pages(app: Sphinx) -> None:
    """Write the pages; those of names that are gone are removed, and equal ones are not read anew."""
    folder = Path(app.srcdir) / "reference"
    made = {folder / f"{name}.md": text for name, text in pages().items()}
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    for path in set(folder.glob("*/*.md")) - made.keys():
        path.unlink()


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
