"""Files as other programs write them, from the command line: each gives the value that is right for its format."""

from __future__ import annotations

import gzip
import json
import math
import random
from itertools import product
from pathlib import Path

import pytest

from qubo_dnn.cli.main import main

RUDY = "4 3\n1 2 -7\n2 3 -2\n3 4 5\n"
TWICE = "4 3\n1 2 1\n2 1 1\n2 3 -2\n3 4 5\n"
FILES = {
    "graph.col": RUDY,
    "both.txt": "# every edge in both directions\n4 3\n"
    + "".join(f"{e}\n" for e in ("1 2 -7", "2 1 -7", "3 2 -2"))
    + "2 3 -2\n3 4 5\n4 3 5\n",
    "twice.txt": TWICE,
    "biq.sparse": "3 4\n1 1 3\n2 2 2\n1 2 -2\n2 3 2\n",
    "biq.txt": "3 4\n1 1 3\n2 2 2\n1 2 -4\n3 2 2\n",
    "tiny.qap": "2 14 14\n0, 1\n2, 0\n\n0 3\n4 0\n",
    "tiny.sln": "2 14\n2 1\n",
    "clauses.wcnf": "c hard: exactly one of 1 and 2\nh 1 2 0\nh -1 -2 0\n5 -1 0\n3 -2 0\n4 1 3 0\n",
    "pairs.txt": "pairs\n3\n1 2 3\n10 20\n30\n\n0\n9\n4 5 6\n\nComments\n",
    "exact.qkp": "pairs\n3\n1 2 3\n10 20\n30\n\n1\n10\n4 5 6\n",
    "scaled.qubo": "c scale : 2\nc offset : 1.5\np qubo 0 2 2 1\n0 0 1\n1 1 -3\n0 1 -2\n",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    return tmp_path


@pytest.mark.parametrize(
    ("words", "format_name", "objective"),
    [
        ("graph.col --format gset", "gset", 5.0),
        ("graph.col.gz --format gset", "gset", 5.0),
        ("max-cut:graph.col --format gset", "gset", 5.0),
        ("both.txt", "gset", 5.0),
        # Minimised, with pairs counted twice: 3 - 4 + 2 and 3 - 8 + 2.
        ("biq.sparse", "biqmac", 0.0),
        ("biq.txt.gz", "biqmac", -3.0),
        ("graph.col --format biqmac", "biqmac", -18.0),
        ("tiny.qap", "qaplib", 10.0),
        ("quadratic-assignment:tiny.qap.gz", "qaplib", 10.0),
        ("clauses.wcnf", "dimacs-cnf", 3.0),
        ("max-sat:clauses.wcnf.gz", "dimacs-cnf", 3.0),
        ("pairs.txt", "quadratic-knapsack", 13.0),
        ("quadratic-knapsack:exact.qkp", "quadratic-knapsack", 24.0),
        ("scaled.qubo", "qubo", 2.0 * (1.0 - 3.0 - 2.0 + 1.5)),
    ],
)
@pytest.mark.usefixtures("here")
def test_the_value_is_right(words: str, format_name: str, objective: float) -> None:
    assert main(["solve", *words.split(), "--json", "out.json"]) == 0
    found = json.loads(Path("out.json").read_text())
    assert (found["format"], found["feasible"], found["objective"]) == (format_name, True, objective)


@pytest.mark.usefixtures("here")
def test_a_guessed_format_is_said_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["solve"], ["compare", "--backend", "exact", "--time-limit", "0.01", "--seeds", "1"], ["convert"]):
        target = ["out.coo"] if command == ["convert"] else []
        assert main([*command, "both.txt", *target]) == 0
        assert "both.txt: read as gset" in capsys.readouterr().err.splitlines()
        assert main([*command, "both.txt", *target, "--format", "gset"]) == 0
        assert "read as" not in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_every_command_takes_the_format_that_is_said() -> None:
    assert main(["convert", "graph.col", "out.qubo", "--format", "gset"]) == 0
    assert main(["convert", "max-cut:graph.col", "again.qubo", "--from", "gset"]) == 0
    assert Path("out.qubo").read_text() == Path("again.qubo").read_text()
    compare = ["compare", "graph.col", "--backend", "exact", "--time-limit", "0.01", "--seeds", "1"]
    assert main([*compare, "--format", "gset", "--json", "c.json"]) == 0
    assert json.loads(Path("c.json").read_text())["backends"][0]["best"] == 5.0
    embed = ["embed", "graph.col", "--format", "gset", "--no-presolve", "--target", "pegasus:2", "--reads", "0"]
    assert main([*embed, "--json", "e.json", "--save-embedding", "chains.json"]) == 0
    chains = dict(json.loads(Path("chains.json").read_text())["chains"])
    Path("plain.json").write_text(json.dumps(chains))
    assert main([*embed, "--embedding", "plain.json"]) == 0


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        ("twice.txt --format gset", 10, "error: twice.txt:3: the edge of 2 and 1 occurs twice"),
        ("max-cut:twice.txt", 10, "error: twice.txt:3: the edge of 2 and 1 occurs twice (read as gset"),
        ("twice.txt", 10, "as gset up to line 3"),
        ("graph.col", 10, "graph.col:1: not a line of a DIMACS graph"),
        ("quadratic-assignment:tiny.sln", 10, "is a solution of a QAPLIB problem"),
        ("tiny.sln", 10, "is a solution of a QAPLIB problem"),
        ("max-cut:pairs.txt --format quadratic-knapsack", 3, "reads the formats gset, dimacs-graph, json, not"),
    ],
)
@pytest.mark.usefixtures("here")
def test_what_is_wrong_is_one_line(words: str, code: int, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", *words.split()]) == code
    assert text in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("seed", range(8))
def test_hard_clauses_of_2022_are_kept_and_the_rest_is_least(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    clauses = [
        (
            rng.choice((math.inf, rng.randint(1, 9))),
            [rng.choice((-1, 1)) * v for v in rng.sample(range(1, 6), 1 + k % 4)],
        )
        for k in range(12)
    ]
    (tmp_path / "c.wcnf").write_text(
        "".join(f"{'h' if w == math.inf else w} {' '.join(map(str, c))} 0\n" for w, c in clauses)
    )
    costs = [
        sum(w for w, clause in clauses if not any(values[abs(v) - 1] == (v > 0) for v in clause))
        for values in product((False, True), repeat=5)
    ]
    assert main(["solve", str(tmp_path / "c.wcnf"), "--backend", "exact", "--json", str(tmp_path / "out.json")]) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["feasible"] == math.isfinite(min(costs))
    if found["feasible"]:
        assert found["objective"] == min(costs)
