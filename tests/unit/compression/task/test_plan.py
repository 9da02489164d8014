from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qubo_dnn.compression.task.options import bit_widths, parse_options
from qubo_dnn.compression.task.plan import LayerPlan, Plan
from qubo_dnn.errors import FileFormatError

PLAN = Plan({"conv": LayerPlan(2, parse_options("0,8,3@50%")), "fc": LayerPlan(10, bit_widths(4))})


def document(**layer: Any) -> dict[str, Any]:
    return {"format": "qubo-dnn plan", "version": 2, "layers": {"conv": {"group": 1, "options": ["2"]} | layer}}


def document_v1(bits: Any) -> dict[str, Any]:
    return {"format": "qubo-dnn plan", "version": 1, "layers": {"conv": {"group": 2, "bits": bits}}}


def test_the_last_unit_may_be_shorter() -> None:
    assert PLAN.layers["conv"].channel_options(5) == list(parse_options("0,0,8,8,3@50%"))


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(PLAN.to_json()))
    assert Plan.load(tmp_path / "plan.json") == PLAN
    assert PLAN.to_json()["layers"]["conv"] == {"group": 2, "options": ["0", "8", "3@50%"]}


def test_plans_of_version_1_are_read() -> None:
    assert Plan.from_json(document_v1([0, 8, 3])).layers == {"conv": LayerPlan(2, bit_widths(0, 8, 3))}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ([], "not a qubo-dnn plan"),
        ({"layers": {}}, "not a qubo-dnn plan"),
        (document() | {"version": 4}, "not a qubo-dnn plan of version 1 to 3"),
        (document() | {"version": 3}, "has no widths of activations"),
        (document() | {"version": 3, "activations": {"conv": 9}}, "layer 'conv': 9 is not a width of activations"),
        (document() | {"version": 3, "activations": {"conv": 8.0}}, "layer 'conv': 8.0 is not a width of activations"),
        ({"format": "qubo-dnn plan", "version": 1}, "has no layers"),
        (document() | {"layers": []}, "has no layers"),
        (document() | {"layers": {"conv": [1, 2]}}, "layer 'conv' has no group and options"),
        (document(group=0), "layer 'conv' has no group size >= 1"),
        (document(group=True), "layer 'conv' has no group size >= 1"),
        (document(group="1"), "layer 'conv' has no group size >= 1"),
        (document(options=None), "layer 'conv': its options are not a list of words"),
        (document(options="44"), "layer 'conv': its options are not a list of words"),
        (document(options=[4]), "layer 'conv': its options are not a list of words"),
        (document(options=["9"]), "layer 'conv': bit width 9 is neither in 0 to 8 nor 32"),
        (document(options=["half"]), "layer 'conv': 'half' is not an option"),
        (document_v1(3), "layer 'conv': its bits are not a list"),
        (document_v1([9]), "layer 'conv': bit width 9 is neither in 0 to 8 nor 32"),
        (document_v1([True]), "layer 'conv': bit width True is neither in 0 to 8 nor 32"),
        (document_v1([2.0]), r"layer 'conv': bit width 2\.0 is neither in 0 to 8 nor 32"),
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
