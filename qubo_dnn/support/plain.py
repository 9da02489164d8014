"""Decoded answers as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """Convert a decoded answer to plain JSON data: sets sorted, arrays as lists, keys as texts.

    Example:
        >>> plain({("a", 1): frozenset({2, 1})})
        {"('a', 1)": [1, 2]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((plain(each) for each in value), key=lambda each: (str(type(each)), each))
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return value if isinstance(value, str | int | float | bool | None) else str(value)
