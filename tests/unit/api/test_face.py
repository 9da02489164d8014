"""`import qubo_dnn as qd`: quick, complete, and one call for everything."""

from __future__ import annotations

import inspect
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Literal

import dimod
import networkx as nx
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import qubo_dnn as qd
from qubo_dnn.errors import ArgumentError, DataError, OptionError, QuboDnnError, UnsupportedProblemError

MODEL = {("a", "a"): -1.0, ("b", "b"): -2.0, ("a", "b"): 3.0}
HEAVY = ("dimod", "mlflow", "networkx", "numba", "numpy", "pydantic", "scipy", "torch", "typer")


def test_the_import_is_quick_and_loads_nothing_else() -> None:
    code = (
        "import sys, time; begun = time.process_time(); import qubo_dnn; spent = time.process_time() - begun\n"
        f"print(spent, [module for module in {HEAVY} if module in sys.modules])"
    )
    seconds, _, loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.partition(" ")
    assert float(seconds) < 0.05
    assert loaded.strip() == "[]"


def test_every_public_name_exists_and_is_listed() -> None:
    assert {name for name in qd.__all__ if getattr(qd, name) is None} == set()
    assert set(qd.__all__) <= set(dir(qd))
    with pytest.raises(AttributeError, match="no attribute 'slove'"):
        _ = qd.slove


def test_solutions_show_themselves_in_short() -> None:
    solution = qd.solve(MODEL, "tabu", seed=7, num_solutions=3)
    assert repr(solution).startswith("Solution(objective=-2, feasible=True, backend='tabu', seed=7, calls=1, ")
    assert solution.native() == [{"a": 0, "b": 1}, *(each.value for each in solution.candidates[1:])]
    assert "<th>objective</th><td>-2</td>" in solution._repr_html_()
    assert json.loads(json.dumps(solution.to_dict()))["value"] == {"a": 0, "b": 1}
    frame = solution.to_pandas()
    assert frame.columns.tolist() == ["objective", "feasible", "a", "b"]
    assert frame.objective.tolist() == [each.objective for each in solution.candidates]
    assert solution.plot().layout.yaxis.title.text == "samples"
    assert pickle.loads(pickle.dumps(solution)).best == solution.best


def test_a_notebook_shows_no_markup_of_a_label() -> None:
    solution = qd.solve({("<b>", "<b>"): -1.0}, "exact")
    assert "<b>" not in solution._repr_html_()


def test_a_graph_is_solved_by_any_formulation_of_graphs() -> None:
    graph = nx.cycle_graph(6)
    assert qd.solve(graph, formulation="max-cut", seed=1).best.objective == 6.0
    assert qd.solve(graph, "exact", formulation="maximum-independent-set").best.value in ({0, 2, 4}, {1, 3, 5})


def test_samples_are_those_of_the_model_itself() -> None:
    bqm = dimod.BinaryQuadraticModel({"a": 1.0}, {("a", "b"): 1.0}, 0.5, "SPIN")
    found = qd.sample(bqm, "tabu", num_reads=4, seed=1)
    assert (found.vartype, len(found), found.first.energy) == (dimod.SPIN, 4, -1.5)
    assert qd.sample(np.diag([1.0, -2.0]), "tabu", seed=1).first.sample == {0: 0, 1: 1}
    cqm = dimod.ConstrainedQuadraticModel()
    cqm.add_constraint(dimod.Binary("x") + dimod.Binary("y") >= 1, label="some")
    with pytest.raises(UnsupportedProblemError, match="'some' is one: use solve"):
        qd.sample(cqm, "tabu")


def test_an_answer_is_bounded_embedded_and_compared() -> None:
    solution = qd.solve(MODEL, "tabu", seed=1)
    assert qd.certify(MODEL, solution, 1.0).optimal
    assert qd.certify(MODEL, seconds=1.0).bound == -2.0
    assert qd.diagnose(MODEL, "chimera:1", presolve=False, reads=0).verdict.startswith("fits")
    with pytest.raises(OptionError, match="no setting 'raeds'; did you mean 'reads'"):
        qd.diagnose(MODEL, raeds=0)
    records = qd.compare(MODEL, ["tabu", "steepest-descent:num_reads=5"], 0.02, [1])
    assert [record.final()[0].objective for record in records] == [-2.0, -2.0]


