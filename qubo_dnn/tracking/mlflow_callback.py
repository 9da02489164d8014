"""Runs in MLflow."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from qubo_dnn.errors import MissingExtraError
from qubo_dnn.support.extras import require
from qubo_dnn.tracking.callback import Callback

# What MLflow takes at once, and of one parameter and one tag.
_BATCH, _VALUE, _TAG = 100, 6000, 5000


class MlflowCallback(Callback):
    """Logs parameters, metrics and files of runs to MLflow.

    Inside a run of MLflow that you have begun, it logs into this run, and does not end it. Parameters of a run cannot
    change, so give every call its own run or its own prefix. Otherwise, or with one of the first three arguments, it
    begins a run and ends it: FINISHED, FAILED after an error, or KILLED after Ctrl-C. One callback serves one call
    after another, not several at a time.

    Without a server, MLflow keeps runs in mlflow.db and mlruns in the current folder. MLflow 3.17 takes a plain folder,
    `tracking_uri="file:///..."`, only with MLFLOW_ALLOW_FILE_STORE=true in the environment.

    The tag `qubo_dnn.status` is "finished", "interrupted" (Ctrl-C, with the best result so far) or "failed", with the
    message as `qubo_dnn.error`. Parameters of options such as tokens are logged as "***".

    Args:
        run_name: name of the run; None: MLflow chooses one.
        experiment: name of the experiment, which is created if there is none; None: the one that MLflow is set to.
        tracking_uri: where MLflow keeps runs; None: as MLflow is set. It is set in MLflow for the time of the run.
        artifacts: True logs result.json, plan.json of networks, and with the extra `report` a page; for sweeps
            sweep.json, and result.json and plan.json of every point.
        model: True also logs model.safetensors of networks.
        prefix: beginning of the names of parameters and metrics, such as "second."; without its last dot or slash it is
            the folder of the files.

    Raises:
        MissingExtraError: mlflow is not installed.

    Example:
        >>> import qubo_dnn as qd
        >>> def tracked(model: object) -> object:
        ...     return qd.solve(model, "tabu", seed=1, callbacks=[MlflowCallback("tabu", experiment="solvers")])
    """

    def __init__(
        self,
        run_name: str | None = None,
        experiment: str | None = None,
        tracking_uri: str | None = None,
        artifacts: bool = True,
        *,
        model: bool = False,
        prefix: str = "",
    ) -> None:
        require("mlflow", "mlflow")
        self.run_name, self.experiment, self.tracking_uri = run_name, experiment, tracking_uri
        self.artifacts, self.model, self.prefix = artifacts, model, prefix
        self._client: Any = None
        self._id, self._kind, self._own = "", "", False
        # In a list, which is empty if the URI is that of MLflow.
        self._uri_before: list[str | None] = []
        self._seed: object = None

    def started(self, kind: str, parameters: Mapping[str, Any]) -> None:
        """Begin a run, or take the active one, and log the parameters."""
        mlflow = require("mlflow", "mlflow")
        self._kind, self._own = kind, False
        if self.tracking_uri is not None:
            self._uri_before = [mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None]
            mlflow.set_tracking_uri(self.tracking_uri)
        try:
            active = mlflow.active_run()
            self._client = mlflow.MlflowClient()
            if active is None or (self.run_name, self.experiment, self.tracking_uri) != (None, None, None):
                active = mlflow.start_run(
                    experiment_id=self._experiment(), run_name=self.run_name, nested=active is not None
                )
                self._own = True
            self._id = active.info.run_id
            self._client.set_tag(self._id, "qubo_dnn.kind", kind)
            self._log_parameters(parameters)
        except BaseException as error:
            self._end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
            raise

    def metric(self, name: str, value: float, step: int) -> None:
        """Log a figure."""
        self._client.log_metric(self._id, _name(self.prefix + name), value, int(time.time() * 1000), step)

    def finished(self, result: Any) -> None:
        """Log the files, and end the run if it is the callback's own."""
        status = "FAILED"
        try:
            figures = result.to_dict()
            interrupted = bool(figures["interrupted"])
            if self._kind == "solve" and self._seed is None:
                # One that the call has drawn.
                self._log_parameters({"seed": figures["seed"]})
            if self.artifacts or self.model:
                self._log_files(result, figures)
            self._client.set_tag(self._id, "qubo_dnn.status", "interrupted" if interrupted else "finished")
            status = "KILLED" if interrupted else "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        finally:
            self._end(status)

    def failed(self, error: BaseException) -> None:
        """Log what was raised, and end the run if it is the callback's own."""
        if not self._id:
            return  # Interrupted before there was a run.
        interrupted = isinstance(error, KeyboardInterrupt)
        try:
            self._client.set_tag(self._id, "qubo_dnn.status", "interrupted" if interrupted else "failed")
            said = " ".join(f"{type(error).__name__}: {error}".split())
            self._client.set_tag(self._id, "qubo_dnn.error", said[:_TAG])
        finally:
            self._end("KILLED" if interrupted else "FAILED")

    def _experiment(self) -> str | None:
        """Return the id of the experiment; None for the one that MLflow is set to."""
        if self.experiment is None:
            return None
        found = self._client.get_experiment_by_name(self.experiment)
        return str(self._client.create_experiment(self.experiment) if found is None else found.experiment_id)

    def _log_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Log parameters; mappings within them are named with dots."""
        flat = dict(_flat(parameters, self.prefix))
        self._seed = parameters.get("seed")
        entities = require("mlflow.entities", "mlflow")
        logged = [entities.Param(name, str(value)[:_VALUE]) for name, value in flat.items()]
        for first in range(0, len(logged), _BATCH):
            self._client.log_batch(self._id, params=logged[first : first + _BATCH])

    def _log_files(self, result: Any, figures: Mapping[str, Any]) -> None:
        """Write the files of a result to a temporary folder, and log them."""
        with tempfile.TemporaryDirectory(prefix="qubo-dnn-") as name:
            folder = Path(name)
            if self._kind == "compress":
                _write_network(result, figures, folder, self.artifacts, self.model)
            elif self._kind == "sweep":
                _write_sweep(result, figures, folder, self.artifacts, self.model)
            else:
                _write(folder / "result.json", figures)
            if self.artifacts:
                # The page needs the extra `report`.
                with suppress(MissingExtraError):
                    result.report(folder / "report.html")
            self._client.log_artifacts(self._id, str(folder), self.prefix.rstrip("./") or None)

    def _end(self, status: str) -> None:
        """End a run of its own, and set MLflow as it was."""
        mlflow = require("mlflow", "mlflow")
        try:
            if self._own:
                mlflow.end_run(status)
        finally:
            self._id, self._own = "", False
            while self._uri_before:
                mlflow.set_tracking_uri(self._uri_before.pop())


def _flat(parameters: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield _name(f"{prefix}{name}"), value


def _name(text: str) -> str:
    """Return a name with no other characters than those that MLflow takes."""
    return re.sub(r"[^\w./ -]", "_", text, flags=re.ASCII)


def _write_network(network: Any, figures: Mapping[str, Any], folder: Path, artifacts: bool, model: bool) -> None:
    """Write the files of a compressed network; the model is read back and compared before."""
    if artifacts:
        _write(folder / "result.json", figures)
        _write(folder / "plan.json", network.plan.to_json())
    if model:
        saved = network.save(folder / "saved")
        shutil.move(saved / "model.safetensors", folder)
        shutil.rmtree(saved)


def _write_sweep(sweep: Any, figures: Mapping[str, Any], folder: Path, artifacts: bool, model: bool) -> None:
    """Write the files of a sweep."""
    if artifacts:
        _write(folder / "sweep.json", figures)
    names = [*(["plan.json", "result.json"] if artifacts else []), *(["model.safetensors"] if model else [])]
    for point in sweep.points:
        if point.is_met:
            target = folder / "points" / str(point.number)
            target.mkdir(parents=True)
            for name in names:
                shutil.copy(sweep.folder.point(point.number) / name, target)


def _write(path: Path, data: Any) -> None:
    path.write_text(json.dumps(to_jsonable_python(data, fallback=str), indent=2) + "\n")
