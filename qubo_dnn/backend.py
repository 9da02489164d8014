"""The backend contract: a backend samples a binary quadratic model (BQM).

A backend is a class with the attributes and the method of `Backend`, registered in the entry point group
`qubo_dnn.backends`. Any package may provide one. A backend does not need to subclass anything in this module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import dimod
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qubo_dnn.constraint import ConstraintKind, check_finite
from qubo_dnn.errors import OptionError, UnsupportedProblemError, suggestion
from qubo_dnn.pictures.picture import Picture
from qubo_dnn.problem import Problem, Sample
from qubo_dnn.sparse_model import SparseModel, SparseSamples
from qubo_dnn.support.arguments import check

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

PROGRESS = "qubo_dnn.backend"
"""Name of the parent logger of all backends. A backend logs to a child, such as `qubo_dnn.backend.qaoa`: at INFO what
the user should keep, such as the cost of a run, and at DEBUG the progress of a run. The command line shows both."""


UNSEEN = "unseen"
"""Key in `json_schema_extra` of an option's field: the reason why the option has no effect on small models. Every other
option must change the samples or the run time; see `qubo_dnn.testing.backend_cases.options`."""


BlackBox = Callable[[NDArray[np.int8]], NDArray[np.float64]]
"""`energies(rows)` returns [k] finite energies (lower is better) of [k, n] states, 0 or 1, in the problem's variable
order."""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """Capabilities of one backend instance.

    Attributes:
        max_variables: largest number of variables, or None for no fixed limit.
        exact: the returned state of least energy is a proven optimum.
        seeded: the option `seed` makes runs reproducible; otherwise the backend refuses `seed`.
        timed: the backend keeps the option `time_limit`; otherwise it refuses it.
        fills_time: more time gives better samples, so a run uses its whole time limit; otherwise the limit is only a
            deadline.
        remote: a service on the network draws the samples.
        structured: the backend embeds the whole model in a hardware graph.
        native_constraints: kinds of constraints that `sample_constrained` keeps without penalties.
        low_rank: `sample_constrained` takes objectives with a low-rank form, see `qubo_dnn.problem.LowRank`.
        bounds: every sample set has `info["bound"]`, a proven lower bound on the energies of all (feasible) states in
            the unit of the returned energies (minus infinity if nothing is proven, infinity if no state is feasible),
            and `info["optimal"]`, True if the row of least energy is a proven optimum.
        black_box: `sample_black_box` takes a function instead of the objective, see `BlackBoxBackend`.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> get_backend("steepest-descent").capabilities.exact
        False
        >>> Capabilities(max_variables=26, exact=True).max_variables
        26
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
        """Return whether the backend takes the problem as it is, without any relaxation."""
        native = self.native_constraints
        if ConstraintKind.EQUALITY in native:
            native |= {ConstraintKind.ASSIGNMENT}
        return problem.constraint_kinds <= native and (self.low_rank or problem.low_rank is None)


