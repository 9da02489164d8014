from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import dimod
import pytest

from qubo_dnn.errors import FileFormatError, FormulationError, OptionError, UnknownFormulationError
from qubo_dnn.files.common.model import ConstrainedModel, Model
from qubo_dnn.files.formats import write_model
from qubo_dnn.loading import load_model, load_problem

GRAPH = "3 2\n1 2 4\n2 3 -1\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "G.txt").write_text(GRAPH)
    (tmp_path / "g.txt.gz").write_bytes(gzip.compress(GRAPH.encode(), mtime=0))
    (tmp_path / "nug.dat").write_text("2\n0 1\n1 0\n0 3\n4 0\n")
    (tmp_path / "items.json").write_text(json.dumps({"values": [3, 4], "weights": [1, 2], "capacity": 2}))
    write_model(Model(dimod.BinaryQuadraticModel({"a": 1.0}, {}, 0.5, dimod.SPIN), "max"), tmp_path / "m.coo")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "formulation", "variables", "sense"),
    [
        ("G.txt", "max-cut", 3, "max"),
        ("g.txt.gz", "max-cut", 3, "max"),
        ("maximum-independent-set:G.txt", "maximum-independent-set", 3, "max"),
        ("nug.dat", "quadratic-assignment", 4, "min"),
        ("quadratic-assignment:nug.dat", "quadratic-assignment", 4, "min"),
        ("knapsack:items.json", "knapsack", 2, "max"),
        ("m.coo", None, 1, "max"),
        ("travelling-salesman", "travelling-salesman", 16, "min"),
    ],
)
@pytest.mark.usefixtures("here")
def test_a_word_stands_for_a_problem(text: str, formulation: str | None, variables: int, sense: str) -> None:
    loaded = load_problem(text)
    assert (loaded.formulation, len(loaded.problem.variables), loaded.problem.sense) == (formulation, variables, sense)


@pytest.mark.usefixtures("here")
def test_parameters_stand_beside_what_a_file_has_or_replace_it() -> None:
    assert len(load_problem("graph-coloring:G.txt", {"colors": "2"}).problem.variables) == 8
    assert load_problem("knapsack:items.json", {"capacity": "3"}).problem.constraints["capacity"].rhs == 3.0


@pytest.mark.usefixtures("here")
def test_the_sense_of_a_model_can_be_said() -> None:
    maximised, minimised = load_problem("m.coo").problem, load_problem("m.coo", sense="min").problem
    assert (maximised.sense, minimised.sense) == ("max", "min")
    for value, energy in ((0, -0.5), (1, 1.5)):
        assert maximised.decode({"a": value}).objective == minimised.decode({"a": value}).objective == energy
    assert maximised.decode({"a": 0}).value == {"a": -1}


@pytest.mark.parametrize(
    ("text", "parameters", "error", "words"),
    [
        ("max-ct", {}, UnknownFormulationError, "did you mean 'max-cut'"),
        ("max-ct:G.txt", {}, UnknownFormulationError, "did you mean 'max-cut'"),
        ("missing.txt", {}, FileFormatError, "missing.txt: cannot be read"),
        ("max-cut:missing.txt", {}, FileFormatError, "missing.txt: cannot be read"),
        ("quadratic-assignment:G.txt", {}, FileFormatError, "two 3 x 3 matrices"),
        ("number-partitioning:G.txt", {}, FileFormatError, "reads .json files only"),
        ("knapsack:odd.json", {}, FileFormatError, "no argument 'capacty'; did you mean 'capacity'"),
        ("knapsack:list.json", {}, FileFormatError, "is not a JSON object"),
        ("knapsack:broken.json", {}, FileFormatError, "is not JSON"),
        ("knapsack", {"capacity": "3"}, OptionError, "needs values, weights"),
        ("knapsack:items.json", {"size": "3"}, OptionError, "no parameter 'size'"),
        ("knapsack:negative.json", {}, FormulationError, "the capacity is -1"),
        ("m.coo", {"a": "1"}, OptionError, "holds a model, which has no parameters"),
    ],
)
def test_what_is_neither_is_refused(
    here: Path, text: str, parameters: dict[str, str], error: type[Exception], words: str
) -> None:
    (here / "odd.json").write_text('{"capacty": 3}')
    (here / "list.json").write_text("[]")
    (here / "broken.json").write_text("{")
    (here / "negative.json").write_text('{"values": [1], "weights": [1], "capacity": -1}')
    with pytest.raises(error) as caught:
        load_problem(text, parameters)
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["G.col", "max-cut:G.col", "G.col.gz", "max-cut:G.col.gz"])
def test_the_format_that_is_said_decides(here: Path, text: str) -> None:
    (here / "G.col").write_text(GRAPH)
    (here / "G.col.gz").write_bytes(gzip.compress(GRAPH.encode(), mtime=0))
    loaded = load_problem(text, format_name="gset")
    assert (loaded.format, len(loaded.problem.variables), loaded.problem.objective.num_interactions) == ("gset", 3, 2)
    cut = load_model(text, "gset")
    assert isinstance(cut, Model)
    assert cut.bqm.energy({"x[0]": 1, "x[1]": 0, "x[2]": 0}) == -4.0
    with pytest.raises(FileFormatError, match=":1: not a line of a DIMACS graph"):
        load_problem(f"max-cut:{text.rpartition(':')[2]}")


