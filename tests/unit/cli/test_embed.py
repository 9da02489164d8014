"""`qubo-dnn embed` from the command line, and its page in a browser."""

from __future__ import annotations

import json
from pathlib import Path

import networkx as nx
import pytest

from qubo_dnn.cli.main import main
from tests.pages import check_figures, checked_page, opened

EMBED = ["embed", "knapsack", "--inequalities", "slack", "--no-presolve", "--target", "pegasus:3", "--reads", "5"]


def test_figures_go_to_the_terminal_and_to_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*EMBED, "--json", str(tmp_path / "e.json")]) == 0
    printed = capsys.readouterr().out
    found = json.loads((tmp_path / "e.json").read_text())
    assert found["fits"] is True
    assert printed.rstrip().endswith(found["verdict"])
    for text in ("largest clique", "longest chain", "chain strength", "bits", "QPU access time", "broken chains"):
        assert text in printed
    assert main([*EMBED, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["source"] == "knapsack"


def test_an_embedding_is_saved_and_used_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "chains.json"
    assert main([*EMBED, "--save-embedding", str(path)]) == 0
    capsys.readouterr()
    assert main([*EMBED, "--embedding", str(path), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["embedding"]["embedder"] == str(path)
    assert main([*EMBED, "--embedding", str(tmp_path / "none.json")]) == 10


def test_what_does_not_fit_is_reported_and_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = nx.complete_graph(40)
    lines = [f"{len(graph)} {graph.number_of_edges()}", *(f"{u + 1} {v + 1} 1" for u, v in graph.edges)]
    (tmp_path / "k40.gset").write_text("\n".join(lines))
    arguments = ["embed", f"max-cut:{tmp_path}/k40.gset", "--target", "pegasus:4", "--json", str(tmp_path / "e.json")]
    assert main(arguments) == 16
    assert "the largest clique of this graph has 36 variables" in capsys.readouterr().err
    assert json.loads((tmp_path / "e.json").read_text())["fits"] is False


@pytest.mark.parametrize(
    "options",
    [
        ["--target", "torus:3"],
        ["--defects", "1"],
        ["--embedder", "layout"],
        ["--time-limit", "0"],
        ["--chain-strength", "strong"],
        ["--chain-strength", "-1"],
        ["--sense", "max"],
    ],
)
def test_bad_options_are_refused(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*EMBED, *options]) == 3
    assert capsys.readouterr().err.count("error: ") == 1


@pytest.mark.slow
def test_the_page_opens_in_a_browser_with_every_figure_drawn(tmp_path: Path) -> None:
    page = tmp_path / "e.html"
    assert main([*EMBED, "--scan", "--report", str(page)]) == 0
    names = ["chain-lengths", "coefficients", "breaks", "energies", "scan-breaks", "scan-energies", "map"]
    assert check_figures(page) == names
    checked_page(page)
    opened(page, tmp_path)


def test_the_page_of_what_does_not_fit_says_so(tmp_path: Path) -> None:
    page = tmp_path / "e.html"
    assert main(["embed", "knapsack", "--inequalities", "slack", "--target", "chimera:1", "--report", str(page)]) == 16
    text = checked_page(page).text
    assert "does not fit: " in text
    assert "chains, coefficients and emulated reads: there is no embedding" in text
    assert check_figures(page) == []
