"""Which format a file is read as: what the user says, or else its name, or else its content."""

from __future__ import annotations

from pathlib import Path

import pytest

from qubo_dnn.errors import FileFormatError, OptionError
from qubo_dnn.files.formats import choose, get_format, guess, read_instance, read_model

TOUR = "TYPE: TSP\nDIMENSION: 1\nEDGE_WEIGHT_TYPE: EUC_2D\nNODE_COORD_SECTION\n1 0 0\nEOF\n"


def written(folder: Path, text: str, name: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_formats_are_guessed_by_name_and_else_by_content(tmp_path: Path) -> None:
    assert guess(written(tmp_path, "", "x.QUBO.gz")).name == "qubo"
    assert guess(written(tmp_path, "3 1\n1 2 4\n", "G99.txt")).name == "gset"
    assert guess(written(tmp_path, "2\n0 1 1 0\n0 3 4 0\n", "nug2.dat")).name == "qaplib"
    with pytest.raises(FileFormatError, match="neither its name nor its content"):
        guess(written(tmp_path, "Dear all\n", "letter.txt"))
    assert guess(written(tmp_path, "2 1\n1 2 4\n", "x.sparse")).name == "biqmac"
    assert guess(written(tmp_path, "1\n2 1\n1 2 4\n", "x.sparse")).name == "bqp"
    assert guess(written(tmp_path, "2 2\n1 1 3\n1 2 4\n", "x.txt")).name == "biqmac"
    several = written(tmp_path, "2\n2 1\n1 2 4\n2 1\n1 1 1\n", "bqp2.txt")
    assert (guess(several).name, guess(several.with_name("bqp2.txt#2")).name) == ("bqp", "bqp")
    with pytest.raises(FileFormatError, match="No such file"):
        guess(tmp_path / "missing.txt")
    with pytest.raises(OptionError, match="did you mean 'gset'"):
        get_format("gsett")


def test_what_the_user_says_decides_and_what_is_guessed_is_known(tmp_path: Path) -> None:
    path = written(tmp_path, "3 1\n1 2 4\n", "x.col")
    assert choose(path, "gset").format.name == "gset"
    assert not choose(path, "gset").by_content
    assert not choose(path).by_content
    assert choose(written(tmp_path, "3 1\n1 2 4\n", "x.txt")).by_content
    both = written(tmp_path, "1\n1 0\n", "x.dat")
    with pytest.raises(FileFormatError, match="could be of the formats qaplib, bqp; say which with --format"):
        choose(both)
    assert choose(both, "bqp").format.name == "bqp"


def test_a_graph_can_be_in_either_format(tmp_path: Path) -> None:
    graphs = ("gset", "dimacs-graph")
    named = written(tmp_path, "p edge 2 1\ne 1 2\n", "a.col")
    assert read_instance(named, graphs).number_of_edges() == 1
    with pytest.raises(FileFormatError, match="is a qubo file by its name, not a Gset graph or DIMACS graph"):
        read_instance(written(tmp_path, "p qubo 0 1 1 0\n0 0 1\n", "a.qubo"), graphs)
    with pytest.raises(OptionError, match="'qaplib' cannot be used here, but gset or dimacs-graph"):
        read_instance(named, graphs, "qaplib")
    twice = written(tmp_path, "4 3\n1 2 1\n2 1 1\n2 3 -2\n3 4 5\n", "twice.txt")
    with pytest.raises(FileFormatError, match=r"twice\.txt:3: the edge of 2 and 1 occurs twice \(read as gset"):
        read_instance(twice, graphs)


def test_an_instance_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="holds no model; name a formulation"):
        read_model(written(tmp_path, TOUR, "burma.tsp"))
    with pytest.raises(FileFormatError, match="no number can be asked for"):
        read_model(written(tmp_path, "p qubo 0 1 1 0\n0 0 1\n", "a.qubo").with_name("a.qubo#2"))
