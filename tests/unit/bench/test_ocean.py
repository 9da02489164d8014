"""The command runs a test file twice, replaces one import, and names what fails with the backend alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.ocean.__main__ import main, unexpected
from bench.ocean.suites import DIFFERENCES, SUITES, Outcome, Suite, run
from qubo_dnn.errors import FileFormatError

BEFORE = "from dwave.samplers.sa import SimulatedAnnealingSampler"
SUITE = Suite(
    "dwave-samplers", "test_of_a_sampler.py", BEFORE, "from bench.ocean.wrappers import TabuSampler as Sampler"
)
TESTS = f"""
import unittest
{BEFORE}
Sampler = globals().get("Sampler", SimulatedAnnealingSampler if "SimulatedAnnealingSampler" in globals() else None)

class TestSampler(unittest.TestCase):
    def test_energy(self):
        self.assertEqual(Sampler().sample_qubo({{("a", "a"): -1.0}}).first.energy, -1.0)

    def test_original(self):
        self.assertIn("beta_range", Sampler().parameters)
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / SUITE.file).write_text(TESTS)
    return tmp_path


def test_a_file_with_and_without_its_import(checkout: Path) -> None:
    path = checkout / "tests" / SUITE.file
    original, backend = run(SUITE, path, False), run(SUITE, path, True)
    name = "test_of_a_sampler.TestSampler.test_original"
    assert original == Outcome(2, {})
    assert backend.tests == 2
    assert list(unexpected(original, backend)) == [name]
    assert not unexpected(backend, backend)
    assert not unexpected(original, Outcome(1, dict.fromkeys(DIFFERENCES, "")))


def test_a_file_with_another_import_is_refused(checkout: Path) -> None:
    path = checkout / "tests" / SUITE.file
    path.write_text(TESTS.replace(BEFORE, ""))
    with pytest.raises(FileFormatError, match="expected one line 'from dwave"):
        run(SUITE, path, True)


def test_a_folder_without_the_files_is_refused(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["bench.ocean", "--checkout", str(checkout)])
    with pytest.raises(FileFormatError, match="no folder of --checkout"):
        main()
    assert all(suite.file != SUITE.file for suite in SUITES)
