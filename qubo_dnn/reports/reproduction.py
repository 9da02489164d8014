"""The section of a page that says how to get its result again."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from qubo_dnn.reports.page import Section, Table, Text

# Whose versions can change a result.
_PACKAGES = ("qubo-dnn", "numpy", "scipy", "numba", "dimod", "dwave-samplers")


def reproduction(command: Sequence[str], packages: Sequence[str] = ()) -> Section:
    """Return the command and the versions that a result was made with.

    Args:
        command: words of the command line after the program's name; empty: it was made in Python.
        packages: distributions whose versions count, beside those of every result.

    Example:
        >>> reproduction(["solve", "my model.lp"]).parts[0].text
        "qubo-dnn solve 'my model.lp'"
    """
    made = Text(shlex.join(["qubo-dnn", *command]), code=True) if command else Text(_IN_PYTHON)
    rows = [("Python", platform.python_version()), ("machine", f"{platform.system()} {platform.machine()}")]
    return Section("reproduce", "To reproduce", [made, Table("Versions", [*rows, *versions(packages)])])


def versions(packages: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return name and version of every installed distribution that can change a result.

    Args:
        packages: distributions whose versions count, beside those of every result.

    Example:
        >>> [name for name, _ in versions(["pydantic", "not-installed"])][-2:]
        ['dwave-samplers', 'pydantic']
    """
    found = []
    for name in (*_PACKAGES, *packages):
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found


_IN_PYTHON = "The result was made in Python; the settings and the seed are above."
