"""Callbacks receive parameters, figures and results in order, and cannot lose a result."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

import qubo_dnn as qd
from qubo_dnn.api.tracked import described
from qubo_dnn.compression.search.progress import SilentReporter
from qubo_dnn.errors import ArgumentError, BudgetError, CallbackWarning, OptionError
from tests.unit.tracking.service import SECRET, TOKEN, of_a_service

MODEL = {("a", "a"): -1.0, ("b", "b"): -2.0, ("a", "b"): 3.0}
QUICK: dict[str, Any] = {"parameters": {"objective": "separable"}, "rounds": 1, "rerank": 1, "recovery": "none"}


class Recorder(qd.Callback):
    """Keeps all events."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.kind = ""
        self.parameters: Mapping[str, Any] = {}
        self.metrics: list[tuple[str, float, int]] = []
        self.outcome: Any = None

    def started(self, kind: str, parameters: Mapping[str, Any]) -> None:
        self.events.append("started")
        self.kind, self.parameters = kind, parameters

    def metric(self, name: str, value: float, step: int) -> None:
        self.events.append("metric")
        self.metrics.append((name, value, step))

    def finished(self, result: Any) -> None:
        self.events.append("finished")
        self.outcome = result

    def failed(self, error: BaseException) -> None:
        self.events.append("failed")
        self.outcome = error

    def of(self, name: str) -> list[tuple[float, int]]:
        return [(value, step) for each, value, step in self.metrics if each == name]


class Raising(Recorder):
    """Raises an exception in one of its methods."""

    def __init__(self, event: str, error: type[BaseException] = ZeroDivisionError) -> None:
        super().__init__()
        self.event, self.error = event, error

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in ("started", "metric", "finished", "failed") or name != self.event:
            return found

        def call(*arguments: Any) -> None:
            found(*arguments)
            raise self.error("no\nluck")

        return call


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(24, 8, generator=torch.Generator().manual_seed(1))


def test_solve() -> None:
    heard, seen = Recorder(), list[Any]()
    options: dict[str, Any] = {"seed": 7, "num_reads": 3, "presolve": False}
    solution = qd.solve(MODEL, "tabu", callbacks=[heard], progress=seen.append, **options)
    assert heard.outcome is solution
    assert (heard.kind, heard.events[0], heard.events[-1]) == ("solve", "started", "finished")
    assert set(heard.events[1:-1]) == {"metric"}
    given = heard.parameters
    assert (given["backend"], given["seed"], given["presolve"]) == ("tabu", 7, False)
    assert given["backend_options"] == {"seed": 7, "num_reads": 3}
    assert given["problem"]["variables"] == 2
    assert given["versions"]["qubo-dnn"] == qd.__version__
    assert heard.of("call/objective") == [(call.objective, call.number) for call in solution.calls]
    assert heard.of("objective") == [(-2.0, len(solution.calls))]
    assert heard.of("violations") == [(0.0, len(solution.calls))]
    assert heard.of("seconds") == [(solution.seconds, len(solution.calls))]
    assert seen == list(solution.calls)
    assert qd.solve(MODEL, "tabu", **options).best == solution.best


def test_compress(network: nn.Module, images: torch.Tensor) -> None:
    heard = Recorder()
    test = [(images, network(images).argmax(1))]
    smaller = qd.compress(
        network,
        images,
        ["6bits:weights", "90%bops"],
        test=test,
        backend="tabu",
        seed=3,
        options="2,4,8",
        layer_options={"first": "2,4,8"},
        rounds=2,
        backend_options={"num_reads": 5},
        callbacks=[heard],
    )
    assert heard.outcome is smaller
    given = heard.parameters
    assert (given["network"], given["budgets"], given["backend"]) == ("Sequential", "6bits:weights, 90%bops", "tabu")
    assert given["backend_options"] == {"num_reads": 5, "seed": 3}
    assert (given["seed"], given["rounds"], given["options"], given["loss"]) == (3, 2, "2, 4, 8", "cross-entropy")
    assert given["rules"]["options"] == "first=2, 4, 8"
    assert (given["calibration_size"], given["test_size"]) == (24, 24)
    figures = smaller.to_dict()
    rounds = figures["rounds"]
    assert heard.of("round/divergence") == [(each["divergence"], n) for n, each in enumerate(rounds, 1)]
    best = [min(each["tried"], key=lambda plan: plan["divergence"])["bits_per_weight"] for each in rounds]
    assert [value for value, _ in heard.of("round/bits_per_weight")] == best
    for name in ("accuracy", "bytes", "bits_per_weight"):
        assert heard.of(name) == [(figures["compressed"][name], len(rounds))]
        if name != "bits_per_weight":
            assert heard.of(f"reference/{name}") == [(figures["reference"][name], len(rounds))]
    assert heard.of("test_divergence") == [(figures["compressed"]["divergence"], len(rounds))]
    assert heard.of("held_out_divergence/recovered") == [(figures["held_out_divergence"]["recovered"], len(rounds))]
    assert heard.of("seconds/total") == [(figures["seconds"]["total"], len(rounds))]


