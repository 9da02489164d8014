"""Whatever is typed, a command ends with an answer or with one readable line, never with an internal error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.core import TyperGroup
from typer.main import get_command

from qubo_dnn.cli.main import app, main
from tests.drawn import drawn

pytestmark = pytest.mark.slow

# Every one is right, and quick; what is wrong takes the place of one of its words, or is added as an option.
LINES = {
    "solve": "solve model.lp --backend steepest-descent --num-reads 2",
    "compare": "compare model.lp --backend steepest-descent --time-limit 0.01 --seeds 1",
    "convert": "convert model.coo out.coo",
    "embed": "embed model.coo --target chimera:2 --reads 2 --time-limit 1",
    "compress": "compress mine:net --out out --overwrite --budget 6bits --calibration images.npz --granularity layer "
    "--options 0,4 --rounds 1 --rerank 1 --backend steepest-descent --embed-target chimera:2",
    "backends show": "backends show exact",
    "formulations show": "formulations show max-cut",
}
# Where in its line an argument stands.
PLACES = {"source": 1, "network": 1, "name": 2}
FILES = {
    "model.lp": b"max\n obj: x + 2 y\nst\n c: x + y <= 1\nbinary\n x y\nend\n",
    "model.coo": b"# vartype=BINARY\n0 0 -1\n0 1 2\n",
    "graph.gset": b"4 3\n1 2 1\n2 3 -2\n3 4 5\n",
    "empty": b"",
    "bytes": bytes(range(256)),
    "latin": b"caf\xe9\n",
    "list.json": b"[1, 2",
    "mapping.json": b'{"a": 1}',
}
WORDS = [
    *("", " ", "x", "-", "--", "-1", "0", "1", "1.5", "1e999", "nan", "inf", "99999999999999999999999", "None", "[]"),
    *("=", "a=", "=b", "a=b", ":", "::", ":x", "#", "*", ".", "..", "folder", "nowhere/x", "folder/out", "empty/x"),
    *(FILES.keys() - {"x"}),
    *("images.npz", "one.npz", "nan.npz", "good.safetensors", "nan.safetensors", "latency.csv", "odd.csv"),
    *("a\0b", "\udcff", "😀", "x" * 5000, "%s{}[bold]", "a\nb", "model.coo#2", "graph.gset#x", "out.png", "out.xyz"),
    *("pt:", "pt:x", "exact:seed=", "exact:x=1", "max-cut:", "max-cut:folder", "max-cut:bytes", "knapsack:list.json"),
    *("knapsack:mapping.json", "max-cut:graph.gset", "mine", "mine:", "mine:nan", "mine:nothing", "json:loads"),
    *("seed=1", "seed=x", "num_reads=0", "num_reads=1e9", "values=3", "capacity=x", "lp", "gset", "json"),
    *("slack:", "slack:x", "bounded-coefficient:", "bounded-coefficient:x", "bounded-coefficient:-1", "unary"),
    *("pegasus:0", "pegasus:x", "chimera:999999", "zephyr:", "group:0", "group:x", "channel"),
    *(
        "1e400bits",
        "-3bits",
        "nanbits",
        "0%",
        "200%",
        "KB",
        "nan%bops",
        "9%macs",
        "a=60%",
        "0.GBOPs",
        "0=4",
        "0=",
        "0,3",
        "0,0",
    ),
    *("4@", "@50%", "4@500%", "0,4", "first", "last"),
]


def parameters() -> list[tuple[str, Any]]:
    """Every command with each of its arguments and options that take a word."""
    found = []
    for name in LINES:
        command: Any = get_command(app)
        for word in name.split():
            assert isinstance(command, TyperGroup)
            command = command.commands[word]
        found += [(name, each) for each in command.params if not (each.name == "help" or getattr(each, "is_flag", 0))]
    return found


def line(command: str, parameter: Any, word: str) -> list[str]:
    """The command's right line with one word that may be wrong."""
    words, option = LINES[command].split(), parameter.opts[0]
    if parameter.param_type_name == "argument":
        words[2 if command == "convert" and parameter.name == "out" else PLACES[str(parameter.name)]] = word
    elif option in words:
        words[words.index(option) + 1] = word
    else:
        words += [option, word]
    return words


@pytest.mark.parametrize(("command", "parameter"), parameters(), ids=[f"{c}-{p.name}" for c, p in parameters()])
@settings(max_examples=drawn(6), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(word=st.sampled_from(WORDS) | st.text(max_size=8))
def test_any_word_is_taken_or_refused_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str, parameter: Any, word: str
) -> None:
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    (folder / "folder").mkdir(exist_ok=True)
    code = main(line(command, parameter, word))
    said = capsys.readouterr().err
    assert code != 1, said
    assert "internal error" not in said
    assert "Traceback" not in said
