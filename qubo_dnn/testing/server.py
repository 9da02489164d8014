"""The other process of `qubo_dnn.testing.elsewhere`: answers requests, each in a fork of its own.

So no request finds what another one left behind in modules and caches; only the kit's own modules are loaded once.
"""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
import traceback
from typing import IO, NamedTuple, TypeAlias

NOT_IMPORTABLE = 77

Reply: TypeAlias = tuple[int, bytes, str]
"""Exit status, the pickled value, and what was printed."""


class Request(NamedTuple):
    """What is asked, and the surroundings of whoever asks.

    Attributes:
        path: where modules are found.
        environment: variables.
        folder: the working directory.
        payload: function and arguments, pickled: what they need is imported in the fork.
    """

    path: list[str]
    environment: dict[str, str]
    folder: str
    payload: bytes


def serve(requests: IO[bytes], replies: IO[bytes]) -> None:
    """Answer until there are no more requests; a single one where processes cannot fork."""
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
    """Write the value; the exit status."""
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
    import qubo_dnn.testing.backends
    import qubo_dnn.testing.formulations  # noqa: F401 - loaded once for all forks

    answers = os.fdopen(os.dup(1), "wb")
    # What plug-ins print is no part of the answers.
    os.dup2(2, 1)
    serve(sys.stdin.buffer, answers)