def test_sweep_and_its_points_of_an_earlier_run(network: nn.Module, images: torch.Tensor, tmp_path: Path) -> None:
    budgets, heard, again = "0.01bits:weights,4bits:5bits:1bits:weights", Recorder(), Recorder()
    found = qd.sweep(network, images, budgets, folder=tmp_path / "out", callbacks=[heard], **QUICK)
    assert heard.kind == "sweep"
    assert heard.outcome is found
    assert heard.parameters["budgets"] == "0.01bits:weights, 4bits:weights, 5bits:weights"
    assert heard.parameters["baselines"] is False
    assert heard.of("point/met") == [(0.0, 1), (1.0, 2), (1.0, 3)]
    for name in ("bytes", "cost", "divergence", "bits_per_weight", "seconds"):
        of_points = [(getattr(point, name), point.number) for point in found.points]
        assert heard.of(f"point/{name}") == [each for each in of_points if each[0] is not None]
    assert heard.of("points") == [(2.0, 3)]
    # Nothing is run again, but all is reported.
    qd.sweep(network, images, budgets, folder=tmp_path / "out", callbacks=[again], **QUICK)
    assert again.metrics == heard.metrics


def test_points_are_reported_when_they_are_done(network: nn.Module, images: torch.Tensor) -> None:
    class Impatient(SilentReporter):
        def stage(self, name: str) -> None:
            if name.startswith("point 2"):
                seen.extend(heard.of("point/met"))
                raise KeyboardInterrupt

    heard, seen = Recorder(), list[tuple[float, int]]()
    budgets = "4bits:6bits:1bits:weights"
    found = qd.sweep(network, images, budgets, progress=Impatient(), callbacks=[heard], **QUICK)
    assert seen == [(1.0, 1)]
    assert heard.outcome is found
    assert found.to_dict()["interrupted"]


@pytest.mark.parametrize("event", ["started", "metric", "finished"])
def test_an_exception_in_a_callback_becomes_a_warning(event: str) -> None:
    raising, other = Raising(event), Recorder()
    with pytest.warns(
        CallbackWarning, match=f"^{event} of the callback Raising raised ZeroDivisionError: no luck$"
    ) as w:
        solution = qd.solve(MODEL, "tabu", seed=1, callbacks=[raising, other])
    assert len(w) == 1
    assert solution.best.objective == -2.0
    expected = {"started": ["started"], "metric": ["started", "metric", "finished"]}
    assert raising.events == expected.get(event, other.events)
    assert other.outcome is solution


def test_every_run_warns_and_obeys_no_escape_characters() -> None:
    class Escaping(qd.Callback):
        def finished(self, result: Any) -> None:
            raise ValueError(f"\x1b[31m{result.backend}")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(2):
            qd.solve(MODEL, "tabu", seed=1, callbacks=[Escaping()])
    assert [str(each.message) for each in caught if each.category is CallbackWarning] == [
        r"finished of the callback Escaping raised ValueError: \x1b[31mtabu"
    ] * 2


def test_an_exception_in_a_callback_does_not_hide_the_error(network: nn.Module, images: torch.Tensor) -> None:
    with pytest.warns(CallbackWarning, match="failed of the callback Raising"), pytest.raises(BudgetError):
        qd.compress(network, images, "0.01bits:weights", callbacks=[Raising("failed")], **QUICK)


