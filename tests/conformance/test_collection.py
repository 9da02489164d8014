"""The tests themselves: every process has to collect the same ones, or they do not run on several workers."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_another_process_collects_the_same_tests(request: pytest.FixtureRequest) -> None:
    """A later one, with other hashes of strings; ids must hold neither times nor the order of a set."""
    here = [item.nodeid for item in request.session.items]
    seed = "1" if os.environ.get("PYTHONHASHSEED") == "0" else "0"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", *map(str, request.config.args)]
    ended = subprocess.run(
        [*command, "--override-ini", "addopts=--import-mode=importlib"],
        capture_output=True,
        text=True,
        cwd=request.config.invocation_params.dir,
        env={**environment, "PYTHONHASHSEED": seed},
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    collected = [line for line in ended.stdout.splitlines() if "::" in line]
    # Fewer here where some are deselected.
    chosen = set(here)
    assert [test for test in collected if test in chosen] == here
