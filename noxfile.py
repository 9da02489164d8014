"""Tests on the other Pythons that are supported: `nox -s core-3.12 core-3.13`.

Without extras: PyTorch is large, and its own wheels decide which Pythons it runs on.
"""

from __future__ import annotations

import nox

_FOLDERS = ("constraints", "encodings", "files", "presolve")
_MODULES = ("backend", "constraint", "problem", "registry", "sites")


@nox.session(python=["3.12", "3.13"])
def core(session: nox.Session) -> None:
    """Install the package alone, and test problems, files, encodings and constraints."""
    # Most of what is installed is never imported; the rest is compiled where it is.
    session.install("--no-compile", "-c", "constraints.txt", "-e", ".", "hypothesis", "pytest")
    session.run(
        *("pytest", "-m", "not kernels and not slow"),
        *(f"tests/unit/{folder}" for folder in _FOLDERS),
        *(f"tests/unit/test_{module}.py" for module in _MODULES),
    )
