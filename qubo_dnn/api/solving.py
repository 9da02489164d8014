"""Solve a model of any library, or draw samples of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Unpack, overload

import dimod

from qubo_dnn.api import arguments as given
from qubo_dnn.api.tracked import solve_parameters, track_call, track_solution
from qubo_dnn.backend import Backend, make_options
from qubo_dnn.cluster.given import AnyExecutor, workers
from qubo_dnn.cluster.portfolio import RUNS, on_workers, portfolio_of
from qubo_dnn.conversion import to_problem
from qubo_dnn.encodings.names import LAGRANGIAN
from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solution import BackendCall, Solution
from qubo_dnn.solving.solve import solve as solve_problem
from qubo_dnn.support.arguments import checked
from qubo_dnn.tracking.callback import Callback
from qubo_dnn.tracking.tracker import Tracker


def _as_backend(backend: Backend | str) -> Backend:
    return get_backend(backend) if isinstance(backend, str) else backend


@overload
def solve(what: Any, backend: Literal["pt"] = "pt", **options: Unpack[given.Pt]) -> Solution[Any]: ...
@overload
def solve(what: Any, backend: Literal["decompose"], **options: Unpack[given.Decompose]) -> Solution[Any]: ...
@overload
def solve(what: Any, backend: Literal["dwave-hybrid"], **options: Unpack[given.DwaveHybrid]) -> Solution[Any]: ...
@overload
def solve(what: Any, backend: Literal["dwave-hybrid-cqm"], **options: Unpack[given.DwaveHybrid]) -> Solution[Any]: ...
@overload
def solve(what: Any, backend: Literal["dwave-qpu"], **options: Unpack[given.DwaveQpu]) -> Solution[Any]: ...
@overload
def solve(what: Any, backend: Literal["exact"], **options: Unpack[given.Common]) -> Solution[Any]: ...
@overload
def solve(what: Any, backend: Literal["exact-milp"], **options: Unpack[given.ExactMilp]) -> Solution[Any]: ...
@overload
def solve(what: Any, backend: Literal["genetic"], **options: Unpack[given.Genetic]) -> Solution[Any]: ...
@overload
def solve(what: Any, backend: Literal["neal"], **options: Unpack[given.Neal]) -> Solution[Any]: ...
@overload
def solve(what: Any, backend: Literal["path-integral"], **options: Unpack[given.PathIntegral]) -> Solution[Any]: ...
@overload
def solve(what: Any, backend: Literal["qaoa"], **options: Unpack[given.Qaoa]) -> Solution[Any]: ...
@overload
def solve(what: Any, backend: Literal["qpu-emulator"], **options: Unpack[given.QpuEmulator]) -> Solution[Any]: ...
@overload
def solve(what: Any, backend: Literal["reinforcement"], **options: Unpack[given.Reinforcement]) -> Solution[Any]: ...
@overload
def solve(what: Any, backend: Literal["rqaoa"], **options: Unpack[given.Rqaoa]) -> Solution[Any]: ...
@overload
def solve(
    what: Any, backend: Literal["steepest-descent"], **options: Unpack[given.SteepestDescent]
) -> Solution[Any]: ...
@overload
def solve(what: Any, backend: Literal["tabu"], **options: Unpack[given.Tabu]) -> Solution[Any]: ...
@overload
def solve(what: Any, backend: str, **options: Unpack[given.Common]) -> Solution[Any]: ...
@overload
def solve(what: Any, backend: Backend, **options: Any) -> Solution[Any]: ...
@checked
def solve(
    what: Any,
    backend: Backend | str = "pt",
    *,
    formulation: str | Callable[..., Any] | None = None,
    sense: Literal["min", "max"] | None = None,
    integers: str = "binary",
    seed: int | None = None,
    time_limit: float | None = None,
    num_reads: int | None = None,
    num_solutions: int = 1,
    presolve: bool = True,
    inequalities: str = LAGRANGIAN,
    progress: Callable[[BackendCall], None] | None = None,
    callbacks: Sequence[Callback] = (),
    portfolio: int | None = None,
    client: Any = None,
    executor: AnyExecutor | None = None,
    **options: Any,
) -> Solution[Any]:
    """Solve a model of any library with any backend.

    Args:
        what: a model, see `qubo_dnn.conversion.to_problem`.
        backend: name, see `list_backends`, or an instance; several names such as "pt+tabu" take turns in a portfolio.
            Type checkers know the options of the built-in names; for options of a plugin, pass
            `get_backend("its-name")`.
        formulation: formulation of a graph or of other data, see `qubo_dnn.conversion.to_problem`.
        sense: sense of a model that has none, "min" by default.
        integers: encoding of integer variables.
        seed: random seed; None draws one, which the solution reports.
        time_limit: time limit of the whole search in wall-clock seconds; None: the backend's own end.
        num_reads: number of samples of one call of the backend.
        num_solutions: largest number of different answers to return.
        presolve: fix variables and split components before each call.
        inequalities: encoding of the inequalities that the backend does not keep, see `qubo_dnn.solving.solve.solve`.
        progress: called after every call of the backend.
        callbacks: receive parameters, metrics and the solution, such as `qubo_dnn.MlflowCallback()`.
        portfolio: number of runs with different seeds, of which the best counts, see
            `qubo_dnn.cluster.portfolio.Portfolio`; None: 8 with a client or an executor, else one for every backend.
        client: a `distributed.Client`, whose workers do the runs; a seed gives the same answer without it.
        executor: an executor of the kind of `concurrent.futures` in its place, or a function that makes one.
        **options: further options of the backend, see `qubo-dnn backends show NAME`.

    Returns:
        The best feasible answer, or the least infeasible one if the search finds no feasible answer; `native()` gives
        it in the terms of the library that `what` belongs to.

    Raises:
        ArgumentError: `what` is no model.
        UnsupportedProblemError: the model cannot be expressed, or exceeds the backend's limits.
        OptionError: an option is unknown, out of range or not supported.
        UnknownBackendError: no backend of that name is installed.

    Example:
        >>> solution = solve({("a", "a"): -1, ("b", "b"): -2, ("a", "b"): 3}, backend="tabu", seed=1)
        >>> solution.best.value, solution.best.objective
        ({'a': 0, 'b': 1}, -2.0)
    """
    common = {"seed": seed, "time_limit": time_limit, "num_reads": num_reads}
    problem = to_problem(what, formulation=formulation, sense=sense, integers=integers)
    chosen = {**options, **{name: value for name, value in common.items() if value is not None}}
    further: dict[str, Any] = {"num_solutions": num_solutions, "presolve": presolve, "inequalities": inequalities}
    tracker = Tracker(callbacks)

    def called(done: BackendCall) -> None:
        track_call(tracker, done)
        if progress:
            progress(done)

    with workers(client, executor) as cluster:
        runs = RUNS if portfolio is None and cluster is not None else portfolio
        solver = on_workers(portfolio_of(backend, runs), cluster)
        if not callbacks:
            return solve_problem(problem, solver, chosen, progress, **further)
        with tracker.run("solve", solve_parameters(problem, solver, chosen, further)):
            solution = solve_problem(problem, solver, chosen, called, **further)
            track_solution(tracker, solution)
            tracker.finished(solution)
        return solution


@checked
def sample(what: Any, backend: Backend | str = "pt", **options: Any) -> dimod.SampleSet:
    """Draw samples of a model's binary quadratic model, with what D-Wave's samplers return.

    Args:
        what: a model without constraints, see `qubo_dnn.conversion.to_problem`; `solve` takes constraints, too.
        backend: name or instance.
        **options: options of the backend.

    Returns:
        Samples in the vartype of a dimod BQM, else BINARY; energies are those of the minimised objective.

    Raises:
        UnsupportedProblemError: the model has constraints, or exceeds the backend's limits.
        OptionError: an option is unknown, out of range or not supported.

    Example:
        >>> found = sample([[-1.0, 3.0], [0.0, -2.0]], "tabu", num_reads=5, seed=1)
        >>> float(found.first.energy), found.first.sample[1]
        (-2.0, np.int8(1))
    """
    solver = _as_backend(backend)
    bqm = what if isinstance(what, dimod.BinaryQuadraticModel) else _unconstrained(what)
    return solver.sample(bqm, make_options(solver, options))


def _unconstrained(what: Any) -> dimod.BinaryQuadraticModel:
    problem = to_problem(what)
    if problem.constraint_kinds:
        some = next(iter(problem.kinds))
        raise UnsupportedProblemError(
            f"samples are drawn of models without constraints, and {some!r} is one: use solve"
        )
    problem.check_expressible()
    return problem.objective