@pytest.mark.parametrize("event", ["started", "finished"])
def test_ctrl_c_in_a_callback_passes_and_reaches_the_others(event: str) -> None:
    first, interrupted, last = Recorder(), Raising(event, KeyboardInterrupt), Recorder()
    with pytest.raises(KeyboardInterrupt):
        qd.solve(MODEL, "tabu", seed=1, callbacks=[first, interrupted, last])
    ends = {"started": ("failed", "failed", []), "finished": ("finished", "finished", ["failed"])}[event]
    assert (first.events[-1], interrupted.events[-1], last.events[-1:]) == ends
    for each in (first, interrupted, last):
        assert sum(name in ("finished", "failed") for name in each.events) <= 1


def test_ctrl_c_in_metrics_of_a_round_keeps_the_best_plan(network: nn.Module, images: torch.Tensor) -> None:
    class Once(Recorder):
        def metric(self, name: str, value: float, step: int) -> None:
            super().metric(name, value, step)
            if name == "round/seconds":
                raise KeyboardInterrupt

    heard = Once()
    smaller = qd.compress(network, images, "4bits:weights", backend="tabu", callbacks=[heard])
    assert smaller.to_dict()["interrupted"]
    assert heard.outcome is smaller


def test_refused_arguments_begin_no_run(network: nn.Module, images: torch.Tensor) -> None:
    heard = Recorder()
    with pytest.raises(OptionError, match="no option 'num_raeds'"):
        qd.solve(MODEL, "tabu", num_raeds=1, callbacks=[heard])  # type: ignore[call-overload]
    with pytest.raises(OptionError, match="no argument 'roundz'"):
        qd.compress(network, images, roundz=1, callbacks=[heard])  # type: ignore[call-arg]
    with pytest.raises(OptionError, match="is not a range"):
        qd.sweep(network, images, "2bits:4bits", callbacks=[heard])
    assert heard.events == []


@pytest.mark.parametrize("given", [Recorder(), [Recorder], ["mlflow"], None])
def test_what_is_no_list_of_callbacks(given: Any, network: nn.Module, images: torch.Tensor) -> None:
    for call in (
        lambda: qd.solve(MODEL, "tabu", callbacks=given),
        lambda: qd.compress(network, images, callbacks=given),
        lambda: qd.sweep(network, images, "4bits", callbacks=given),
    ):
        with pytest.raises(ArgumentError, match="callbacks must be Sequence of Callback, not"):
            call()


def test_no_token_is_passed_on(network: nn.Module, images: torch.Tensor, tmp_path: Path) -> None:
    heard = [Recorder() for _ in range(3)]
    common: dict[str, Any] = {"backend": of_a_service(), "backend_options": SECRET, **QUICK}
    qd.solve(MODEL, common["backend"], seed=1, callbacks=[heard[0]], **SECRET)
    qd.compress(network, images, "4bits:weights", callbacks=[heard[1]], **common)
    qd.sweep(network, images, "4bits:weights", folder=tmp_path / "out", callbacks=[heard[2]], **common)
    for each in heard:
        assert each.events[-1] == "finished"
        assert each.parameters["backend_options"]["api_token"] == "***"
        assert each.parameters["backend_options"]["service"] == "password=***; url=x"
        assert TOKEN not in str(each.parameters)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert "sweep.json" in {path.name for path in written}
    assert not [path for path in written if TOKEN.encode() in path.read_bytes()]


def test_values_in_words() -> None:
    many = described(
        {"many": list(range(60)), "data": torch.zeros(3), "none": (), "pairs": [(1, 2)], "path": Path("a")}
    )
    assert many["many"].endswith("48, 49, ... (60)")
    assert (many["data"], many["none"], many["pairs"], many["path"]) == ("Tensor", None, "(1, 2)", "a")


def test_the_callback_of_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "tracking.md").read_text()
    block = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[1]
    logged: list[Any] = []
    run = SimpleNamespace(log=logged.append, finish=lambda exit_code=0: logged.append(exit_code))

    def init(**given: Any) -> SimpleNamespace:
        logged.append(given)
        return run

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    names: dict[str, Any] = {}
    exec(block, names)
    with warnings.catch_warnings(action="error"):
        qd.solve(MODEL, "tabu", seed=1, callbacks=[names["WandbCallback"]()])
        with pytest.raises(BudgetError):
            qd.compress(
                nn.Linear(4, 4), torch.eye(4), "0.01bits:weights", callbacks=[names["WandbCallback"]()], **QUICK
            )
    assert (logged[0]["job_type"], logged[0]["config"]["seed"]) == ("solve", 1)
    assert {"objective": -2.0, "step": 1} in logged
    assert (0 in logged, logged[-1]) == (True, 1)
