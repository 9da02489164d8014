"""`qd.sweep`."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import qubo_dnn as qd
from qubo_dnn.compression.search.progress import SilentReporter
from qubo_dnn.errors import OptionError, OutputExistsError

QUICK: dict[str, Any] = {"parameters": {"objective": "separable"}, "rounds": 1, "rerank": 1, "recovery": "none"}
BUDGETS = "4bits:6bits:1bits:weights"


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(24, 8, generator=torch.Generator().manual_seed(1))


def test_points_front_knee_and_networks(network: nn.Module, images: torch.Tensor) -> None:
    labels = network(images).argmax(1)
    given = {key: value.clone() for key, value in network.state_dict().items()}
    found = qd.sweep(network, images, f"0.01bits:weights,{BUDGETS}", test=[(images, labels)], **QUICK)
    assert [point.is_met for point in found.points] == [False, True, True, True]
    assert [point.number for point in found.front] == sorted(point.number for point in found.front)
    assert found.knee is None or found.knee in found.front
    assert repr(found).startswith("Sweep(3 points from 4bits:weights to 6bits:weights, ")
    assert repr(found).endswith(", 1 unmet)")
    model = found.model(3)
    right = (model(images).argmax(1) == labels).double().mean()
    assert found.points[2].accuracy == pytest.approx(float(right))
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in given.items())
    assert found.plan("4") == found.plan(4)
    with pytest.raises(OptionError, match="point 1 has no plan"):
        found.model(1)
    assert json.loads(json.dumps(found.to_dict()))["network"] == "Sequential"


def test_points_are_those_of_compress(network: nn.Module, images: torch.Tensor) -> None:
    found = qd.sweep(network, images, BUDGETS, **QUICK)
    for number, budget in enumerate(("4bits", "5bits", "6bits"), 1):
        single = qd.compress(network, images, f"{budget}:weights", **QUICK)
        assert found.plan(number) == single.plan
        assert found.points[number - 1].bytes == single.to_dict()["compressed"]["bytes"]


def test_a_sweep_in_a_notebook_and_on_a_page(network: nn.Module, images: torch.Tensor, tmp_path: Path) -> None:
    found = qd.sweep(network, images, BUDGETS, **QUICK)
    assert list(found.plot().data[0].x) == [point.cost for point in found.points]
    shown = found._repr_html_()
    assert "<td>3 of 3 budgets have a plan</td>" in shown
    assert shown.count("<rect") == 3
    assert found.report(tmp_path / "page.html", "Three points") == tmp_path / "page.html"
    assert "Three points" in (tmp_path / "page.html").read_text()


def test_without_a_folder_the_files_go_with_the_result(network: nn.Module, images: torch.Tensor) -> None:
    found = qd.sweep(network, images, "5bits:weights", **QUICK)
    path = found.folder.path
    assert path.is_dir()
    del found
    gc.collect()
    assert not path.exists()


def test_a_result_is_saved_and_a_folder_goes_on(network: nn.Module, images: torch.Tensor, tmp_path: Path) -> None:
    found = qd.sweep(network, images, BUDGETS, **QUICK)
    path = found.save(tmp_path / "out")
    assert sorted(each.name for each in (path / "points" / "2").iterdir()) == [
        "model.safetensors",
        "plan.json",
        "result.json",
    ]
    again = qd.sweep(network, images, BUDGETS, folder=path, **QUICK)
    # Nothing is run again.
    assert again.points == found.points
    with pytest.raises(OutputExistsError, match="exists; choose another folder"):
        found.save(path)
    assert found.save(path, overwrite=True) == path
    with pytest.raises(OutputExistsError, match="differs in backend options, seed"):
        qd.sweep(network, images, BUDGETS, folder=path, seed=1, **QUICK)
    assert again.save(path) == path


def test_pictures(network: nn.Module, images: torch.Tensor, tmp_path: Path) -> None:
    found = qd.sweep(network, images, BUDGETS, **QUICK)
    found.draw(tmp_path / "curve.svg")
    assert "<svg" in (tmp_path / "curve.svg").read_text()
    with pytest.raises(OptionError, match=r"\.png or \.svg"):
        found.draw(tmp_path / "curve.jpg")


def test_ctrl_c_keeps_finished_points(network: nn.Module, images: torch.Tensor, tmp_path: Path) -> None:
    class Impatient(SilentReporter):
        def stage(self, name: str) -> None:
            if name.startswith("point 3"):
                raise KeyboardInterrupt

    found = qd.sweep(network, images, BUDGETS, folder=tmp_path / "out", progress=Impatient(), **QUICK)
    assert (found.interrupted, len(found.points)) == (True, 2)
    assert repr(found).endswith(", 1 left)")
    whole = qd.sweep(network, images, BUDGETS, folder=tmp_path / "out", progress=False, **QUICK)
    assert (whole.interrupted, len(whole.points)) == (False, 3)


def test_wrong_words(network: nn.Module, images: torch.Tensor) -> None:
    with pytest.raises(OptionError, match="is not a range"):
        qd.sweep(network, images, "2bits:4bits")
    with pytest.raises(OptionError, match="has no argument 'round'"):
        qd.sweep(network, images, "4bits", round=1)  # type: ignore[call-arg]
    with pytest.raises(OptionError, match="both limit size"):
        qd.sweep(network, images, "4bits", keeping="200KB")
