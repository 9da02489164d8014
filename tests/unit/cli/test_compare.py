from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from qubo_dnn import errors
from qubo_dnn.backend import Backend, Capabilities
from qubo_dnn.cli.main import main
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.comparison import Contender, expected_seconds, number_of_runs
from tests.pages import check_figures, checked_page


@pytest.fixture
def cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("cut.txt").write_text("30 30\n" + "".join(f"{k + 1} {(k + 1) % 30 + 1} 1\n" for k in range(30)))
    return "cut.txt"


def test_backends_are_compared_for_equal_times(cut: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--backend", "pt", "--backend", "neal:num_reads=3", "--backend", "exact", "--time-limit", "0.4"]
    assert main(["compare", cut, *words, "--seeds", "2", "--json", "c.json", "--picture", "c.svg"]) == 0
    found = json.loads(Path("c.json").read_text())
    pt, neal, exact = found["backends"]
    assert (pt["best"], pt["feasible"], neal["feasible"]) == (30.0, "2/2", "2/2")
    assert pt["to_best"] > 0.0
    assert "at most 26 variables" in exact["refusal"]
    limits = [trial["time_limit"] for trial in found["trials"]["pt"]]
    assert limits == [0.05, 0.05, 0.1, 0.1, 0.2, 0.2, 0.4, 0.4]
    assert {trial["seed"] for trial in found["trials"]["pt"]} == {0, 1}
    assert "higher is better" in Path("c.svg").read_text()
    printed = capsys.readouterr()
    assert "neal:num_reads=3" in printed.out
    assert "pt, 0.05 s, seed 0" in printed.err


def test_a_backend_without_time_runs_once_for_every_seed(cut: str) -> None:
    Path("small.txt").write_text("3 3\n1 2 1\n2 3 1\n1 3 1\n")
    assert main(["compare", "small.txt", "--backend", "exact", "--seeds", "1", "--json", "c.json"]) == 0
    found = json.loads(Path("c.json").read_text())
    assert [trial["objective"] for trial in found["trials"]["exact"]][-1] == 2.0
    assert found["sense"] == "max"
    assert cut


@pytest.mark.parametrize(
    ("words", "error", "text"),
    [
        (["--backend", "pt:seed=1"], errors.OptionError, "without seed and time_limit"),
        (["--backend", "pt:num_sweeps"], errors.OptionError, "NAME:option=value"),
        (["--backend", "pt:nothing=1"], errors.OptionError, "no option 'nothing'"),
        (["--backend", "pq"], errors.UnknownBackendError, "unknown backend 'pq'"),
        (["--backend", "pt", "--time-limit", "0"], errors.OptionError, "greater than 0"),
        (["--backend", "pt", "--picture", "c.pdf"], errors.OptionError, "ends in .png or .svg"),
    ],
)
def test_mistakes_are_one_line(
    cut: str, words: list[str], error: type[errors.QuboDnnError], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", cut, *words]) == error.exit_code
    assert text in capsys.readouterr().err.splitlines()[-1]


def test_the_time_is_known_where_all_backends_keep_a_limit() -> None:
    capabilities = [get_backend("pt").capabilities, Capabilities(timed=False)]
    timed, untimed = (Contender("mine", cast(Backend, SimpleNamespace(capabilities=each)), {}) for each in capabilities)
    # An eighth, a quarter, half and all of 8 seconds; without limits, only the last one.
    assert expected_seconds([timed, timed], time_limit=8.0, seeds=3) == 2 * 3 * 15.0
    assert expected_seconds([timed, untimed], time_limit=8.0, seeds=3) is None
    assert number_of_runs([timed, untimed], seeds=3) == 3 * 4 + 3


def test_a_page_has_statistics_and_how_it_was_made(cut: str) -> None:
    words = ["compare", cut, "--backend", "tabu", "--backend", "neal", "--time-limit", "0.02", "--seeds", "2"]
    assert main([*words, "--report", "c.html"]) == 0
    text = checked_page(Path("c.html")).text
    assert f"qubo-dnn compare {cut} --backend tabu --backend neal" in text
    assert "standard deviation" in text
    assert check_figures(Path("c.html")) == ["over-time", "distances"]
    assert main([*words, "--report", "no/c.html"]) == errors.OutputError.exit_code
