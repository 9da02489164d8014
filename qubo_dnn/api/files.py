"""Read and write problems as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dimod

from qubo_dnn.conversion import to_problem
from qubo_dnn.files.common.model import ConstrainedModel, Model, ObjectiveSense
from qubo_dnn.files.formats import write_model
from qubo_dnn.loading import load_problem
from qubo_dnn.problem import Problem


def read(path: str | Path, *, format: str | None = None, sense: ObjectiveSense | None = None) -> Problem[Any]:  # noqa: A002  # the option's name
    """Read a problem from a file.

    Args:
        path: a model or an instance in any format of `qubo_dnn.files.formats`, gzipped or not.
        format: name of the format; None: the file's extension or its content determines it.
        sense: sense of a model whose file does not state one.

    Raises:
        FileFormatError: the file cannot be read; the text names the file and, if possible, the line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "model.coo")
        ...     write({("a", "b"): -2.0}, path)
        ...     read(path).variables
        ('a', 'b')
    """
    return load_problem(path, format_name=format, sense=sense).problem


def write(what: Any, path: str | Path) -> None:
    """Write a model to a file, whole or not at all.

    Args:
        what: see `qubo_dnn.conversion.to_problem`. The variables in the file are those of the problem, so that integers
            appear as their binary encoding; dimod's models are written as they are.
        path: its extension determines the format.

    Raises:
        UnsupportedProblemError: the format cannot express the model.
        OutputError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write([[-1.0, 2.0], [0.0, -1.0]], Path(folder, "model.qubo"))
    """
    write_model(_model(what), Path(path))


def _model(what: Any) -> Model | ConstrainedModel:
    if isinstance(what, dimod.BinaryQuadraticModel):
        return Model(what)
    if isinstance(what, dimod.ConstrainedQuadraticModel):
        return ConstrainedModel(what)
    problem = to_problem(what)
    objective = problem.objective.copy()
    objective.scale(-1.0 if problem.sense == "max" else 1.0)
    if problem.constraint_kinds:
        cqm = problem.to_cqm()
        cqm.set_objective(objective)
        return ConstrainedModel(cqm, problem.sense)
    return Model(objective, problem.sense)
