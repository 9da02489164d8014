"""What callbacks of `solve` receive, and parameters in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from numbers import Number
from pathlib import Path
from typing import Any

from qubo_dnn.backend import Backend, make_options
from qubo_dnn.compression.task.options import Option
from qubo_dnn.problem import Problem
from qubo_dnn.reports.reproduction import versions
from qubo_dnn.solving.solution import BackendCall, Solution
from qubo_dnn.support.masking import masked
from qubo_dnn.tracking.tracker import Tracker

# Of a list or a mapping.
_ITEMS = 50


def solve_parameters(
    problem: Problem[Any], backend: Backend, options: Mapping[str, Any], further: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the parameters of `solve`.

    Args:
        problem: the problem.
        backend: the backend.
        options: its options, as they are given.
        further: arguments of `solve` itself.

    Raises:
        OptionError: an option is unknown or invalid.

    Example:
        >>> from qubo_dnn.conversion import to_problem
        >>> from qubo_dnn.registry import get_backend
        >>> found = solve_parameters(to_problem([[-1.0, 3.0], [0.0, -2.0]]), get_backend("tabu"), {"seed": 1}, {})
        >>> found["problem"]["variables"], found["backend"], found["backend_options"]
        (2, 'tabu', {'seed': 1})
    """
    parsed = make_options(backend, options)
    return {
        "problem": {
            "variables": problem.objective.num_variables,
            "interactions": problem.objective.num_interactions,
            "constraints": len(problem.constraints),
            "one_hot_groups": len(problem.one_hot),
            "sense": problem.sense,
        },
        "backend": backend.name,
        "seed": options.get("seed"),
        # As they were parsed: pydantic's types of secrets do not show their values.
        "backend_options": described({name: getattr(parsed, name, value) for name, value in options.items()}),
        **described(further),
        "versions": dict(versions()),
    }


def track_call(tracker: Tracker, done: BackendCall) -> None:
    """Report a call of a backend.

    Example:
        >>> track_call(Tracker([]), BackendCall(number=1, objective=5.0, seconds=0.01))
    """
    tracker.metric("call/objective", done.objective, done.number)
    tracker.metric("call/broken", len(done.broken), done.number)
    tracker.metric("call/seconds", done.seconds, done.number)


def track_solution(tracker: Tracker, solution: Solution[Any]) -> None:
    """Report the figures of a solution.

    Example:
        >>> def report(solution: Solution[Any]) -> None:
        ...     track_solution(Tracker([]), solution)
    """
    best = solution.best
    figures = {
        "objective": best.objective,
        "feasible": best.feasible,
        "violations": len(best.violations),
        "calls": len(solution.calls),
        "seconds": solution.seconds,
    }
    for name, value in figures.items():
        tracker.metric(name, value, len(solution.calls))


def described(options: Mapping[str, Any]) -> dict[str, Any]:
    """Describe options as callbacks take them; secrets within them are masked while their names are known.

    Example:
        >>> described({"beta_range": (0.1, 2.0), "service": {"token": "DEV-012"}, "interrupt_function": print})
        {'beta_range': '0.1, 2.0', 'service': 'token=***', 'interrupt_function': 'print'}
    """
    return {name: _words(value) for name, value in masked(options).items()}


def _words(value: Any) -> Any:
    """Describe a value by what callbacks take; code and large data by their names or types."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return "; ".join(_listed([f"{name}={_words(each)}" for name, each in value.items()])) or None
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(_listed(value if isinstance(value, list | tuple) else sorted(value, key=str))) or None
    if isinstance(name := getattr(value, "name", None), str):
        return name
    if callable(value):
        return str(getattr(value, "__name__", type(value).__name__))
    return str(value) if isinstance(value, Number | Option | Path) else type(value).__name__


def _listed(values: Sequence[Any]) -> Iterator[str]:
    """Describe the first ones of many values; those within others in brackets."""
    for each in values[:_ITEMS]:
        yield f"({_words(each)})" if isinstance(each, list | tuple | set | frozenset) else str(_words(each))
    if len(values) > _ITEMS:
        yield f"... ({len(values):,})"
