"""Problems from the models of many libraries.

The class of a model is recognised by its name, so that no library is imported that the caller does not use.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from qubo_dnn.constraints.exact_products import with_exact_products
from qubo_dnn.errors import ArgumentError, FileFormatError, MissingExtraError, OptionError, suggestion
from qubo_dnn.formulation import Formulation
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_formulation, list_formulations
from qubo_dnn.support.arguments import checked

Sense = Literal["min", "max"]

# Package and class -> module and function that makes a problem. The functions take the options of their names.
_MAKERS = {
    "dimod.BinaryQuadraticModel": ("dimod_models", "problem_from_bqm"),
    "dimod.ConstrainedQuadraticModel": ("dimod_models", "problem_from_cqm"),
    "dimod.DiscreteQuadraticModel": ("more_dimod_models", "problem_from_dqm"),
    "dimod.QuadraticModel": ("more_dimod_models", "problem_from_quadratic_model"),
    "dimod.BinaryPolynomial": ("more_dimod_models", "problem_from_polynomial"),
    "cpp_pyqubo.Base": ("pyqubo_models", "problem_from_pyqubo"),
    "cpp_pyqubo.Model": ("pyqubo_models", "problem_from_pyqubo"),
    "numpy.ndarray": ("arrays", "problem_from_matrix"),
    "scipy._spbase": ("arrays", "problem_from_matrix"),
    "builtins.list": ("arrays", "problem_from_matrix"),
    "builtins.tuple": ("arrays", "problem_from_matrix"),
    "builtins.dict": ("arrays", "problem_from_terms"),
    "collections.Mapping": ("arrays", "problem_from_terms"),
    "qiskit_optimization.QuadraticProgram": ("qiskit_models", "problem_from_quadratic_program"),
    "docplex.Model": ("docplex_models", "problem_from_docplex"),
    "ommx.Instance": ("ommx_models", "problem_from_ommx"),
}
_TAKEN = (
    "a Problem, a formulation, a BQM, CQM, DQM, QuadraticModel or BinaryPolynomial of dimod, a model or an expression "
    "of pyqubo, a matrix, a dictionary of terms, a networkx graph with formulation=, a QuadraticProgram of qiskit, a "
    "Model of docplex, an Instance of OMMX, or a path"
)


@checked
def to_problem(
    what: Any,
    *,
    formulation: str | Callable[..., Any] | None = None,
    sense: Sense | None = None,
    integers: str = "binary",
    feed_dict: Mapping[str, float] | None = None,
) -> Problem[Any]:
    """Make a problem from a model of any supported library.

    Args:
        what: one of

            - a `Problem`, or an instance of a formulation;
            - a BQM, CQM, DQM, QuadraticModel or BinaryPolynomial of dimod;
            - a model or an expression of pyqubo;
            - the matrix Q of x'Qx: nested lists, an array, or a scipy.sparse matrix;
            - a dictionary of terms: variable or tuple of variables -> coefficient;
            - a networkx graph, or other data, with `formulation`;
            - a QuadraticProgram of qiskit-optimization, a Model of docplex, an Instance of OMMX;
            - a path, or another text for `qubo_dnn.loading.load_problem`.
        formulation: name or class of the formulation whose constructor takes `what`, or a function that makes the
            instance; with a path, the formulation that reads it.
        sense: sense of a model that has none, "min" by default; for a file, it takes precedence.
        integers: encoding of integer variables, see `qubo_dnn.encodings.names`.
        feed_dict: placeholder of a pyqubo model -> value.

    Returns:
        A problem whose answers are the values of the model's own variables; `Solution.native` gives them in the types
        of its library. Integers are encoded, constraints are kept as constraints, with their names.

    Raises:
        ArgumentError: there is no such model.
        OptionError: an option does not apply to the model: it has a sense, no placeholders, or no formulation.
        UnsupportedProblemError: the model has continuous variables that are not fixed, or other parts that cannot be
            expressed; the text names them.
        FormulationError: the model is malformed.

    Example:
        >>> to_problem([[-1, 2], [0, -1]], sense="min").variables
        (0, 1)
        >>> to_problem({("a", "b"): 2.0, "a": -1.0}, sense="max").sense
        'max'
        >>> import networkx as nx
        >>> to_problem(nx.cycle_graph(4), formulation="max-cut").variables
        ('x[0]', 'x[1]', 'x[2]', 'x[3]')
    """
    kind = _kind(what)
    if feed_dict is not None and not kind.startswith("cpp_pyqubo."):
        raise OptionError(f"feed_dict is for the placeholders of pyqubo; {_called(what)} has none")
    if isinstance(what, str | Path):
        return _loaded(what, formulation, sense, integers)
    if formulation is not None:
        _check_no_sense(sense, "a formulation")
        return _formulated(what, formulation)
    if isinstance(what, Problem):
        _check_no_sense(sense, "a Problem")
        return what
    if isinstance(what, Formulation) and not isinstance(what, type):
        _check_no_sense(sense, f"the formulation {what.name!r}")
        return _compiled(what)
    if kind == "networkx.Graph":
        raise OptionError(f"a graph needs formulation=, one of {', '.join(_graph_formulations())}")
    if kind not in _MAKERS:
        raise ArgumentError(f"to_problem: what must be {_TAKEN}, not {_called(what)}")
    module, function = _MAKERS[kind]
    make = getattr(importlib.import_module(f"qubo_dnn.models.{module}"), function)
    known = inspect.signature(make).parameters
    options: dict[str, Any] = {"integers": integers, "feed_dict": feed_dict}
    if "sense" in known:
        options["sense"] = sense or "min"
    else:
        _check_no_sense(sense, _called(what))
    made: Problem[Any] = make(what, **{name: value for name, value in options.items() if name in known})
    return made


def _kind(what: object) -> str:
    """Return the first known class of an object, as package and name; "" if there is none."""
    for each in type(what).__mro__:
        name = f"{each.__module__.partition('.')[0]}.{each.__name__}"
        if name in _MAKERS or name == "networkx.Graph":
            return name
    return "collections.Mapping" if isinstance(what, Mapping) else ""


def _called(what: object) -> str:
    name = type(what).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def _check_no_sense(sense: Sense | None, owner: str) -> None:
    if sense is not None:
        raise OptionError(f"{owner} has its own sense; leave out sense={sense!r}")


def _loaded(
    text: str | Path, formulation: str | Callable[..., Any] | None, sense: Sense | None, integers: str
) -> Problem[Any]:
    from qubo_dnn.loading import load_problem

    if formulation is not None:
        name = formulation if isinstance(formulation, str) else getattr(formulation, "name", None)
        if name is None:
            raise OptionError(f"formulation must be a name or a formulation's class to read {str(text)!r}")
        text = f"{name}:{text}"
    return load_problem(text, sense=sense, integers=integers).problem


def _formulated(data: object, formulation: str | Callable[..., Any]) -> Problem[Any]:
    make: Callable[..., Any] = get_formulation(formulation) if isinstance(formulation, str) else formulation
    parameters = list(inspect.signature(make).parameters.values())
    lacking = [
        each.name
        for each in parameters[1:]
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    if lacking:
        name = getattr(make, "__name__", repr(make))
        raise OptionError(f"{name} also needs {', '.join(lacking)}: give an instance, {name}(data, {lacking[0]}=...)")
    made = make(data)
    if not isinstance(made, Formulation):
        raise ArgumentError(f"to_problem: formulation must make a formulation, not {_called(made)}")
    return _compiled(made)


def _compiled(formulation: Formulation[Any]) -> Problem[Any]:
    return with_exact_products(formulation.compile())


def _graph_formulations() -> list[str]:
    """Return the names of installed formulations that take a graph and nothing else that is required."""
    found = []
    for name in list_formulations():
        try:
            parameters = list(inspect.signature(get_formulation(name)).parameters.values())
        except (MissingExtraError, OptionError):
            continue
        if (
            parameters
            and parameters[0].name == "graph"
            and all(each.default is not each.empty for each in parameters[1:])
        ):
            found.append(name)
    return found


def problem_from_code(
    file: Path, function: str, *, sense: Sense | None = None, integers: str = "binary"
) -> Problem[Any]:
    """Make a problem of the model that a function in a Python file returns.

    Args:
        file: path of the file, which is executed.
        function: name of a function without arguments, or of a model.
        sense: see `to_problem`.
        integers: see `to_problem`.

    Raises:
        FileFormatError: the file cannot be read, or its code fails.
        ArgumentError: the function returns no model.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "model.py")
        ...     size = path.write_text("def build(): return [[-1, 2], [0, -1]]")
        ...     problem_from_code(path, "build").variables
        (0, 1)
    """
    shown = f"{file}:{function}"
    try:
        source = compile(file.read_text(), str(file), "exec")
        names: dict[str, Any] = {"__name__": file.stem, "__file__": str(file)}
        exec(source, names)
        if function not in names:
            raise FileFormatError(f"{file} defines no {function!r}{suggestion(function, names)}")
        given = names[function]
        model = given() if inspect.isfunction(given) else given
    except FileFormatError:
        raise
    except Exception as cause:  # the user's code may raise anything
        raise FileFormatError(f"{shown}: {type(cause).__name__}: {cause}") from cause
    try:
        return to_problem(model, sense=sense, integers=integers)
    except ArgumentError as cause:
        raise ArgumentError(f"{shown} returns no model: {cause}") from cause
