"""Arguments of public functions are checked against their annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from qubo_dnn.errors import ArgumentError
from qubo_dnn.problem import Problem
from qubo_dnn.support.arguments import check, checked


@checked
def shift(value: float, by: int = 1, *, note: str | None = None, **rest: Any) -> float:
    return value + by + len(note or "") + len(rest)


class Basis:
    @checked
    def __init__(self, size: int) -> None:
        self.size = size


class Derived(Basis):
    pass


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (3, int),
        (np.int64(3), int),
        (3, float),
        (np.float32(0.5), float),
        (None, int | None),
        ([1, 2], Sequence[int]),
        (np.zeros(3), Sequence[float]),
        (iter("ab"), Iterable[str]),
        ({"a": 1}, Mapping[str, int]),
        (len, Callable[..., int]),
        ("min", Literal["min", "max"]),
        (Path("x"), str | Path),
        (object(), Any),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_what_fits_passes(value: object, hint: Any) -> None:
    check(value, hint, "it")


@pytest.mark.parametrize(
    ("value", "hint", "words"),
    [
        ("3", int, "it must be int, not str: '3'"),
        (True, int, "it must be int, not bool: True"),
        (1.0, int, "it must be int, not float: 1.0"),
        (1j, float, "it must be float, not complex"),
        ("ab", Sequence[str], "it must be Sequence of str, not str: 'ab'"),
        ({"a"}, Sequence[str], "it must be Sequence of str, not set"),
        ([1], Sequence[str], "it must be Sequence of str, not list"),
        ({"a": None}, Mapping[str, Path], "it must be Mapping of str to Path, not dict"),
        ((None,), tuple[str, ...], "it must be tuple of str, not tuple"),
        (3, str | Path | None, "it must be str or Path or None, not int: 3"),
        ("mean", Literal["min", "max"], "it must be 'min' or 'max', not str: 'mean'"),
        ([], Problem[int], "it must be Problem, not list"),
        (3, Callable[[], int], "it must be callable, not int: 3"),
        ("x" * 500, int, "it must be int, not str: 'xxx"),
    ],
    ids=lambda each: each[:40] if isinstance(each, str) else None,
)
def test_another_kind_is_named(value: object, hint: Any, words: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        check(value, hint, "it")
    assert str(caught.value).startswith(words)
    assert len(str(caught.value)) < 140


def test_a_checked_function_names_itself_and_the_argument() -> None:
    assert shift(1.5, by=2, note="x", other=object()) == 5.5
    with pytest.raises(ArgumentError, match=r"^shift: by must be int, not NoneType$"):
        shift(1.5, None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="missing a required argument: 'value'"):
        shift()  # type: ignore[call-arg]


def test_a_constructor_is_named_by_its_class() -> None:
    assert Derived(3).size == 3
    with pytest.raises(ArgumentError, match=r"^Derived: size must be int, not list$"):
        Derived([])  # type: ignore[arg-type]
