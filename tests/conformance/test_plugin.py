"""A stranger's backend, in a package of its own that knows only the public contract, works like a built-in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "stranger-sampler"
version = "4.2"
dependencies = ["qubo-dnn"]

[project.entry-points."qubo_dnn.backends"]
descent = "stranger_sampler:Descent"

[tool.setuptools]
py-modules = ["stranger_sampler"]
"""

MODULE = '''
"""Steepest descent from random states."""

from typing import ClassVar

import dimod
import numpy as np
from pydantic import Field

from qubo_dnn.backend import Capabilities, SolveOptions, check_model, check_options
from qubo_dnn.problem import natural_key


class DescentOptions(SolveOptions):
    flips: int = Field(default=1000, ge=0, description="most flips of one read")


class Descent:
    name: ClassVar[str] = "descent"
    summary: ClassVar[str] = "steepest descent from random states"
    options_type: ClassVar[type[SolveOptions]] = DescentOptions
    capabilities = Capabilities(max_variables=500, timed=False)

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        check_options(self, options)
        check_model(self, bqm)
        variables = sorted(bqm.variables, key=natural_key)
        linear, (row, column, bias), _ = bqm.spin.to_numpy_vectors(variable_order=variables)
        couplings = np.zeros((len(variables), len(variables)))
        np.add.at(couplings, (row, column), bias)
        couplings += couplings.T
        rng = np.random.default_rng(options.seed)
        spins = rng.choice([-1, 1], size=(options.num_reads or 10, len(variables)))
        for state in spins:
            for _ in range(options.flips if variables else 0):
                gains = 2 * state * (linear + couplings @ state)
                best = int(gains.argmax())
                if gains[best] <= 1e-12:
                    break
                state[best] *= -1
        values = spins if bqm.vartype is dimod.SPIN else (spins + 1) // 2
        return dimod.SampleSet.from_samples_bqm((values.astype(np.int8), variables), bqm)
'''

SOLVE = """
import json
import dimod
from qubo_dnn.backend import make_options
from qubo_dnn.registry import get_backend

backend = get_backend("descent")
linear, quadratic = {"a": 1.0, "b": -2.0, ("c", 1): 0.5}, {("a", "b"): 1.0, ("b", ("c", 1)): -1.0}
bqm = dimod.BinaryQuadraticModel(linear, quadratic, "BINARY")
found = backend.sample(bqm, make_options(backend, {"seed": 3, "num_reads": 20}))
print(json.dumps([float(found.first.energy), float(dimod.ExactSolver().sample(bqm).first.energy)]))
"""

CONFORM = """
import json
from qubo_dnn.registry import get_backend
from qubo_dnn.testing.backends import check_backend

print(json.dumps(check_backend(get_backend("descent"))))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder into which pip installed the plugin."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    (source / "pyproject.toml").write_text(PYPROJECT)
    (source / "stranger_sampler.py").write_text(MODULE)
    offline = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    command = [sys.executable, "-m", "pip", "install", *offline, "--target", str(target), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return target


def run_python(site: Path, *arguments: str) -> str:
    """What Python prints when the plugin is on its path."""
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    ended = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_it_is_listed_with_its_origin(site: Path) -> None:
    listed = json.loads(run_python(site, "-m", "qubo_dnn.cli.main", "backends", "list", "--json"))
    entry = next(entry for entry in listed if entry["name"] == "descent")
    assert entry["origin"] == "stranger-sampler 4.2"
    assert entry["summary"] == "steepest descent from random states"
    assert entry["available"]


def test_it_shows_its_capabilities_and_options(site: Path) -> None:
    shown = json.loads(run_python(site, "-m", "qubo_dnn.cli.main", "backends", "show", "descent", "--json"))
    assert shown["capabilities"]["max_variables"] == 500
    flips = next(option for option in shown["options"] if option["name"] == "flips")
    assert (flips["default"], flips["range"]) == (1000, ">= 0")


def test_it_solves_what_the_registry_hands_it(site: Path) -> None:
    energy, optimum = json.loads(run_python(site, "-c", SOLVE))
    assert energy == pytest.approx(optimum)


def test_it_passes_the_conformance_kit(site: Path) -> None:
    not_applicable = json.loads(run_python(site, "-c", CONFORM))
    beyond = {"time_limit_is_kept", "exact_is_exact", "low_rank_is_kept", "bounds_hold"}
    assert set(not_applicable) == beyond | {"native_constraints_are_kept", "other_constraints_are_refused"}