class SolveOptions(BaseModel):
    """Options common to all backends; each backend adds its own in a subclass.

    Unknown names and values out of range are errors. None means "the backend's default". The conformance kit tries the
    `examples` of a field; see `UNSEEN` for options without an effect on small models.

    Example:
        >>> class Options(SolveOptions):
        ...     sweeps: int = Field(default=100, ge=1, description="number of sweeps over all variables")
        >>> Options(num_reads=5, seed=1).sweeps
        100
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    num_reads: int | None = Field(default=None, ge=1, le=2**31 - 1, description="number of samples to return")
    seed: int | None = Field(default=None, ge=0, le=2**32 - 1, description="random seed")
    time_limit: float | None = Field(default=None, gt=0, description="time limit of sampling in wall-clock seconds")


@runtime_checkable
class Backend(Protocol):
    """Samples low-energy states of a binary quadratic model.

    Attributes:
        name: name in the registry.
        summary: one line for `qubo-dnn backends list`.
        options_type: class of its options.
        capabilities: capabilities of this instance.

    Example:
        >>> class AllZero:
        ...     name, summary, options_type = "all-zero", "Return the state 0", SolveOptions
        ...     capabilities = Capabilities(seeded=False, timed=False)
        ...     def sample(self, bqm, options):
        ...         states = dict.fromkeys(bqm.variables, 0)
        ...         return dimod.SampleSet.from_samples_bqm(states, bqm.change_vartype("BINARY", inplace=False))
        >>> isinstance(AllZero(), Backend)
        True
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    options_type: ClassVar[type[SolveOptions]]

    @property
    def capabilities(self) -> Capabilities: ...

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Draw samples.

        Args:
            bqm: model of either vartype with any hashable labels, possibly empty. It is not changed.
            options: an instance of `options_type`.

        Returns:
            At least one row over exactly the variables and the vartype of `bqm`. The energies equal `bqm.energies` of
            the rows. `info["interrupted"]` is True if Ctrl-C ended the run early; the rows are then the best so far.

        Raises:
            UnsupportedProblemError: `bqm` exceeds a limit in `capabilities`.
            FormulationError: a bias of `bqm` is not finite.
            OptionError: this backend cannot honour one of the options.
            BackendFailedError: sampling failed without a result.
        """
        ...


@runtime_checkable
class ConstrainedBackend(Backend, Protocol):
    """A backend that keeps some kinds of constraints natively (see `Capabilities.native_constraints`).

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> isinstance(get_backend("genetic"), ConstrainedBackend)
        True
        >>> isinstance(get_backend("steepest-descent"), ConstrainedBackend)
        False
    """

    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        """Draw samples of a problem's objective that satisfy its constraints.

        Args:
            problem: a problem that `capabilities.supports`. It is not changed.
            options: an instance of `options_type`.

        Returns:
            As `Backend.sample`, with the energies of `problem.objective` and its low-rank form. All rows are feasible.
            Only if the backend finds no feasible state are they infeasible; `solve` then relaxes the constraints.
        """
        ...


@runtime_checkable
class BlackBoxBackend(Backend, Protocol):
    """A backend that minimises any function of the states (see `Capabilities.black_box`).

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> isinstance(get_backend("genetic"), BlackBoxBackend)
        True
    """

    def sample_black_box(self, problem: Problem[Any], energies: BlackBox, options: SolveOptions) -> dimod.SampleSet:
        """Draw samples that satisfy a problem's constraints and have low values of a function.

        Args:
            problem: its constraints must all be native. The objective is not used, and the problem is not changed.
            energies: replaces the objective. A call may take long, and the time limit is checked only between calls.
            options: an instance of `options_type`.

        Returns:
            As `ConstrainedBackend.sample_constrained`, with the values of the function as energies.

        Raises:
            BackendFailedError: the function returned something other than [k] finite energies.
        """
        ...


@runtime_checkable
class Startable(Protocol):
    """A backend that can begin at a given state, beside others of its choice.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> isinstance(get_backend("pt"), Startable), isinstance(get_backend("exact"), Startable)
        (True, False)
    """

    def begun_at(self, options: SolveOptions, state: Sample) -> SolveOptions:
        """Return options with which one of several reads or replicas begins at a state.

        Args:
            options: an instance of `options_type`.
            state: variable -> 0 or 1, for all variables of the model.

        Returns:
            The given options if the user has set where to begin, or if no other read would begin elsewhere.
        """
        ...


@runtime_checkable
class BlockSolver(Protocol):
    """A backend that states how large the blocks of a larger problem should be that it solves.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> get_backend("exact").block_size(SolveOptions())
        16
    """

    def block_size(self, options: SolveOptions) -> int:
        """Return a number of variables, all of which may interact, that the backend solves well and quickly.

        Args:
            options: an instance of `options_type`.
        """
        ...


@runtime_checkable
class SparseBackend(Backend, Protocol):
    """A backend that takes large models as arrays, without labels.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> isinstance(get_backend("pt"), SparseBackend), isinstance(get_backend("neal"), SparseBackend)
        (True, False)
    """

    def sample_sparse(self, model: SparseModel, options: SolveOptions) -> SparseSamples:
        """Draw samples.

        Args:
            model: of either vartype and sense. It is not changed.
            options: an instance of `options_type`.

        Returns:
            At least one state. `info` is that of `Backend.sample`.

        Raises:
            UnsupportedProblemError: the model is too large for the memory that is available.
            OptionError: this backend cannot honour one of the options.
        """
        ...


@runtime_checkable
class Checkable(Protocol):
    """A backend that can check its own requirements, such as credentials or hardware.

    Example:
        >>> class Remote:
        ...     def check_ready(self, live):
        ...         return "ok: credentials found"
        >>> isinstance(Remote(), Checkable)
        True
    """

    def check_ready(self, live: bool) -> str:
        """Return one line that begins with "ok".

        Args:
            live: if True, the check may contact a service; otherwise no data leaves this machine.

        Raises:
            QuboDnnError: a requirement is missing; the text names it.
        """
        ...


@runtime_checkable
class Plottable(Protocol):
    """A backend that can draw pictures of its runs.

    Example:
        >>> class Silent:
        ...     def pictures(self, info):
        ...         return []
        >>> isinstance(Silent(), Plottable)
        True
    """

    def pictures(self, info: Mapping[str, Any]) -> Sequence[Picture]:
        """Draw pictures of a run.

        Args:
            info: `info` of the sample set, as returned or read back from JSON. Entries may be missing.
        """
        ...


@runtime_checkable
class CircuitSource(Protocol):
    """A backend that measures a quantum circuit.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> isinstance(get_backend("qaoa"), CircuitSource), isinstance(get_backend("tabu"), CircuitSource)
        (True, False)
    """

    def circuit(self, info: Mapping[str, Any]) -> QuantumCircuit:
        """Return the circuit of a run as it was measured, with bound angles.

        Args:
            info: `info` of the sample set, as returned or read back from JSON.

        Returns:
            A circuit of Qiskit that measures all qubits into the register `meas`; `metadata["variables"]` names the
            variable of every qubit. A qubit measured as 1 has the variable's value 1, or the spin +1.

        Raises:
            UnsupportedProblemError: the run has no circuit of the whole problem, which the presolve solved or split.
            BackendUnavailableError: Qiskit is not installed.
        """
        ...


def make_options(backend: Backend, values: Mapping[str, Any]) -> SolveOptions:
    """Validate options for a backend and convert strings, as typed on a command line.

    Args:
        backend: its `options_type` validates the options.
        values: option name -> value; None stands for "not given".

    Raises:
        OptionError: a name is unknown (the text suggests a similar one), a value is out of range, or the backend
            cannot honour the option.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> make_options(get_backend("steepest-descent"), {"num_reads": "20", "seed": None}).num_reads
        20
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
    """Refuse common options that the backend cannot honour according to its capabilities.

    Raises:
        OptionError: `seed` or `time_limit` is set but not supported.

    Example:
        >>> from types import SimpleNamespace
        >>> backend = SimpleNamespace(name="all-zero", capabilities=Capabilities(seeded=False))
        >>> check_options(backend, SolveOptions(seed=1))
        Traceback (most recent call last):
        qubo_dnn.errors.OptionError: backend 'all-zero' cannot honour the option 'seed'
    """
    able = backend.capabilities
    for name, supported in (("seed", able.seeded), ("time_limit", able.timed)):
        if getattr(options, name) is not None and not supported:
            raise OptionError(f"backend {backend.name!r} cannot honour the option {name!r}")


