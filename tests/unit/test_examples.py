"""Every tutorial runs as a script, and says what it promises; `make docs` runs the gallery."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dimod
import pytest
from dimod.exceptions import SamplerUnknownArgWarning

from qubo_dnn.errors import OptionError
from qubo_dnn.models.ocean_sampler import BackendSampler

TUTORIALS = Path(__file__).parents[2] / "examples" / "tutorials"
PROMISED = {
    "first_maximum_cut": ["40 of 45 edges are cut", "proven to be optimal: True", "steepest-descent: "],
    "first_compressed_network": ["bits per weight: 3.00 in place of 32", "accuracy: 99.", "model.safetensors"],
    "a_formulation_of_your_own": ["pt: 1 clashes", "neal: 1 clashes", "the kit passes"],
    "a_backend_of_your_own": ["random-descent: 11, items [0, 1]", "the kit passes"],
    "from_pt_to_a_quantum_computer": ["pt: 4 nodes", "qpu-emulator:pegasus:16: 4 nodes", "cut 6 by 6 qubits"],
    "inside_ocean": ["lowest energy: ", "with variable 0 fixed: ", "['coat', 'map', 'rope', 'stove'] True"],
    "from_a_network_to_a_faster_onnx_file": ["fast: ", " of the time of the float32 file", " of 200 test images"],
    "train_on_the_grid": ["right of 1000 test images, as given: 994", "after training at 2 bits: ", " (+"],
}


def test_all_tutorials_are_here() -> None:
    assert {path.stem for path in TUTORIALS.glob("*.py")} == PROMISED.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", PROMISED)
def test_a_tutorial_runs_as_a_script(name: str, tmp_path: Path) -> None:
    command = [sys.executable, str(TUTORIALS / f"{name}.py")]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DWAVE_")}
    ran = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment | {"MPLBACKEND": "agg"},
        timeout=3600,
        check=False,
    )
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
