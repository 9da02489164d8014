"""Mixed-integer programs as in files, and their conversion to dimod's constrained model.

The conversion is the same for all formats:

- bounds of integers are rounded inwards, and those of binary variables are intersected with 0 and 1;
- numbers from 1e20 on are infinite, in bounds and in rows;
- continuous variables are eliminated if that changes no optimum: a variable fixed by a bound or a row is replaced by
  its value, a variable without a cost in a single row turns that row into a range; any other is refused;
- rows without terms are dropped if they hold, and otherwise kept as constraints that cannot be met;
- a row with two different bounds becomes `NAME_lower` and `NAME_upper`, and rows without a name are called `c1`,
  `c2`, ... by their position; a number is appended if that name is taken.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import dimod

from qubo_dnn.encodings.integer import whole_range
from qubo_dnn.errors import FormulationError
from qubo_dnn.files.common.model import ConstrainedModel, ObjectiveSense
from qubo_dnn.files.common.text import TextFile

Pair = tuple[str, str]
INFINITE = 1e20
# Rows that fix continuous variables may depend on each other, up to this depth.
_MOST_PASSES = 100
_MOST_NAMED = 5


@dataclass
class Expression:
    """Linear terms, quadratic terms with sorted pairs, and a constant.

    Example:
        >>> expression = Expression({"x": 2.0}, {("x", "y"): 1.0}, 3.0)
        >>> expression.fix({"x": 4.0})
        >>> expression.linear, expression.constant
        ({'y': 4.0}, 11.0)
    """

    linear: dict[str, float] = field(default_factory=dict)
    quadratic: dict[Pair, float] = field(default_factory=dict)
    constant: float = 0.0

    @property
    def terms(self) -> bool:
        """True if the expression has terms, including those with coefficient 0."""
        return bool(self.linear or self.quadratic)

    @property
    def variables(self) -> set[str]:
        """Variables of the terms that are not 0."""
        pairs = [pair for pair, weight in self.quadratic.items() if weight]
        return {*(name for name, weight in self.linear.items() if weight), *(end for pair in pairs for end in pair)}

    def add(self, other: Expression, factor: float) -> None:
        """Add another expression times a factor."""
        for name, value in other.linear.items():
            self.linear[name] = self.linear.get(name, 0.0) + factor * value
        for pair, value in other.quadratic.items():
            self.quadratic[pair] = self.quadratic.get(pair, 0.0) + factor * value
        self.constant += factor * other.constant

    def fix(self, values: dict[str, float]) -> None:
        """Replace variables by their values."""
        for pair in [pair for pair in self.quadratic if values.keys() & set(pair)]:
            weight = self.quadratic.pop(pair)
            left = [name for name in pair if name not in values]
            for name in pair:
                weight *= values.get(name, 1.0)
            if left:
                self.linear[left[0]] = self.linear.get(left[0], 0.0) + weight
            else:
                self.constant += weight
        for name in [name for name in self.linear if name in values]:
            self.constant += self.linear.pop(name) * values[name]

    def finite(self) -> bool:
        """Return whether all numbers are finite."""
        return all(map(math.isfinite, (self.constant, *self.linear.values(), *self.quadratic.values())))


@dataclass
class Column:
    """A variable: its kind, its bounds as in the file, and the line of its first use, if known.

    Example:
        >>> Column("integer", low=0.0, high=7.0).high
        7.0
    """

    kind: Literal["binary", "integer", "continuous"]
    low: float = 0.0
    high: float = math.inf
    line: int | None = None


@dataclass
class Row:
    """The row `low <= terms <= high`; its label is None if it has no name.

    Example:
        >>> Row("capacity", Expression({"x": 3.0, "y": 2.0}), low=-math.inf, high=4.0).label
        'capacity'
    """

    label: str | None
    terms: Expression
    low: float
    high: float


@dataclass
class MixedProgram:
    """The content of a file.

    Attributes:
        file: the file, for error messages.
        sense: sense of the objective.
        columns: name -> variable, in the order of the file.
        objective: expression over the columns.
        rows: rows over the columns; their names differ.
        notes: parts that the reader omitted, as notes for the user.

    Example:
        >>> from pathlib import Path
        >>> columns = {"x": Column("binary"), "y": Column("continuous", low=2.0, high=2.0)}
        >>> objective = Expression({"x": 1.0, "y": 5.0})
        >>> program = MixedProgram(TextFile(Path("model.lp")), "min", columns, objective, []).program()
        >>> list(program.cqm.variables), float(program.cqm.objective.offset)  # y is fixed at 2
        (['x'], 10.0)
    """

    file: TextFile
    sense: ObjectiveSense
    columns: dict[str, Column]
    objective: Expression
    rows: list[Row]
    notes: list[str] = field(default_factory=list)

    def program(self) -> ConstrainedModel:
        """Convert to a program over binary and integer variables with the same optima; self is modified.

        Raises:
            FileFormatError: a variable has no possible value or stays continuous, or a coefficient is not finite.
        """
        taken = {row.label for row in self.rows if row.label is not None}
        for position, row in enumerate(self.rows, 1):
            row.label = row.label or _free_name(f"c{position}", taken)
        self._eliminate()
        cqm = dimod.ConstrainedQuadraticModel()
        for name, column in self.columns.items():
            low, high = self._range(name, column)
            if column.kind == "binary" and (low, high) == (0, 1):
                cqm.add_variable("BINARY", name)
            else:
                cqm.add_variable("INTEGER", name, lower_bound=low, upper_bound=high)
        if not all(terms.finite() for terms in (self.objective, *(row.terms for row in self.rows))):
            raise self.file.error("coefficients add up beyond the range of a float")
        cqm.set_objective(_model(cqm, self.objective, list(self.columns)))
        for row in self.rows:
            sides = list(_sides(row))
            for suffix, sense, bound in sides:
                # If one of the two bounds always holds, the other keeps the name.
                label = _free_name(f"{row.label}{suffix}", taken) if len(sides) == 2 else row.label
                lhs = _model(cqm, row.terms, [name for name, value in row.terms.linear.items() if value])
                cqm.add_constraint_from_model(lhs, sense, rhs=bound, label=label)
        return ConstrainedModel(cqm, self.sense, tuple(self.notes))

    def _range(self, name: str, column: Column) -> tuple[int, int]:
        low, high = column.low, column.high
        if column.kind == "binary":
            low, high = max(low, 0.0), min(high, 1.0)
        try:
            return whole_range(name, low, high)
        except FormulationError as cause:
            bounds = f"{name!r} is within {column.low:g} and {column.high:g}, which leaves no value"
            raise self.file.error(bounds if column.kind == "binary" else str(cause), column.line) from cause

    def _eliminate(self) -> None:
        """Eliminate continuous variables."""
        for column in self.columns.values():
            column.low, column.high = _bounded(column.low), _bounded(column.high)
        left = {name: column for name, column in self.columns.items() if column.kind == "continuous"}
        fixed = self._fix(left) if left else {}
        unused = self._absorb(left) if left else []
        for name, column in left.items():
            raise self.file.error(
                f"the variable {name!r} is continuous and no bound or row fixes it; only binary and integer variables "
                "are supported",
                column.line,
            )
        if fixed:
            shown = [f"{name} = {value:g}" for name, value in fixed.items()]
            self.notes.append(f"continuous variables replaced by their only value: {_listed(shown)}")
        if unused:
            self.notes.append(
                f"continuous variables that only make a row a range, or nothing, left out: {_listed(unused)}"
            )
        for name in (*fixed, *unused):
            del self.columns[name]

    def _fix(self, left: dict[str, Column]) -> dict[str, float]:
        """Replace variables with a single possible value, and remove them from `left`."""
        fixed: dict[str, float] = {}
        for _ in range(_MOST_PASSES):
            kept = []
            for row in self.rows:
                names = row.terms.variables
                name = next(iter(names)) if len(names) == 1 else ""
                weight = row.terms.linear.get(name, 0.0)
                if name in left and weight and not any(row.terms.quadratic.values()):
                    ends = [(_bounded(end) - row.terms.constant) / weight for end in (row.low, row.high)]
                    left[name].low = max(left[name].low, min(ends))
                    left[name].high = min(left[name].high, max(ends))
                else:
                    kept.append(row)
            self.rows = kept
            values = {}
            for name, column in list(left.items()):
                if column.low > column.high or column.low == math.inf or column.high == -math.inf:
                    raise self.file.error(
                        f"{name!r} is within {column.low:g} and {column.high:g}, which leaves no value", column.line
                    )
                if column.low == column.high:
                    values[name] = column.low
                    del left[name]
            if not values:
                break
            fixed |= values
            for terms in (self.objective, *(row.terms for row in self.rows)):
                terms.fix(values)
        return fixed

    def _absorb(self, left: dict[str, Column]) -> list[str]:
        """Eliminate variables without a cost that occur in at most one row, and remove them from `left`."""
        uses = Counter(name for row in self.rows for name in row.terms.linear.keys() & left.keys())
        curved = {
            end for terms in (self.objective, *(r.terms for r in self.rows)) for p in terms.quadratic for end in p
        }
        costly = {name for name, value in self.objective.linear.items() if value}
        needed = curved | costly
        free = {name: None for name in left if uses[name] < 2 and name not in needed}
        for name in free:
            self.objective.linear.pop(name, None)
        for row in self.rows:
            for name in [name for name in row.terms.linear if name in free]:
                weight = row.terms.linear.pop(name)
                ends = sorted((weight * left[name].low, weight * left[name].high)) if weight else (0.0, 0.0)
                row.low, row.high = row.low - ends[1], row.high - ends[0]
        for name in free:
            del left[name]
        return list(free)


def _bounded(value: float) -> float:
    """Return a bound; it is infinite from 1e20 on."""
    return math.copysign(math.inf, value) if abs(value) >= INFINITE else value


def _sides(row: Row) -> Iterator[tuple[str, str, float]]:
    """Generate suffix, sense and right side of every constraint that a row stands for."""
    low, high = _bounded(row.low), _bounded(row.high)
    constant = not any(row.terms.linear.values()) and not any(row.terms.quadratic.values())
    sides = [("", "==", low)] if low == high else [("_lower", ">=", low), ("_upper", "<=", high)]
    for suffix, sense, bound in sides:
        left = bound - row.terms.constant
        beyond = {"==": abs(left), ">=": left, "<=": -left}[sense]
        free = abs(bound) == math.inf and beyond < 0.0
        if not free and (not constant or beyond > 1e-9 * max(1.0, abs(bound))):
            yield suffix, sense, bound


def _model(cqm: dimod.ConstrainedQuadraticModel, terms: Expression, linear: list[str]) -> dimod.QuadraticModel:
    """Convert an expression to dimod's type, with linear terms for these variables."""
    model = dimod.QuadraticModel()
    for name in dict.fromkeys((*linear, *(end for pair in terms.quadratic for end in pair))):
        kind = cqm.vartype(name)
        model.add_variable(kind, name, lower_bound=cqm.lower_bound(name), upper_bound=cqm.upper_bound(name))
    model.add_linear_from({name: terms.linear.get(name, 0.0) for name in linear})
    for (one, other), weight in terms.quadratic.items():
        if one == other and cqm.vartype(one) is dimod.BINARY:
            model.add_linear(one, weight)
        else:
            model.add_quadratic(one, other, weight)
    model.offset = terms.constant
    return model


def _free_name(name: str, taken: set[str]) -> str:
    """Return `name`, with a number if it is taken; the result is then marked as taken."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found)
    return found


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
