"""The notebook runs, and shows what it showed when it was saved."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

TUTORIAL = Path(__file__).parents[2] / "examples" / "tutorial.ipynb"


def values(cell: Any) -> list[str]:
    """The values that a cell shows; progress, which has seconds, and pictures are not among them."""
    results = [each for each in cell.get("outputs", []) if each.output_type == "execute_result"]
    shown = [each["data"]["text/plain"] for each in results]
    return [text for text in shown if " object at 0x" not in text]


@pytest.mark.slow
def test_the_tutorial_shows_what_it_says(tmp_path: Path) -> None:
    saved = nbformat.read(TUTORIAL, as_version=4)
    run = copy.deepcopy(saved)
    NotebookClient(run, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
    codes = [cell for cell in saved.cells if cell.cell_type == "code"]
    assert all(cell.execution_count == number for number, cell in enumerate(codes, 1)), "saved after a run from the top"
    assert [values(cell) for cell in run.cells] == [values(cell) for cell in saved.cells]
