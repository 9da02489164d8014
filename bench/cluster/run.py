"""A compression that is disturbed, and what it leaves in its folder."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from qubo_dnn.errors import BackendFailedError

# Some seconds of work: 111 units, two rounds.
JOB = (
    *("compress", "zoo:mnist-cnn", "--budget", "3bits", "--granularity", "group:16", "--calibration-size", "200"),
    *("--backend", "neal", "--seed", "0"),
)
SAME = ("model.safetensors", "plan.json")
_FILES = {*SAME, "result.json"}
# A run takes seconds; one that hangs is a fault.
_MOST = 900.0


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes:
        code: exit code; negative for a signal.
        seconds: wall-clock seconds.
        said: what it wrote to stderr.
    """

    code: int
    seconds: float
    said: str


def command(job: Sequence[str], folder: Path, *more: str) -> list[str]:
    """The command line of a job, whose measurements and result go to a folder.

    Args:
        job: words of a compression, without these folders.
        folder: an empty one, or that of an earlier run.
        more: further words.
    """
    folders = ("--checkpoints", str(folder / "measured"), "--out", str(folder / "out"))
    return [sys.executable, "-m", "qubo_dnn.cli.main", *job, *folders, *more]


def run(words: Sequence[str], disturb: Callable[[subprocess.Popen[str]], None] = lambda _: None) -> Ended:
    """Run a command.

    Args:
        words: with its arguments.
        disturb: called with the process once it has started.

    Raises:
        BackendFailedError: it does not end.
    """
    began = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        disturb(process)
        _, said = process.communicate(timeout=_MOST)
    except subprocess.TimeoutExpired:
        process.kill()
        raise BackendFailedError(f"a run has not ended within {_MOST:.0f} s: {process.communicate()[1]}") from None
    return Ended(process.returncode, time.monotonic() - began, said)


def finished(words: Sequence[str], disturb: Callable[[subprocess.Popen[str]], None] = lambda _: None) -> Ended:
    """Run a command that has to succeed.

    Raises:
        BackendFailedError: it does not.
    """
    ended = run(words, disturb)
    if ended.code:
        raise BackendFailedError(f"a run ended with {ended.code}: {ended.said}")
    return ended


def digest(folder: Path) -> str:
    """Hash of the plan and the model of a finished run."""
    content = b"".join((folder / "out" / name).read_bytes() for name in SAME)
    return hashlib.sha256(content).hexdigest()


def half_written(folder: Path) -> list[str]:
    """Files that are there under their names, but not whole; hidden ones are work in progress."""
    found = []
    measured, out = folder / "measured", folder / "out"
    for path in (*measured.glob("[!.]*.safetensors"), *out.glob("*.safetensors")):
        try:
            with safe_open(path, framework="np") as file:
                for name in file.keys():  # noqa: SIM118 - the file is no mapping
                    file.get_tensor(name)
        except (SafetensorError, OSError):
            found.append(str(path))
    for path in out.glob("*.json"):
        try:
            json.loads(path.read_text())
        except ValueError:
            found.append(str(path))
    if out.exists() and {each.name for each in out.iterdir()} != _FILES:
        found.append(str(out))
    return found
