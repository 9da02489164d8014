"""Blocks of a large problem, solved by any other backend with the rest fixed.

A small solver, such as a quantum annealer, a simulated circuit or brute force, takes a few hundred variables at most.
This backend chooses blocks of one-hot groups and free variables, lets the wrapped backend sample each with all other
variables fixed, and goes to its best state unless that is worse. All states of a block come from the wrapped backend.

Source: Booth, Reinhardt & Roy 2017 (qbsolv); for the merging of states see `qubo_backends._decompose.merging`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import dimod
import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from qubo_backends._choices.run import plain
from qubo_backends._decompose.growth import STRATEGIES, Strategy
from qubo_backends._decompose.random_states import RandomStates
from qubo_backends._decompose.wrapped import WrappedBackend
from qubo_backends._shared import sampling
from qubo_dnn.backend import (
    UNSEEN,
    Backend,
    BlockSolver,
    Capabilities,
    Checkable,
    SolveOptions,
    check_kinds,
    check_model,
)
from qubo_dnn.constraint import ConstraintKind
from qubo_dnn.errors import OptionError
from qubo_dnn.problem import Problem, Sample
from qubo_dnn.registry import get_backend
from qubo_dnn.support.arguments import checked

_READS = 100
# An equality of products keeps its penalty model in no block: there, its terms may have either sign.
_KINDS = frozenset(ConstraintKind) - {ConstraintKind.QUADRATIC_EQUALITY}
# Block size for backends without a limit.
_UNLIMITED = 100


def _pairs(value: object) -> object:
    """Read `name=value;name=value`; other values stay as they are."""
    if not isinstance(value, str):
        return value
    parts = [part.partition("=") for part in value.split(";") if part]
    return {name: given for name, _, given in parts}


class DecomposeOptions(SolveOptions):
    """Options of `decompose`; it returns `num_reads` states (default 1) of independent runs.

    A run ends when a round over all sites by every strategy has improved nothing; with `time_limit` it then starts
    again from another random state and merges what it has found, until the limit.

    Example:
        >>> DecomposeOptions(block_options="chain_strength=2;target=zephyr:15").block_options
        {'chain_strength': '2', 'target': 'zephyr:15'}
    """

    block_size: int | None = Field(
        default=None,
        ge=2,
        description="largest number of variables of a block (default: what the wrapped backend takes; 16 for exact)",
        json_schema_extra={UNSEEN: "blocks of small models hold all variables"},
    )
    block_reads: int = Field(default=_READS, ge=1, description="number of reads of the wrapped backend for every block")
    block_options: Annotated[dict[str, Any], BeforeValidator(_pairs)] = Field(
        default={}, description="options of the wrapped backend, as name=value;name=value"
    )
    strategy: Literal["mixed", "impact", "coupling", "walk", "random"] = Field(
        default="mixed",
        description="choice of the sites of a block: by energy impact, by the strongest couplings, by random walks "
        "along couplings, at random, or all by turns",
    )
    max_blocks: int | None = Field(
        default=None, ge=1, description="number of blocks after which the run ends, for a service that charges for each"
    )
    restarts: int | None = Field(
        default=None,
        ge=0,
        description="number of further starts, whose results are merged (default: 0; with time_limit, where the "
        "wrapped backend runs on this machine: no limit)",
    )
    target: float | None = Field(
        default=None, description="energy at which the run ends, in the unit of the model", examples=[1e9]
    )
    initial_state: Any = Field(
        default=None, description="state that the first run starts from, variable -> value; from Python only"
    )


class DecomposeBackend:
    """Decomposition into blocks, each of which another backend solves.

    Args:
        variant: name of the wrapped backend, with its own variant if it has one, or "random": random states of blocks,
            as a control (default: exact).
        wrapped: an instance, in place of a name.

    Raises:
        OptionError: the wrapped backend is this one, or both arguments are given.
        UnknownBackendError: no backend of that name is installed.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": -1.0, "b": 2.0}, {("a", "b"): 1.0}, 0.0, "BINARY")
        >>> best = DecomposeBackend("neal").sample(bqm, DecomposeOptions(seed=1)).first
        >>> int(best.sample["a"]), int(best.sample["b"]), float(best.energy)
        (1, 0, -1.0)
    """

    name: ClassVar[str] = "decompose"
    summary: ClassVar[str] = "blocks of a large problem, solved by another backend, as in decompose:qpu-emulator"
    options_type: ClassVar[type[SolveOptions]] = DecomposeOptions

    def __init__(self, variant: str | None = None, *, wrapped: Backend | None = None) -> None:
        if variant is not None and wrapped is not None:
            raise OptionError(f"backend {self.name!r} takes a name or an instance of the wrapped backend, not both")
        name = variant or "exact"
        if wrapped is None:
            if name.partition(":")[0] == self.name:
                raise OptionError(f"backend {self.name!r} cannot wrap itself")
            wrapped = RandomStates() if name == RandomStates.name else get_backend(name)
        self.wrapped = wrapped
        self.variant = wrapped.name if variant is None else variant

    @property
    def capabilities(self) -> Capabilities:
        able = self.wrapped.capabilities
        return Capabilities(
            seeded=able.seeded,
            # Another start of a service costs money.
            fills_time=not able.remote,
            remote=able.remote,
            native_constraints=_KINDS,
        )

    def check_ready(self, live: bool) -> str:
        """See `qubo_dnn.backend.Checkable`."""
        return self.wrapped.check_ready(live) if isinstance(self.wrapped, Checkable) else "ok"

    def begun_at(self, options: SolveOptions, state: Sample) -> SolveOptions:
        """Let the first start of several begin at a state; see `qubo_dnn.backend.Startable.begun_at`."""
        assert isinstance(options, DecomposeOptions)
        several = (options.num_reads or 1) > 1 or self._restarts(options) != 0
        if not several or options.initial_state is not None:
            return options
        return options.model_copy(update={"initial_state": dict(state)})

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Draw samples; see `qubo_dnn.backend.Backend.sample`."""
        check_model(self, bqm)
        return plain(bqm, lambda problem: self.sample_constrained(problem, options))

    @checked
    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        """Draw samples that keep the constraints; see `qubo_dnn.backend.ConstrainedBackend`.

        Raises:
            UnsupportedProblemError: a block is too large for the wrapped backend.
            BackendFailedError: the wrapped backend failed at the first block. If it fails later, the states so far are
                returned, and `info["failed"]` says why.
        """
        check_model(self, problem.objective)
        check_kinds(self, problem)
        problem.check_expressible()
        options = sampling.typed_options(self, options, DecomposeOptions)
        wrapped = WrappedBackend(self.wrapped, options.block_reads, options.block_options)
        most = self._block_size(options, wrapped)
        seed, reads = sampling.drawn_seed(options), options.num_reads or 1
        start = None if options.initial_state is None else _row(problem, options.initial_state)
        # Imported here, so that a problem can be refused without loading scipy.
        from qubo_backends._decompose.limits import Limits, Stop
        from qubo_backends._decompose.run import Descent

        states: list[NDArray[np.int8]] = []
        with sampling.InterruptGuard(options.time_limit) as watch:
            strategies: tuple[Strategy, ...] = STRATEGIES if options.strategy == "mixed" else (options.strategy,)
            target = -math.inf if options.target is None else options.target
            limits = Limits(watch, target, math.inf if options.max_blocks is None else options.max_blocks)
            descent = Descent(problem, wrapped, most, strategies, limits, seed)
            try:
                for number in range(reads):
                    share = watch.seconds_left / (reads - number)
                    states.append(descent.read(start if number == 0 else None, self._restarts(options), share))
                    if watch.over:
                        break
            except (Stop, KeyboardInterrupt) as ended:
                watch.interrupted |= isinstance(ended, KeyboardInterrupt)
                if watch.interrupted and not wrapped.blocks:
                    raise KeyboardInterrupt from None
                if descent.best is not None:
                    states.append(descent.best)
        told = {"seed": seed, **watch.told(), "block_size": most, **descent.report()}
        return sampling.problem_answer(problem, np.array(states).reshape(len(states), -1), told)

    def _restarts(self, options: DecomposeOptions) -> int | None:
        if options.restarts is not None:
            return options.restarts
        return None if options.time_limit is not None and self.capabilities.fills_time else 0

    def _block_size(self, options: DecomposeOptions, wrapped: WrappedBackend) -> int:
        if options.block_size is not None:
            return options.block_size
        if isinstance(self.wrapped, BlockSolver):
            return self.wrapped.block_size(wrapped.options)
        return self.wrapped.capabilities.max_variables or _UNLIMITED


def _row(problem: Problem[Any], state: Mapping[Any, int]) -> NDArray[np.int8]:
    """A state of the caller's in the problem's order.

    Raises:
        OptionError: it lacks a variable, or a value is neither 0 nor 1.
    """
    if not isinstance(state, Mapping) or not state.keys() >= set(problem.variables):
        raise OptionError("backend 'decompose', option initial_state: not a value for every variable")
    row = [state[variable] for variable in problem.variables]
    if not {0, 1}.issuperset(row):
        raise OptionError("backend 'decompose', option initial_state: a value is neither 0 nor 1")
    return np.array(row, np.int8)
