"""A sweep of the tiny network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qubo_dnn.compression.sweep.folder import SweepFolder
from qubo_dnn.compression.sweep.record import SweepRecord
from qubo_dnn.compression.sweep.sweeper import Sweeper
from qubo_dnn.compression.task.budget_ranges import parse_budgets
from tests.unit.compression.conftest import Tiny

Run = Callable[..., SweepRecord]
# Without pairs, problems are solved directly.
QUICK: dict[str, Any] = {
    "direct": True,
    "parameters": {"objective": "separable"},
    "rounds": 1,
    "rerank": 1,
    "recovery": "none",
}


@pytest.fixture
def run(tiny: Tiny, tmp_path: Path) -> Run:
    """Runs a sweep of 3, 4 and 5 bits per weight in the folder `out`, or goes on with it."""

    def sweep(budgets: str = "3bits:5bits:1bits:weights", out: str = "out", **changes: Any) -> SweepRecord:
        asked = parse_budgets(budgets)
        baselines, overwrite = changes.pop("baselines", False), changes.pop("overwrite", False)
        data = {name: changes.pop(name, usual) for name, usual in (("images", tiny.images()), ("test", None))}
        kept = changes.pop("kept", ())
        compressor = tiny.compressor(*kept, asked[0].text, **QUICK | changes)
        folder = SweepFolder(tmp_path / out, overwrite)
        sweeper = Sweeper(compressor, asked, baselines=baselines)
        return sweeper.run(tiny.network(), data["images"], data["test"], folder, {"network": "tiny"}, tiny.listener)

    return sweep
