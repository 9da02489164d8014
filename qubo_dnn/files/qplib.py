"""Quadratic programs of the QPLIB (`.qplib`).

Grammar (Furini et al. 2019, "QPLIB: a library of quadratic programming instances", https://qplib.zib.de/doc.html); one
item per line; blank lines, lines that begin with `#`, `!` or `%`, and comments after an item are skipped:

    NAME
    TYPE                letters: objective L, D, C, Q; variables C, B, M, I, G; constraints N, B (none), L, D, C, Q
    minimize|maximize
    N                   variables
    M                   constraints; not with N, B
    entries I J V       of the lower triangle (I >= J) of Q; not with objective L
    default, entries    I V of the linear objective
    V                   constant of the objective
    entries K I J V     of the lower triangle of the Q of constraint K; only with D, C, Q
    entries K I V       coefficient of variable I in constraint K; not with N, B
    V                   smallest number that counts as infinite in bounds
    default, entries    I V lower bounds of the constraints, then likewise the upper bounds; not with N, B
    default, entries    I V lower bounds of the variables, then the upper bounds; not with variables B
    default, entries    I V types of the variables: 0 continuous, 1 integer, 2 binary; only with variables M, G
    default, entries    I V start of the variables, of the constraints' duals (not with N, B), of the bounds' duals
    entries I NAME      of the variables, then of the constraints

where `entries` is a line with their number followed by that many lines, and `default` a line with one number. An
objective or a constraint is 1/2 x'Qx + b'x + c with a symmetric Q, of which the file lists one triangle. Start values
are checked and discarded.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

from qubo_dnn.files.common.model import ConstrainedModel, ObjectiveSense
from qubo_dnn.files.common.text import TextFile
from qubo_dnn.files.mip import Column, Expression, MixedProgram, Row

MOST_VARIABLES = 1_000_000
MOST_CONSTRAINTS = 1_000_000
MOST_ENTRIES = 100_000_000
COMMENTS = ("#", "!", "%")


class _Items:
    """Read the items of a file one after the other."""

    def __init__(self, file: TextFile) -> None:
        self.file = file
        self.rows = ((line, text.split()) for line, text in file.lines() if text.strip())
        self.line = 1

    def fields(self, what: str, count: int = 1) -> list[str]:
        """Return the fields of the next item."""
        for line, fields in self.rows:
            self.line = line
            if fields[0].startswith(COMMENTS):
                continue
            if len(fields) < count or (len(fields) > count and not fields[count].startswith(COMMENTS)):
                raise self.file.error(f"expected {what}", line)
            return fields[:count]
        raise self.file.error(f"ends before {what}")

    def integer(self, what: str, most: int) -> int:
        return self.file.integer(self.fields(what)[0], self.line, what, 0, most)

    def number(self, what: str) -> float:
        return self.file.number(self.fields(what)[0], self.line, what)

    def entries(self, what: str, *sizes: int) -> dict[tuple[int, ...], str]:
        """Return entries by their indices, each from 1 to its size."""
        found: dict[tuple[int, ...], str] = {}
        for _ in range(self.integer(f"number of entries of {what}", MOST_ENTRIES)):
            *indices, value = self.fields(f"an entry of {what}", len(sizes) + 1)
            at = tuple(
                self.file.integer(index, self.line, "index", 1, size)
                for index, size in zip(indices, sizes, strict=True)
            )
            if at in found:
                raise self.file.error(f"the entry {at} of {what} occurs twice", self.line)
            found[at] = value
        return found

    def numbers(self, what: str, *sizes: int) -> dict[tuple[int, ...], float]:
        """Return entries that are numbers; errors refer to the last line of the entries."""
        return {at: self.file.number(value, self.line, what) for at, value in self.entries(what, *sizes).items()}

    def vector(self, what: str, size: int) -> list[float]:
        """Read a default and the entries that differ from it."""
        values = [self.number(f"default of {what}")] * size
        for (index,), value in self.numbers(what, size).items():
            values[index - 1] = value
        return values

    def names(self, what: str, prefix: str, size: int) -> list[str]:
        """Read names; the default is the prefix and the index."""
        given = self.entries(what, size)
        names = [given.get((index,), f"{prefix}{index}") for index in range(1, size + 1)]
        if len(set(names)) < size:
            raise self.file.error(f"two {what} are the same", self.line)
        return names

    def end(self) -> None:
        """Refuse further items."""
        for line, fields in self.rows:
            if not fields[0].startswith(COMMENTS):
                raise self.file.error("more text after the last section", line)


def read_qplib(file: TextFile | Path) -> ConstrainedModel:
    r"""Read a program.

    Returns:
        The program; variables and constraints have the names of the file, by default `x1`, `x2`, ... and `c1`, `c2`,
        ... `qubo_dnn.files.mip` describes the treatment of bounds, continuous variables and constraints with two
        bounds.

    Raises:
        FileFormatError: the file cannot be read, breaks the grammar, or has continuous variables that are not fixed;
            the message names the file and, if possible, the line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "model.qplib")
        ...     _ = path.write_text("NAME\nQBN\nminimize\n2\n1\n2 1 -2.0\n0.0\n0\n0.0\n1e30\n0.0\n0\n0.0\n0\n0\n0\n")
        ...     list(read_qplib(path).cqm.variables)
        ['x1', 'x2']
    """
    items = _Items(file if isinstance(file, TextFile) else TextFile(file))
    items.fields("the name")
    kind = _kind(items)
    constrained, curved = kind[2] not in "NB", kind[2] in "DCQ"
    sense = _sense(items)
    n = items.integer("number of variables", MOST_VARIABLES)
    m = items.integer("number of constraints", MOST_CONSTRAINTS) if constrained else 0
    triangle = items.numbers("the quadratic objective", n, n) if kind[0] != "L" else {}
    linear = items.vector("the linear objective", n)
    constant = items.number("the constant of the objective")
    triangles = items.numbers("the quadratic constraints", m, n, n) if curved else {}
    coefficients = items.numbers("the constraints", m, n) if constrained else {}
    infinity = items.number("the value of infinity")
    lower, upper = (items.vector(f"the {side} bounds", m) if constrained else [] for side in ("lower", "upper"))
    columns = _columns(items, kind[1], n, infinity)
    items.vector("the start", n)
    if constrained:
        items.vector("the start of the constraints' duals", m)
    items.vector("the start of the bounds' duals", n)
    names = items.names("names of variables", "x", n)
    labels = items.names("names of constraints", "c", m)
    items.end()

    objective = Expression(dict(zip(names, linear, strict=True)), constant=constant)
    rows = [
        Row(label, Expression(), _finite_below(least, infinity), _finite_below(most, infinity))
        for label, least, most in zip(labels, lower, upper, strict=True)
    ]
    for (at, index), value in coefficients.items():
        rows[at - 1].terms.linear[names[index - 1]] = value
    for (i, j), value in triangle.items():
        _add_product(items.file, objective, names, i, j, value)
    for (at, i, j), value in triangles.items():
        _add_product(items.file, rows[at - 1].terms, names, i, j, value)
    return MixedProgram(items.file, sense, dict(zip(names, columns, strict=True)), objective, rows).program()


def _kind(items: _Items) -> str:
    """Read the three letters of the type."""
    kind = items.fields("the type")[0].upper()
    if len(kind) != 3 or kind[0] not in "LDCQ" or kind[1] not in "CBMIG" or kind[2] not in "NBLDCQ":
        raise items.file.error(f"{kind!r} is not a type of the QPLIB", items.line)
    return kind


def _sense(items: _Items) -> ObjectiveSense:
    word = items.fields("'minimize' or 'maximize'")[0].lower()
    if word not in ("minimize", "maximize"):
        raise items.file.error(f"expected 'minimize' or 'maximize', found {word!r}", items.line)
    return "min" if word == "minimize" else "max"


def _columns(items: _Items, letter: str, n: int, infinity: float) -> list[Column]:
    """Read the bounds and kinds of the variables."""
    if letter == "B":
        return [Column("binary", 0.0, 1.0) for _ in range(n)]
    lower = items.vector("the lower bounds of the variables", n)
    upper = items.vector("the upper bounds of the variables", n)
    kinds = items.vector("the types of the variables", n) if letter in "MG" else [float(letter == "I")] * n
    columns = []
    for least, most, number in zip(lower, upper, kinds, strict=True):
        if number not in (0.0, 1.0, 2.0):
            raise items.file.error(f"the type of a variable is {number:g}, neither 0, 1 nor 2", items.line)
        kind: Literal["binary", "integer", "continuous"] = (
            "continuous" if number == 0.0 else "binary" if number == 2.0 or (least, most) == (0.0, 1.0) else "integer"
        )
        columns.append(Column(kind, _finite_below(least, infinity), _finite_below(most, infinity)))
    return columns


def _finite_below(bound: float, infinity: float) -> float:
    """Return a bound; it is infinite from `infinity` on."""
    return math.copysign(math.inf, bound) if abs(bound) >= infinity else bound


def _add_product(file: TextFile, terms: Expression, names: list[str], i: int, j: int, value: float) -> None:
    """Add an entry of the lower triangle of Q to an expression of 1/2 x'Qx."""
    if i < j:
        raise file.error(f"the entry ({i}, {j}) of a quadratic form is not in the lower triangle")
    pair = min(names[i - 1], names[j - 1]), max(names[i - 1], names[j - 1])
    terms.quadratic[pair] = value / 2.0 if i == j else value
