"""A stand-in for D-Wave's cloud service on 127.0.0.1, for the unmodified client: solvers, answers, faults on demand."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import pickle
import socket
import threading
import time
import uuid
import zlib
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import dimod
import numpy as np
from dwave.cloud.testing import mocks
from dwave.samplers import SimulatedAnnealingSampler

from qubo_dnn.models.dimod_models import problem_from_cqm
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve

TOKEN = "DEV-0123456789abcdef0123456789abcdef"
_SAPI = "application/vnd.dwave.sapi.{}+json;version=3.0.0"
_PATIENCE = 10.0
Fault = int | str


def qpu_solver(name: str, size: int = 4) -> dict[str, Any]:
    """A QPU with a Pegasus graph that lacks its first three qubits; a copy of the caller's own."""
    solver: dict[str, Any] = pickle.loads(_pickled_qpu_solver(name, size))
    return solver


@cache
def _pickled_qpu_solver(name: str, size: int) -> bytes:
    """Its graph takes longer to make than most tests do with it."""
    solver: dict[str, Any] = mocks.qpu_pegasus_solver_data(size, name=name)
    properties = solver["properties"]
    properties["qubits"] = properties["qubits"][3:]
    left = set(properties["qubits"])
    properties["couplers"] = [list(pair) for pair in properties["couplers"] if left.issuperset(pair)]
    properties["per_qubit_coupling_range"] = [-18.0, 15.0]
    properties["problem_timing_data"] = mocks.qpu_problem_timing_data()
    known = ("anneal_schedule", "annealing_time", "auto_scale", "label", "num_reads", "programming_thermalization")
    properties["parameters"] = dict.fromkeys((*known, "readout_thermalization", "reduce_intersample_correlation"), "")
    return pickle.dumps(solver)


