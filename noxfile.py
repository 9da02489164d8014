"""Tests on every Python that is claimed: `nox -s core-3.12 core-3.13`, and `nox -s wheel` for what is published."""

from __future__ import annotations

import nox

# PyTorch is left out: it is large, and its own wheels decide which Pythons it supports.
_NEEDS_TORCH = ("bench", "compression", "zoo")


@nox.session(python=["3.12", "3.13"])
def core(session: nox.Session) -> None:
    """Install the package without extras and run the tests that need none; others are skipped, each with its reason."""
    session.install("-c", "constraints.txt", "-e", ".", "hypothesis", "pytest", "pytest-xdist")
    left_out = [f"--ignore=tests/unit/{folder}" for folder in _NEEDS_TORCH]
    session.run("pytest", "--numprocesses", "auto", "--dist", "worksteal", "-m", "not slow", *left_out)
