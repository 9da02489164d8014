"""The backend contract: anything that samples a binary quadratic model.

A backend is a class with the attributes and the method of `Backend`, reachable through the entry point
group `qubo_dnn.backends`. It may live in any package; nothing here has to be subclassed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import dimod
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qubo_dnn.arguments import check
from qubo_dnn.constraint import ConstraintKind, check_finite
from qubo_dnn.errors import OptionError, UnsupportedProblemError, suggestion
from qubo_dnn.pictures.picture import Picture
from qubo_dnn.problem import Problem

PROGRESS = "qubo_dnn.backend"
"""Name of the logger whose children, such as `qubo_dnn.backend.qaoa`, backends report to: INFO what deserves a line of
its own, such as what a run will cost, DEBUG where a run stands. The command line shows both."""


UNSEEN = "unseen"
"""Key in `json_schema_extra` of an option's field: why samples of a small model do not depend on the option. Every
other option has to change them, or the time they take; see `qubo_dnn.testing.backend_options`."""


BlackBox = Callable[[NDArray[np.int8]], NDArray[np.float64]]
"""`energies(rows)`: [k] finite numbers, the less the better, for states [k, n] of 0 and 1 in the problem's order."""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What one backend instance can do.

    Attributes:
        max_variables: largest problem taken, or None for no fixed limit.
        exact: the returned state of least energy is a proven optimum.
        seeded: the option `seed` makes runs reproducible; otherwise `seed` is refused.
        timed: the option `time_limit` is honoured; otherwise it is refused.
        fills_time: more time gives a better answer, so that a time limit is used up; otherwise it is a deadline only.
        remote: samples are drawn by a service on the network.
        structured: the model is embedded in a graph, as one piece.
        native_constraints: kinds that `sample_constrained` keeps without penalties.
        low_rank: `sample_constrained` takes objectives with a low-rank form, see `qubo_dnn.problem.LowRank`.
        bounds: every answer has `info["bound"]`, a proven lower bound of the energies of all (feasible) states in the
            unit of the energies returned, minus infinity where nothing is proven, infinity where there is no state;
            and `info["optimal"]`, whether the row of least energy is proven to be an optimum.
        black_box: `sample_black_box` takes a function in place of the objective, see `BlackBoxBackend`.
    """

    max_variables: int | None = None
    exact: bool = False
    seeded: bool = True
    timed: bool = True
    fills_time: bool = True
    remote: bool = False
    structured: bool = False
    native_constraints: frozenset[ConstraintKind] = frozenset()
    low_rank: bool = False
    bounds: bool = False
    black_box: bool = False

    def supports(self, problem: Problem[Any]) -> bool:
        """Whether the problem can be taken as it is: nothing has to be relaxed or written out."""
        native = self.native_constraints
        if ConstraintKind.EQUALITY in native:
            native |= {ConstraintKind.ASSIGNMENT}
        return problem.constraint_kinds <= native and (self.low_rank or problem.low_rank is None)


class SolveOptions(BaseModel):
    """Options common to all backends; each backend extends them by a subclass of its own.

    Unknown names and values out of range are errors. None means "the backend's default". The conformance kit tries a
    field's `examples`; see `UNSEEN` for options without an effect on small models.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    num_reads: int | None = Field(default=None, ge=1, le=2**31 - 1, description="samples to return")
    seed: int | None = Field(default=None, ge=0, le=2**32 - 1, description="seed of every random choice")
    time_limit: float | None = Field(default=None, gt=0, description="wall-clock seconds for sampling")


@runtime_checkable
class Backend(Protocol):
    """Samples low-energy states of a binary quadratic model.

    Attributes:
        name: the name it is registered under.
        summary: one line for `qubo-dnn backends list`.
        options_type: the options it understands.
        capabilities: what this instance can do.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    options_type: ClassVar[type[SolveOptions]]

    @property
    def capabilities(self) -> Capabilities: ...

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Draw samples.

        Args:
            bqm: model of either vartype with any hashable labels, possibly empty; not changed.
            options: an instance of `options_type`.

        Returns:
            At least one row over exactly the variables and the vartype of `bqm`, energies in the
            unit of `bqm` and equal to `bqm.energies` of the rows. `info["interrupted"]` is True when
            Ctrl-C ended the run early and the rows are the best found until then.

        Raises:
            UnsupportedProblemError: `bqm` exceeds a limit in `capabilities`.
            FormulationError: a bias of `bqm` is not finite.
            OptionError: an option is set that this backend cannot honour.
            BackendFailedError: sampling broke off without an answer.
        """
        ...


