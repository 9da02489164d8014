"""Symmetric travelling salesman problems of the TSPLIB (`.tsp`).

Grammar (Reinelt, "TSPLIB 95", http://comopt.ifi.uni-heidelberg.de/software/TSPLIB95/): lines `KEY : value`, then
sections, which begin with a line of their name alone, and EOF, which may be missing.

    TYPE                 TSP
    DIMENSION            N
    EDGE_WEIGHT_TYPE     EUC_2D, CEIL_2D, GEO, ATT or EXPLICIT
    EDGE_WEIGHT_FORMAT   with EXPLICIT: FULL_MATRIX, UPPER_ROW, LOWER_ROW, UPPER_DIAG_ROW or LOWER_DIAG_ROW
    NODE_COORD_SECTION   N lines `I X Y`
    EDGE_WEIGHT_SECTION  numbers; line breaks have no meaning
    DISPLAY_DATA_SECTION N lines `I X Y`, for drawings only; ignored

NAME, COMMENT, DISPLAY_DATA_TYPE and NODE_COORD_TYPE are allowed; every other key, section or type is refused by name.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.files.common.text import TextFile
from qubo_dnn.files.tsplib_distances import DISTANCES, MATRICES, explicit

MOST_CITIES = 10_000
"""The matrix of distances is dense: this many cities take 800 MB."""

FARTHEST = 1e15
"""Largest coordinate, so that squares stay finite and distances exact integers."""

_KEYS = (
    *("NAME", "TYPE", "COMMENT", "DIMENSION", "EDGE_WEIGHT_TYPE"),
    *("EDGE_WEIGHT_FORMAT", "NODE_COORD_TYPE", "DISPLAY_DATA_TYPE"),
)
_SECTIONS = ("NODE_COORD_SECTION", "EDGE_WEIGHT_SECTION", "DISPLAY_DATA_SECTION")


@dataclass(frozen=True, eq=False)
class TspInstance:
    """Cities and distances of a shortest-tour problem.

    Args:
        name: name in the file, "" if it has none.
        distances: [n, n] float64, symmetric with a zero diagonal; city i of the file is row i - 1.
        coordinates: [n, 2] float64 as in the file; None for explicit distances without coordinates.

    Example:
        >>> TspInstance("triangle", distances=np.ones((3, 3)) - np.eye(3), coordinates=None).name
        'triangle'
    """

    name: str
    distances: NDArray[np.float64]
    coordinates: NDArray[np.float64] | None


@dataclass
class _Content:
    """The content read so far."""

    values: dict[str, tuple[int, str]] = field(default_factory=dict)
    sections: dict[str, array[float]] = field(default_factory=dict)


def read_tsplib(file: TextFile | Path) -> TspInstance:
    r"""Read a problem and compute its distance matrix by the rules of the TSPLIB.

    Raises:
        FileFormatError: the file cannot be read, breaks the grammar or has another type; the message names file and
            line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "three.tsp")
        ...     head = "TYPE: TSP\nDIMENSION: 3\nEDGE_WEIGHT_TYPE: EUC_2D\n"
        ...     _ = path.write_text(head + "NODE_COORD_SECTION\n1 0 0\n2 3 0\n3 0 4\nEOF\n")
        ...     read_tsplib(path).distances.tolist()
        [[0.0, 3.0, 4.0], [3.0, 0.0, 5.0], [4.0, 5.0, 0.0]]
    """
    file = file if isinstance(file, TextFile) else TextFile(file)
    content = _content(file)
    _one_of(file, content, "TYPE", ("TSP",))
    n = _dimension(file, content)
    rule = _one_of(file, content, "EDGE_WEIGHT_TYPE", (*DISTANCES, "EXPLICIT"))
    place = content.sections.get("NODE_COORD_SECTION")
    coordinates = None if place is None else np.array(place, dtype=np.float64).reshape(n, 2)
    weights = content.sections.get("EDGE_WEIGHT_SECTION")
    if rule == "EXPLICIT":
        layout = _one_of(file, content, "EDGE_WEIGHT_FORMAT", tuple(MATRICES))
        if weights is None:
            raise file.error("has no EDGE_WEIGHT_SECTION")
        expected = MATRICES[layout](n)
        if len(weights) != expected:
            raise file.error(f"{layout} of {n} cities has {expected} distances, found {len(weights)}")
        distances = explicit(np.array(weights, dtype=np.float64), n, layout)
        if not np.array_equal(distances, distances.T):
            raise file.error("the distances of a TSP are symmetric, these are not")
    else:
        if coordinates is None or weights is not None:
            raise file.error(f"{rule} needs a NODE_COORD_SECTION and no EDGE_WEIGHT_SECTION")
        distances = DISTANCES[rule](coordinates)
    return TspInstance(content.values.get("NAME", (0, ""))[1], distances, coordinates)


def _content(file: TextFile) -> _Content:
    """Read the whole file; sections become flat lists of numbers."""
    content = _Content()
    section = ""
    rows = ((line, text.strip()) for line, text in file.lines() if text.strip())
    for line, text in rows:
        key, colon, value = (part.strip() for part in text.partition(":"))
        if key == "EOF":
            break
        if not key[:1].isalpha():
            _entries(file, content, section, line, text)
        elif key in _SECTIONS and not value and key not in content.sections:
            section = key
            content.sections[key] = array("d")
            _dimension(file, content)
        elif key in _KEYS and colon and not section and (key == "COMMENT" or key not in content.values):
            content.values[key] = line, value
        elif key in _KEYS or key in _SECTIONS:
            raise file.error(f"{key} is out of place here", line)
        else:
            raise file.error(f"{key!r} is not supported", line)
    _end(file, rows)
    for name in _SECTIONS:
        if name != "EDGE_WEIGHT_SECTION" and name in content.sections:
            n, found = _dimension(file, content), len(content.sections[name]) // 2
            if found != n:
                raise file.error(f"{name} of {n} cities has {found} lines")
    return content


def _entries(file: TextFile, content: _Content, section: str, line: int, text: str) -> None:
    """Add one line of a section."""
    if not section:
        raise file.error("numbers outside a section", line)
    fields, entries = text.split(), content.sections[section]
    if section == "EDGE_WEIGHT_SECTION":
        entries.extend(file.number(token, line, "distance") for token in fields)
        return
    if len(fields) != 3:
        raise file.error(f"expected 'city x y', found {len(fields)} fields", line)
    city = len(entries) // 2 + 1
    file.integer(fields[0], line, "city (in their order)", city, city)
    for token in fields[1:]:
        coordinate = file.number(token, line, "coordinate")
        if abs(coordinate) > FARTHEST:
            raise file.error(f"the coordinate {coordinate:g} is beyond {FARTHEST:g}", line)
        entries.append(coordinate)


def _dimension(file: TextFile, content: _Content) -> int:
    """Return the number of cities."""
    if "DIMENSION" not in content.values:
        raise file.error("has no DIMENSION before its sections")
    line, value = content.values["DIMENSION"]
    return file.integer(value, line, "DIMENSION", 1, MOST_CITIES)


def _one_of(file: TextFile, content: _Content, key: str, known: tuple[str, ...]) -> str:
    """Return a value of the header, which must be one of the known ones."""
    if key not in content.values:
        raise file.error(f"has no {key}")
    line, text = content.values[key]
    value = text.partition(" ")[0]  # in some files the author follows the type
    if value not in known:
        raise file.error(f"{key} {value!r} is not supported; supported: {', '.join(known)}", line)
    return value


def _end(file: TextFile, rows: Iterator[tuple[int, str]]) -> None:
    """Refuse text after EOF."""
    for line, _ in rows:
        raise file.error("more text after EOF", line)
