"""Quadratic programs of the QPLIB over binary variables (`.qplib`).

Grammar (Furini et al. 2019, "QPLIB: a library of quadratic programming instances", https://qplib.zib.de/doc.html); one
item a line, blank lines and lines that begin with `#`, `!` or `%` are passed over, and so is a comment after an item:

    NAME
    TYPE                three letters: objective L, D, C, Q; variables B; constraints N, B (none) or L
    minimize|maximize
    N                   variables
    M                   constraints; only with L
    entries I J V       of the lower triangle (I >= J) of Q; not with objective L
    default, entries    I V of the linear objective
    V                   constant of the objective
    entries K I V       coefficient of variable I in constraint K; only with L
    V                   from which number on a bound is infinite
    default, entries    I V lower bounds of the constraints, then in the same way the upper bounds; only with L
    default, entries    I V start of the variables, of the constraints' duals (only with L), of the bounds' duals
    entries I NAME      of the variables, then of the constraints

where `entries` is a line with their number and so many lines, and `default` a line with one number. The objective is
1/2 x'Qx + b'x + c with a symmetric Q, of which the file has one triangle. Starts are checked and not kept.
"""

from __future__ import annotations

from pathlib import Path

import dimod

from qubo_dnn.files.model import ObjectiveSense, Program
from qubo_dnn.files.text import TextFile

MOST_VARIABLES = 1_000_000
MOST_CONSTRAINTS = 1_000_000
MOST_ENTRIES = 100_000_000
COMMENTS = ("#", "!", "%")


class _Items:
    """The items of a file, one after the other."""

    def __init__(self, file: TextFile) -> None:
        self.file = file
        self.rows = ((line, text.split()) for line, text in file.lines() if text.strip())
        self.line = 1

    def fields(self, what: str, count: int = 1) -> list[str]:
        """The fields of the next item."""
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
        """Entries by their indices, each from 1 to its size."""
        found: dict[tuple[int, ...], str] = {}
        for _ in range(self.integer(f"number of entries of {what}", MOST_ENTRIES)):
            *indices, value = self.fields(f"an entry of {what}", len(sizes) + 1)
            at = tuple(
                self.file.integer(index, self.line, "index", 1, size)
                for index, size in zip(indices, sizes, strict=True)
            )
            if at in found:
                raise self.file.error(f"the entry {at} of {what} is there twice", self.line)
            found[at] = value
        return found

    def numbers(self, what: str, *sizes: int) -> dict[tuple[int, ...], float]:
        """Entries that are numbers; a fault is told with the line where they end."""
        return {at: self.file.number(value, self.line, what) for at, value in self.entries(what, *sizes).items()}

    def vector(self, what: str, size: int) -> list[float]:
        """A default and the entries that differ from it."""
        values = [self.number(f"default of {what}")] * size
        for (index,), value in self.numbers(what, size).items():
            values[index - 1] = value
        return values

    def names(self, what: str, prefix: str, size: int) -> list[str]:
        """Names, by default the prefix and the index."""
        given = self.entries(what, size)
        names = [given.get((index,), f"{prefix}{index}") for index in range(1, size + 1)]
        if len(set(names)) < size:
            raise self.file.error(f"two {what} are the same", self.line)
        return names

    def end(self) -> None:
        """Refuse more items."""
        for line, fields in self.rows:
            if not fields[0].startswith(COMMENTS):
                raise self.file.error("more text after the last section", line)