class StandIn:
    """The service; as a context it listens on a free port.

    Attributes:
        faults: step -> what goes wrong there: an HTTP status, "drop" (the connection breaks), "garbage" (no JSON),
            "odd" (JSON that is no answer); for the step "run" the status that problems end with, or "stuck".
            Steps: solvers, submit, poll, answer, cancel, upload, part, status, combine, run.
        times: step -> how often its fault strikes; always where it is not given.
        requests: method and path of every request.
        submitted: type and parameters of every problem.
        cancelled: ids that were cancelled.
        delay: seconds that a problem takes.
    """

    def __init__(self) -> None:
        hybrid = {"quota_conversion_rate": 20, "parameters": {"time_limit": ""}, "version": "2.2", "category": "hybrid"}
        self.solvers = [
            qpu_solver("Advantage_system4.1"),
            qpu_solver("Advantage_system6.4", 6),
            mocks.hybrid_bqm_solver_data(properties=dict(hybrid), minimum_time_limit=[[1, 0.05], [100, 0.1]]),
            mocks.hybrid_cqm_solver_data(properties=dict(hybrid), minimum_time_limit_s=0.05),
        ]
        self.faults: dict[str, Fault] = {}
        self.times: dict[str, int] = {}
        self.requests: list[tuple[str, str]] = []
        self.submitted: list[tuple[str, dict[str, Any]]] = []
        self.cancelled: list[str] = []
        self.problems: dict[str, dict[str, Any]] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.delay = 0.0
        self.solving: dict[str, threading.Timer] = {}
        self.struck: Counter[str] = Counter()
        self.lock = threading.Lock()

    def __enter__(self) -> Self:
        handler = type("Bound", (_Handler,), {"service": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def endpoint(self) -> str:
        """For `DWAVE_API_ENDPOINT`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/sapi/v2/"

    @property
    def running(self) -> list[str]:
        """Problems that were neither answered nor cancelled, once those that are being solved are."""
        for solving in self.solving.values():
            solving.join(_PATIENCE)
        return [key for key, each in self.problems.items() if each["status"] in ("PENDING", "IN_PROGRESS")]

    def fault(self, step: str) -> Fault | None:
        """What goes wrong at a step now."""
        with self.lock:
            if step not in self.faults or self.struck[step] >= self.times.get(step, 10**9):
                return None
            self.struck[step] += 1
            return self.faults[step]

    def submit(self, body: dict[str, Any]) -> dict[str, Any]:
        """Accept a problem, which is then solved beside the requests: a service answers at any time."""
        key = str(uuid.uuid4())
        now = datetime.now(UTC).isoformat()
        self.submitted.append((body["type"], body["params"]))
        problem = {"id": key, "type": body["type"], "solver": body["solver"], "label": body.get("label")}
        problem |= {"status": "PENDING", "submitted_on": now}
        self.problems[key] = problem
        described = dict(problem)
        run = self.fault("run")
        if run != "stuck":
            solving = threading.Timer(self.delay, self._run, (key, body, run))
            solving.daemon = True
            solving.start()
            self.solving[key] = solving
        return described

    def _run(self, key: str, body: dict[str, Any], fault: Fault | None) -> None:
        ended: dict[str, Any] = {"status": fault or "COMPLETED"}
        if fault is None:
            ended["answer"] = self.answer(body)
        elif fault == "FAILED":
            ended["error_message"] = "Anneal broke off"
        with self.lock:
            if self.problems[key]["status"] == "PENDING":
                self.problems[key].update(ended, solved_on=datetime.now(UTC).isoformat())

    def cancel(self, key: str) -> dict[str, Any]:
        """Cancel a problem that is not solved yet."""
        with self.lock:
            self.cancelled.append(key)
            if self.problems[key]["status"] == "PENDING":
                self.problems[key]["status"] = "CANCELLED"
        if key in self.solving:
            self.solving[key].cancel()
        return self.described(key)

    def described(self, key: str, with_answer: bool = False) -> dict[str, Any]:
        """A problem as the protocol describes it."""
        with self.lock:
            return {name: value for name, value in self.problems[key].items() if with_answer or name != "answer"}

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a problem."""
        if body["type"] == "ising":
            solver = next(each for each in self.solvers if each["identity"]["name"] == body["solver"]["name"])
            return _qpu_answer(solver["properties"], body)
        data = b"".join(part for _, part in sorted(self.uploads[body["data"]["data"]].items()))
        found = _bqm_sample(data) if body["type"] == "bqm" else _cqm_sample(data)
        found.info.update(run_time=3_000_000, charge_time=3_000_000, qpu_access_time=30_000)
        return {"format": "bq", "data": found.to_serializable(use_bytes=False)}


def _qpu_answer(properties: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """Simulated annealing of a problem in `qp` format."""
    qubits, couplers = properties["qubits"], properties["couplers"]
    linear = np.frombuffer(base64.b64decode(body["data"]["lin"]), "<f8")
    fields = {qubit: float(bias) for qubit, bias in zip(qubits, linear, strict=True) if not np.isnan(bias)}
    active = [pair for pair in couplers if pair[0] in fields and pair[1] in fields]
    quadratic = np.frombuffer(base64.b64decode(body["data"]["quad"]), "<f8")
    couplings = {tuple(pair): float(bias) for pair, bias in zip(active, quadratic, strict=True)}
    bqm = dimod.BinaryQuadraticModel(fields, couplings, 0.0, dimod.SPIN)
    reads = body["params"].get("num_reads", 1)
    # In parts, between which the client, in another thread, can see to its time limit.
    sampled = [
        SimulatedAnnealingSampler().sample(bqm, num_reads=min(100, reads - first), num_sweeps=200, seed=7 + first)
        for first in range(0, reads, 100)
    ]
    found = dimod.concatenate(sampled).aggregate()
    used = sorted(fields)
    states = found.record.sample[:, [found.variables.index(qubit) for qubit in used]]
    return {
        "format": "qp",
        "active_variables": _encoded(np.array(used, "<i4")),
        "energies": _encoded(found.record.energy.astype("<f8")),
        "num_occurrences": _encoded(found.record.num_occurrences.astype("<i4")),
        "solutions": _encoded(np.packbits(states > 0, axis=1)),
        "num_variables": properties["num_qubits"],
        "timing": {"qpu_access_time": 15_000 + 100 * reads, "qpu_sampling_time": 100 * reads},
    }


def _encoded(array: np.ndarray[Any, Any]) -> str:
    return base64.b64encode(array.tobytes()).decode()


def _bqm_sample(data: bytes) -> dimod.SampleSet:
    bqm = dimod.BinaryQuadraticModel.from_file(io.BytesIO(data))
    return SimulatedAnnealingSampler().sample(bqm, num_reads=20, seed=7).truncate(1)


def _cqm_sample(data: bytes) -> dimod.SampleSet:
    """A good answer, with the feasibility that the service reports."""
    cqm = dimod.ConstrainedQuadraticModel.from_file(io.BytesIO(data))
    problem, exact = problem_from_cqm(cqm), get_backend("exact")
    small = len(problem.variables) <= 12
    solution = solve(problem, exact) if small else solve(problem, get_backend("tabu"), {"seed": 7, "num_restarts": 1})
    return dimod.SampleSet.from_samples_cqm(solution.best.value, cqm)


class _Handler(BaseHTTPRequestHandler):
    service: StandIn
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815  # names that http.server asks for

    def log_message(self, *args: object) -> None:
        """Nothing is printed."""

    def _serve(self) -> None:
        path = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.service.requests.append((self.command, path.path))
        if self.headers.get("X-Auth-Token") != TOKEN:
            self._send(401, "text/plain", b"Invalid token or access denied")
            return
        step, respond = self._route(path.path.removeprefix("/sapi/v2/"), parse_qs(path.query), body)
        fault = self.service.fault(step)
        if fault == "drop":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if isinstance(fault, int):
            self._send(fault, "application/json", json.dumps({"error_code": fault, "error_msg": "on demand"}).encode())
            return
        kind, found = respond()
        media = _SAPI.format(kind) if kind else "application/json"
        if found is None:
            self._send(404, "application/json", json.dumps({"error_code": 404, "error_msg": "no such thing"}).encode())
            return
        text = {"garbage": b"<html>", "odd": b'{"hello": [1]}'}.get(str(fault), json.dumps(found).encode())
        self._send(200, media, text)

    def _route(
        self, path: str, query: dict[str, list[str]], body: bytes
    ) -> tuple[str, Callable[[], tuple[str | None, Any]]]:
        """The step that a request is, and what answers it: kind of media and data, None where it is unknown."""
        service, parts = self.service, path.strip("/").split("/")
        match (self.command, *parts):
            case ("GET", "solvers", "remote"):
                return "solvers", lambda: ("solver-definition-list", service.solvers)
            case ("GET", "solvers", "remote", name):
                named = [each for each in service.solvers if each["identity"]["name"] == name]
                return "solvers", lambda: ("solver-definition", named[0] if named else None)
            case ("POST", "problems"):
                text = zlib.decompress(body) if self.headers.get("Content-Encoding") == "deflate" else body
                return "submit", lambda: ("problems", [service.submit(each) for each in json.loads(text)])
            case ("DELETE", "problems"):
                return "cancel", lambda: ("problems", [service.cancel(key) for key in json.loads(body)])
            case ("GET", "problems"):
                return "poll", lambda: ("problems", self._polled(query))
            case ("GET", "problems", key):
                return "answer", lambda: ("problem", service.described(key, with_answer=True))
            case ("POST", "bqm", "multipart"):
                return "upload", self._begin
            case ("PUT", "bqm", "multipart", key, "part", number):
                return "part", lambda: (None, self._keep(key, int(number), body))
            case ("GET", "bqm", "multipart", key, "status"):
                return "status", lambda: (None, self._uploaded(key))
            case ("POST", "bqm", "multipart", _, "combine"):
                return "combine", lambda: (None, {})
        return "unknown", lambda: (None, None)

    def _polled(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        keys = query.get("id", [""])[0].split(",")
        until = time.monotonic() + min(float(query.get("timeout", ["0"])[0]), 0.5)
        while True:
            found = [self.service.described(key) for key in keys]
            if time.monotonic() >= until or any(each["status"] != "PENDING" for each in found):
                return found
            time.sleep(0.01)

    def _begin(self) -> tuple[None, dict[str, str]]:
        key = str(uuid.uuid4())
        self.service.uploads[key] = {}
        return None, {"id": key}

    def _keep(self, key: str, number: int, body: bytes) -> dict[str, Any]:
        self.service.uploads[key][number] = body
        return {}

    def _uploaded(self, key: str) -> dict[str, Any]:
        parts = [
            {"part_number": number, "checksum": hashlib.md5(part, usedforsecurity=False).hexdigest()}
            for number, part in sorted(self.service.uploads[key].items())
        ]
        return {"status": "UPLOAD_IN_PROGRESS", "parts": parts}

    def _send(self, status: int, media: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            # Untold, the client may send its next request to a connection that is being closed.
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
