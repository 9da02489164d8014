from __future__ import annotations

import json
from pathlib import Path

import dimod
import numpy as np
import pytest

from qubo_dnn import errors
from qubo_dnn.cli.main import main
from tests.pages import checked_page

COORDINATES = np.random.default_rng(5).integers(0, 100, (12, 2))
TOUR = "NAME: twelve\nTYPE: TSP\nDIMENSION: 12\nEDGE_WEIGHT_TYPE: EUC_2D\nNODE_COORD_SECTION\n"
PETERSEN = "p edge 10 15\n" + "".join(
    f"e {i + 1} {(i + 1) % 5 + 1}\ne {i + 1} {i + 6}\ne {i + 6} {(i + 2) % 5 + 6}\n" for i in range(5)
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lines = "".join(f"{k + 1} {x} {y}\n" for k, (x, y) in enumerate(COORDINATES))
    (tmp_path / "twelve.tsp").write_text(f"{TOUR}{lines}EOF\n")
    (tmp_path / "petersen.col").write_text(PETERSEN)
    (tmp_path / "cut.txt").write_text("3 3\n1 2 1\n2 3 1\n1 3 1\n")
    (tmp_path / "max.qubo").write_text("p qubo 0 2 2 1\n0 0 1\n1 1 1\n0 1 -3\n")
    return tmp_path


def solved(*words: str) -> dict[str, object]:
    """The JSON of a command that succeeds."""
    assert main(["solve", *words, "--json", "result.json"]) == 0
    found: dict[str, object] = json.loads(Path("result.json").read_text())
    return found


def shortest_tour() -> float:
    """By dynamic programming over subsets (Held & Karp 1962)."""
    d = np.floor(np.linalg.norm(COORDINATES[:, None] - COORDINATES[None], axis=2) + 0.5)
    n = len(d)
    best = {(1 << k, k): d[0, k] for k in range(1, n)}
    for mask in range(2, 1 << n, 2):
        for k in range(1, n):
            rest = mask ^ (1 << k)
            if mask >> k & 1 and rest:
                best[mask, k] = min(best[rest, j] + d[j, k] for j in range(1, n) if rest >> j & 1)
    full = (1 << n) - 2
    return float(min(best[full, k] + d[k, 0] for k in range(1, n)))


@pytest.mark.usefixtures("here")
def test_a_tour_of_twelve_cities_is_the_shortest() -> None:
    found = solved("twelve.tsp", "--num-reads", "20", "--seed", "1")
    assert found["formulation"] == "travelling-salesman"
    assert found["feasible"] is True
    assert found["objective"] == shortest_tour()
    assert sorted(found["value"]) == list(range(12))  # type: ignore[call-overload]  # a list, as asserted


@pytest.mark.parametrize(
    ("formulation", "objective"),
    [("graph-coloring", 3.0), ("maximum-independent-set", 4.0), ("maximum-clique", 2.0), ("minimum-vertex-cover", 6.0)],
)
@pytest.mark.usefixtures("here")
def test_the_petersen_graph_by_every_formulation(formulation: str, objective: float) -> None:
    found = solved(f"{formulation}:petersen.col", "--num-reads", "20")
    assert (found["objective"], found["feasible"], found["violations"]) == (objective, True, {})


@pytest.mark.usefixtures("here")
def test_the_json_has_everything(capsys: pytest.CaptureFixture[str]) -> None:
    found = solved("cut.txt", "--backend", "neal", "-o", "num_reads=5", "--seed", "3", "--save", "samples.json")
    assert {"objective", "energy", "feasible", "violations", "value", "backend", "seed"} <= found.keys()
    assert {"variables", "interactions", "presolve", "penalties", "calls", "seconds", "source"} <= found.keys()
    assert (found["objective"], found["energy"], found["sense"], found["seed"]) == (2.0, -2.0, "max", 3)
    samples = dimod.SampleSet.from_serializable(json.loads(Path("samples.json").read_text()))
    assert samples.first.energy == -2.0
    printed = capsys.readouterr()
    assert "objective     2" in printed.out
    assert "load: " in printed.err


@pytest.mark.usefixtures("here")
def test_json_can_go_to_the_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", "max.qubo", "--sense", "max", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["objective"], found["formulation"]) == (1.0, None)


@pytest.mark.usefixtures("here")
def test_options_reach_the_search() -> None:
    arguments = ("knapsack", "--backend", "exact", "--inequalities", "slack:binary", "--no-presolve")
    found = solved(*arguments)
    assert found["presolve"] == {}
    assert found["penalties"].keys() == {"capacity"}  # type: ignore[attr-defined]  # a dict, as asserted
    assert found["objective"] == solved("knapsack", "--backend", "exact")["objective"]


@pytest.mark.parametrize(
    ("words", "error", "text"),
    [
        (["cut.txt", "--sense", "best"], errors.OptionError, "--sense takes min or max"),
        (["cut.txt", "--sense", "min"], errors.OptionError, "has a fixed sense"),
        (["cut.txt", "--format", "gst"], errors.OptionError, "did you mean 'gset'"),
        (["cut.txt", "--format", "qaplib"], errors.FileFormatError, "cut.txt"),
        (["cut.txt", "--backend", "nela"], errors.UnknownBackendError, "did you mean 'neal'"),
        (["cut.txt", "-o", "num_raeds=3"], errors.OptionError, "did you mean 'num_reads'"),
        (["cut.txt", "--inequalities", "slak"], errors.OptionError, "did you mean 'slack'"),
        (["nothing.txt"], errors.FileFormatError, "nothing.txt: cannot be read"),
        (["cut.txt", "--json", "no/where.json"], errors.OutputError, "cannot be written"),
    ],
)
@pytest.mark.usefixtures("here")
def test_mistakes_are_one_line(
    words: list[str], error: type[errors.QuboDnnError], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if "slak" in words:
        words[0] = "knapsack"
    assert main(["solve", *words]) == error.exit_code
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: ")
    assert text in said


@pytest.mark.usefixtures("here")
def test_models_are_converted_and_solved_alike() -> None:
    for target in ("a.coo", "a.npz", "a.qubo.gz", "a.bqm"):
        assert main(["convert", "max.qubo", target]) == 0
        assert solved(target, "--sense", "max")["objective"] == 1.0
    assert main(["convert", "cut.txt", "cut.lp", "--json"]) == 0
    assert solved("cut.lp")["objective"] == -2.0


@pytest.mark.usefixtures("here")
def test_a_program_without_constraints_converts_to_any_model(capsys: pytest.CaptureFixture[str]) -> None:
    text = "Maximize\n obj: 3 x + 2 y + [ 4 x * y ] / 2 + 7\nSubject To\nBinary\n x y\nEnd\n"
    Path("p.lp").write_text(text)
    capsys.readouterr()
    for target, best in (("p.coo", 14.0), ("p.qubo", 14.0), ("p.npz", 14.0), ("q.lp", 14.0), ("p.bqm", -14.0)):
        assert main(["convert", "p.lp", target, "--json"]) == 0
        said = capsys.readouterr()
        assert json.loads(said.out)["interactions"] == 1
        assert ("minus the objective" in said.err) == (best < 0.0)
        assert solved(target)["objective"] == best
        capsys.readouterr()
    Path("p.lp").write_text(text.replace("To\n", "To\n z = 2\n c: x <= 1\n"))
    assert main(["convert", "p.lp", "q.lp"]) == 0
    assert "p.lp: continuous variables replaced by their only value: z = 2" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_soft_constraints_and_implied_bounds_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    x, i = dimod.Binary("x"), dimod.Integer("i")
    cqm = dimod.ConstrainedQuadraticModel()
    cqm.set_objective(-3 * x - 2 * i)
    cqm.add_constraint(x + i <= 1, label="maybe", weight=0.5)
    cqm.add_constraint(2 * i <= 5, label="never more")
    Path("soft.cqm").write_bytes(cqm.to_file().read())
    assert main(["solve", "soft.cqm", "--backend", "exact"]) == 0
    said = capsys.readouterr()
    assert "soft          maybe violation 2, price 1" in said.out
    assert "bounds that follow from the constraints: 0 <= i <= 2" in said.err
    assert solved("soft.cqm")["objective"] == -6.0


@pytest.mark.usefixtures("here")
def test_what_a_format_cannot_hold_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "knapsack", "k.qubo"]) == errors.UnsupportedProblemError.exit_code
    assert "only lp files do" in capsys.readouterr().err
    assert main(["convert", "max.qubo", "k.tsp"]) == errors.OptionError.exit_code
    assert not Path("k.qubo").exists()


