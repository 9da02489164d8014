"""The site's examples of the kit, copied into a package: green for a sound backend, skips shown as skips."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qubo_dnn.testing.backends import BACKEND_CASES

ROOT = Path(__file__).parents[3]
# What `Descent` lacks: proofs, constraints, and an option that it cannot honour.
SKIPPED = (
    "exact_is_exact",
    "native_constraints_are_kept",
    "other_constraints_are_refused",
    "low_rank_is_kept",
    "bounds_hold",
    "unsupported_options_are_refused",
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with the module of a backend, and the site's two examples as test modules."""
    page = (ROOT / "docs" / "contributing" / "backend.md").read_text()
    section = page.partition("\n## Test it\n")[2].partition("\n```python\nprint(")[0]
    shutil.copy(Path(__file__).parent / "descents.py", tmp_path / "my_sampler.py")
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 2
    for name, block in zip(("with_pytest", "with_unittest"), blocks, strict=True):
        (tmp_path / f"test_{name}.py").write_text(f"from my_sampler import Descent as MyBackend\n{block}")
    return tmp_path


def run(package: Path, *arguments: str) -> str:
    """What Python prints in the package."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    ended = subprocess.run(
        [sys.executable, *arguments], cwd=package, env=own, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def test_with_pytest(package: Path) -> None:
    told = run(package, "-m", "pytest", "-p", "no:cacheprovider", "-v", "-rs", "test_with_pytest.py")
    skipped = re.findall(r"\[(\w+)\] SKIPPED", told)
    assert sorted(skipped) == sorted(SKIPPED)
    assert f"{len(BACKEND_CASES) - len(SKIPPED)} passed, {len(SKIPPED)} skipped" in told
    assert "capabilities.exact is False" in told


def test_with_unittest(package: Path) -> None:
    told = run(package, "-m", "unittest", "-v", "test_with_unittest")
    assert f"OK (skipped={len(SKIPPED)})" in told
    assert "capabilities.exact is False" in told


def test_without_pytest(package: Path) -> None:
    """The kit does not need it."""
    hidden = "import sys; sys.modules['pytest'] = None; import qubo_dnn.testing.backends, qubo_dnn.testing.formulations"
    run(package, "-c", hidden)
