"""Results in JSON files, read back as the dataclasses that they were written from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from qubo_dnn.errors import FileFormatError

T = TypeVar("T")


def read_results(path: Path, kind: type[T]) -> T:
    """The results of a file.

    Args:
        path: JSON, as `dataclasses.asdict` and `json.dumps` make it.
        kind: the dataclass; its fields are checked.

    Raises:
        FileFormatError: the file holds something else.
    """
    try:
        return TypeAdapter(kind).validate_python(json.loads(path.read_text()))
    except (OSError, ValueError) as cause:
        raise FileFormatError(f"{path}: holds no results of this benchmark ({' '.join(str(cause).split())})") from cause


def resumed(path: Path | None, kind: type[T], settings: Mapping[str, Any]) -> T:
    """The results to add to: those of an earlier run with the same settings, or none.

    Args:
        path: of the earlier run; None, or a file that does not exist, gives empty results.
        kind: a dataclass whose first argument and attribute `settings` are the settings.
        settings: whatever decides the figures, as plain JSON data.

    Raises:
        FileFormatError: the file holds something else, or results of other settings.
    """
    if path is None or not path.exists():
        return kind(settings)  # type: ignore[call-arg]  # see above
    results = read_results(path, kind)
    found: Mapping[str, Any] = results.settings  # type: ignore[attr-defined]  # see above
    other = sorted(name for name in {**settings, **found} if found.get(name) != settings.get(name))
    if other:
        raise FileFormatError(f"{path}: holds results of another run, with another {', '.join(other)}")
    return results
