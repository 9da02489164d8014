"""Two sound plugins, one that lacks a package and one that breaks, installed for the running test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from qubo_dnn import registry

MODULE = '''
from typing import ClassVar, Literal

from pydantic import Field

from qubo_dnn.backend import Capabilities, SolveOptions
from qubo_dnn.problem import ConstraintKind


class Options(SolveOptions):
    beta: float = Field(default=0.5, gt=0, le=10, description="inverse temperature")
    schedule: Literal["linear", "geometric"] = Field(default="linear", description="how it grows")
    ends: tuple[float, float] | None = Field(default=None, description="first and last")
    steps: list[int] | Literal["auto"] = Field(default="auto", description="where it changes")


class Sound:
    name: ClassVar[str] = "sound"
    summary: ClassVar[str] = "samples with [brackets]"
    options_type = Options
    capabilities = Capabilities(max_variables=7, native_constraints=frozenset(ConstraintKind))


class Toy:
    """A toy.

    Args:
        size: how large.
    """

    name: ClassVar[str] = "toy"
    summary: ClassVar[str] = "a toy problem"

    def __init__(self, size: int, *, weight: "float | None" = 1.5, anything=None):
        pass
'''


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The distribution `stranger 3.1`."""
    (tmp_path / "stranger.py").write_text(MODULE)
    (tmp_path / "lacking.py").write_text("import a_package_that_is_not_there\n")
    (tmp_path / "broken.py").write_text("raise RuntimeError('two\\nlines')\n")
    info = tmp_path / "stranger-3.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 3.1\n")
    (info / "entry_points.txt").write_text(
        "[qubo_dnn.backends]\nsound = stranger:Sound\nlacking = lacking:Backend\nbroken = broken:Backend\n"
        "[qubo_dnn.formulations]\ntoy = stranger:Toy\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry._plugins.cache_clear()
    yield
    registry._plugins.cache_clear()