@pytest.mark.usefixtures("here")
def test_a_report_shows_the_answer_and_what_the_backend_did(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("plotly")
    found = solved("max-cut:cut.txt", "--backend", "qaoa", "--no-presolve", "--report", "page.html")
    page = Path("page.html").read_text()
    assert "feasible, objective 2" in page
    for name in ("convergence", "angles", "energies", "circuit"):
        assert f'id="{name}"' in page
    diagnostics = found["diagnostics"]
    assert isinstance(diagnostics, dict)
    assert diagnostics["evaluations"] == len(diagnostics["convergence"])
    assert "qaoa: 3 qubits, 3 layers" in capsys.readouterr().err
    assert main(["solve", "max-cut:cut.txt", "--report", "plain.html"]) == 0
    assert "feasible, objective 2" in Path("plain.html").read_text()
    assert "qubo-dnn solve max-cut:cut.txt --report plain.html" in Path("plain.html").read_text()
    assert main(["solve", "max-cut:cut.txt", "--report", "no/page.html"]) == errors.OutputError.exit_code


class TestCertificate:
    def test_a_maximum_is_certified_in_its_own_sense(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        graph = tmp_path / "ring.txt"
        graph.write_text("5 5\n1 2 1\n2 3 1\n3 4 1\n4 5 1\n5 1 1\n")
        out, page = tmp_path / "out.json", tmp_path / "page.html"
        words = ["solve", str(graph), "--certify", "10", "--num-reads", "2", "--json", str(out), "--report", str(page)]
        assert main(words) == 0
        certificate = json.loads(out.read_text())["certificate"]
        assert set(certificate) == {"optimal", "infeasible", "bound", "gap", "method", "seconds"}
        assert (certificate["optimal"], certificate["infeasible"]) == (True, False)
        assert (certificate["bound"], certificate["gap"]) == (4.0, 0.0)
        line = "optimal: proven gap 0 %, bound 4, by enumeration"
        assert f"certificate   {line}" in capsys.readouterr().out
        said = "proven optimal yes proven infeasible no bound 4 gap 0 % method enumeration"
        assert said in checked_page(page).text

    def test_what_no_state_keeps_is_said_to_be_infeasible(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        model, out = tmp_path / "model.lp", tmp_path / "out.json"
        model.write_text("Minimize\n x + y\nSubject To\n c: x + y >= 3\nBinary\n x y\nEnd\n")
        assert main(["solve", str(model), "--certify", "10", "--num-reads", "2", "--json", str(out)]) == 0
        result = json.loads(out.read_text())
        assert (result["feasible"], result["certificate"]["infeasible"]) == (False, True)
        assert (result["certificate"]["optimal"], result["certificate"]["bound"]) == (False, None)
        assert "certificate   infeasible: no state keeps the constraints" in capsys.readouterr().out

    def test_a_time_that_is_none_is_refused_before_anything_is_read(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["solve", "nowhere.txt", "--certify", "0"]) == errors.OptionError.exit_code
        assert "seconds > 0" in capsys.readouterr().err
