"""The server process of `qubo_dnn.testing.elsewhere`, which handles each request in a separate fork.

A request therefore does not see changes of modules and caches by other requests. Only the modules that the command line
names are loaded in advance.
"""

from __future__ import annotations

import importlib
import os
import pickle
import sys
import tempfile
import traceback
from typing import IO, NamedTuple, TypeAlias

NOT_IMPORTABLE = 77

Reply: TypeAlias = tuple[int, bytes, str]
"""Exit status, the pickled value, and the printed output."""


class Request(NamedTuple):
    """A function call with the environment of the caller.

    Attributes:
        path: module search path.
        environment: environment variables.
        folder: working directory.
        payload: pickled function and arguments; the fork imports the modules that they need.

    Example:
        >>> request = Request(path=sys.path, environment={}, folder=".", payload=pickle.dumps((pow, (2, 10))))
        >>> pickle.loads(request.payload)
        (<built-in function pow>, (2, 10))
    """

    path: list[str]
    environment: dict[str, str]
    folder: str
    payload: bytes


def serve(requests: IO[bytes], replies: IO[bytes]) -> None:
    """Answer requests until the input ends; a single one if processes cannot fork.

    Args:
        requests: pickled `Request`s.
        replies: receives pickled `Reply`s.

    Example:
        >>> import io
        >>> replies = io.BytesIO()
        >>> serve(io.BytesIO(b""), replies)
        >>> replies.getvalue()
        b''
    """
    while True:
        try:
            request: Request = pickle.load(requests)
        except EOFError:
            return
        pickle.dump(_answer(request), replies)
        replies.flush()
        if not hasattr(os, "fork"):
            return


def _answer(request: Request) -> Reply:
    with tempfile.TemporaryFile() as value, tempfile.TemporaryFile() as said:
        child = os.fork() if hasattr(os, "fork") else 0
        if child:
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        else:
            status = _run(request, value, said)
            if hasattr(os, "fork"):
                os._exit(status)
        value.seek(0)
        said.seek(0)
        return status, value.read(), said.read().decode(errors="replace")


def _run(request: Request, value: IO[bytes], said: IO[bytes]) -> int:
    """Compute and write the value; return the exit status."""
    os.dup2(said.fileno(), 1)
    os.dup2(said.fileno(), 2)
    try:
        sys.path[:] = request.path
        os.environ.clear()
        os.environ.update(request.environment)
        os.chdir(request.folder)
        try:
            function, arguments = pickle.loads(request.payload)
        except (ImportError, AttributeError):
            return NOT_IMPORTABLE
        value.write(pickle.dumps(function(*arguments)))
        value.flush()
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    # Loaded once for all forks.
    for module in sys.argv[1:]:
        importlib.import_module(module)
    answers = os.fdopen(os.dup(1), "wb")
    # Keep the output of plugins out of the replies.
    os.dup2(2, 1)
    serve(sys.stdin.buffer, answers)
