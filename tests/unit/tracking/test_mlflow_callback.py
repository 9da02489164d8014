"""`MlflowCallback`, read back from a folder with MLflow's own client."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
import torch
from torch import nn

import qubo_dnn as qd
from qubo_dnn.compression.search.progress import SilentReporter
from qubo_dnn.errors import BudgetError, CallbackWarning, MissingExtraError
from qubo_dnn.tracking import mlflow_callback
from tests.unit.tracking.service import SECRET, TOKEN, of_a_service

MODEL = {("a", "a"): -1.0, ("b", "b"): -2.0, ("a", "b"): 3.0}
QUICK: dict[str, Any] = {"parameters": {"objective": "separable"}, "rounds": 1, "rerank": 1, "recovery": "none"}


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A plain folder, which MLflow takes if it is allowed; nothing is asked over the network."""
    for name in ("MLFLOW_ALLOW_FILE_STORE", "MLFLOW_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "true")
    # MLflow sets it together with the URI; it comes back as it was.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.chdir(tmp_path)
    yield (tmp_path / "store").as_uri()
    while mlflow.active_run() is not None:
        mlflow.end_run()
    mlflow.set_tracking_uri(None)


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(24, 8, generator=torch.Generator().manual_seed(1))


def runs(store: str, experiment: str = "Default") -> list[Any]:
    client = mlflow.MlflowClient(store)
    found = client.get_experiment_by_name(experiment)
    return list(client.search_runs([found.experiment_id], order_by=["attributes.start_time"]))


def history(store: str, run: Any, name: str) -> list[tuple[float, int]]:
    return [(each.value, each.step) for each in mlflow.MlflowClient(store).get_metric_history(run.info.run_id, name)]


def logged(store: str, run: Any, folder: str | None = None) -> dict[str, bytes]:
    """Path of every file -> its content."""
    client, found = mlflow.MlflowClient(store), dict[str, bytes]()
    for each in client.list_artifacts(run.info.run_id, folder):
        if each.is_dir:
            found |= logged(store, run, each.path)
        else:
            copy = mlflow.artifacts.download_artifacts(
                run_id=run.info.run_id, artifact_path=each.path, tracking_uri=store
            )
            found[each.path] = Path(copy).read_bytes()
    return found


def test_solve(store: str) -> None:
    solution = qd.solve(
        MODEL, "tabu", seed=7, num_reads=3, callbacks=[qd.MlflowCallback("two variables", "tests", store)]
    )
    (run,) = runs(store, "tests")
    assert (run.info.status, run.info.run_name) == ("FINISHED", "two variables")
    assert run.data.tags["qubo_dnn.status"] == "finished"
    given = run.data.params
    assert (given["backend"], given["seed"], given["backend_options.num_reads"]) == ("tabu", "7", "3")
    assert (given["problem.variables"], given["versions.qubo-dnn"]) == ("2", qd.__version__)
    assert run.data.metrics["objective"] == -2.0
    assert run.data.metrics["violations"] == 0.0
    assert run.data.metrics["seconds"] == solution.seconds
    assert history(store, run, "call/objective") == [(call.objective, call.number) for call in solution.calls]
    files = logged(store, run)
    assert sorted(files) == ["report.html", "result.json"]
    assert json.loads(files["result.json"]) == json.loads(json.dumps(solution.to_dict()))
    assert b"objective -2" in files["report.html"]
    assert (mlflow.active_run(), mlflow.is_tracking_uri_set()) == (None, False)


def test_a_seed_that_was_drawn_is_logged(store: str) -> None:
    callback = qd.MlflowCallback(tracking_uri=store, artifacts=False)
    drawn = [qd.solve(MODEL, "tabu", callbacks=[callback]).seed for _ in range(2)]
    assert [run.data.params["seed"] for run in runs(store)] == list(map(str, drawn))
    assert logged(store, runs(store)[0]) == {}


def test_compress(store: str, network: nn.Module, images: torch.Tensor) -> None:
    test = [(images, network(images).argmax(1))]
    smaller = qd.compress(
        network,
        images,
        "6bits:weights",
        test=test,
        backend="tabu",
        seed=3,
        layer_options={"0*": "2,4,8"},
        callbacks=[qd.MlflowCallback(tracking_uri=store, model=True)],
    )
    (run,) = runs(store)
    given, figures = run.data.params, smaller.to_dict()
    assert (given["budgets"], given["backend"], given["seed"]) == ("6bits:weights", "tabu", "3")
    assert (given["backend_options.seed"], given["rules.options"], given["rounds"]) == ("3", "0*=2, 4, 8", "2")
    assert run.data.metrics["accuracy"] == figures["compressed"]["accuracy"]
    assert run.data.metrics["bytes"] == figures["compressed"]["bytes"]
    assert run.data.metrics["bits_per_weight"] == figures["compressed"]["bits_per_weight"]
    assert run.data.metrics["seconds/measure"] == figures["seconds"]["measure"]
    assert history(store, run, "round/divergence") == [
        (each["divergence"], number) for number, each in enumerate(figures["rounds"], 1)
    ]
    files = logged(store, run)
    assert sorted(files) == ["model.safetensors", "plan.json", "report.html", "result.json"]
    assert json.loads(files["plan.json"]) == json.loads(json.dumps(smaller.plan.to_json()))
    assert json.loads(files["result.json"])["compressed"] == figures["compressed"]
    Path("model.safetensors").write_bytes(files["model.safetensors"])
    loaded = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))
    qd.load_compressed_(loaded, "model.safetensors")
    assert torch.equal(loaded(images), smaller.model(images))