def test_json_is_a_format_like_others(here: Path) -> None:
    (here / "items.txt").write_text((here / "items.json").read_text())
    (here / "graph.json").write_text(GRAPH)
    assert load_problem("knapsack:items.txt", format_name="json").problem.constraints["capacity"].rhs == 2.0
    assert load_problem("max-cut:graph.json", format_name="gset").format == "gset"
    assert load_problem("knapsack:items.json").format == "json"


@pytest.mark.parametrize(
    ("text", "said"),
    [("G.txt", ["G.txt: read as gset"]), ("nug.dat", ["nug.dat: read as qaplib"]), ("m.coo", []), ("knapsack", [])],
)
@pytest.mark.usefixtures("here")
def test_what_is_guessed_is_said(text: str, said: list[str]) -> None:
    lines: list[str] = []
    load_problem(text, say=lines.append)
    assert lines == said
    lines.clear()
    load_model(text, say=lines.append)
    assert lines == said


@pytest.mark.parametrize(
    ("text", "format_name", "error", "words"),
    [
        ("max-cut:G.txt", "qaplib", OptionError, "'max-cut' reads the formats gset, dimacs-graph, json, not 'qaplib'"),
        ("max-cut:G.txt", "gsett", OptionError, "did you mean 'gset'"),
        ("quadratic-assignment:nug.dat", "gset", OptionError, "reads the formats qaplib, json, not 'gset'"),
        ("max-cut", "gset", OptionError, "names no file"),
        ("items.json", None, FileFormatError, "say which, as in knapsack:items.json"),
        ("G.txt", "json", FileFormatError, "say which, as in knapsack:G.txt"),
        ("G.txt", "qaplib", FileFormatError, "two 3 x 3 matrices"),
    ],
)
@pytest.mark.usefixtures("here")
def test_formats_that_do_not_apply_are_refused(
    text: str, format_name: str | None, error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        load_problem(text, format_name=format_name)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("formulation", "data"),
    [
        ("max-cut", {"graph": 3}),
        ("max-cut", {"graph": [1, 2]}),
        ("max-cut", {"graph": [[1, 2], [2, [3]]]}),
        ("max-sat", {"clauses": 3}),
        ("max-sat", {"clauses": [["a"]]}),
        ("max-sat", {"clauses": [[1.5]]}),
        ("max-sat", {"clauses": [[1]], "variables": "a"}),
        ("quadratic-knapsack", {"profits": [[1]], "weights": [1], "capacity": 1, "exact": "no"}),
        ("set-cover", {"sets": 3}),
    ],
    ids=str,
)
def test_data_of_the_wrong_kind_are_refused_in_one_line(here: Path, formulation: str, data: dict[str, Any]) -> None:
    (here / "wrong.json").write_text(json.dumps(data))
    with pytest.raises(FormulationError) as caught:
        load_problem(f"{formulation}:wrong.json")
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("here")
def test_a_formulation_knows_its_sense() -> None:
    with pytest.raises(OptionError, match="has a fixed sense"):
        load_problem("G.txt", sense="min")


@pytest.mark.usefixtures("here")
def test_instances_become_models_where_penalties_are_known_and_programs_elsewhere() -> None:
    cut, assignment, knapsack = (load_model(text) for text in ("G.txt", "nug.dat", "knapsack:items.json"))
    assert isinstance(cut, Model)
    assert isinstance(assignment, Model)
    assert cut.bqm.energy({"x[0]": 1, "x[1]": 0, "x[2]": 0}) == -4.0
    assert isinstance(knapsack, ConstrainedModel)
    assert list(knapsack.cqm.constraints) == ["capacity"]
    plain = load_model("m.coo")
    assert isinstance(plain, Model)
    assert plain.sense == "max"
