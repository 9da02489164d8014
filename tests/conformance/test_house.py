"""The drawing of the house is the one that the linter checks imports by."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def drawn(container: str) -> list[list[str]]:
    """Lines of the drawing below a container, each a list of modules."""
    text = (ROOT / "docs" / "contributing" / "house.md").read_text()
    lines = text.split(f"\n{container.replace('.', '/')}/\n", 1)[1].splitlines()
    block = lines[: next(number for number, line in enumerate(lines) if not line.startswith("  "))]
    return [re.split(r"\s{2,}", line.strip())[0].split(" · ") for line in block]


@pytest.mark.parametrize("container", ["qubo_dnn", "qubo_dnn.compression"])
def test_is_drawn_as_it_is_checked(container: str) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = [each for each in contracts if each.get("containers") == [container]]
    assert contract["exhaustive"]
    assert drawn(container) == [layer.split(" | ") for layer in contract["layers"]]
