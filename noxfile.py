"""Tests on the other Pythons that are supported: `nox -s core-3.12 core-3.13`.

Without extras: PyTorch is large, and its own wheels decide which Pythons it runs on.
"""

from __future__ import annotations

import nox

_TESTS = (
    *(f"tests/unit/{part}" for part in ("bounds", "constraints", "encodings", "files", "presolve", "solving")),
    *(f"tests/unit/test_{part}.py" for part in ("backend", "constraint", "problem", "registry", "sites", "wrong_kinds")),
    "tests/properties/test_problem.py",
    "tests/properties/test_local_moves.py",
)


@nox.session(python=["3.12", "3.13"])
def core(session: nox.Session) -> None:
    """Install the package alone, and test problems, files, encodings, constraints, solving and bounds."""
    session.install("-c", "constraints.txt", "-e", ".", "hypothesis", "pytest", "pytest-xdist")
    session.run("pytest", "--numprocesses", "auto", "--dist", "worksteal", *_TESTS)
