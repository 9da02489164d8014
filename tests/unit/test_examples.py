"""Every example runs, and says what it promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dimod
import pytest
from dimod.exceptions import SamplerUnknownArgWarning

from qubo_dnn.errors import OptionError
from qubo_dnn.models.ocean_sampler import BackendSampler

EXAMPLES = Path(__file__).parents[2] / "examples"
PROMISED = {
    "max_cut": ["of 45 edges are cut", "one side: ["],
    "write_a_formulation": ["pt: ", "neal: ", "the conformance kit passes"],
    "write_a_backend": ["by random-descent", "the conformance kit passes"],
    "swap_for_a_qpu": ["pt: 4 nodes, violations {}", "qpu-emulator:pegasus:16: 4 nodes, violations {}"],
    "train_on_the_grid": ["right of 1000 test images, as given: 994", "after training at 2 bits: ", " (+"],
    "inside_ocean": ["lowest energy: ", "with variable 0 fixed: "],
}


def test_all_examples_are_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == PROMISED.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", PROMISED)
def test_an_example_runs(name: str, tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / f"{name}.py")]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=3600, check=False)
    assert ran.returncode == 0, ran.stderr
    for words in PROMISED[name]:
        assert words in ran.stdout


def test_a_backend_is_a_sampler_of_ocean() -> None:
    sampler = BackendSampler("exact")
    dimod.testing.assert_sampler_api(sampler)
    bqm = dimod.BinaryQuadraticModel({"a": 1.0}, {("a", "b"): -2.0}, 0.0, dimod.SPIN)
    dimod.testing.assert_response_energies(sampler.sample(bqm), bqm)
    assert sampler.sample(bqm).first.energy == -3.0
    with pytest.warns(SamplerUnknownArgWarning, match="'num_raeds'; did you mean 'num_reads'"):
        sampler.sample(bqm, num_raeds=3)
    with pytest.raises(OptionError, match="no option 'num_raeds'"):
        BackendSampler("exact", strict=True).sample(bqm, num_raeds=3)
