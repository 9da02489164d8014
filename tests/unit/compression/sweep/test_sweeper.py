"""A sweep measures once, and its points are those of single runs; it goes on where it was interrupted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.preparation import PreparedNetwork
from qubo_dnn.compression.result import MODEL, result, write_run
from qubo_dnn.compression.rewriting.compressed_file import load_compressed_
from qubo_dnn.compression.search import loss_modeller
from qubo_dnn.compression.search.search import Search
from qubo_dnn.compression.sweep.folder import SweepFolder
from qubo_dnn.compression.sweep.record import SweepRecord, read_sweep
from qubo_dnn.compression.task.options import bit_widths, parse_options
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.errors import BudgetError, FileFormatError, OptionError, OutputExistsError, QuboDnnError
from tests.unit.compression.conftest import Tiny
from tests.unit.compression.sweep.conftest import QUICK

Run = Callable[..., SweepRecord]
WITH_PAIRS = QUICK | {"backend": "tabu", "parameters": {"shrinkage": 0.7}, "options": bit_widths(0, 2, 4, 8)}
SIZES = ("3bits", "4bits", "5bits")


class Count:
    """Counts the calls of a function."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
        self.calls = 0
        whole = getattr(owner, name)

        def counted(*args: Any, **more: Any) -> Any:
            self.calls += 1
            return whole(*args, **more)

        monkeypatch.setattr(owner, name, counted)


