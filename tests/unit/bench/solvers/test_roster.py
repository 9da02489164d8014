"""Instances of folders are read in their own sense, with what is known of them."""

from __future__ import annotations

from pathlib import Path

import dimod
import numpy as np
import pytest

from bench.solvers import roster
from bench.solvers.instance import BestKnown
from bench.solvers.roster import best_seen, chosen, generated, read_file, remember, stored
from qubo_dnn.errors import FileFormatError, OptionError, UnsupportedProblemError

QUBO = "p qubo 0 2 2 1\n0 0 3\n1 1 -2\n0 1 4\n"
GSET = "3 2\n1 2 1\n2 3 -2\n"
QAP = "2\n0 3\n3 0\n0 5\n5 0\n"
# Maximise 4 x1 x2 + 3 x1 - 2 x2; with a constraint on x1.
OBJECTIVE = "1\n2 1 4\n0\n2\n1 3\n2 -2\n0\n"
FREE = f"it\nQBN\nmaximize\n2\n{OBJECTIVE}1e30\n" + 6 * "0\n"
BOUND = f"it\nQBL\nmaximize\n2\n1\n{OBJECTIVE}1\n1 1 1\n1e30\n0\n0\n1\n" + 9 * "0\n"
HEADER = "name,file,problem,n,edges_or_terms,best_known,sense,source\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "q.qubo").write_text(QUBO)
    (tmp_path / "g.txt").write_text(GSET)
    (tmp_path / "a.dat").write_text(QAP)
    return tmp_path


def test_a_table_names_the_instances(folder: Path) -> None:
    (folder / "best_known.csv").write_text(
        f"{HEADER}q,deep/q.qubo,small,2,1,5,max,me\ng,g.txt,cut,3,2,1,max,me\na,a.dat,qap,2,,30,min,me\n"
        "palubeckis,generated,dense,1000,,,max,\n"
    )
    makers = stored(folder)
    assert list(makers) == ["q", "g", "a", "palubeckis"]
    q = makers["q"]()
    assert (q.family, q.sense, q.best, q.target) == ("small", "max", BestKnown(5.0, "literature"), -5.0)
    # To be maximised: 3 + 4 - 2 with both.
    assert q.bqm.energy({0: 1, 1: 1}) == -5.0
    g = makers["g"]()
    assert g.value(g.bqm.energy({0: 1, 1: -1, 2: -1})) == 1.0
    assert g.value(g.bqm.energy({0: 1, 1: -1, 2: 1})) == -1.0
    a = makers["a"]()
    assert a.sense == "min"
    assert dimod.ExactSolver().sample(a.bqm).first.energy == pytest.approx(30.0) == a.target
    assert makers["palubeckis"]().family == "dense"


def test_without_a_table_every_file_is_an_instance(folder: Path) -> None:
    makers = stored(folder)
    assert set(makers) == {"a", "g", "q"}
    assert makers["q"]().best is None
    assert makers["q"]().bqm.energy({0: 1, 1: 1}) == 5.0


def test_models_of_qplib_without_constraints_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "it.qplib"
    path.write_text(FREE)
    bqm, sense = read_file(path)
    assert sense == "max"
    assert bqm.energy({0: 1, 1: 1}) == -5.0
    assert bqm.energy({0: 1, 1: 0}) == -3.0
    path.write_text(BOUND)
    with pytest.raises(UnsupportedProblemError, match="has constraints"):
        read_file(path)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("q,deep/q.qubo,small,2,1,5,most,me", "the sense 'most'"),
        ("q,deep/q.qubo,small,2,1,many,max,me", "many"),
        ("q,generated,small,2,1,5,max,me", "q cannot be generated"),
    ],
)
def test_a_table_with_a_fault_is_refused(folder: Path, line: str, text: str) -> None:
    (folder / "best_known.csv").write_text(f"{HEADER}{line}\n")
    with pytest.raises(FileFormatError, match=text):
        stored(folder)


def test_a_folder_without_instances_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(FileFormatError, match="is no folder with instances"):
            stored(folder)


def test_a_table_without_a_column_is_refused(folder: Path) -> None:
    (folder / "best_known.csv").write_text("name,file\nq,deep/q.qubo\n")
    with pytest.raises(FileFormatError, match="best_known"):
        stored(folder)


def test_unknown_names_are_refused_before_anything_is_made() -> None:
    with pytest.raises(OptionError, match="unknown instance 'toros'; did you mean 'torus'"):
        chosen(generated(), ["toros"])


def test_generated_instances_are_the_same_every_time() -> None:
    for name in ("regular-3", "torus", "planar-signs", "assignment"):
        (one,), (same,) = chosen(generated(), [name]), chosen(generated(), [name])
        assert one.name == name
        assert one.bqm == same.bqm
    (signs,) = chosen(generated(), ["planar-signs"])
    assert set(np.unique(list(signs.bqm.quadratic.values()))) == {-0.5, 0.5}


def test_better_values_are_remembered_beside_those_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "SEEN", tmp_path / "seen.json")
    assert best_seen() == {}
    remember({"torus": 1390.0})
    remember({"planar": 7.0, "torus": 1394.0})
    assert best_seen() == {"planar": 7.0, "torus": 1394.0}
    (torus,) = chosen(generated(), ["torus"])
    assert torus.best == BestKnown(1394.0, "best seen")
    assert torus.target is None
