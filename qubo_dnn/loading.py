"""What is to be solved, from a word of a command line: a file, a formulation's instance, or a formulation's example."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qubo_dnn.backend import PROGRESS
from qubo_dnn.errors import FileFormatError, OptionError, suggestion
from qubo_dnn.files.formats import Format, get_format, guess, read_model, split_number
from qubo_dnn.files.model import Model, ObjectiveSense, Program
from qubo_dnn.files.text import TextFile
from qubo_dnn.formulation import Formulation, Readable
from qubo_dnn.models import problem_from_bqm, problem_from_cqm
from qubo_dnn.parameters import make_parameters
from qubo_dnn.problem import Problem
from qubo_dnn.registry import formulation_names, get_formulation

_LOG = logging.getLogger(f"{PROGRESS}.loading")


@dataclass(frozen=True)
class Source:
    """A problem and where it is from.

    Attributes:
        problem: ready to be solved.
        formulation: name of the formulation, None for a model.
        file: the file it was read from, None for an example.
    """

    problem: Problem[Any]
    formulation: str | None
    file: Path | None


def load_problem(
    text: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    format_name: str | None = None,
    sense: ObjectiveSense | None = None,
    integers: str = "binary",
    seed: int = 0,
) -> Source:
    """The problem that `text` stands for.

    Args:
        text: `FORMULATION:FILE`; `FORMULATION`, whose arguments are then all in `parameters`, or which is its example
            where there are none; or `FILE`, a model or an instance of the formulation that its format is of.
        parameters: arguments of the formulation's constructor beside those in the file, or in place of them.
        format_name: of the file; None guesses it.
        sense: for a model whose file does not say or says otherwise; refused for a formulation, which knows.
        integers: encoding of a model's integer variables, see `qubo_dnn.encodings.names`.
        seed: of an example.

    Raises:
        FileFormatError: the file cannot be read, or is not what is asked for.
        OptionError: a parameter is unknown or missing, or an option does not apply.
        UnknownFormulationError: the text is neither a formulation nor a file.
        FormulationError: the data do not make a well-formed problem.
    """
    given = dict(parameters or {})
    name, colon, rest = text.partition(":")
    if not Path(text).exists() and name in formulation_names():
        path = Path(rest) if colon else None
    elif (named := _format(text, format_name).formulation) is not None:
        name, path = named, Path(text)
    else:
        if given:
            raise OptionError(f"{text} holds a model, which has no parameters: {', '.join(given)}")
        return Source(_model(Path(text), format_name, sense, integers), None, Path(text))
    if sense is not None:
        raise OptionError(f"the formulation {name!r} knows its own sense; leave out --sense")
    return Source(_instance(name, path, given, seed).compile(), name, path)


def load_model(text: str, format_name: str | None = None) -> Model | Program:
    """The model that a file holds, or that a formulation makes of an instance.

    Args:
        text: as for `load_problem`.
        format_name: of the file; None guesses it.

    Returns:
        A file's model as it stands there. Of an instance: its objective with penalties where there are no constraints
        or their sufficient weights are known, to be minimised; else a program with constraints.

    Raises:
        FileFormatError: the file cannot be read.
        UnknownFormulationError: the text is neither a formulation nor a file.
    """
    name = text.partition(":")[0]
    if Path(text).exists() or name not in formulation_names():
        found = _format(text, format_name)
        if found.formulation is None:
            return read_model(Path(text), format_name)
    problem = load_problem(text, format_name=format_name).problem
    if problem.penalties or not problem.constraint_kinds:
        return Model(problem.bqm())
    return Program(problem.to_cqm())


def _format(text: str, format_name: str | None) -> Format:
    """The format of the file that `text` is, or an error that says what else it could have been."""
    if format_name is not None:
        return get_format(format_name)
    path, _ = split_number(Path(text))
    if not path.exists():
        name = text.partition(":")[0]
        if ":" in text or not path.suffix:
            get_formulation(name)  # says which are known
    return guess(path)


def _model(path: Path, format_name: str | None, sense: ObjectiveSense | None, integers: str) -> Problem[Any]:
    found = read_model(path, format_name)
    if isinstance(found, Model):
        return problem_from_bqm(found.bqm, sense or found.sense)
    for note in found.notes:
        _LOG.info("%s: %s", path, note)
    return problem_from_cqm(found.cqm, sense or found.sense, integers)


def _instance(name: str, path: Path | None, parameters: Mapping[str, Any], seed: int) -> Formulation[Any]:
    formulation = get_formulation(name)
    if path is None and not parameters:
        return formulation.example(seed)
    arguments = {} if path is None else _read(formulation, path)
    arguments.update(make_parameters(formulation, parameters, data=True))
    lacking = [
        each.name
        for each in inspect.signature(formulation).parameters.values()
        if each.default is each.empty and each.name not in arguments
    ]
    if lacking:
        raise OptionError(
            f"formulation {name!r} needs {', '.join(lacking)}: -p {lacking[0]}=..., or a file that has it"
        )
    return formulation(**arguments)


def _read(formulation: type[Formulation[Any]], path: Path) -> dict[str, Any]:
    """Arguments of the constructor: from a file of the field, or by their names from JSON."""
    if path.name.lower().removesuffix(".gz").endswith(".json"):
        file = TextFile(path)
        try:
            found = json.loads(file.content())
        except (ValueError, RecursionError) as cause:
            raise file.error(f"is not JSON: {cause}") from cause
        if not isinstance(found, dict):
            raise file.error("is not a JSON object with the arguments of the formulation by their names")
        known = inspect.signature(formulation).parameters
        for key in found:
            if key not in known:
                raise file.error(
                    f"the formulation {formulation.name!r} has no argument {key!r}{suggestion(key, known)}"
                )
        return found
    if not isinstance(formulation, Readable):
        raise FileFormatError(f"{path}: the formulation {formulation.name!r} reads .json files only")
    return formulation.read(path)
