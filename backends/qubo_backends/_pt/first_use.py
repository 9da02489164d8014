"""Runs whose kernels have to be compiled first: a first answer at once, and time limits that are kept.

A local search without kernels gives a first answer, which the caller is told, before kernels are compiled. Under a time
limit another process compiles them, onto disk. If they are there in time, they sample until the limit. Otherwise the
process ends its work by itself, so that the next run finds them. It is a process because a thread that compiles could
not be left behind: Python may not end while it does, and holds it up often. Without a limit this process compiles,
which takes less time than another one, that has to import everything.
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

from qubo_backends._pt.drive import Progress
from qubo_backends._shared import sampling
from qubo_dnn.backend import PROGRESS, SolveOptions
from qubo_dnn.constraints.repair import repair
from qubo_dnn.local_search import LocalModel, LocalState
from qubo_dnn.problem import Problem
from qubo_dnn.support.jit import KernelMissing, compiling_here, kernels_from_disk

_LOG = logging.getLogger(f"{PROGRESS}.pt")
# Seconds between two looks at the process.
_PAUSE = 0.02
# Most seconds of the local search where no time limit says how long it may take.
_SEARCHED = 2.0
# Most interactions of a problem that is searched where no time limit asks for an answer.
_MOST_SEARCHED = 1_000_000

T = TypeVar("T", bound=SolveOptions)


def sample_compiled(
    problem: Callable[[], Problem[Any]],
    interactions: int,
    options: T,
    sample: Callable[[T], dimod.SampleSet],
    answer: Callable[[NDArray[np.int8], dict[str, Any]], dimod.SampleSet],
    progress: Callable[[Progress], object] | None = None,
) -> dimod.SampleSet:
    """Draw samples; where kernels have to be compiled, with a first answer before, and within the time limit.

    With a time limit the first answer is returned if it is the better one. Without one it is not: equal seeds give
    equal answers, whether kernels were there or not.

    Args:
        problem: returns what is sampled.
        interactions: that it has.
        options: of the run.
        sample: runs the sampler.
        answer: makes a sample set of [rows, variables] of 0 and 1 in the problem's order, and of `info`.
        progress: told of the first answer; if it raises StopIteration, this is returned.
    """
    limited = options.time_limit is not None
    if not limited and interactions > _MOST_SEARCHED:
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
        compiling = _Compilation.of(posed) if limited else None
        state = LocalState(LocalModel(posed), np.zeros(len(posed.variables), np.int8))
        repair(state, time.perf_counter() + max(watch.seconds_left if limited else _SEARCHED, 0.0))
        rows = np.tile(state.x, (options.num_reads or 1, 1))
        stopped = not state.violation and _told(float(answer(rows[:1], {}).first.energy), watch.seconds, progress)
        while compiling is not None and compiling.runs and not watch.over and not stopped:
            time.sleep(_PAUSE)
    info = {"seed": sampling.drawn_seed(options), **watch.told(), "sweeps": [], "threads": 0, "target_reached": False}
    first = answer(rows, info)
    if watch.over or stopped:
        if not watch.interrupted and not stopped:
            _LOG.warning(
                "pt: the time limit ended before the kernels were compiled, so that a local search gave this answer; "
                "the next run will find them"
            )
        return first
    if not limited:
        return sample(options)
    sampled = sample(options.model_copy(update={"time_limit": watch.seconds_left}))
    better = not state.violation and first.first.energy < sampled.first.energy
    return first if better else sampled


def _told(energy: float, seconds: float, progress: Callable[[Progress], object] | None) -> bool:
    """Tell of a first answer, and return whether the caller wants no other."""
    _LOG.info("pt: a first answer, by local search while kernels are missing, has energy %.10g", energy)
    try:
        if progress is not None:
            progress(Progress(seconds, 0, energy, ()))
    except StopIteration:
        return True
    return False


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
    with compiling_here():
        if problem.one_hot or problem.constraints or problem.low_rank is not None:
            backend.sample_constrained(problem, options)
        else:
            backend.sample(problem.objective, options)


if __name__ == "__main__":
    _compile()
