"""The page about a compression."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import qubo_dnn as qd
from qubo_dnn.compression.outcome import Compression
from qubo_dnn.compression.report import compression_page, write_report
from qubo_dnn.compression.report_charts import channel_map, coupling_map, tried_chart
from qubo_dnn.compression.result import result
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.compression.task.plan import LayerPlan, Plan
from qubo_dnn.reports.page import Chart, Page, Table
from tests.pages import Structure, check_figures, checked_page, opened
from tests.unit.compression.conftest import Tiny

pytest.importorskip("jinja2")
pytest.importorskip("plotly")

CHARTS = ["widths", "channels", "shares", "couplings", "tried", "trace", "ladder", "exchanges", "portfolio", "stages"]
NAME = "<script>alert(1)<|script>[red]\x1b[31m"


def figures(done: Compression, **changed: Any) -> dict[str, Any]:
    return {**result(done, 999), "network": "tiny", **changed}


def tables(page: Page) -> dict[str, Table]:
    return {part.caption: part for section in page.sections for part in section.parts if isinstance(part, Table)}


def charts(page: Page) -> dict[str, Chart]:
    return {part.name: part for section in page.sections for part in section.parts if isinstance(part, Chart)}


@pytest.fixture(scope="module")
def done() -> Compression:
    tiny = Tiny()
    return tiny.compress(test=tiny.images(9), rounds=2, backend_options={"seed": 3, "num_sweeps": 50})


class TestComplete:
    def test_page_shows_what_was_asked_and_what_came_out(self, done: Compression, tmp_path: Path) -> None:
        said = figures(done)
        write_report(tmp_path / "c.html", done, said, ["compress", "tiny"])
        page = checked_page(tmp_path / "c.html")
        assert check_figures(tmp_path / "c.html") == CHARTS
        accuracy = f"{100 * said['compressed']['accuracy']:.2f} %"
        assert f"test accuracy {100 * said['reference']['accuracy']:.2f} % before, {accuracy} after" in page.text
        assert "qubo-dnn compress tiny" in page.text
        assert "There are no test data" not in page.text
        for entry in said["left_alone"]:
            assert entry["reason"] in page.text

    def test_bars_are_the_widths_of_the_plan(self, done: Compression) -> None:
        said = figures(done)
        drawn = charts(compression_page(done, said))
        (widths,) = (drawn["widths"].figure["data"],)
        for place, layer in enumerate(said["layers"]):
            total = sum(layer["widths"].values())
            lengths = {trace["name"]: trace["x"][place] for trace in widths}
            assert sum(lengths.values()) == pytest.approx(100.0)
            for option, count in layer["widths"].items():
                name = {"0": "pruned", "32": "float32"}.get(option, f"{option} bits")
                assert lengths[name] == pytest.approx(100.0 * count / total)
            assert f"{layer['bytes']:,} bytes" in widths[0]["hovertext"][place]

    def test_every_tried_plan_is_a_point(self, done: Compression) -> None:
        said = figures(done)
        plans = [plan for each in said["rounds"] for plan in each["tried"]]
        assert len(plans) >= len(said["rounds"])
        rows = tables(compression_page(done, said))["Rounds"].rows
        assert [row[6] for row in rows] == [len(each["tried"]) for each in said["rounds"]]
        drawn = tried_chart(said["rounds"])
        assert drawn is not None
        points = {(row[-3], row[-2]) for row in drawn.table.rows}
        assert points >= {
            (p["predicted"], p["divergence"]) for p in plans if p["predicted"] > 0 and p["divergence"] > 0
        }
        best = min(plan["divergence"] for plan in said["rounds"][0]["tried"])
        assert said["rounds"][0]["divergence"] == best

    def test_couplings_add_up_to_the_prediction(self, done: Compression) -> None:
        assert done.couplings is not None
        assert done.predicted is not None
        np.testing.assert_allclose(done.couplings, done.couplings.T, rtol=1e-5)
        np.testing.assert_allclose(done.couplings.sum(axis=1), list(done.predicted.values()), rtol=1e-4, atol=1e-9)


class TestIncomplete:
    def test_run_without_test_data_says_so(self, tiny: Tiny, tmp_path: Path) -> None:
        done = tiny.compress(rounds=1, backend_options={"seed": 3, "num_sweeps": 50})
        write_report(tmp_path / "c.html", done, figures(done))
        text = checked_page(tmp_path / "c.html").text
        assert "There are no test data; divergences are those of held-out calibration data." in text
        assert "accuracy, loss and divergence on test data: the run had no test data" in text
        assert check_figures(tmp_path / "c.html") == CHARTS

    def test_resumed_run_says_so(self, tiny: Tiny, tmp_path: Path) -> None:
        settings: Mapping[str, Any] = {"rounds": 1, "backend_options": {"seed": 3, "num_sweeps": 50}}
        first = tiny.compress(checkpoints=tmp_path / "m", **settings)
        again = tiny.compress(checkpoints=tmp_path / "m", **settings)
        assert first.resumed == ()
        said = "9 of 9 samples of the measurement in given.safetensors are from an earlier run"
        assert again.resumed == (said,)
        page = compression_page(again, figures(again))
        assert f"This run was resumed: {said}." in page.notices
        assert list(charts(page)) == list(charts(compression_page(first, figures(first))))

    def test_interrupted_and_failed_runs_say_so(self, done: Compression) -> None:
        notices = compression_page(done, figures(done, interrupted=True, failed="no network", warnings=["odd"])).notices
        assert notices[0] == "The run was interrupted; this is the best network until then."
        assert notices[1].endswith("no network")
        assert notices[2] == "Warning: odd"

    def test_collapse_and_a_larger_file_are_stated(self, done: Compression) -> None:
        said = figures(done)
        said["reference"] = said["reference"] | {"accuracy": 0.9, "bytes": 500}
        said["compressed"] = said["compressed"] | {"accuracy": 0.5}
        notices = compression_page(done, said).notices
        assert "The accuracy fell by 40.00 points." in notices
        assert "The file is not smaller." in notices

    def test_run_without_a_model_or_after_training_has_no_shares(self, done: Compression) -> None:
        bare = replace(done, predicted=None, couplings=None, effects=None)
        page = compression_page(bare, figures(bare))
        assert not {"shares", "couplings"} & charts(page).keys()
        assert page.absent["measured shares of the layers"] == "after training, layers depend on each other"
        bare = replace(done, predicted=None, couplings=None)
        page = compression_page(bare, figures(bare))
        assert "shares" in charts(page)
        assert page.absent["predicted shares and the couplings between layers"] == "no model of the loss was measured"

    def test_measured_reward_and_a_backend_without_a_ladder(self, tiny: Tiny) -> None:
        done = tiny.compress(reward="measured", backend="genetic", backend_options={"seed": 1, "generations": 2})
        page = compression_page(done, figures(done))
        assert "the ladder of temperatures" in page.absent
        assert done.couplings is None

    def test_latency_and_certificate_are_shown_where_measured(self, done: Compression) -> None:
        latency = {"before": 2.0, "after": 1.0, "speedup": 2.0, "share": 0.5}
        onnx = {
            "form": "fast",
            "bytes": 5,
            "latency": latency,
            "predicted": 0.6,
            "agreement": {"largest": 0.1},
            "notes": ["n"],
        }
        proof = {
            "optimal": False,
            "infeasible": False,
            "bound": 1.0,
            "gap": 0.1,
            "plan_gap": 0.2,
            "method": "m",
            "seconds": 1.0,
        }
        page = compression_page(done, figures(done, onnx=onnx, certificate=proof))
        shown = {row[0]: row[1] for row in tables(page)["Latency in onnxruntime, one thread, one sample"].rows}
        assert (shown["times as fast"], shown["share that the cost table predicts"]) == (2.0, 0.6)
        assert {row[0]: row[1] for row in tables(page)["Certificate"].rows}["gap of the plan"] == "20 %"
        assert not {"latency", "a certificate"} & page.absent.keys()


def test_wide_layers_are_averaged() -> None:
    plan = Plan({"fc": LayerPlan(1, bit_widths(*([2, 4] * 600)))})
    drawn = channel_map([{"name": "fc", "widths": {"2": 600, "4": 600}}], plan)
    (row,) = drawn.figure["data"][0]["z"]
    assert len(row) == 400
    assert row[0] == pytest.approx(8 / 3)
    assert "mean of 3 channels" in drawn.note


def test_page_of_a_large_network_is_small(done: Compression, tmp_path: Path) -> None:
    """Of 160 layers of 2,048 channels, each of its own width."""
    rng = np.random.default_rng(0)
    said = figures(done)
    (layer, *_) = said["layers"]
    names = [f"stages.{n // 10}.blocks.{n}.a_long_name.conv" for n in range(160)]
    drawn = [bit_widths(*rng.choice([2, 3, 4, 6, 8], 2048).tolist()) for _ in names]
    widths = [{str(option): options.count(option) for option in sorted(set(options))} for options in drawn]
    said["layers"] = [layer | {"name": name, "widths": each} for name, each in zip(names, widths, strict=True)]
    factor = rng.normal(size=(160, 20))
    layers = tuple(replace(done.found.task.layers[0], name=name) for name in names)
    plan = Plan({name: LayerPlan(1, options) for name, options in zip(names, drawn, strict=True)})
    found = replace(
        done.found,
        task=replace(done.found.task, layers=layers),
        trial=replace(done.found.trial, applied=replace(done.found.applied, plan=plan)),
    )
    write_report(tmp_path / "c.html", replace(done, found=found, couplings=factor @ factor.T), said)
    checked_page(tmp_path / "c.html")
    assert check_figures(tmp_path / "c.html") == CHARTS


def test_only_the_largest_of_many_parts_are_coupled() -> None:
    drawn = coupling_map([f"l{n}" for n in range(200)], np.diag(np.arange(200.0)))
    assert drawn is not None
    assert len(drawn.figure["data"][0]["z"]) == 120
    assert drawn.table.rows[0][0] == "l80"
    assert coupling_map(["a"], np.zeros((1, 1))) is None
    assert tried_chart([{"number": 1, "tried": []}]) is None


def named() -> nn.Module:
    """A network whose layers have names that would like to be something else; a dot would make it a path."""
    torch.manual_seed(0)
    return nn.Sequential(OrderedDict([("flat", nn.Flatten()), (NAME, nn.Linear(16, 8)), ("head", nn.Linear(8, 3))]))


def test_names_of_layers_do_nothing(tmp_path: Path) -> None:
    done = qd.compress(named(), torch.randn(32, 1, 4, 4), "6bits:weights", seed=1, rounds=1)
    assert done.report(tmp_path / "c.html") == tmp_path / "c.html"
    shown = Structure(done._repr_html_())
    assert {tag for tag, _ in shown.elements} == {"table", "tr", "th", "td", "div", "svg", "text", "rect"}
    assert "[red]\\x1b[31m" in shown.text
    assert f"bytes {done.to_dict()['compressed']['bytes']:,} of" in shown.text
    (row, _) = done.plot().layout.yaxis.ticktext
    assert "<" not in row
    text = (tmp_path / "c.html").read_text()
    assert "<script>alert" not in text
    assert "\x1b" not in text
    assert checked_page(tmp_path / "c.html").text.count("<script>alert(1)<|script>[red]\\x1b[31m") > 3
    assert check_figures(tmp_path / "c.html")


@pytest.mark.slow
def test_page_in_a_browser(done: Compression, tmp_path: Path) -> None:
    write_report(tmp_path / "c.html", done, figures(done))
    opened(tmp_path / "c.html", tmp_path)
