"""Load the problem that a command line names: a file, an instance of a formulation, or a formulation's example."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qubo_dnn.backend import PROGRESS
from qubo_dnn.constraints.exact_products import with_exact_products
from qubo_dnn.errors import (
    ArgumentError,
    FileFormatError,
    FormulationError,
    OptionError,
    QuboDnnError,
    UnsupportedProblemError,
    suggestion,
)
from qubo_dnn.files.common.model import ConstrainedModel, Model, ObjectiveSense
from qubo_dnn.files.common.text import TextFile, exists
from qubo_dnn.files.formats import FORMATS, choose, get_format, read_model, split_number
from qubo_dnn.formulation import Formulation, Readable
from qubo_dnn.models.dimod_models import problem_from_bqm, problem_from_cqm
from qubo_dnn.parameters import make_parameters
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_formulation, list_formulations
from qubo_dnn.sparse_model import MOST_LABELLED, SparseModel
from qubo_dnn.support.arguments import checked

_LOG = logging.getLogger(f"{PROGRESS}.loading")
JSON = "json"
"""Name of the file format that holds the arguments of a formulation by name."""


@dataclass(frozen=True)
class LoadedProblem:
    """A problem and its origin.

    Attributes:
        problem: ready to be solved.
        formulation: name of the formulation; None for a model.
        file: path of the file; None for an example.
        format: name of the file's format; None without a file, or if the formulation defines the format itself.

    Example:
        >>> loaded = load_problem("knapsack", seed=1)
        >>> loaded.formulation, loaded.file
        ('knapsack', None)
    """

    problem: Problem[Any]
    formulation: str | None
    file: Path | None
    format: str | None = None


@dataclass(frozen=True)
class LoadedArrays:
    """A model of more than `MOST_LABELLED` variables and its origin.

    Attributes:
        model: the model.
        file: path of the file.
        format: name of the file's format.

    Example:
        >>> import numpy as np
        >>> model = SparseModel(np.zeros(1), *np.zeros((2, 0), np.int32), np.zeros(0))
        >>> LoadedArrays(model, Path("model.npz"), "npz").model.num_variables
        1
    """

    model: SparseModel
    file: Path
    format: str


def _unsaid(line: str) -> None:
    """Ignore the line."""


@checked
def load_problem(
    text: str | Path,
    parameters: Mapping[str, Any] | None = None,
    *,
    format_name: str | None = None,
    sense: ObjectiveSense | None = None,
    integers: str = "binary",
    seed: int = 0,
    say: Callable[[str], None] = _unsaid,
) -> LoadedProblem:
    """Load the problem that `text` names.

    Args:
        text: `FORMULATION:FILE` for an instance in a file; `FORMULATION` for an instance whose arguments are all in
            `parameters`, or for the formulation's example if there are none; or `FILE` for a model, or for an instance
            in a format that belongs to a formulation.
        parameters: arguments of the formulation's constructor. They take precedence over those in the file.
        format_name: format of the file, whatever its extension: a name from `qubo_dnn.files.formats`, or `json` for
            the arguments of a formulation. None chooses it by the file's extension or its content.
        sense: sense of a model; it takes precedence over the sense in the file. A formulation refuses it.
        integers: encoding of a model's integer variables, see `qubo_dnn.encodings.names`.
        seed: seed of an example.
        say: called with one line if the content determines the format.

    Raises:
        FileFormatError: the file cannot be read or does not have the format.
        OptionError: a parameter is unknown or missing, or an option does not apply.
        UnknownFormulationError: the text is neither a formulation nor a file.
        FormulationError: the data do not make a well-formed problem.
        UnsupportedProblemError: the file has more than `qubo_dnn.sparse_model.MOST_LABELLED` variables.

    Example:
        >>> loaded = load_problem("number-partitioning", {"numbers": [3, 1, 2]})
        >>> loaded.problem.variables
        ('x[0]', 'x[1]', 'x[2]')
    """
    return with_labels(
        load_problem_or_arrays(
            text, parameters, format_name=format_name, sense=sense, integers=integers, seed=seed, say=say
        )
    )


def load_problem_or_arrays(
    text: str | Path,
    parameters: Mapping[str, Any] | None = None,
    *,
    format_name: str | None = None,
    sense: ObjectiveSense | None = None,
    integers: str = "binary",
    seed: int = 0,
    say: Callable[[str], None] = _unsaid,
) -> LoadedProblem | LoadedArrays:
    """Load the problem that `text` names, or a model that is too large for labels; arguments as for `load_problem`.

    Returns:
        Arrays if a COO file or an archive of NumPy has more than `qubo_dnn.sparse_model.MOST_LABELLED` variables.

    Raises:
        QuboDnnError: see `load_problem`.

    Example:
        >>> load_problem_or_arrays("knapsack", seed=1).formulation
        'knapsack'
    """
    text, given = str(text), dict(parameters or {})
    name, colon, rest = text.partition(":")
    if exists(Path(text)) or name not in list_formulations():
        path, format_name = Path(text), _format(text, format_name, say)
        named = FORMATS[format_name].formulation
        if named is None:
            if given:
                raise OptionError(f"{text} holds a model, which has no parameters: {', '.join(given)}")
            found = _read_large(path, format_name) or read_model(path, format_name)
            if isinstance(found, SparseModel):
                return LoadedArrays(replace(found, sense=sense) if sense else found, path, format_name)
            return LoadedProblem(_problem(path, found, sense, integers), None, path, format_name)
        name, colon, rest = named, ":", text
    if sense is not None:
        raise OptionError(f"the formulation {name!r} has a fixed sense; leave out --sense")
    formulation = get_formulation(name)
    if colon:
        path = Path(rest)
        arguments, format_name = _read(formulation, path, format_name, say)
        return LoadedProblem(
            with_exact_products(_instance(formulation, arguments, given).compile()), name, path, format_name
        )
    if format_name is not None:
        raise OptionError(f"{text} names no file, so --format does not apply")
    made = _instance(formulation, {}, given) if given else formulation.example(seed)
    return LoadedProblem(with_exact_products(made.compile()), name, None)


def with_labels(loaded: LoadedProblem | LoadedArrays) -> LoadedProblem:
    """Return a problem as it is, and refuse arrays.

    Raises:
        UnsupportedProblemError: it is a model without labels.

    Example:
        >>> with_labels(load_problem("knapsack", seed=1)).formulation
        'knapsack'
    """
    if isinstance(loaded, LoadedProblem):
        return loaded
    raise UnsupportedProblemError(
        f"{loaded.file} has {loaded.model.num_variables:,} variables; models of more than {MOST_LABELLED:,} are arrays "
        "without labels, which only `qubo-dnn solve` and qubo_dnn.solving.large.solve_large take"
    )


@checked
def load_model(
    text: str | Path, format_name: str | None = None, say: Callable[[str], None] = _unsaid
) -> Model | ConstrainedModel:
    """Load the model in a file, or the model that a formulation makes of an instance.

    Args:
        text: as for `load_problem`.
        format_name: as for `load_problem`.
        say: as for `load_problem`.

    Returns:
        The unchanged model of a file. For an instance, a model to be minimised: a BQM with penalties if there are no
        constraints or if sufficient penalty weights are known, otherwise a model with constraints.

    Raises:
        FileFormatError: the file cannot be read.
        UnknownFormulationError: the text is neither a formulation nor a file.

    Example:
        >>> load_model("max-cut").bqm.num_variables
        7
        >>> list(load_model("knapsack").cqm.constraints)
        ['capacity']
    """
    text = str(text)
    if exists(Path(text)) or text.partition(":")[0] not in list_formulations():
        format_name = _format(text, format_name, say)
        if FORMATS[format_name].formulation is None:
            return read_model(Path(text), format_name)
    problem = load_problem(text, format_name=format_name, say=say).problem
    if problem.penalties or not problem.constraint_kinds:
        return Model(problem.bqm())
    return ConstrainedModel(problem.to_cqm())


def _format(text: str, format_name: str | None, say: Callable[[str], None]) -> str:
    """Return the name of the format of the file `text`; the error suggests what else the text could mean."""
    path, _ = split_number(Path(text))
    if not exists(path):
        name = text.partition(":")[0]
        if ":" in text or not path.suffix:
            get_formulation(name)  # raises an error that lists the known names
    if format_name == JSON or (format_name is None and _ends_in_json(path)):
        raise FileFormatError(f"{text}: JSON holds the arguments of a formulation; say which, as in knapsack:{text}")
    return _chosen(Path(text), format_name, (), say)


def _chosen(path: Path, format_name: str | None, among: Sequence[str], say: Callable[[str], None]) -> str:
    """Return the name of a file's format, and report it through `say` if the content determined it."""
    choice = choose(path, format_name, among)
    if choice.by_content:
        say(f"{path}: read as {choice.format.name}")
    return choice.format.name


