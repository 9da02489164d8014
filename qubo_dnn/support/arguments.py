"""Type checks of the arguments of public functions, from their annotations."""

from __future__ import annotations

import collections.abc
import inspect
import numbers
import types
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import cache, wraps
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from qubo_dnn.errors import ArgumentError

P = ParamSpec("P")
R = TypeVar("R")
# NumPy's numbers are not subclasses of Python's, but are registered with these abstract classes.
_NUMBERS = {int: numbers.Integral, float: numbers.Real}
_LONGEST = 60
# Resolved annotations by class, kept because a problem may have thousands of constraints.
_FIELD_HINTS: dict[type, dict[str, Any]] = {}
# Hints for the types that users most often get wrong.
_ORIGINS = {
    "Problem": "a formulation's compile() returns one, as do problem_from_bqm and problem_from_cqm of qubo_dnn.models",
    "Backend": "get_backend of qubo_dnn.registry makes one from its name",
}


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Check the types of a function's arguments against its annotations at every call.

    The check covers the members of sequences and mappings, but neither nested members nor numbers, of which there may
    be millions. It skips arguments that have no annotation, or `Any` or a type variable. The function itself checks
    ranges of values.

    Args:
        function: function or method whose annotations can be resolved at run time.

    Returns:
        A function that raises `ArgumentError` for an argument of the wrong type.

    Example:
        >>> @checked
        ... def double(number: float) -> float:
        ...     return 2.0 * number
        >>> double("3")
        Traceback (most recent call last):
        qubo_dnn.errors.ArgumentError: double: number must be float, not str: '3'
    """
    signature = inspect.signature(function)

    @cache
    def hints() -> dict[str, Any]:
        return get_type_hints(function)

    def owner(args: tuple[Any, ...]) -> str:
        """Return the name of the function; for a constructor, the name of the class, which may be a subclass."""
        return type(args[0]).__name__ if function.__name__ == "__init__" else function.__qualname__

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            kind = signature.parameters[name].kind
            if kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
                check(value, hints().get(name, Any), f"{owner(args)}: {name}")
        return function(*args, **kwargs)

    return call


def check_fields(instance: Any) -> None:
    """Check the types of a dataclass's fields against their annotations, as `checked` does for arguments.

    Args:
        instance: an instance of a dataclass, usually `self` in its `__post_init__`.

    Raises:
        ArgumentError: a field has the wrong type.

    Example:
        >>> from qubo_dnn.constraint import Constraint
        >>> Constraint(lhs="x + y", sense="<=", rhs=1.0)
        Traceback (most recent call last):
        qubo_dnn.errors.ArgumentError: Constraint: lhs must be BinaryQuadraticModel, not str: 'x + y'
    """
    kind = type(instance)
    if kind not in _FIELD_HINTS:
        _FIELD_HINTS[kind] = get_type_hints(kind)
    hints = _FIELD_HINTS[kind]
    for each in fields(instance):
        check(getattr(instance, each.name), hints[each.name], f"{kind.__name__}: {each.name}")


def check(value: object, hint: Any, name: str) -> None:
    """Check the type of a value against an annotation.

    Args:
        value: any.
        hint: the resolved annotation.
        name: name of the value in the error.

    Raises:
        ArgumentError: the type is wrong; the text names both types.

    Example:
        >>> check([1, 2], list[int], "sizes")
        >>> check("1", float | None, "time limit")
        Traceback (most recent call last):
        qubo_dnn.errors.ArgumentError: time limit must be float or None, not str: '1'
    """
    if not _fits(value, hint):
        text = repr(value) if isinstance(value, str | int | float) else ""
        shown = f": {text[:_LONGEST]}" if text else ""
        described = _described(hint)
        origin = f"; {_ORIGINS[described]}" if described in _ORIGINS else ""
        raise ArgumentError(f"{name} must be {described}, not {type(value).__name__}{shown}{origin}")


def _fits(value: object, hint: Any, members: bool = True) -> bool:
    """Return whether a value, and with `members` its members too, has the type of an annotation."""
    if hint is Any or hint is object or isinstance(hint, TypeVar):
        return True
    if hint is None or hint is types.NoneType:
        return value is None
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, each, members) for each in get_args(hint))
    if origin is Literal:
        return any(value is each or (isinstance(value, str) and value == each) for each in get_args(hint))
    if origin is Annotated:
        return _fits(value, get_args(hint)[0], members)
    kind = origin or hint
    if kind is collections.abc.Callable:
        return callable(value)
    if kind is type:
        return isinstance(value, type)
    if getattr(kind, "_is_protocol", False):
        # A class has the methods of its instances, but does not implement the protocol itself.
        return not isinstance(value, type) and (
            not getattr(kind, "_is_runtime_protocol", False) or isinstance(value, kind)
        )
    if kind is bool:
        return isinstance(value, bool | np.bool_)
    if kind in (int, float):
        return isinstance(value, _NUMBERS[kind]) and not isinstance(value, bool)
    if kind in (collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection):
        # A string is a sequence of strings, but never the intended one. An array is a sequence, but not by its class.
        fits = (isinstance(value, kind) or hasattr(value, "__array__")) and not isinstance(value, str | bytes)
    elif kind is tuple:
        fits = isinstance(value, tuple | list)
    else:
        fits = isinstance(value, kind)
    if not (fits and members):
        return fits
    return all(_fits(member, inner, members=False) for member, inner in _members(value, get_args(hint)))


def _members(value: object, hints: tuple[Any, ...]) -> Iterator[tuple[object, Any]]:
    """Yield the members of a container that need a check, each with its hint."""
    columns: list[tuple[Any, Any]]
    if isinstance(value, collections.abc.Mapping) and len(hints) == 2:
        columns = [(value.keys(), hints[0]), (value.values(), hints[1])]
    elif _is_sequence(value) and (len(hints) == 1 or hints[1:] == (...,)):
        columns = [(value, hints[0])]
    else:
        columns = []
    for column, hint in columns:
        if hint is not Any and hint not in _NUMBERS:
            yield from ((member, hint) for member in column)


def _is_sequence(value: object) -> bool:
    """Return whether a value has ordered members; an array has them along its first axis."""
    return isinstance(value, collections.abc.Sequence) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _described(hint: Any) -> str:
    """Describe a type in words: `a or b`."""
    if hint is None or hint is types.NoneType:
        return "None"
    if hint is Any or isinstance(hint, TypeVar):
        return "anything"
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_described, get_args(hint))))
    if origin is Literal:
        return " or ".join(map(repr, get_args(hint)))
    if origin is Annotated:
        return _described(get_args(hint)[0])
    kind = origin or hint
    if kind is collections.abc.Callable:
        return "callable"
    name = str(getattr(kind, "__name__", kind))
    inner = [_described(each) for each in get_args(hint) if each is not ... and not isinstance(each, TypeVar)]
    if not inner or not issubclass(kind, collections.abc.Iterable):
        return name
    return f"{name} of {' to '.join(inner)}"
