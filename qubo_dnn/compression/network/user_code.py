"""The caller's own code, named on a command line as `package.module:attribute`."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from qubo_dnn.errors import QuboDnnError


def resolve(spec: str, error: type[QuboDnnError]) -> object:
    """The attribute that `spec` names; its module is imported as Python finds it (see PYTHONPATH).

    Args:
        spec: "package.module:attribute".
        error: what to raise.

    Raises:
        QuboDnnError: (of type `error`) `spec` is malformed, the module is not found or fails, or it lacks the
            attribute (the near match is named).
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
            # A missing dependency of a module that is there is told apart from a missing module.
            if cause.name is None or not f"{path}.".startswith(f"{cause.name}."):
                raise
            raise error(f"module {cause.name!r} not found; is its folder on PYTHONPATH?") from cause


@contextmanager
def foreign_code(error: type[QuboDnnError], what: str) -> Iterator[None]:
    """Report whatever the caller's own code raises as one `error` that begins with `what`."""
    try:
        yield
    except QuboDnnError:
        raise
    # That code may raise anything (SystemExit: a script without a main guard), and none of it is our bug.
    except (Exception, SystemExit) as cause:
        raise error(f"{what}: {reason(cause)}") from cause


def reason(cause: BaseException) -> str:
    """Type and first line of an exception's text, for an error of one line."""
    return ": ".join([type(cause).__name__, *str(cause).strip().splitlines()[:1]])