def _ends_in_json(path: Path) -> bool:
    return path.name.lower().removesuffix(".gz").endswith(".json")


def _problem(path: Path, found: Model | ConstrainedModel, sense: ObjectiveSense | None, integers: str) -> Problem[Any]:
    if isinstance(found, Model):
        return problem_from_bqm(found.bqm, sense or found.sense)
    for note in found.notes:
        _LOG.info("%s: %s", path, note)
    return problem_from_cqm(found.cqm, sense or found.sense, integers)


def _instance(
    formulation: type[Formulation[Any]], read: Mapping[str, Any], parameters: Mapping[str, Any]
) -> Formulation[Any]:
    """Make an instance from the arguments in a file and those of the user, which take precedence."""
    arguments = {**read, **make_parameters(formulation, parameters, data=True)}
    lacking = [
        each.name
        for each in inspect.signature(formulation).parameters.values()
        if each.default is each.empty and each.name not in arguments
    ]
    if lacking:
        raise OptionError(
            f"formulation {formulation.name!r} needs {', '.join(lacking)}: -p {lacking[0]}=..., or a file that has it"
        )
    try:
        return formulation(**arguments)
    except ArgumentError as cause:
        raise FormulationError(f"the data do not fit the formulation {formulation.name!r}: {cause}") from cause
    except QuboDnnError:
        raise
    except (TypeError, ValueError, LookupError, AttributeError) as cause:  # a plugin's, for unsuitable data
        raise FormulationError(f"the formulation {formulation.name!r} does not take these data: {cause}") from cause


