"""An immutable mapping that, unlike `types.MappingProxyType`, can be pickled and copied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class FrozenMapping(Mapping[K, V]):
    """A read-only copy of a mapping.

    Args:
        entries: mapping to copy.

    Example:
        >>> weights = FrozenMapping({"a": 1.0})
        >>> weights["a"], len(weights)
        (1.0, 1)
        >>> weights["b"] = 2.0
        Traceback (most recent call last):
        TypeError: 'FrozenMapping' object does not support item assignment
    """

    __slots__ = ("_entries",)

    def __init__(self, entries: Mapping[K, V]) -> None:
        self._entries = dict(entries)

    def __getitem__(self, key: K) -> V:
        return self._entries[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return repr(self._entries)