class TestPoints:
    def test_one_measurement_is_shared_by_all(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        measured = Count(monkeypatch, loss_modeller, "gauss_newton")
        large = Count(monkeypatch, loss_modeller, "measure_nonlinearity")
        searches = Count(monkeypatch, Search, "run")
        record = run()
        assert (measured.calls, large.calls, searches.calls) == (1, 1, 3)
        assert [each.budget for each in record.points.values()] == [f"{size}:weights" for size in SIZES]
        assert {"examine", "quantize", "measure", "measure large changes"} == set(record.seconds)

    @pytest.mark.parametrize("rounds", [1, 2])
    def test_exact_answers_are_those_of_single_runs(self, run: Run, tiny: Tiny, tmp_path: Path, rounds: int) -> None:
        """Wherever the solver begins."""
        settings = QUICK | {"rounds": rounds, "recovery": "auto"}
        test = tiny.images(30, seed=7)
        record = run(test=test, **settings)
        for number, size in enumerate(SIZES, 1):
            done = tiny.compress(size, test=test, **settings)
            folder, point = SweepFolder(tmp_path / "out"), record.points[number]
            assert folder.plan(number) == done.found.applied.plan
            single = write_run(tmp_path / f"single {number}", tiny.network(), done, tiny.images(), {})
            written = json.loads((folder.point(number) / "result.json").read_text())
            for name in ("compressed", "reference", "budgets", "held_out_divergence", "layers", "certificate"):
                if name == "certificate":
                    assert written[name]["bound"] == single[name]["bound"]
                else:
                    assert written[name] == single[name]
            assert (folder.point(number) / MODEL).read_bytes() == (tmp_path / f"single {number}" / MODEL).read_bytes()
            after = single["compressed"]
            assert (point.bytes, point.accuracy, point.loss) == (after["bytes"], after["accuracy"], after["loss"])
            assert (point.test_divergence, point.bits_per_weight) == (after["divergence"], after["bits_per_weight"])
            assert (point.divergence, point.cost) == (done.found.applied.held_out.divergence, point.bytes)

    def test_the_first_point_is_that_of_a_single_run(self, run: Run, tiny: Tiny, tmp_path: Path) -> None:
        run("3bits:4bits:1bits:weights", **WITH_PAIRS)
        single = tiny.compress("3bits", **WITH_PAIRS)
        assert SweepFolder(tmp_path / "out").plan(1) == single.found.applied.plan

    def test_others_begin_at_the_plan_of_the_tighter_budget(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        starts: list[Plan | None] = []
        whole = PreparedNetwork.search

        def search(*args: Any) -> Search:
            starts.append(args[4] if len(args) == 5 else None)
            return whole(*args)

        monkeypatch.setattr(PreparedNetwork, "search", search)
        run("0.01bits:weights,3bits:5bits:1bits:weights")
        folder = SweepFolder(tmp_path / "out")
        # The first one is for the measurement, and there is none where no plan fits.
        assert starts == [None, None, folder.plan(2), folder.plan(3)]

    def test_their_divergence_falls_with_the_budget(self, run: Run) -> None:
        record = run("2bits:6bits:2bits:weights", rerank=4, recovery="auto")
        divergences = np.array([each.divergence for each in record.points.values()], float)
        assert (np.diff(divergences) < 0.0).all()
        assert record.front == (1, 2, 3)

    def test_what_a_file_holds_is_the_network(self, run: Run, tiny: Tiny, tmp_path: Path) -> None:
        test = tiny.images(30, seed=7)
        record = run(test=test)
        network = tiny.network()
        load_compressed_(network, SweepFolder(tmp_path / "out").point(2) / MODEL)
        assert test.targets is not None
        right = torch.eq(logits(network, test).argmax(1), test.targets).double().mean()
        assert record.points[2].accuracy == pytest.approx(float(right))
        assert not torch.equal(next(network.parameters()), next(tiny.network().parameters()))

    def test_a_budget_that_no_plan_meets_is_said_and_the_rest_goes_on(self, run: Run) -> None:
        record = run("0.01bits:weights,4bits:weights,0.02bits:weights")
        assert [each.is_met for _, each in sorted(record.points.items())] == [False, False, True]
        assert record.budgets == ["0.01bits:weights", "0.02bits:weights", "4bits:weights"]
        assert "cannot be met" in str(record.points[1].reason)
        assert record.front == (3,)

    def test_budgets_none_of_which_can_be_met(self, run: Run) -> None:
        for _ in range(2):
            with pytest.raises(BudgetError, match=r"none of the budgets can be met; the largest: .* cannot be met"):
                run("0.01bits:weights,0.02bits:weights")

    def test_units_are_ordered_by_the_room_they_leave(self, run: Run) -> None:
        record = run("5bits:weights,45B:weights,12%:weights", rerank=1)
        # 120 weights: 75, 45 and 57.6 bytes.
        assert record.budgets == ["45B:weights", "12%:weights", "5bits:weights"]
        sizes = [each.bytes for each in record.points.values()]
        assert sizes == sorted(sizes, key=lambda size: size or 0)

    def test_multiply_accumulates(self, run: Run, tmp_path: Path) -> None:
        record = run("60%macs:100%macs:20%macs", recovery="none")
        assert record.unit == "multiply-accumulates"
        costs = [each.cost for each in record.points.values()]
        # 4 x 4 x 18 x 4 of the convolution and 48 of the layer behind it.
        total = 1200
        assert all(
            cost is not None and cost <= share * total for cost, share in zip(costs, (0.6, 0.8, 1.0), strict=True)
        )
        assert [each.macs for each in record.points.values()] == costs
        assert "0" in {
            str(option) for layer in SweepFolder(tmp_path / "out").plan(1).layers.values() for option in layer.options
        }

    def test_all_points_keep_a_further_budget(self, run: Run, tmp_path: Path) -> None:
        run("3bits:weights,5bits:weights", kept=("30%bops",))
        for number in (1, 2):
            written = json.loads((tmp_path / "out" / "points" / str(number) / "result.json").read_text())
            assert [each["name"] for each in written["budgets"]] == ["bops", "size"]
            assert all(each["used"] <= each["limit"] for each in written["budgets"])

    def test_a_target_accuracy_drop_is_refused(self, run: Run) -> None:
        with pytest.raises(OptionError, match=r"takes no target accuracy drop|takes no budget of stored size"):
            run(target_accuracy_drop=0.01)
        with pytest.raises(OptionError, match="takes no target accuracy drop"):
            run("60%macs", target_accuracy_drop=0.01)


class TestBaselines:
    def test_uniform_widths_and_separable_plans(self, run: Run, tiny: Tiny) -> None:
        test = tiny.images(30, seed=7)
        record = run("3bits:weights,4bits:weights", baselines=True, test=test, **WITH_PAIRS)
        assert set(record.baselines) == {"uniform", "separable"}
        uniform = record.baselines["uniform"]
        assert [each.budget for each in uniform.values()] == ["2 bits", "4 bits", "8 bits"]
        by_width = [each.bytes or 0 for each in uniform.values()]
        # 120 weights, apart from the filling of bytes.
        assert [size - by_width[0] for size in by_width] == pytest.approx([0, 30, 90], abs=4)
        separable = tiny.compress("4bits", test=test, **WITH_PAIRS | {"parameters": {"objective": "separable"}})
        found = record.baselines["separable"][2]
        assert found.divergence == separable.found.applied.held_out.divergence
        assert found.accuracy == result(separable, 0)["compressed"]["accuracy"]

    def test_uniform_points_are_repaired_as_others_are(self, run: Run, tiny: Tiny, tmp_path: Path) -> None:
        """A budget with room for it makes all weights of the only other option than pruning."""
        settings = WITH_PAIRS | {"recovery": "auto", "options": parse_options("0,4")}
        test = tiny.images(30, seed=7)
        record = run("8bits:weights", baselines=True, test=test, **settings)
        (uniform,), (point,) = record.baselines["uniform"].values(), record.points.values()
        options = [layer.options for layer in SweepFolder(tmp_path / "out").plan(1).layers.values()]
        assert {str(option) for each in options for option in each} == {"4"}
        same: dict[str, Any] = {"number": 1, "budget": "", "seconds": None}
        assert replace(uniform, **same) == replace(point, **same)

    def test_they_can_be_added_to_a_finished_sweep(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        before = run("4bits:weights", **WITH_PAIRS)
        searches = Count(monkeypatch, Search, "run")
        record = run("4bits:weights", baselines=True, **WITH_PAIRS)
        assert (record.points, searches.calls) == (before.points, 1)
        assert run("4bits:weights", baselines=True, **WITH_PAIRS).baselines == record.baselines
        assert searches.calls == 1

    def test_an_objective_without_pairs_has_no_second_curve(self, run: Run) -> None:
        record = run(baselines=True)
        assert set(record.baselines) == {"uniform"}

    def test_formulations_without_such_an_objective(self, run: Run) -> None:
        with pytest.raises(OptionError, match=r"'aqc-pruning-quantization' .* has none"):
            run(baselines=True, formulation="aqc-pruning-quantization", parameters={})
        with pytest.raises(OptionError, match="with the reward 'measured' has none"):
            run(baselines=True, reward="measured", backend="genetic", parameters={})


class TestInterrupts:
    @pytest.fixture
    def interrupt(self, tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
        """Presses Ctrl-C when a stage begins whose name starts like this."""

        def arm(prefix: str) -> None:
            def stage(name: str) -> None:
                tiny.listener.stages.append(name)
                if prefix and name.startswith(prefix):
                    raise KeyboardInterrupt

            monkeypatch.setattr(tiny.listener, "stage", stage)

        return arm

    def test_finished_points_stay_and_are_not_run_again(
        self, run: Run, tiny: Tiny, tmp_path: Path, interrupt: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = run(out="whole")
        interrupt("point 2 of 3, 4bits:weights: apply")
        cut = run()
        assert (cut.interrupted, cut.is_complete, list(cut.points)) == (True, False, [1])
        assert read_sweep(tmp_path / "out") == cut
        kept = (tmp_path / "out" / "points" / "1" / MODEL).stat().st_mtime_ns
        interrupt("")
        searches = Count(monkeypatch, Search, "run")
        tiny.listener.stages.clear()
        record = run()
        assert (record.interrupted, record.is_complete, searches.calls) == (False, True, 2)
        assert not any(name.startswith("point 1") for name in tiny.listener.stages)
        assert (tmp_path / "out" / "points" / "1" / MODEL).stat().st_mtime_ns == kept
        for number in (1, 2, 3):
            # Both begin at the same plans.
            files = [(tmp_path / out / "points" / str(number) / MODEL).read_bytes() for out in ("whole", "out")]
            assert files[0] == files[1]
        assert record.front == whole.front

    def test_a_finished_sweep_is_not_run_again(self, run: Run, tiny: Tiny) -> None:
        first = run()
        tiny.listener.stages.clear()
        assert run() == first
        assert tiny.listener.stages == []

    def test_a_point_that_ctrl_c_cut_short_is_run_again(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        whole, runs = Search.run, iter([False, True])

        def cut(self: Search) -> Any:
            return replace(whole(self), interrupted=next(runs))

        monkeypatch.setattr(Search, "run", cut)
        assert list(run().points) == [1]
        monkeypatch.setattr(Search, "run", whole)
        assert list(run().points) == [1, 2, 3]

    @pytest.mark.parametrize("prefix", ["examine", "measure", "point 1"])
    def test_before_the_first_point_there_is_nothing_to_keep(
        self, run: Run, tmp_path: Path, interrupt: Callable[[str], None], prefix: str
    ) -> None:
        interrupt(prefix)
        with pytest.raises(KeyboardInterrupt):
            run()
        assert read_sweep(tmp_path / "out").points == {}
        interrupt("")
        assert run().is_complete

    def test_an_error_at_a_point_keeps_those_before_it(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole, runs = Search.run, iter([False, True])

        def failing(self: Search) -> Any:
            if next(runs):
                raise QuboDnnError("the service is gone")
            return whole(self)

        monkeypatch.setattr(Search, "run", failing)
        with pytest.raises(QuboDnnError, match="the service is gone"):
            run()
        assert list(read_sweep(tmp_path / "out").points) == [1]

    def test_what_a_killed_run_has_left_is_no_point(self, run: Run, tmp_path: Path) -> None:
        """Killed between the files of a point and the record, and while it wrote files."""
        whole = run()
        shutil.copytree(tmp_path / "out" / "points" / "1", tmp_path / "out" / "points" / ".3.4711")
        data = json.loads((tmp_path / "out" / "sweep.json").read_text())
        data["points"].pop()
        (tmp_path / "out" / "sweep.json").write_text(json.dumps(data))
        again = run()
        strip = {number: replace(each, seconds=None) for number, each in again.points.items()}
        assert strip == {number: replace(each, seconds=None) for number, each in whole.points.items()}
        assert sorted(each.name for each in (tmp_path / "out" / "points").iterdir()) == ["1", "2", "3"]


class TestFolders:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"seed": 1}, "seed"),
            ({"budgets": "3bits:4bits:1bits:weights"}, "budgets"),
            ({"rounds": 2, "rerank": 2}, "rounds, rerank"),
            ({"backend": "tabu"}, "backend"),
            ({"options": parse_options("4,8")}, "options"),
            ({"recovery": "auto"}, "recovery"),
            ({"parameters": {"objective": "trace"}}, "parameters"),
        ],
    )
    def test_other_settings_are_refused(self, run: Run, changes: dict[str, Any], said: str) -> None:
        run()
        with pytest.raises(OutputExistsError, match=f"holds a sweep that differs in {said}; choose another folder"):
            run(**changes)

    def test_other_images_and_networks_are_refused(self, run: Run, tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
        run()
        with pytest.raises(OutputExistsError, match="differs in calibration images;"):
            run(images=tiny.images(seed=4))
        with pytest.raises(OutputExistsError, match="differs in test images;"):
            run(test=tiny.images(seed=4))
        other = tiny.network()
        with torch.no_grad():
            next(other.parameters()).mul_(1.5)
        monkeypatch.setattr(tiny, "network", lambda: other)
        with pytest.raises(OutputExistsError, match="differs in network;"):
            run(images=Tiny().images())

    def test_where_measurements_are_kept_does_not_matter(self, run: Run, tmp_path: Path) -> None:
        first = run()
        assert run(checkpoints=tmp_path / "measured", replace_checkpoints=True) == first

    def test_a_sweep_is_replaced_where_asked(self, run: Run, tmp_path: Path) -> None:
        run("3bits:5bits:0.5bits:weights")
        record = run("4bits:weights", overwrite=True)
        assert list(record.points) == [1]
        assert [each.name for each in (tmp_path / "out" / "points").iterdir()] == ["1"]

    def test_other_files_are_never_touched(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.txt").write_text("x")
        for overwrite in (False, True):
            with pytest.raises(OutputExistsError, match=r"thesis.txt is not the output of a sweep"):
                run(overwrite=overwrite)
        (tmp_path / "file").write_text("x")
        with pytest.raises(OutputExistsError, match="is a file"):
            run(out="file", overwrite=True)

    def test_a_damaged_record_is_refused(self, run: Run, tmp_path: Path) -> None:
        run("4bits:weights")
        (tmp_path / "out" / "sweep.json").write_text("{")
        with pytest.raises(FileFormatError, match="cannot be read as JSON"):
            run("4bits:weights")
        assert run("4bits:weights", overwrite=True).is_complete