@pytest.mark.parametrize("sense", ["min", "max"])
def test_what_is_written_is_read_back(tmp_path: Path, sense: Literal["min", "max"]) -> None:
    cqm = dimod.ConstrainedQuadraticModel()
    cqm.set_objective(dimod.Binary("x") - 2 * dimod.Binary("y"))
    cqm.add_constraint(dimod.Binary("x") + dimod.Binary("y") <= 1, label="one")
    problem = qd.to_problem(cqm, sense=sense)
    qd.write(problem, tmp_path / "model.lp")
    back = qd.read(tmp_path / "model.lp")
    assert (back.sense, list(back.constraints)) == (sense, ["one"])
    for state in ({"x": 0, "y": 1}, {"x": 1, "y": 1}):
        assert back.decode(state).objective == problem.decode(state).objective
    qd.write(MODEL, tmp_path / "model.qubo")
    assert qd.solve(tmp_path / "model.qubo", "exact").best.objective == -2.0


class TestCompress:
    images, labels = torch.randn(40, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 4

    def network(self) -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 4))

    def test_tensors_datasets_and_loaders_give_the_same_network(self, tmp_path: Path) -> None:
        pairs = TensorDataset(self.images, self.labels)
        network = self.network()
        one = qd.compress(network, self.images, "4bits", targets=self.labels, backend="tabu", rounds=1)
        other = qd.compress(network, pairs, "4bits", backend="tabu", rounds=1)
        third = qd.compress(network, DataLoader(pairs, batch_size=7), "4bits", backend="tabu", rounds=1)
        assert one.plan == other.plan == third.plan
        assert one.to_dict()["compressed"]["bits_per_weight"] <= 4.0
        assert "bits per weight" in repr(one)
        folder = one.save(tmp_path / "out")
        loaded = self.network()
        qd.load_compressed_(loaded, folder / "model.safetensors")
        assert torch.equal(loaded(self.images), one.model(self.images))
        assert (folder / "model.safetensors").stat().st_size == one.to_dict()["compressed"]["bytes"]

    def test_settings_are_those_of_the_command(self) -> None:
        done = qd.compress(
            self.network(),
            self.images,
            None,
            targets=self.labels,
            backend="tabu",
            target_accuracy_drop=0.5,
            options="2,4,8",
            loss="cross-entropy",
            parameters={"objective": "separable"},
            rounds=1,
        )
        assert {str(option) for option in done.compression.found.task.options} == {"2", "4", "8"}

    @pytest.mark.parametrize(
        ("given", "error", "words"),
        [
            ({"roundz": 1}, OptionError, "no argument 'roundz'; did you mean 'rounds'"),
            ({"targets": torch.zeros(3)}, DataError, r"calibration: \d+ images but 3 targets"),
            ({"options": "four"}, OptionError, "four"),
            ({"backend_options": {"raeds": 1}}, OptionError, "no option 'raeds'"),
            ({"seed": None}, ArgumentError, "seed must be int, not NoneType"),
            ({"progress": 3.5}, ArgumentError, "progress must be CompressionReporter or bool or None, not float"),
            ({"budget": 3}, ArgumentError, "budget must be str or Sequence of str or None, not int: 3"),
        ],
    )
    def test_what_is_wrong_is_named(self, given: dict[str, object], error: type[Exception], words: str) -> None:
        arguments = {"targets": self.labels, "backend": "tabu", **given}
        with pytest.raises(error, match=words):
            qd.compress(self.network(), self.images, **arguments)  # type: ignore[arg-type]

    def test_a_library_is_silent_unless_it_is_told_to_show_progress(self, capsys: pytest.CaptureFixture[str]) -> None:
        for progress in (None, False, True):
            qd.compress(self.network(), self.images, targets=self.labels, backend="tabu", rounds=1, progress=progress)
            assert ("measure" in capsys.readouterr().err) == (progress is True)


_NETWORK, _INPUTS = nn.Linear(3, 2), torch.eye(3)
_MODEL = {("a", "a"): -1.0, ("a", "b"): 2.0}
_CALLS: dict[str, tuple[object, ...]] = {
    **dict.fromkeys(("solve", "sample", "certify", "diagnose", "to_problem"), (_MODEL,)),
    **{"compare": (_MODEL, ["tabu"], 0.01), "inspect": (_NETWORK, _INPUTS), "compress": (_NETWORK, _INPUTS)},
    "sweep": (_NETWORK, _INPUTS, "4bits:6bits:1bits"),
}


@pytest.mark.parametrize("name", _CALLS)
def test_an_argument_of_the_wrong_type_is_refused_by_an_error_of_ours(name: str) -> None:
    function = getattr(qd, name)
    wrong, refused = object(), 0
    for place, argument in enumerate(inspect.signature(function).parameters.values()):
        if argument.kind in (argument.VAR_KEYWORD, argument.VAR_POSITIONAL):
            continue
        given = list(_CALLS[name])
        named: dict[str, object] = {}
        if place < len(given):
            given[place] = wrong
        else:
            named[argument.name] = wrong
        with pytest.raises(QuboDnnError):
            function(*given, **named)
        refused += 1
    assert refused > 0
