"""Tutorials and gallery: a page for every problem, and a notebook from every script."""

from __future__ import annotations

import ast
import doctest
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from sphinx_gallery.notebook import python_to_jupyter_cli

import order
from qubo_dnn.registry import FORMULATIONS
from reference import plugins
from tests.docs.blocks import ROOT

EXAMPLES = ROOT / "examples"
TUTORIALS, PROBLEMS = EXAMPLES / "tutorials", EXAMPLES / "gallery" / "problems"
APPLICATIONS = EXAMPLES / "gallery" / "applications"
SCRIPTS = sorted(EXAMPLES.rglob("*.py"))
# Networks are compressed by these; tutorials and the pages of applications show that.
OF_NETWORKS = {"pruning-quantization", "aqc-pruning-quantization"}


def lacking(folder: Path) -> list[str]:
    """Formulations of problems that have no page in a folder."""
    pages = {path.stem.replace("_", "-") for path in folder.glob("*.py")}
    return sorted(set(plugins.shipped(FORMULATIONS)) - OF_NETWORKS - pages)


def test_every_problem_has_a_page() -> None:
    assert lacking(PROBLEMS) == []
    assert set(plugins.shipped(FORMULATIONS)) >= OF_NETWORKS


def test_a_problem_without_a_page_is_noticed(tmp_path: Path) -> None:
    for path in PROBLEMS.glob("*.py"):
        shutil.copy(path, tmp_path)
    (tmp_path / "max_cut.py").unlink()
    assert lacking(tmp_path) == ["max-cut"]


@pytest.mark.parametrize("path", sorted(PROBLEMS.glob("*.py")), ids=lambda path: path.stem)
def test_a_page_of_a_problem_is_complete(path: Path) -> None:
    """It links to its formulation, solves, asserts, and draws with a title."""
    name, source = path.stem.replace("_", "-"), path.read_text()
    assert name in plugins.shipped(FORMULATIONS)
    assert f"</reference/formulations/{name}>`" in source
    assert f'formulation="{name}"' in source or f"from qubo_formulations.{path.stem} import" in source
    assert "qd.solve(" in source
    assert any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(source)))
    assert "plt.show()" in source
    assert "set_title(" in source


def test_applications_have_pages() -> None:
    assert {path.stem for path in APPLICATIONS.glob("*.py")} >= {
        *("chain_map", "gap_over_time", "network_report", "pareto_sweep")
    }


def test_tutorials_have_an_order() -> None:
    assert sorted(order.TUTORIALS) == sorted(path.stem for path in TUTORIALS.glob("*.py"))
    assert doctest.testmod(order, extraglobs={"Order": order.Order}).failed == 0


def test_scripts_are_the_only_source() -> None:
    assert {path.suffix for path in EXAMPLES.rglob("*") if path.is_file()} == {".py", ".rst"}


def as_notebook(path: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook that the build makes of a script."""
    copied = shutil.copy(path, folder)
    python_to_jupyter_cli([str(copied)])
    return nbformat.read((folder / path.name).with_suffix(".ipynb"), as_version=4)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_notebook_has_the_code_and_the_text_of_its_script(path: Path, tmp_path: Path) -> None:
    notebook = as_notebook(path, tmp_path)
    nbformat.validate(notebook)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert ast.dump(ast.parse(code)) == ast.dump(ast.Module(ast.parse(path.read_text()).body[1:], []))
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    title = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[0]
    assert re.search(rf"^# {re.escape(title)}$", text, re.MULTILINE)


@pytest.mark.slow
def test_a_notebook_runs(tmp_path: Path) -> None:
    notebook = as_notebook(TUTORIALS / "first_maximum_cut.py", tmp_path)
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert "40 of 45 edges are cut" in shown
    assert "proven to be optimal: True" in shown
