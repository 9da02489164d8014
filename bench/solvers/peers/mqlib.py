"""Heuristics of MQLib, a program of its own that is built from https://github.com/MQLib/MQLib by `make`."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Hashable
from functools import partial
from pathlib import Path

import dimod
import numpy as np

from bench.solvers.clock import CpuClock
from bench.solvers.peers.peer import Peer, Run
from qubo_dnn.errors import BackendFailedError, OptionError

HEURISTICS = ("BURER2002", "PALUBECKIS2004bMST2", "LU2010")
# Less is not worth a start of the program.
_LEAST_SECONDS = 0.2
# It takes seeds of 16 bits.
_SEEDS = 2**16


def heuristics(program: Path, names: tuple[str, ...] = HEURISTICS) -> dict[str, Peer]:
    """Name -> heuristic, run by the program.

    Raises:
        OptionError: there is no such program.
    """
    if not os.access(program, os.X_OK) or program.is_dir():
        raise OptionError(f"{program} is no program")
    settings = "one run, and another where a busy machine has left it CPU time; reading the file counts"
    return {
        f"MQLib {name}": Peer(
            f"MQLib {name}", settings, "", "subprocess:run", partial(_prepare, program=program, name=name)
        )
        for name in names
    }


def _prepare(bqm: dimod.BinaryQuadraticModel, program: Path, name: str) -> Run:
    option, content, highest = model_file(bqm)

    def run(clock: CpuClock, seed: int) -> None:
        rng = np.random.default_rng(seed)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.txt"
            file.write_text(content)
            # It counts seconds of the wall, of which a busy machine may give it a part.
            while not clock.over and clock.left > _LEAST_SECONDS:
                command = [str(program), option, str(file), "-h", name, "-s", str(rng.integers(_SEEDS)), "-nv", "-ps"]
                _call(clock, bqm, highest, [*command, "-r", f"{clock.left:.3f}"])

    return run


def _call(clock: CpuClock, bqm: dimod.BinaryQuadraticModel, highest: float, command: list[str]) -> None:
    before, wall = clock.seconds, time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - wall
    try:
        runtime, history, positive = read_answer(done.stdout)
    except ValueError as cause:
        said = " ".join((done.stdout + done.stderr).split())[:200]
        raise BackendFailedError(f"MQLib gave no answer to {' '.join(command)}: {said}") from cause
    # CPU seconds for one of the wall; its own clock begins when the file is read.
    pace = (clock.seconds - before) / max(wall, 1e-9)
    for value, seconds in history:
        clock.report(highest - value, seconds=before + pace * (max(0.0, wall - runtime) + seconds))
    low = 0 if bqm.vartype is dimod.BINARY else -1
    sample: dict[Hashable, int] = {index: 1 if each else low for index, each in enumerate(positive)}
    clock.complete(float(bqm.energy(sample)), sample)


def model_file(bqm: dimod.BinaryQuadraticModel) -> tuple[str, str, float]:
    """A model over 0, ..., n - 1 as MQLib reads it.

    Returns:
        The option for the file, "-fM" for a maximum cut and "-fQ" for a matrix of 0/1 variables to be maximised; its
        content; and what the energy is where the value is 0.
    """
    cut = bqm.vartype is dimod.SPIN and not any(bqm.linear.values())
    plain = bqm if cut else bqm.change_vartype(dimod.BINARY, inplace=False)
    linear, (rows, columns, biases), offset = plain.to_numpy_vectors(variable_order=range(len(bqm)))
    # A cut edge takes off twice its coupling; in a symmetric matrix, entries off the diagonal count twice.
    weights, highest = (2.0 * biases, offset + biases.sum()) if cut else (-biases / 2.0, offset)
    lines = [] if cut else [f"{i} {i} {-bias!r}" for i, bias in enumerate(linear.tolist(), 1)]
    lines += [
        f"{i + 1} {j + 1} {weight!r}"
        for i, j, weight in zip(rows.tolist(), columns.tolist(), weights.tolist(), strict=True)
    ]
    return "-fM" if cut else "-fQ", "\n".join([f"{len(linear)} {len(lines)}", *lines]) + "\n", float(highest)


def read_answer(text: str) -> tuple[float, list[tuple[float, float]], list[bool]]:
    """What a run with `-ps` printed.

    Returns:
        Its seconds, the history of (value, seconds), and whether each variable is 1.

    Raises:
        ValueError: the text is something else.
    """
    found = re.search(r'",[^,\n]*,([^,\n]*),\[([^\]\n]*)\]\s*Solution:\n([-01 ]+)', text)
    if found is None:
        raise ValueError("neither history nor solution")
    pairs = (each.split(":") for each in found[2].split(";") if each)
    history = [(float(value), float(seconds)) for value, seconds in pairs]
    return float(found[1]), history, [each == "1" for each in found[3].split()]