def test_sweep(store: str, network: nn.Module, images: torch.Tensor) -> None:
    found = qd.sweep(
        network,
        images,
        "0.01bits:weights,4bits:5bits:1bits:weights",
        callbacks=[qd.MlflowCallback(tracking_uri=store)],
        **QUICK,
    )
    (run,) = runs(store)
    assert run.data.params["budgets"] == "0.01bits:weights, 4bits:weights, 5bits:weights"
    met = [point for point in found.points if point.is_met]
    assert history(store, run, "point/bytes") == [(point.bytes, point.number) for point in met]
    assert history(store, run, "point/divergence") == [(point.divergence, point.number) for point in met]
    files = logged(store, run)
    plans = [f"points/{number}/{name}" for number in (2, 3) for name in ("plan.json", "result.json")]
    assert sorted(files) == [*plans, "report.html", "sweep.json"]
    assert json.loads(files["sweep.json"]) == json.loads(json.dumps(found.to_dict()))
    assert json.loads(files["points/3/plan.json"]) == json.loads(json.dumps(found.plan(3).to_json()))


def test_inside_a_run_that_has_begun(store: str) -> None:
    mlflow.set_tracking_uri(store)
    with mlflow.start_run(run_name="mine") as mine:
        mlflow.log_param("seed", "my own")
        for number in (1, 2):
            callback = qd.MlflowCallback(prefix=f"solver/{number}/")
            qd.solve(MODEL, "tabu", seed=number, callbacks=[callback])
        assert mlflow.active_run().info.run_id == mine.info.run_id
        assert mlflow.get_run(mine.info.run_id).info.status == "RUNNING"
        # One that names its own run has its own, below this one.
        qd.solve(MODEL, "tabu", seed=3, callbacks=[qd.MlflowCallback("other")])
        assert mlflow.active_run().info.run_id == mine.info.run_id
    outer, inner = runs(store)
    assert (outer.info.status, outer.info.run_name, outer.data.params["seed"]) == ("FINISHED", "mine", "my own")
    assert (outer.data.params["solver/1/seed"], outer.data.params["solver/2/seed"]) == ("1", "2")
    assert outer.data.metrics["solver/2/objective"] == -2.0
    assert {"solver/1/result.json", "solver/2/result.json"} <= logged(store, outer).keys()
    assert (inner.info.run_name, inner.data.params["seed"]) == ("other", "3")
    assert inner.data.tags["mlflow.parentRunId"] == outer.info.run_id
    assert mlflow.get_tracking_uri() == store


def test_a_parameter_that_cannot_change_is_a_warning(store: str) -> None:
    mlflow.set_tracking_uri(store)
    with mlflow.start_run():
        mlflow.log_param("seed", "my own")
        with pytest.warns(CallbackWarning, match="started of the callback MlflowCallback"):
            assert qd.solve(MODEL, "tabu", seed=1, callbacks=[qd.MlflowCallback()]).best.objective == -2.0
        assert mlflow.active_run() is not None
    assert [run.info.status for run in runs(store)] == ["FINISHED"]


def test_an_error(store: str, network: nn.Module, images: torch.Tensor) -> None:
    with pytest.raises(BudgetError) as caught:
        qd.compress(network, images, "0.01bits:weights", callbacks=[qd.MlflowCallback(tracking_uri=store)], **QUICK)
    (run,) = runs(store)
    assert (run.info.status, run.data.tags["qubo_dnn.status"]) == ("FAILED", "failed")
    assert run.data.tags["qubo_dnn.error"] == f"BudgetError: {caught.value}"
    assert run.data.params["budgets"] == "0.01bits:weights"


