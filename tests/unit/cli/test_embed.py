"""`qubo-dnn embed` from the command line, and its page in a browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import networkx as nx
import pytest

from qubo_dnn.cli.main import main

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
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        if os.environ.get("CI"):
            pytest.fail("CI has to bring a browser: apt-get install chromium")
        pytest.skip("there is no chromium")
    page = tmp_path / "e.html"
    assert main([*EMBED, "--scan", "--html", str(page)]) == 0
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
    quiet = ("--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--virtual-time-budget=20000")
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    seen = subprocess.run(
        [browser, *options, *quiet, profile, "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert "CONSOLE" not in seen.stderr, seen.stderr
    figures = re.findall(r'<div id="([\w-]+)"[^>]*class="[^"]*js-plotly-plot', seen.stdout)
    names = ["chain-lengths", "coefficients", "breaks", "energies", "scan-breaks", "scan-energies", "map"]
    assert figures == names
    # Every figure has its marks, not only its frame.
    for name in names:
        drawn = seen.stdout.split(f'<div id="{name}"')[1].split("<h2>")[0]
        assert drawn.count("<path") > 2, name
    assert "src=" not in re.sub(r"<script.*?</script>", "", page.read_text(), flags=re.DOTALL)