def read_qplib(file: TextFile | Path) -> Program:
    """Read a program.

    Returns:
        Binary variables named as in the file, `x1`, `x2`, ... where it gives no name. A constraint keeps its name,
        `c1`, ... by default; one with two different finite bounds becomes `NAME_lower` and `NAME_upper`, one that
        always holds is left out.

    Raises:
        FileFormatError: the file cannot be read, breaks the grammar, or has other variables or constraints; the text
            names file and line.
    """
    items = _Items(file if isinstance(file, TextFile) else TextFile(file))
    items.fields("the name")
    constrained, quadratic = _kind(items)
    sense = _sense(items)
    n = items.integer("number of variables", MOST_VARIABLES)
    m = items.integer("number of constraints", MOST_CONSTRAINTS) if constrained else 0
    triangle = items.numbers("the quadratic objective", n, n) if quadratic else {}
    linear = items.vector("the linear objective", n)
    constant = items.number("the constant of the objective")
    rows: list[list[tuple[int, float]]] = [[] for _ in range(m)]
    if constrained:
        for (at, index), value in items.numbers("the constraints", m, n).items():
            rows[at - 1].append((index - 1, value))
    infinity = items.number("the value of infinity")
    lower = items.vector("the lower bounds", m) if constrained else []
    upper = items.vector("the upper bounds", m) if constrained else []
    items.vector("the start", n)
    if constrained:
        items.vector("the start of the constraints' duals", m)
    items.vector("the start of the bounds' duals", n)
    names = items.names("names of variables", "x", n)
    labels = items.names("names of constraints", "c", m)
    items.end()

    bqm = dimod.BinaryQuadraticModel(dimod.BINARY)
    bqm.offset = constant
    bqm.add_linear_from((name, bias) for name, bias in zip(names, linear, strict=True))
    for (i, j), value in triangle.items():
        if i < j:
            raise items.file.error(f"the entry ({i}, {j}) of the quadratic objective is not in the lower triangle")
        if i == j:
            bqm.add_linear(names[i - 1], value / 2)
        else:
            bqm.add_quadratic(names[i - 1], names[j - 1], value)
    cqm = dimod.ConstrainedQuadraticModel()
    cqm.set_objective(bqm)
    for label, row, least, most in zip(labels, rows, lower, upper, strict=True):
        terms = [(names[index], value) for index, value in row]
        _constrain(items.file, cqm, label, terms, least, most, infinity)
    return Program(cqm, sense)


def _kind(items: _Items) -> tuple[bool, bool]:
    """Whether there are constraints, and whether the objective is quadratic."""
    kind = items.fields("the type")[0].upper()
    if len(kind) != 3 or kind[0] not in "LDCQ" or kind[1] not in "CBMIG" or kind[2] not in "NBLDCQ":
        raise items.file.error(f"{kind!r} is not a type of the QPLIB", items.line)
    if kind[1] != "B":
        other = {"C": "continuous", "M": "continuous and binary", "I": "integer", "G": "continuous and integer"}
        raise items.file.error(f"{other[kind[1]]} variables (type {kind}) are not supported, only binary", items.line)
    if kind[2] in "DCQ":
        raise items.file.error(f"quadratic constraints (type {kind}) are not supported", items.line)
    return kind[2] == "L", kind[0] != "L"


def _sense(items: _Items) -> ObjectiveSense:
    word = items.fields("'minimize' or 'maximize'")[0].lower()
    if word not in ("minimize", "maximize"):
        raise items.file.error(f"expected 'minimize' or 'maximize', found {word!r}", items.line)
    return "min" if word == "minimize" else "max"


def _constrain(
    file: TextFile,
    cqm: dimod.ConstrainedQuadraticModel,
    label: str,
    terms: list[tuple[str, float]],
    least: float,
    most: float,
    infinity: float,
) -> None:
    """Add least <= terms <= most."""
    if least > most or least >= infinity or most <= -infinity or (not terms and not least <= 0 <= most):
        raise file.error(f"the constraint {label!r} cannot hold")
    if not terms:
        return
    sides = [("lower", ">=", least)] if least > -infinity else []
    if most < infinity:
        sides.append(("upper", "<=", most))
    if least == most:
        sides = [("", "==", least)]
    for side, sense, bound in sides:
        name = f"{label}_{side}" if len(sides) == 2 else label
        if name in cqm.constraints:
            raise file.error(f"two constraints would be called {name!r}")
        cqm.add_constraint_from_iterable(terms, sense, rhs=bound, label=name)