@runtime_checkable
class ConstrainedBackend(Backend, Protocol):
    """A backend that keeps some constraint kinds natively (see `Capabilities.native_constraints`)."""

    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        """Draw samples of a problem's objective that satisfy its constraints.

        Args:
            problem: `capabilities.keeps` it; not changed.
            options: an instance of `options_type`.

        Returns:
            As `Backend.sample`, with the energies of `problem.objective` and of its low-rank form. Every row is
            feasible, unless none was found that is: then `solve` relaxes the constraints.
        """
        ...


@runtime_checkable
class BlackBoxBackend(Backend, Protocol):
    """A backend that minimises any function of the states (see `Capabilities.black_box`)."""

    def sample_black_box(self, problem: Problem[Any], energies: BlackBox, options: SolveOptions) -> dimod.SampleSet:
        """Draw samples that satisfy a problem's constraints and have low energies by a function.

        Args:
            problem: all kinds of its constraints are native; its objective is not looked at, and it is not changed.
            energies: replaces the objective. Each call may take long: the time limit holds between calls.
            options: an instance of `options_type`.

        Returns:
            As `ConstrainedBackend.sample_constrained`, with the energies that the function gave.

        Raises:
            BackendFailedError: the function gave something else than finite energies.
        """
        ...


@runtime_checkable
class Checkable(Protocol):
    """A backend that can say whether it is ready: what it needs beyond being imported is there."""

    def check_ready(self, live: bool) -> str:
        """One line that begins with "ok".

        Args:
            live: whether a service may be asked; otherwise nothing leaves this machine.

        Raises:
            QuboDnnError: something is missing; the text says what.
        """
        ...


@runtime_checkable
class Plottable(Protocol):
    """A backend that can draw what it did."""

    def pictures(self, info: Mapping[str, Any]) -> Sequence[Picture]:
        """Pictures of a run.

        Args:
            info: of the sample set, as it was or read back from JSON; possibly without what they need.
        """
        ...


def make_options(backend: Backend, values: Mapping[str, Any]) -> SolveOptions:
    """Validate options for a backend; strings, as typed on a command line, are converted.

    Args:
        backend: whose `options_type` applies.
        values: option name to value; None stands for "not given".

    Raises:
        OptionError: a name is unknown (the near match is named), a value is out of range, or the
            backend cannot honour it.
    """
    check(values, Mapping[str, Any], f"options of backend {backend.name!r}")
    given = {name: value for name, value in values.items() if value is not None}
    fields = backend.options_type.model_fields
    for name in given:
        if name not in fields:
            raise OptionError(f"backend {backend.name!r} has no option {name!r}{suggestion(str(name), fields)}")
    try:
        options = backend.options_type(**given)
    except ValidationError as cause:
        first = cause.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "options"
        raise OptionError(f"backend {backend.name!r}, option {where}: {first['msg']}") from cause
    check_options(backend, options)
    return options


def check_options(backend: Backend, options: SolveOptions) -> None:
    """Refuse common options that the backend's capabilities say it cannot honour.

    Raises:
        OptionError: `seed` or `time_limit` is set and not supported.
    """
    able = backend.capabilities
    for name, supported in (("seed", able.seeded), ("time_limit", able.timed)):
        if getattr(options, name) is not None and not supported:
            raise OptionError(f"backend {backend.name!r} cannot honour the option {name!r}")


def check_model(backend: Backend, bqm: dimod.BinaryQuadraticModel) -> None:
    """Refuse a model that is too large for the backend or not finite.

    Raises:
        UnsupportedProblemError: more variables than `capabilities.max_variables`.
        FormulationError: a bias or the offset is NaN or infinite.
    """
    check(bqm, dimod.BinaryQuadraticModel, f"backend {backend.name!r}: bqm")
    limit = backend.capabilities.max_variables
    if limit is not None and bqm.num_variables > limit:
        raise UnsupportedProblemError(
            f"backend {backend.name!r} takes at most {limit} variables, the problem has {bqm.num_variables}"
        )
    check_finite(bqm)
