"""Call a function in another process with other string hashes, to check that its result is reproducible."""

from __future__ import annotations

import atexit
import os
import pickle
import subprocess
import sys
import threading
from typing import IO, Any

from qubo_dnn.testing import server
from qubo_dnn.testing.common import NotApplicable, expect

# By name, since the kits import this module.
_PRELOADED = ("qubo_dnn.testing.backends", "qubo_dnn.testing.formulations")


def call_elsewhere(function: Any, *arguments: Any) -> Any:
    """Return the value of `function(*arguments)`, computed in a fresh process.

    Args:
        function: module-level function; its value must be picklable.
        arguments: picklable arguments.

    Raises:
        NotApplicable: an argument cannot be pickled, or its class cannot be imported by name.
        AssertionError: the other process failed.

    Example:
        >>> call_elsewhere(lambda number: number + 1, 1)
        Traceback (most recent call last):
        qubo_dnn.testing.common.NotApplicable: cannot be sent to another process: ...
    """
    try:
        payload = pickle.dumps((function, arguments))
    except (pickle.PicklingError, AttributeError, TypeError) as cause:
        raise NotApplicable(f"cannot be sent to another process: {cause}") from cause
    path = list(filter(None, sys.path))
    status, value, said = _SERVER.ask(server.Request(path, dict(os.environ), os.getcwd(), payload))
    if status == server.NOT_IMPORTABLE:
        raise NotApplicable("its class cannot be imported in another process")
    expect(status == 0, f"another process failed: {said}")
    return pickle.loads(value)


class _Server:
    """The server process, started at the first request and after a failure.

    It takes a second to start, and forks for each request.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lock = threading.Lock()
        atexit.register(self.end)

    def ask(self, request: server.Request) -> server.Reply:
        """Return the reply; if there is none, that of a failed process."""
        with self._lock:
            requests, replies = self._streams()
            try:
                pickle.dump(request, requests)
                requests.flush()
                reply: server.Reply = pickle.load(replies)
            except (EOFError, OSError):
                self.end()
                return 1, b"", "it ended without an answer"
            except BaseException:
                # After Ctrl-C, the pending reply would be mistaken for that to the next request.
                self.end()
                raise
            return reply

    def end(self) -> None:
        """End the server process; a fork of this process does not end it."""
        if self._process is not None and self._owner == os.getpid():
            self._process.kill()
            self._process.communicate()
        self._process = None

    def _streams(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            self._process, self._owner = _started(), os.getpid()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout


def _started() -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment["PYTHONHASHSEED"] = "1" if environment.get("PYTHONHASHSEED") == "0" else "0"
    command = [sys.executable, "-m", server.__name__, *_PRELOADED]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)


_SERVER = _Server()
