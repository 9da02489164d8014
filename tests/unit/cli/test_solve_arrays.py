"""`qubo-dnn solve` on a model that is too large for labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from qubo_dnn import errors
from qubo_dnn.cli.main import main

# Eight bytes of linear bias and nine of coupling per variable: more than is read as a small file.
N = 1_000_001


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ring of spins, each of which wants to differ from the next one."""
    path = tmp_path_factory.mktemp("large") / "ring.npz"
    here = np.arange(N, dtype=np.int32)
    biases = np.ones(N, np.int8)
    np.savez(path, linear=np.zeros(N), vartype=np.array("SPIN"), rows=here, columns=np.roll(here, 1), biases=biases)
    return path


def test_the_answer_has_its_exact_energy_and_is_written(chain: Path, tmp_path: Path) -> None:
    result, states = tmp_path / "result.json", tmp_path / "states.npz"
    words = ["solve", str(chain), "-o", "num_sweeps=3", "--json", str(result), "--save", str(states)]
    assert main(words) == 0
    found, written = json.loads(result.read_text()), np.load(states)
    state = written["states"][0].astype(int)
    assert set(np.unique(state)) == {-1, 1}
    assert found["objective"] == written["energies"][0] == (state * np.roll(state, 1)).sum() < -0.3 * N
    assert (found["variables"], found["interactions"], found["diagnostics"]["kernel"]) == (N, N, "annealing")
    assert "value" not in found


@pytest.mark.parametrize(
    ("words", "error", "told"),
    [
        (["solve", "--backend", "neal"], errors.UnsupportedProblemError, "backend 'neal' takes no models of more than"),
        (["solve", "--report", "x.html"], errors.OptionError, "--report does not apply to a model of 1,000,001"),
        (["solve", "--save", "x.csv"], errors.OptionError, "are written as .npz, not '.csv'"),
        (["embed", "--target", "chimera:2"], errors.UnsupportedProblemError, "which only `qubo-dnn solve` and"),
    ],
)
def test_what_does_not_apply_is_refused(
    chain: Path, words: list[str], error: type[errors.QuboDnnError], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([words[0], str(chain), *words[1:]]) == error.exit_code
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--portfolio", "2"), ("--cluster", "local:2")])
def test_it_goes_to_no_workers(chain: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    if words[0] == "--cluster":
        pytest.importorskip("distributed", reason="the extra dask is not installed")
    assert main(["solve", str(chain), *words]) == errors.OptionError.exit_code
    assert f"{words[0]} does not apply to a model of 1,000,001 variables" in capsys.readouterr().err
