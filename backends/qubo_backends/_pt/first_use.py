"""Time limits that are kept where kernels have to be compiled first.

Another process compiles them, onto disk. Meanwhile a local search without kernels looks for a first answer, and if the
kernels are there in time, they sample until the limit. Otherwise the process ends its work by itself, so that the next
run finds them. It is a process because a thread that compiles could not be left behind: Python may not end while it
does, and holds it up often.
"""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_backends._shared import sampling
from qubo_dnn.backend import PROGRESS, SolveOptions
from qubo_dnn.constraints.repair import repair
from qubo_dnn.local_search import LocalModel, LocalState
from qubo_dnn.problem import Problem
from qubo_dnn.support.jit import KernelMissing, kernels_from_disk

_LOG = logging.getLogger(f"{PROGRESS}.pt")
# Seconds between two looks at the process.
_PAUSE = 0.02

T = TypeVar("T", bound=SolveOptions)


def sample_within_limit(
    problem: Callable[[], Problem[Any]],
    options: T,
    sample: Callable[[T], dimod.SampleSet],
    answer: Callable[[NDArray[np.int8], dict[str, Any]], dimod.SampleSet],
) -> dimod.SampleSet:
    """Draw samples until the time limit, though kernels have to be compiled; without a limit wait for these.

    Args:
        problem: returns what is sampled.
        options: of the run.
        sample: runs the sampler.
        answer: makes a sample set of [rows, variables] of 0 and 1 in the problem's order, and of `info`.
    """
    if options.time_limit is None:
        return sample(options)
    started = time.perf_counter()
    try:
        with kernels_from_disk():
            return sample(options)
    except KernelMissing:
        pass
    with sampling.InterruptGuard(options.time_limit) as watch:
        watch.prolong(started - time.perf_counter())
        posed = problem()
        compiling = _Compilation.of(posed)
        state = LocalState(LocalModel(posed), np.zeros(len(posed.variables), np.int8))
        repair(state, time.perf_counter() + max(watch.seconds_left, 0.0))
        while compiling.runs and not watch.over:
            time.sleep(_PAUSE)
    info = {"seed": sampling.drawn_seed(options), **watch.told(), "sweeps": [], "threads": 0, "target_reached": False}
    first = answer(np.tile(state.x, (options.num_reads or 1, 1)), info)
    if watch.over:
        if not watch.interrupted:
            _LOG.warning(
                "pt: the time limit ended before the kernels were compiled, so that a local search gave this answer; "
                "the next run will find them"
            )
        return first
    sampled = sample(options.model_copy(update={"time_limit": watch.seconds_left}))
    better = not state.violation and first.first.energy < sampled.first.energy
    return first if better else sampled


class _Compilation:
    """A process that compiles the kernels for a problem; one at a time, which later calls wait for."""

    _last: _Compilation | None = None

    def __init__(self, problem: Problem[Any]) -> None:
        with tempfile.TemporaryFile() as file:
            pickle.dump(_numbered(problem), file)
            file.seek(0)
            # Ctrl-C is for the run that waits.
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=file,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        threading.Thread(target=self._process.wait, daemon=True).start()

    @classmethod
    def of(cls, problem: Problem[Any]) -> _Compilation:
        """The one that runs, or else a new one."""
        if cls._last is None or not cls._last.runs:
            cls._last = cls(problem)
        return cls._last

    @property
    def runs(self) -> bool:
        """Return whether it has not ended yet."""
        return self._process.poll() is None


def _numbered(problem: Problem[Any]) -> Problem[Any]:
    """Return what is sampled of a problem, with numbers for its labels: these, and functions, may not be picklable."""
    index = problem.index

    def renamed(model: dimod.BinaryQuadraticModel) -> dimod.BinaryQuadraticModel:
        return model.relabel_variables({v: index[v] for v in model.variables}, inplace=False)

    form = problem.low_rank
    return Problem(
        objective=renamed(problem.objective),
        decoder=dict,
        one_hot={f"group {k}": tuple(index[v] for v in group) for k, group in enumerate(problem.one_hot.values())},
        constraints={
            str(k): replace(constraint, lhs=renamed(constraint.lhs))
            for k, constraint in enumerate(problem.constraints.values())
        },
        low_rank=None if form is None else replace(form, variables=tuple(index[v] for v in form.variables)),
    )


def _compile() -> None:
    from qubo_backends.parallel_tempering import ParallelTemperingBackend, ParallelTemperingOptions

    problem, backend = pickle.load(sys.stdin.buffer), ParallelTemperingBackend()
    options = ParallelTemperingOptions(num_sweeps=1, seed=0)
    if problem.one_hot or problem.constraints or problem.low_rank is not None:
        backend.sample_constrained(problem, options)
    else:
        backend.sample(problem.objective, options)


if __name__ == "__main__":
    _compile()
