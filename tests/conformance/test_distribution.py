"""The wheel holds all three packages whole, and works where it is unpacked."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PACKAGES = {"qubo_dnn": ".", "qubo_backends": "backends", "qubo_formulations": "formulations"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for package, folder in PACKAGES.items():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder / package, source / folder / package, ignore=ignored)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = target.glob("*.whl")
    return built


@pytest.mark.parametrize("package", PACKAGES)
def test_every_source_and_data_file_is_in_it(wheel: Path, package: str) -> None:
    """Packages are listed by hand in pyproject.toml; a forgotten one shows here."""
    folder = ROOT / PACKAGES[package]
    sources = {
        path.relative_to(folder).as_posix()
        for path in (folder / package).rglob("*")
        if path.suffix in {".py", ".safetensors"} or path.name == "py.typed"
    }
    assert f"{package}/py.typed" in sources
    assert sources <= set(zipfile.ZipFile(wheel).namelist())


def test_unpacked_it_is_imported_and_finds_its_plugins(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        "import qubo_dnn, qubo_backends, qubo_formulations\n"
        "from qubo_dnn.registry import backend_names, formulation_names\n"
        "for package in (qubo_dnn, qubo_backends, qubo_formulations): print(package.__file__)\n"
        "print(*backend_names(), *formulation_names())"
    )
    # Python looks in the working directory first, before the installed distribution.
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    *files, names = ended.stdout.splitlines()
    assert [Path(file).parent for file in files] == [tmp_path / package for package in PACKAGES]
    assert {"exact", "pt", "pruning-quantization"} <= set(names.split())
