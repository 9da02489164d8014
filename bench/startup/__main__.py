"""What a first use costs: kernels compiled on an empty cache, imports, the demo; and what a second thread brings.

    python -m bench.startup --out bench/startup/results
    python -m bench.startup --report-only --out bench/startup/results

Seconds are those of the CPU, of a process and all that it starts, with the interpreter and all imports. `pt` has
default options. A first answer comes from a local search where kernels have to be compiled. The demo is that of `make
demo` after the installation, which compiles the kernels. Two threads beside one need two cores without other work: the
flips that their sweeps offer per second, by the wall clock, medians of several runs in turn.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.command import add_page_options, finish, make_parser
from bench.processes import one_thread
from bench.results import read_results
from bench.solvers.generators import regular_edges, sherrington_kirkpatrick, weighted
from bench.solvers.peers.pt import PEERS
from bench.solvers.run import setting
from bench.startup.first_answer import KINDS
from bench.tables import Table
from qubo_dnn.cli.common.output import write_json
from qubo_dnn.errors import BackendFailedError
from qubo_dnn.files.common.output import write_atomically

RESULTS, REMARKS, PAGE = "results.json", "remarks.md", "README.md"
DEMO = ("compress", "zoo:mnist-cnn", "--budget", "3bits", "--backend", "pt", "--seed", "0")
_COMMAND = "from qubo_dnn.cli.main import run; run()"
# Seconds of a run of threads, and how many runs there are of each number of threads.
_SWEPT, _TURNS = 3.0, 5

ANSWERS = Table(
    "model | first answer, empty cache | last answer, empty cache | first answer | last answer",
    "{kind} | {empty_first:.1f} | {empty_last:.1f} | {first:.1f} | {last:.1f}",
    "Answers",
    "CPU s.",
)
COMMANDS = Table("command | CPU s", "{command} | {seconds:.2f}", "Commands", "Kernels are compiled.")
THREADS = Table("model | two threads beside one", "{model} | {ratio:.2f}", "Threads", "Ratio of the flips per second.")


@dataclass(frozen=True)
class StartupResults:
    """What was measured: rows of the tables, and on what."""

    settings: Mapping[str, Any]
    answers: Sequence[Mapping[str, Any]]
    commands: Sequence[Mapping[str, Any]]
    threads: Sequence[Mapping[str, Any]]


def cpu_of(command: Sequence[str], environment: Mapping[str, str]) -> tuple[float, str]:
    """CPU seconds of a command and of what it starts, and what it printed.

    Args:
        command: with its arguments.
        environment: variables beside those of this process.

    Raises:
        BackendFailedError: it failed.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # As in the Makefile: else every process compiles all modules that it imports.
    variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **environment}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BackendFailedError(f"{' '.join(command)}: {done.stderr.strip()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def answers(kind: str) -> dict[str, Any]:
    """A row of `ANSWERS`: a run that compiles, and one that finds all it needs."""
    command = [sys.executable, "-m", "bench.startup.first_answer", kind]
    with tempfile.TemporaryDirectory() as cache:
        empty, filled = (json.loads(cpu_of(command, {"NUMBA_CACHE_DIR": cache})[1]) for _ in range(2))
    return {"kind": kind, **{f"empty_{name}": value for name, value in empty.items()}, **filled}


def commands() -> list[dict[str, Any]]:
    """The rows of `COMMANDS`."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for words in (("--help",), (*DEMO, "--out", str(Path(folder) / "demo"))):
            seconds, _ = cpu_of([sys.executable, "-c", _COMMAND, *words], {})
            text = " ".join(word for word in words if word not in ("--out", str(Path(folder) / "demo")))
            rows.append({"command": f"`qubo-dnn {text}`", "seconds": seconds})
    return rows


def threads() -> list[dict[str, Any]]:
    """The rows of `THREADS`."""
    from qubo_backends import ParallelTemperingSampler

    sampler = ParallelTemperingSampler()
    models = {
        "3-regular, 1,000 spins": weighted(1000, regular_edges(1000, 3, 1), 1),
        "20-regular, 2,000 spins": weighted(2000, regular_edges(2000, 20, 1), 1),
        "dense, 500 spins": sherrington_kirkpatrick(500, 1),
    }
    rows = []
    for name, model in models.items():
        rates: dict[int, list[float]] = {1: [], 2: []}
        sampler.sample(model, num_sweeps=1, seed=0)
        for turn in range(_TURNS):
            for count, found in rates.items():
                # Of sweeping alone: how much time searches take differs from ladder to ladder.
                found.append(
                    sampler.sample(model, threads=count, time_limit=_SWEPT, seed=turn).info["flips_per_second"]
                )
        rows.append({"model": name, "ratio": statistics.median(rates[2]) / statistics.median(rates[1])})
    return rows


def page(results: StartupResults, remarks: str) -> str:
    """The page as Markdown."""
    facts = ", ".join(f"{name} {value}" for name, value in results.settings.items())
    sections = (ANSWERS.section(results.answers), COMMANDS.section(results.commands), THREADS.section(results.threads))
    head = f"# First use\n\n{__doc__}\n{facts}.\n"
    return "\n".join([head, *([remarks] if remarks else []), *sections])


def main() -> None:
    """Measure, or read what was measured, and write the page."""
    parser = make_parser(__doc__)
    add_page_options(parser, Path(__file__).parent / "results")
    words = parser.parse_args()
    if not words.report_only:
        one_thread()
        results = StartupResults(setting(PEERS), [answers(kind) for kind in KINDS], commands(), threads())
        words.out.mkdir(parents=True, exist_ok=True)
        write_json(words.out / RESULTS, asdict(results))
    results = read_results(words.out / RESULTS, StartupResults)
    remarks = words.out / REMARKS
    write_atomically(words.out / PAGE, page(results, remarks.read_text() if remarks.exists() else "").encode())


if __name__ == "__main__":
    finish(main)
