"""Code of the user, named on the command line as `package.module:attribute`."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from qubo_dnn.errors import QuboDnnError


def resolve(spec: str, error: type[QuboDnnError]) -> object:
    """Import the attribute that `spec` names; its module must be on the path of Python (see PYTHONPATH).

    Args:
        spec: "package.module:attribute".
        error: type of the exception to raise.

    Raises:
        QuboDnnError: (of type `error`) `spec` is malformed, the module is missing or fails, or it lacks the
            attribute (the message names a close match).

    Example:
        >>> from qubo_dnn.errors import ModelError
        >>> resolve("math:sqrt", ModelError)(9.0)
        3.0
    """
    path, _, name = spec.partition(":")
    if not name.isidentifier() or not all(part.isidentifier() for part in path.split(".")):
        raise error(f"{spec!r} is not of the form package.module:name")
    module = _import(path, error)
    try:
        return getattr(module, name)
    except AttributeError as cause:
        near = difflib.get_close_matches(name, [known for known in vars(module) if not known.startswith("_")], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise error(f"module {path!r} has no {name!r}{hint}") from cause


def _import(path: str, error: type[QuboDnnError]) -> ModuleType:
    with foreign_code(error, f"cannot import {path!r}"):
        try:
            return importlib.import_module(path)
        except ModuleNotFoundError as cause:
            # Distinguish a missing module from a missing dependency of an existing module.
            if cause.name is None or not f"{path}.".startswith(f"{cause.name}."):
                raise
            raise error(f"module {cause.name!r} not found; is its folder on PYTHONPATH?") from cause


@contextmanager
def foreign_code(error: type[QuboDnnError], what: str) -> Iterator[None]:
    """Turn every exception of the user's code into one `error` whose message begins with `what`.

    Example:
        >>> from qubo_dnn.errors import ModelError
        >>> with foreign_code(ModelError, "the factory fails"):
        ...     1 / 0
        Traceback (most recent call last):
            ...
        qubo_dnn.errors.ModelError: the factory fails: ZeroDivisionError: division by zero
    """
    try:
        yield
    except QuboDnnError:
        raise
    # The code may raise anything (SystemExit: a script without a main guard), and none of it is our bug.
    except (Exception, SystemExit) as cause:
        raise error(f"{what}: {reason(cause)}") from cause


def reason(cause: BaseException) -> str:
    r"""Return type and first line of an exception, for an error message of one line.

    Example:
        >>> reason(ValueError("not a number\nsecond line"))
        'ValueError: not a number'
    """
    return ": ".join([type(cause).__name__, *str(cause).strip().splitlines()[:1]])
