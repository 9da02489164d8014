"""Common steps of every built-in backend: variable order, seed, clock, interrupts, and the sample set."""

from __future__ import annotations

import math
import secrets
import signal
import threading
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType, TracebackType
from typing import Annotated, Any, Self, TypeVar

import dimod
import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from qubo_dnn import arrays
from qubo_dnn.backend import Backend, SolveOptions, check_options
from qubo_dnn.errors import OptionError
from qubo_dnn.problem import Problem, Sample, natural_key
from qubo_dnn.support.interruption import interruptible

OptionsT = TypeVar("OptionsT", bound=SolveOptions)


def split(value: object) -> object:
    """Split a text at its commas; other values stay as they are."""
    return tuple(value.split(",")) if isinstance(value, str) else value


FloatPair = Annotated[tuple[float, float], BeforeValidator(split)]
"""Two numbers; on a command line written as `0.1,10`."""


def typed_options(backend: Backend, options: SolveOptions, kind: type[OptionsT]) -> OptionsT:
    """Return `options` as the backend's type, after the common checks.

    Raises:
        OptionError: the type is wrong, or the backend does not support a common option.
    """
    if not isinstance(options, kind):
        raise OptionError(f"backend {backend.name!r} needs {kind.__name__}, not {type(options).__name__}")
    check_options(backend, options)
    return options


def begun_at(options: SolveOptions, state: Sample) -> SolveOptions:
    """Return options with which one read or replica begins at a state and the others at random ones.

    Args:
        options: with the fields `initial_states`, which stay if they are given, and `initial_states_generator`.
        state: variable -> 0 or 1.
    """
    if getattr(options, "initial_states", None) is not None:
        return options
    return options.model_copy(update={"initial_states": dict(state), "initial_states_generator": "random"})


def natural_order(bqm: dimod.BinaryQuadraticModel) -> list[Hashable]:
    """Return the variables of `bqm` in the fixed order for which equal seeds give equal answers."""
    labels = list(bqm.variables)
    return labels if labels == list(range(len(labels))) else sorted(labels, key=natural_key)


def indexed(
    bqm: dimod.BinaryQuadraticModel, vartype: dimod.Vartype, *, copy: bool = True
) -> dimod.BinaryQuadraticModel:
    """Return a float64 copy over 0, ..., n - 1, numbered in natural order.

    The order is set before the vartype changes, because that sums biases, and a rounded sum depends on its order.

    Args:
        bqm: model of either vartype.
        vartype: vartype of the copy.
        copy: False: a model that already has this form is returned itself, for reading only.
    """
    order = natural_order(bqm)
    if list(bqm.variables) == order and bqm.dtype == np.float64:
        if not copy and bqm.vartype is vartype and order == list(range(len(order))):
            return bqm
        changed = bqm.change_vartype(vartype, inplace=False)
        if order == list(range(len(order))):
            return changed
        return changed.relabel_variables(dict(zip(order, range(len(order)), strict=True)))
    vectors = bqm.to_numpy_vectors(variable_order=order)
    return dimod.BinaryQuadraticModel.from_numpy_vectors(*vectors, bqm.vartype).change_vartype(vartype)


def dense_arrays(bqm: dimod.BinaryQuadraticModel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return `[n]` linear biases and the `[n, n]` symmetric matrix of interactions of a model over 0, ..., n - 1."""
    return arrays.dense_arrays(bqm, {i: i for i in range(bqm.num_variables)})


def drawn_seed(options: SolveOptions) -> int:
    """Return the given seed, or a new one, so that any run can be repeated from its `info`."""
    return secrets.randbits(32) if options.seed is None else options.seed


def answer(
    bqm: dimod.BinaryQuadraticModel,
    variables: Sequence[Hashable],
    bits: NDArray[Any],
    info: Mapping[str, Any],
    **vectors: Any,
) -> dimod.SampleSet:
    """Convert rows to a sample set of the caller's model.

    Args:
        bqm: the caller's model; all energies are computed from it.
        variables: label of every column.
        bits: `[rows, variables]` of 0 and 1 (or False and True); for a SPIN model, 0 means -1.
        info: report of the sampler.
        **vectors: `[rows]` further data, one entry per row.
    """
    states = np.asarray(bits, np.int8)
    if bqm.vartype is dimod.SPIN:
        states = 2 * states - 1
    energies = bqm.energies((states, variables), dtype=np.float64)
    return dimod.SampleSet.from_samples(
        (states, variables), energy=energies, vartype=bqm.vartype, info=dict(info), **vectors
    )


def problem_answer(problem: Problem[Any], bits: NDArray[Any], info: Mapping[str, Any]) -> dimod.SampleSet:
    """Convert rows to a sample set of a problem, with the energies of its low-rank form.

    Args:
        problem: the caller's.
        bits: `[rows, variables]` of 0 and 1, in the problem's order.
        info: report of the sampler.
    """
    found = answer(problem.objective, list(problem.variables), bits, info)
    if problem.low_rank is None:
        return found
    chosen = bits[:, [problem.index[variable] for variable in problem.low_rank.variables]] == 1
    extra = [float(np.square(problem.low_rank.factor[row].sum(axis=0, dtype=float)).sum() / 2.0) for row in chosen]
    return dimod.SampleSet.from_samples(
        (found.record.sample, found.variables),
        energy=found.record.energy + extra,
        vartype=dimod.BINARY,
        info=found.info,
    )


class InterruptGuard:
    """Decides when a sampler stops: at a time limit or at Ctrl-C.

    As a context manager it defers Ctrl-C, so that a sampler can end between two steps and return its best rows; a
    second Ctrl-C raises `KeyboardInterrupt` at once. Outside the main thread, which Ctrl-C does not reach,
    `qubo_dnn.support.interruption.interrupt` takes its place.
    """

    def __init__(self, time_limit: float | None) -> None:
        self.time_limit = math.inf if time_limit is None else time_limit
        self.interrupted = False
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._start

    @property
    def seconds_left(self) -> float:
        """Seconds until the limit, negative after it, infinite without one."""
        return self.time_limit - self.seconds

    @property
    def over(self) -> bool:
        """True if the sampler must stop now."""
        return self.interrupted or self.seconds_left <= 0

    def told(self) -> dict[str, Any]:
        """Return the entries of `info` about the run; call it after the context, so that no Ctrl-C is missed."""
        return {"interrupted": self.interrupted, "seconds": self.seconds}

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the clock inside the block, for example during compilation."""
        began = time.perf_counter()
        yield
        self.prolong(time.perf_counter() - began)

    def prolong(self, seconds: float) -> None:
        """Do not count so many seconds that have passed."""
        self._start += seconds

    def __enter__(self) -> Self:
        self._held = ExitStack()
        if threading.current_thread() is threading.main_thread():
            previous = signal.signal(signal.SIGINT, self._on_interrupt)
            self._held.callback(signal.signal, signal.SIGINT, previous)
        else:
            self._held.enter_context(interruptible(self._stop))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def _stop(self) -> None:
        self.interrupted = True

    def _on_interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True