def check_model(backend: Backend, bqm: dimod.BinaryQuadraticModel) -> None:
    """Refuse a model that is too large for the backend or not finite.

    Raises:
        UnsupportedProblemError: the model has more variables than `capabilities.max_variables`.
        FormulationError: a bias or the offset is NaN or infinite.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> check_model(get_backend("exact"), dimod.BinaryQuadraticModel(40, "BINARY"))
        Traceback (most recent call last):
        qubo_dnn.errors.UnsupportedProblemError: backend 'exact' takes at most 26 variables, the problem has 40
    """
    check(bqm, dimod.BinaryQuadraticModel, f"backend {backend.name!r}: bqm")
    limit = backend.capabilities.max_variables
    if limit is not None and bqm.num_variables > limit:
        raise UnsupportedProblemError(
            f"backend {backend.name!r} takes at most {limit} variables, the problem has {bqm.num_variables}"
        )
    check_finite(bqm)


def check_kinds(backend: Backend, problem: Problem[Any]) -> None:
    """Refuse a problem with constraints that the backend does not keep natively.

    Raises:
        UnsupportedProblemError: the text names the first such constraint.

    Example:
        >>> from qubo_dnn.registry import get_backend, get_formulation
        >>> check_kinds(get_backend("exact"), get_formulation("knapsack").example(0).compile())
        Traceback (most recent call last):
        qubo_dnn.errors.UnsupportedProblemError: backend 'exact' keeps constraints of the kinds one-hot; ...
    """
    kept = backend.capabilities.native_constraints
    for label, kind in problem.kinds.items():
        if kind not in kept:
            raise UnsupportedProblemError(
                f"backend {backend.name!r} keeps constraints of the kinds {', '.join(sorted(kept))}; {label!r} is of "
                f"the kind {kind}"
            )