def _read(
    formulation: type[Formulation[Any]], path: Path, format_name: str | None, say: Callable[[str], None]
) -> tuple[dict[str, Any], str | None]:
    """Read the arguments of the constructor; return them and the name of their format: JSON or one of `formats`."""
    formats: tuple[str, ...] = getattr(formulation, "formats", ())
    if format_name == JSON or (format_name is None and _ends_in_json(path)):
        return _from_json(formulation, path), JSON
    if not isinstance(formulation, Readable):
        raise FileFormatError(f"{path}: the formulation {formulation.name!r} reads .json files only")
    if not formats:
        if format_name is not None:
            raise OptionError(f"the formulation {formulation.name!r} defines its file format; leave out --format")
        return formulation.read(path), None
    if format_name is not None and get_format(format_name).name not in formats:
        known = ", ".join((*formats, JSON))
        raise OptionError(f"the formulation {formulation.name!r} reads the formats {known}, not {format_name!r}")
    chosen = _chosen(path, format_name, formats, say)
    return formulation.read(path, chosen), chosen


def _from_json(formulation: type[Formulation[Any]], path: Path) -> dict[str, Any]:
    """Read the arguments of the constructor by name."""
    file = TextFile(path)
    try:
        found = json.loads(file.content())
    except (ValueError, RecursionError) as cause:
        raise file.error(f"is not JSON: {cause}") from cause
    if not isinstance(found, dict):
        raise file.error("is not a JSON object with the arguments of the formulation by name")
    known = inspect.signature(formulation).parameters
    for key in found:
        if key not in known:
            raise file.error(f"the formulation {formulation.name!r} has no argument {key!r}{suggestion(key, known)}")
    return found


def _read_large(path: Path, format_name: str) -> Model | SparseModel | None:
    """Read a file of a format that may be large; None if the format's own reader reads it."""
    if format_name not in ("coo", "npz"):
        return None
    # Only here, since it loads scipy.
    from qubo_dnn.files.large import read_large

    return read_large(path, format_name)