class _Interrupting(SilentReporter):
    def __init__(self, stage: str) -> None:
        self._stage = stage

    def stage(self, name: str) -> None:
        if name.startswith(self._stage):
            raise KeyboardInterrupt


def test_ctrl_c(store: str, network: nn.Module, images: torch.Tensor) -> None:
    common: dict[str, Any] = {"callbacks": [qd.MlflowCallback(tracking_uri=store)], **QUICK}
    with pytest.raises(KeyboardInterrupt):
        qd.compress(network, images, "4bits:weights", progress=_Interrupting("examine"), **common)
    found = qd.sweep(network, images, "4bits:6bits:1bits:weights", progress=_Interrupting("point 3"), **common)
    assert found.interrupted
    without, within = runs(store)
    for run in (without, within):
        assert (run.info.status, run.data.tags["qubo_dnn.status"]) == ("KILLED", "interrupted")
    assert logged(store, without) == {}
    assert history(store, within, "point/bytes") == [(point.bytes, point.number) for point in found.points]
    assert json.loads(logged(store, within)["sweep.json"])["interrupted"]
    assert (mlflow.active_run(), mlflow.is_tracking_uri_set()) == (None, False)


def test_ctrl_c_while_files_are_logged(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mlflow_callback.MlflowCallback, "_log_files", interrupted)
    with pytest.raises(KeyboardInterrupt):
        qd.solve(MODEL, "tabu", seed=1, callbacks=[qd.MlflowCallback(tracking_uri=store)])
    assert [run.info.status for run in runs(store)] == ["KILLED"]
    assert mlflow.active_run() is None


def test_a_store_that_cannot_be_reached_is_a_warning(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").touch()
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE")
    for uri in (store, f"sqlite:///{Path('file').resolve()}/no.db"):
        with pytest.warns(CallbackWarning, match="started of the callback MlflowCallback"):
            assert qd.solve(MODEL, "tabu", seed=1, callbacks=[qd.MlflowCallback(tracking_uri=uri)]).best.feasible
        assert (mlflow.active_run(), mlflow.is_tracking_uri_set()) == (None, False)


def test_the_database_that_is_the_default(tmp_path: Path) -> None:
    qd.solve(MODEL, "tabu", seed=1, callbacks=[qd.MlflowCallback()])
    (run,) = runs(f"sqlite:///{tmp_path}/mlflow.db")
    assert (run.info.status, run.data.metrics["objective"]) == ("FINISHED", -2.0)


def test_no_page_without_the_extra(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    qd.solve(MODEL, "tabu", seed=1, callbacks=[qd.MlflowCallback(tracking_uri=store)])
    (run,) = runs(store)
    assert (run.info.status, list(logged(store, run))) == ("FINISHED", ["result.json"])


def test_names_and_values_that_mlflow_refuses(store: str) -> None:
    callback = qd.MlflowCallback(tracking_uri=store, artifacts=False)
    callback.started("solve", {"a*b": "x" * 10_000, **{f"p{number}": number for number in range(250)}})
    callback.metric("seconds/layer1.*", 1.0, 1)
    callback.failed(ValueError("y" * 10_000))
    (run,) = runs(store)
    assert (len(run.data.params), len(run.data.params["a_b"])) == (251, 6000)
    assert run.data.metrics == {"seconds/layer1._": 1.0}


def test_no_token_is_logged(store: str, tmp_path: Path, network: nn.Module, images: torch.Tensor) -> None:
    callback, backend = qd.MlflowCallback(tracking_uri=store, model=True), of_a_service()
    common: dict[str, Any] = {"backend": backend, "backend_options": SECRET, "callbacks": [callback], **QUICK}
    qd.solve(MODEL, backend, seed=1, callbacks=[callback], **SECRET)
    qd.compress(network, images, "4bits:weights", **common)
    qd.sweep(network, images, "4bits:weights", **common)
    assert [run.data.params["backend_options.api_token"] for run in runs(store)] == ["***"] * 3
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"sweep.json", "result.json", "report.html"} <= {path.name for path in files}
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]


def test_nothing_is_logged_or_imported_without_callbacks(tmp_path: Path) -> None:
    code = (
        "import sys, torch, qubo_dnn as qd\n"
        "qd.solve([[-1.0]], 'exact'); qd.MlflowCallback\n"
        "net = torch.nn.Linear(8, 3)\n"
        "qd.compress(net, torch.eye(8), '4bits:weights', backend='tabu', rounds=1)\n"
        "print('mlflow' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"
    assert list(tmp_path.iterdir()) == []


def test_the_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'qubo-dnn\[mlflow\]'"):
        qd.MlflowCallback()
