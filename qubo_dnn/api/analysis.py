"""Bound, embed and compare: one call each, for a model of any library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from qubo_dnn.bounds.certificate import Certificate
from qubo_dnn.bounds.certificate import certify as prove
from qubo_dnn.cluster.given import AnyExecutor, workers
from qubo_dnn.conversion import to_problem
from qubo_dnn.embedding.backend_model import make_backend_model
from qubo_dnn.embedding.diagnosis import Diagnosis, DiagnosisSettings
from qubo_dnn.embedding.diagnosis import diagnose as embed
from qubo_dnn.embedding.target import target as find_target
from qubo_dnn.errors import OptionError, suggestion
from qubo_dnn.solving.comparison import Contender, Record
from qubo_dnn.solving.comparison import compare as compare_contenders
from qubo_dnn.solving.solution import Solution
from qubo_dnn.support.arguments import checked


@checked
def certify(what: Any, solution: Solution[Any] | None = None, seconds: float = 10.0, *, seed: int = 0) -> Certificate:
    """Prove a bound on the objective of all feasible answers, and so the largest gap of a solution.

    Args:
        what: the model that was solved.
        solution: its solution; None proves a bound alone.
        seconds: time limit in wall-clock seconds.
        seed: random seed.

    Raises:
        OptionError: the time limit is not greater than 0.

    Example:
        >>> from qubo_dnn.api.solving import solve
        >>> model = {("a", "a"): -1, ("b", "b"): -2, ("a", "b"): 3}
        >>> certify(model, solve(model, "tabu", seed=1), seconds=1.0).optimal
        True
    """
    problem = to_problem(what)
    best = None if solution is None or not solution.best.feasible else solution.best.objective
    return prove(problem, None if best is None else problem.in_own_sense(best), seconds, seed)


@checked
def diagnose(what: Any, target: str = "pegasus:16", *, presolve: bool = True, **settings: Any) -> Diagnosis:
    """Embed a model in the graph of a quantum annealer, and report what the embedding costs.

    Args:
        what: a model, see `qubo_dnn.conversion.to_problem`.
        target: the hardware graph, see `qubo_dnn.embedding.target.target`.
        presolve: simplify the model first, as `solve` does.
        **settings: fields of `qubo_dnn.embedding.diagnosis.DiagnosisSettings`.

    Returns:
        The diagnosis; a model that does not fit is a result, not an error.

    Raises:
        OptionError: a setting or the target is unknown.
        MissingExtraError: the extra `dwave` is not installed.

    Example:
        >>> diagnose([[0, 1, 1], [0, 0, 1], [0, 0, 0]], "chimera:1", presolve=False, reads=0).verdict
        'fits, with the chains of a clique'
    """
    known = [each.name for each in fields(DiagnosisSettings)]
    for name in settings:
        if name not in known:
            raise OptionError(f"a diagnosis has no setting {name!r}{suggestion(name, known)}")
    model = make_backend_model(to_problem(what), presolve=presolve)
    return embed(model, find_target(target), DiagnosisSettings(**settings))


@checked
def compare(
    what: Any,
    backends: Sequence[str],
    time_limit: float = 8.0,
    seeds: Sequence[int] = (0, 1, 2),
    *,
    progress: Callable[[str], None] | None = None,
    client: Any = None,
    executor: AnyExecutor | None = None,
) -> list[Record]:
    """Run backends in alternation, each for equal times and several seeds.

    Args:
        what: a model, see `qubo_dnn.conversion.to_problem`.
        backends: `NAME` or `NAME:option=value,option=value`.
        time_limit: seconds of the longest runs; shorter ones show how soon a backend is how good.
        seeds: one run for each of them.
        progress: called with a description of each run before it starts.
        client: a `distributed.Client`, whose workers do the runs.
        executor: an executor of the kind of `concurrent.futures` in its place, or a function that makes one.

    Returns:
        One record per backend; `qubo_dnn.solving.comparison.summarise` makes a table of them.

    Example:
        >>> records = compare([[-1.0, 3.0], [0.0, -2.0]], ["tabu", "steepest-descent"], time_limit=0.01, seeds=[1])
        >>> [record.final()[0].objective for record in records]
        [-2.0, -2.0]
    """
    contenders = [Contender.parse(text) for text in backends]
    with workers(client, executor) as cluster:
        return compare_contenders(to_problem(what), contenders, time_limit, seeds, progress, cluster)
