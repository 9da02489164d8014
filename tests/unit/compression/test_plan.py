from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qubo_dnn.compression.plan import LayerPlan, Plan
from qubo_dnn.errors import FileFormatError

PLAN = Plan({"conv": LayerPlan(2, (0, 8, 3)), "fc": LayerPlan(10, (4,))})


def document(**layer: Any) -> dict[str, Any]:
    return {"format": "qubo-dnn plan", "version": 1, "layers": {"conv": {"group": 1, "bits": [2]} | layer}}


def test_the_last_unit_may_be_shorter() -> None:
    assert PLAN.layers["conv"].channel_bits(5) == [0, 0, 8, 8, 3]


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(PLAN.to_json()))
    assert Plan.load(tmp_path / "plan.json") == PLAN


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ([], "not a qubo-dnn plan"),
        ({"layers": {}}, "not a qubo-dnn plan"),
        (document() | {"version": 2}, "not a qubo-dnn plan of version 1"),
        ({"format": "qubo-dnn plan", "version": 1}, "has no layers"),
        (document() | {"layers": []}, "has no layers"),
        (document() | {"layers": {"conv": [1, 2]}}, "layer 'conv' has no group and bits"),
        (document(group=0), "layer 'conv' has no group size >= 1"),
        (document(group=True), "layer 'conv' has no group size >= 1"),
        (document(group="1"), "layer 'conv' has no group size >= 1"),
        (document(bits=3), "layer 'conv' has bit widths other than 0 to 8"),
        (document(bits=[9]), "layer 'conv' has bit widths other than 0 to 8"),
        (document(bits=[True]), "layer 'conv' has bit widths other than 0 to 8"),
        (document(bits=[2.0]), "layer 'conv' has bit widths other than 0 to 8"),
    ],
)
def test_what_is_not_a_plan_is_refused_naming_the_source(data: Any, text: str) -> None:
    with pytest.raises(FileFormatError, match=f"here: .*{text}"):
        Plan.from_json(data, "here")


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", None])
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "plan.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"plan\.json: cannot be read"):
        Plan.load(path)
