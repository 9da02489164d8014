"""Run a piece of Python in a fresh interpreter, with other hashes of strings: does a result reproduce there?"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from typing import Any

from qubo_dnn.testing.common import NotApplicable, expect

_NOT_IMPORTABLE = 77
_PROGRAM = f"""
import pickle, sys
try:
    function, arguments = pickle.load(sys.stdin.buffer)
except (ImportError, AttributeError):
    sys.exit({_NOT_IMPORTABLE})
sys.stdout.buffer.write(pickle.dumps(function(*arguments)))
"""


def call_elsewhere(function: Any, *arguments: Any) -> Any:
    """The value of `function(*arguments)` computed in another process.

    Args:
        function: module-level function.
        arguments: things that can be pickled, like what is returned.

    Raises:
        NotApplicable: an argument cannot be pickled, or its class cannot be imported by name.
        AssertionError: the other process failed.
    """
    try:
        request = pickle.dumps((function, arguments))
    except (pickle.PicklingError, AttributeError, TypeError) as cause:
        raise NotApplicable(f"cannot be sent to another process: {cause}") from cause
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment["PYTHONHASHSEED"] = "1" if environment.get("PYTHONHASHSEED") == "0" else "0"
    command = [sys.executable, "-c", _PROGRAM]
    ended = subprocess.run(command, input=request, capture_output=True, env=environment, check=False)
    if ended.returncode == _NOT_IMPORTABLE:
        raise NotApplicable("its class cannot be imported in another process")
    expect(ended.returncode == 0, f"another process failed: {ended.stderr.decode(errors='replace')}")
    return pickle.loads(ended.stdout)
