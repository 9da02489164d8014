"""The written folder: whole or not at all, over nothing but an earlier run, and true to the network in memory."""

from __future__ import annotations

import enum
import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import nn

from qubo_dnn.compression import result as report
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.outcome import Compression
from qubo_dnn.compression.result import MODEL, PLAN, RESULT, check_output, result, write_run
from qubo_dnn.compression.rewriting.compressed_file import load_compressed_, save_compressed
from qubo_dnn.compression.task.layer_rules import Rules
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.errors import ModelError, OutputError, OutputExistsError
from qubo_formulations.aqc_pruning_quantization import squared_removed_bits
from tests.unit.compression.conftest import Tiny

QUICK: dict[str, Any] = {"backend": "neal", "backend_options": {"seed": 3, "num_reads": 4}, "rounds": 1, "rerank": 1}
ABOUT = {"network": "tiny", "formulation": "pruning-quantization", "granularity": "channel"}


@pytest.fixture(scope="module")
def quick() -> Compression:
    """A quick run, for tests that write or read one and leave it as it is."""
    return Tiny().compress(**QUICK)


def entries(folder: Path) -> set[str]:
    return set(os.listdir(folder))


class TestWritten:
    def test_folder_gives_the_network_the_plan_and_the_figures_back(self, tiny: Tiny, tmp_path: Path) -> None:
        done = tiny.compress(test=tiny.images(9), **QUICK)
        data = write_run(tmp_path / "deep" / "run", tiny.network(), done, tiny.images(), ABOUT)
        folder = tmp_path / "deep" / "run"
        assert entries(folder) == {MODEL, PLAN, RESULT}
        assert entries(tmp_path / "deep") == {"run"}
        reloaded = tiny.network()
        load_compressed_(reloaded, folder / MODEL)
        assert torch.equal(logits(reloaded, tiny.images()), logits(done.model, tiny.images()))
        assert Plan.load(folder / PLAN).layers == done.found.applied.plan.layers
        assert json.loads((folder / RESULT).read_text()) == data
        assert data["compressed"]["bytes"] == (folder / MODEL).stat().st_size

    def test_equal_runs_write_equal_bytes(self, tiny: Tiny, tmp_path: Path) -> None:
        for name in ("a", "b"):
            write_run(tmp_path / name, tiny.network(), tiny.compress(**QUICK), tiny.images(), ABOUT)
        for name in (MODEL, PLAN):
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()

    def test_parameters_of_any_type_become_json(self, tiny: Tiny, quick: Compression, tmp_path: Path) -> None:
        class Kind(enum.Enum):
            FIRST = "first"

        about = ABOUT | {"parameters": {"kind": Kind.FIRST, "at": Path("a/b"), "call": len, "two": (1, 2)}}
        data = write_run(tmp_path / "run", tiny.network(), quick, tiny.images(), about)
        assert data["parameters"] == {"kind": "first", "at": "a/b", "call": str(len), "two": [1, 2]}
        assert json.loads((tmp_path / "run" / RESULT).read_text()) == data

    def test_parameters_of_the_rounds_become_json(self, tiny: Tiny, tmp_path: Path) -> None:
        """A formulation of the caller's code may take functions."""
        settings = QUICK | {
            "formulation": "aqc-pruning-quantization",
            "parameters": {"beta": 1.0, "quantization_loss": squared_removed_bits},
        }
        data = write_run(tmp_path / "run", tiny.network(), tiny.compress(**settings), tiny.images(), ABOUT)
        (only,) = json.loads((tmp_path / "run" / RESULT).read_text())["rounds"]
        assert only["parameters"] == {"beta": 1.0, "quantization_loss": str(squared_removed_bits)}
        assert data["rounds"] == [only]

    def test_inside_the_present_folder(
        self, tiny: Tiny, quick: Compression, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        write_run(Path("run"), tiny.network(), quick, tiny.images(), ABOUT)
        assert entries(tmp_path / "run") == {MODEL, PLAN, RESULT}


class TestFigures:
    def test_schema(self, tiny: Tiny) -> None:
        done = tiny.compress("70B", test=tiny.images(9), rounds=2)
        data = result(done, 1234)
        assert set(data) == {
            *("reference", "compressed", "predicted_loss_increase", "calibration_loss_increase", "held_out_divergence"),
            *("certificate", "reward", "calibration_divergence", "calibration_metric", "coverage", "layers"),
            *("recovery", "budgets", "backend", "seed", "variables", "interactions", "repaired", "interrupted"),
            *("failed", "resumed", "rounds", "warnings", "left_alone", "seconds", "removal"),
        }
        assert set(data["reference"]) == {"accuracy", "loss", "metric", "bytes"}
        assert set(data["compressed"]) == {
            *("accuracy", "loss", "metric", "divergence", "bytes", "pruned_fraction"),
            *("bits_per_weight", "bits_per_compressed_weight"),
        }
        assert set(data["seconds"]) == {*done.seconds, "total"}
        assert data["seconds"]["total"] == pytest.approx(sum(done.seconds.values()))
        assert data["compressed"]["bytes"] == 1234
        assert done.test is not None
        assert data["compressed"]["accuracy"] == done.test[1].accuracy
        assert data["reference"]["loss"] == done.test[0].loss
        before, after = done.calibration
        assert before.loss is not None
        assert after.loss is not None
        assert data["calibration_loss_increase"] == after.loss - before.loss
        assert (data["variables"], data["seed"], data["backend"]) == (42, 3, "pt")
        assert (data["interrupted"], data["failed"]) == (False, None)

    def test_rounds(self, tiny: Tiny) -> None:
        done = tiny.compress()
        rounds = result(done, 1)["rounds"]
        assert [each["number"] for each in rounds] == [1, 2]
        assert set(rounds[0]) == {
            *("number", "parameters", "predicted", "divergence", "limit", "best", "accepted", "seconds", "tried")
        }
        assert set(rounds[0]["parameters"]) in ({"shrinkage"}, {"objective"})
        assert rounds[-1]["best"] == done.found.applied.held_out.divergence

    @pytest.mark.parametrize("recovery", ["auto", "none"])
    def test_divergence_before_and_after_the_repair(self, tiny: Tiny, recovery: str) -> None:
        done = tiny.compress(recovery=recovery, **QUICK)
        data = result(done, 1)
        divergence = data["held_out_divergence"]
        assert divergence["bare"] == done.found.applied.bare.divergence
        assert divergence["recovered"] == done.found.applied.held_out.divergence
        assert divergence["limit"] == done.found.trial.limit >= 20 * data["predicted_loss_increase"]
        assert data["warnings"] == []
        if recovery == "auto":
            assert data["recovery"] == list(done.found.applied.repaired) != []
            assert divergence["recovered"] < divergence["bare"]
        else:
            assert data["recovery"] == []
            assert divergence["recovered"] == divergence["bare"]

    @pytest.mark.parametrize(
        ("budget", "kind", "unit", "limit", "per_bit"),
        [
            ("5bits", "bits", "bits per weight", 5.0, 1 / 120),
            ("16%", "fraction", "of the fp32 weights", 614 / 3840, 1 / 3840),
            ("70B", "bytes", "bytes of weights", 70.0, 1 / 8),
        ],
    )
    def test_budget_in_its_own_unit(
        self, tiny: Tiny, budget: str, kind: str, unit: str, limit: float, per_bit: float
    ) -> None:
        done = tiny.compress(budget, **QUICK)
        bits = done.found.task.stored_bits(done.found.applied.plan)
        assert result(done, 1)["budgets"] == [
            {
                **{"name": "size", "kind": kind, "unit": unit, "limit": pytest.approx(limit), "used": bits * per_bit},
                "share_of_float": None,
            }
        ]
        assert bits * per_bit <= limit

    def test_several_budgets(self, tiny: Tiny) -> None:
        done = tiny.compress("10%bops", "5bits", **QUICK)
        bops, size = result(done, 1)["budgets"]
        assert (bops["name"], bops["kind"], bops["limit"]) == ("bops", "bops-fraction", pytest.approx(0.1))
        assert 0.05 < bops["used"] <= 0.1
        assert (size["name"], size["limit"]) == ("size", 5.0)

    def test_skipped_layers_are_left_alone_with_the_reason_and_count_in_sizes(self, tiny: Tiny) -> None:
        done = tiny.compress("20bits", rules=Rules(skip=("last",)), **QUICK)
        data = result(done, 1)
        linear, others = data["left_alone"]
        whole = data["reference"]["bytes"]
        assert linear == {
            **{"name": "5", "type": "Linear", "reason": "skipped, as asked"},
            **{"numbers": 51, "bytes": 204, "share": 204 / whole},
        }
        # Four biases, the BatchNorm's four vectors of four, and its counter of eight bytes.
        assert (others["name"], others["numbers"], others["bytes"]) == ("biases, norms and buffers", 21, 88)
        assert data["coverage"] == 72 / (72 + 51 + 21)
        (conv,) = data["layers"]
        assert data["compressed"]["bits_per_compressed_weight"] == 8 * conv["bytes"] / 72
        assert 8 * conv["bytes"] + 32 * 48 <= 20 * 120

    def test_a_record_per_layer_accounts_for_the_file(self, tiny: Tiny, quick: Compression, tmp_path: Path) -> None:
        data = write_run(tmp_path / "run", tiny.network(), quick, tiny.images(), ABOUT)
        conv, linear = data["layers"]
        assert (conv["name"], conv["kind"], conv["shape"], conv["calls"]) == ("0", "Conv2d", [4, 2, 3, 3], 1)
        assert (linear["weights"], sum(linear["widths"].values())) == (48, 3)
        bits = {width: int(width.partition("@")[0]) for width in conv["widths"]}
        assert conv["bops"] == sum(32 * 16 * 18 * bits[width] * count for width, count in conv["widths"].items())
        assert sum(layer["predicted_share"] for layer in data["layers"]) == pytest.approx(1.0)
        assert sum(layer["measured_share"] for layer in data["layers"]) == pytest.approx(1.0)
        stored = sum(layer["bytes"] for layer in data["layers"]) + sum(each["bytes"] for each in data["left_alone"])
        assert data["compressed"]["bits_per_weight"] == 8 * stored / (120 + 24)
        # All else in the file is its header.
        content = (tmp_path / "run" / MODEL).read_bytes()
        assert len(content) == stored + 8 + int.from_bytes(content[:8], "little")

    def test_without_test_images_accuracies_are_null(self, quick: Compression) -> None:
        data = json.loads(json.dumps(result(quick, 1)))
        for side in ("reference", "compressed"):
            assert data[side]["accuracy"] is None
            assert data[side]["loss"] is None

    def test_reference_bytes_are_those_of_the_float_network_as_a_file(self, tiny: Tiny, quick: Compression) -> None:
        plain = len(save(tiny.network().state_dict()))
        assert result(quick, 1)["reference"]["bytes"] == plain

    def test_shared_tensors_count_once(self, tiny: Tiny) -> None:
        model = tiny.network()
        model[5].register_parameter("tied", model.get_parameter("1.weight"))
        plain = len(save(tiny.network().state_dict()))
        assert result(tiny.compress(model=model, **QUICK), 1)["reference"]["bytes"] == plain


class TestWholeOrNotAtAll:
    @pytest.mark.parametrize("name", [MODEL, PLAN, RESULT])
    def test_full_disk(
        self, tiny: Tiny, quick: Compression, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        """The disk is full when the file `name` is written; an earlier run stays as it was."""
        folder = tmp_path / "run"
        write_run(folder, tiny.network(), quick, tiny.images(), ABOUT)
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        real = {method: getattr(Path, method) for method in ("write_bytes", "write_text")}

        def failing(method: str) -> Any:
            def write(path: Path, content: Any) -> Any:
                if name in path.name:
                    real[method](path, content[: len(content) // 2])
                    raise OSError(errno.ENOSPC, "No space left on device")
                return real[method](path, content)

            return write

        for method in real:
            monkeypatch.setattr(Path, method, failing(method))
        with pytest.raises(OutputError, match="run cannot be written: No space left on device"):
            write_run(folder, tiny.network(), quick, tiny.images(), ABOUT, overwrite=True)
        with pytest.raises(OutputError):
            write_run(tmp_path / "new", tiny.network(), quick, tiny.images(), ABOUT)
        assert entries(tmp_path) == {"run"}
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before

    def test_interrupt(self, tiny: Tiny, quick: Compression, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(report, "_check_reload", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_run(tmp_path / "run", tiny.network(), quick, tiny.images(), ABOUT)
        assert entries(tmp_path) == set()

    def test_earlier_run_comes_back_when_its_place_cannot_be_taken(
        self, tiny: Tiny, quick: Compression, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "run"
        write_run(folder, tiny.network(), quick, tiny.images(), ABOUT)
        before = (folder / RESULT).read_bytes()
        rename = Path.rename

        def failing(path: Path, target: Path) -> Path:
            if target == folder and not path.name.endswith(".old"):
                raise OSError(errno.EBUSY, "Device or resource busy")
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", failing)
        with pytest.raises(OutputError, match="busy"):
            write_run(folder, tiny.network(), quick, tiny.images(), ABOUT, overwrite=True)
        assert entries(tmp_path) == {"run"}
        assert (folder / RESULT).read_bytes() == before

    def test_tampered_file_is_caught(self, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The file holds another network than the one in memory."""

        def tamper(path: Path, model: nn.Module, *rest: Any) -> None:
            with torch.no_grad():
                bias = model.get_parameter("5.bias")
                before = bias.clone()
                bias.add_(1e-6)
                save_compressed(path, model, *rest)
                bias.copy_(before)

        monkeypatch.setattr(report, "save_compressed", tamper)
        with pytest.raises(ModelError, match="gives other logits"):
            write_run(tmp_path / "run", tiny.network(), tiny.compress(**QUICK), tiny.images(), ABOUT)
        assert entries(tmp_path) == set()


class TestOutputFolder:
    def earlier(self, folder: Path) -> None:
        folder.mkdir()
        for name in (MODEL, PLAN, RESULT):
            (folder / name).write_text("old")

    def test_that_exists_is_refused(self, tmp_path: Path) -> None:
        self.earlier(tmp_path / "run")
        with pytest.raises(OutputExistsError, match="exists; choose another folder or add --overwrite"):
            check_output(tmp_path / "run", overwrite=False)

    def test_of_an_earlier_run_is_replaced_when_asked(self, tiny: Tiny, quick: Compression, tmp_path: Path) -> None:
        self.earlier(tmp_path / "run")
        with pytest.raises(OutputExistsError):
            write_run(tmp_path / "run", tiny.network(), quick, tiny.images(), ABOUT)
        assert (tmp_path / "run" / RESULT).read_text() == "old"
        write_run(tmp_path / "run", tiny.network(), quick, tiny.images(), ABOUT, overwrite=True)
        assert json.loads((tmp_path / "run" / RESULT).read_text())["network"] == "tiny"
        assert entries(tmp_path) == {"run"}

    def test_with_anything_else_is_never_replaced(self, tiny: Tiny, quick: Compression, tmp_path: Path) -> None:
        self.earlier(tmp_path / "run")
        (tmp_path / "run" / "thesis.tex").write_text("years of work")
        for act in (
            lambda: check_output(tmp_path / "run", overwrite=True),
            lambda: write_run(tmp_path / "run", tiny.network(), quick, tiny.images(), {}, overwrite=True),
        ):
            with pytest.raises(OutputExistsError, match=r"thesis\.tex is not the output of an earlier run"):
                act()
        assert (tmp_path / "run" / "thesis.tex").read_text() == "years of work"

    def test_that_is_a_file_is_never_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "run").write_text("something")
        with pytest.raises(OutputExistsError, match="run is not the output of an earlier run"):
            check_output(tmp_path / "run", overwrite=True)

    def test_that_is_empty_or_new_is_fine(self, tmp_path: Path) -> None:
        check_output(tmp_path, overwrite=True)
        check_output(tmp_path / "a" / "b", overwrite=False)

    def test_below_a_file(self, tiny: Tiny, quick: Compression, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        for act in (
            lambda: check_output(tmp_path / "file" / "run", overwrite=False),
            lambda: write_run(tmp_path / "file" / "run", tiny.network(), quick, tiny.images(), {}),
        ):
            with pytest.raises(OutputError, match=r"run cannot be written: .*file is not a folder one may write to"):
                act()

    def test_below_a_folder_without_permission(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As `os.access` tells it; whoever runs the tests may be allowed everything."""
        monkeypatch.setattr(os, "access", lambda path, mode: not (path == tmp_path and mode == os.W_OK | os.X_OK))
        with pytest.raises(OutputError, match="is not a folder one may write to"):
            check_output(tmp_path / "run", overwrite=False)

    def test_with_a_name_too_long(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="cannot be written: File name too long"):
            check_output(tmp_path / ("x" * 300), overwrite=False)
