"""The wheel holds all three packages whole, and works in an environment that knows nothing of the sources."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PACKAGES = {"qubo_dnn": ".", "qubo_backends": "backends", "qubo_formulations": "formulations"}

PLUGIN = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "random-descent"
version = "1.0"
dependencies = ["qubo-dnn"]

[project.entry-points."qubo_dnn.backends"]
random-descent = "own_backend:RandomDescent"

[tool.setuptools]
py-modules = ["own_backend"]
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution, which is built from a copy of the sources."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for package, folder in PACKAGES.items():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder / package, source / folder / package, ignore=ignored)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(source))
    assert len(list(target.glob("*.tar.gz"))) == 1
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new virtual environment with the wheel and a plugin; what they depend on is read from the present one."""
    folder, plugin = tmp_path_factory.mktemp("environment"), tmp_path_factory.mktemp("plugin")
    venv.create(folder, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages")
    # Behind the new environment's own packages; .pth files there, such as that of an editable install, have no effect.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    (plugin / "pyproject.toml").write_text(PLUGIN)
    # The cells that follow solve and test, which a module does not do when it is imported.
    tutorial = (ROOT / "examples" / "tutorials" / "a_backend_of_your_own.py").read_text()
    (plugin / "own_backend.py").write_text(tutorial.partition("# %%\n# Solve with it\n")[0])
    offline = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--force-reinstall")
    run(str(folder / "bin" / "python"), "-m", "pip", "install", *offline, str(wheel), str(plugin), cwd=plugin)
    return folder / "bin"


def run(*command: str, cwd: Path | None = None) -> str:
    """Standard output of a command that succeeds."""
    ended = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("package", PACKAGES)
def test_every_source_and_data_file_is_in_it(wheel: Path, package: str) -> None:
    """A package without an `__init__.py`, or data that pyproject.toml does not name, shows here."""
    folder = ROOT / PACKAGES[package]
    sources = {
        path.relative_to(folder).as_posix()
        for path in (folder / package).rglob("*")
        if path.suffix in {".py", ".safetensors"} or path.name == "py.typed"
    }
    assert f"{package}/py.typed" in sources
    assert sources <= set(zipfile.ZipFile(wheel).namelist())


def test_what_is_imported_is_what_the_wheel_holds(environment: Path, tmp_path: Path) -> None:
    code = f"import {', '.join(PACKAGES)}; print({', '.join(f'{package}.__file__' for package in PACKAGES)})"
    (packages,) = environment.parent.glob("lib/python*/site-packages")
    found = run(str(environment / "python"), "-c", code, cwd=tmp_path).split()
    assert [Path(file).parent for file in found] == [packages / package for package in PACKAGES]


def test_the_demo_runs_from_the_wheel(environment: Path, tmp_path: Path) -> None:
    """The command of `make demo`, but for fewer images and a backend that compiles nothing."""
    (demo,) = re.findall(r"^\t\$\(BIN\)/(qubo-dnn compress .*)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    program, *arguments = shlex.split(demo)
    quick = ("--calibration-size", "128", "--rounds", "1", "--backend", "neal", "--json")
    result = json.loads(run(str(environment / program), *arguments, *quick, cwd=tmp_path))
    assert result["compressed"]["accuracy"] > 0.98
    assert (tmp_path / "runs" / "mnist" / "model.safetensors").exists()


def test_a_plugin_solves_beside_the_wheel(environment: Path, tmp_path: Path) -> None:
    listed = json.loads(run(str(environment / "qubo-dnn"), "backends", "list", "--json", cwd=tmp_path))
    assert {entry["name"]: entry["origin"] for entry in listed}["random-descent"] == "random-descent 1.0"
    (tmp_path / "model.coo").write_text("# vartype=BINARY\n0 0 -1\n1 1 -1\n0 1 3\n")
    command = ("solve", "model.coo", "--backend", "random-descent", "--json", "answer.json")
    run(str(environment / "qubo-dnn"), *command, cwd=tmp_path)
    assert json.loads((tmp_path / "answer.json").read_text())["objective"] == -1.0
