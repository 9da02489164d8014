r"""Models in the LP format (`.lp`) as written by CPLEX, Gurobi, HiGHS, SCIP, docplex, PuLP, Pyomo and dimod.

Grammar, with `[...]` quadratic parts and `\` starting a comment; keywords in any case, each at the start of a line or
after a term:

    minimize | maximize     also min, max, minimise, maximise, minimum, maximum
      [NAME:] EXPRESSION    quadratic terms as `[ 2 x * y - 3 z ^ 2 ] / 2`; may be empty or omitted
    subject to              also such that, st, s.t.
      [NAME:] SIDE <= SIDE  also =<, <, >=, =>, >, =, ==; a side is an expression, quadratic terms as `[ x * y ]`
      [NAME:] NUMBER <= SIDE <= NUMBER
    lazy constraints        constraints like the others
    user cuts               ignored, because they follow from the constraints
    bounds                  `1 <= x <= 4`, `x <= 4`, `x >= 1`, `x = 2`, `x free`; the last bound of a side counts
    binary | general        names; also binaries, bin, generals, gen, integer, integers, int
    end

A right side ends with its line, unless an operator ends the line, or the next line begins with one and no relation
follows before the next name with a colon. Variables are within 0 and infinity unless `bounds` changes that;
`qubo_dnn.files.mip` describes the treatment of bounds, continuous variables and rows without a name. Semi-continuous
variables, SOS sets, indicators and general constraints are refused by name. dimod's reader is not used, because it
hangs on malformed files and reports no lines.

Source: IBM ILOG CPLEX, "LP file format: algebraic representation"; Gurobi, "LP format".
"""

from __future__ import annotations

import math
from pathlib import Path

from qubo_dnn.files.common.model import ConstrainedModel, ObjectiveSense
from qubo_dnn.files.common.text import TextFile
from qubo_dnn.files.lp_tokens import Section, Tokens
from qubo_dnn.files.mip import Column, Expression, MixedProgram, Row

_FLIPPED = {"<=": ">=", ">=": "<=", "=": "="}
_SIGNS = ("+", "-")


def read_lp(file: TextFile | Path) -> ConstrainedModel:
    r"""Read a program.

    Returns:
        The program in the sense of the file; constraints without a name are called c1, c2, ... by their position.

    Raises:
        FileFormatError: the file cannot be read, breaks the grammar, has a variable without a possible value or a
            continuous one that is not fixed; the message names file and line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "model.lp")
        ...     _ = path.write_text("maximize 3 x + 2 y\nsubject to c: x + y <= 1\nbinary x y\nend\n")
        ...     program = read_lp(path)
        >>> program.sense, list(program.cqm.constraints)
        ('max', ['c'])
    """
    return _Reader(file if isinstance(file, TextFile) else TextFile(file)).program()


class _Reader:
    def __init__(self, file: TextFile) -> None:
        self.file = file
        self.tokens = Tokens(file)
        self.objective = Expression()
        self.rows: list[Row] = []
        self.labels: set[str] = set()
        self.cuts = 0
        self.kinds: dict[str, str] = {}
        self.columns: dict[str, Column] = {}  # in order of first use

    def program(self) -> ConstrainedModel:
        section = self.tokens.section()
        sense: ObjectiveSense = "max" if section is not None and section.kind == "maximize" else "min"
        if section is not None and section.kind in ("minimize", "maximize"):
            self._label()
            self.objective = self._expression(in_objective=True)
            section = self.tokens.section()
        elif section is None or section.kind != "constraints":
            raise self.file.error("begins with neither 'minimize' nor 'maximize'", self.tokens.line)
        done: set[str] = set()
        while section is not None and section.kind != "end":
            self._section(section, done)
            section = self.tokens.section()
        if section is None:
            raise self.file.error(
                "ends without 'end'" if self.tokens.ended else f"unexpected {self.tokens.peek()}", self.tokens.line
            )
        if not self.tokens.ended:
            raise self.file.error("more text after 'end'", self.tokens.line)
        notes = [f"user cuts left out, as they follow from the constraints: {self.cuts}"] if self.cuts else []
        return MixedProgram(self.file, sense, self.columns, self.objective, self.rows, notes).program()

    def _section(self, section: Section, done: set[str]) -> None:
        again = section.kind in done and section.kind not in ("bounds", "binary", "integer", "other")
        if section.kind in ("minimize", "maximize") or again:
            raise self.file.error(f"a second section {section.text!r}", section.line)
        done.add(section.kind)
        while not self.tokens.at_section():
            if section.kind in ("constraints", "lazy"):
                self._constraint()
            elif section.kind == "cuts":
                self._constraint()
                self.rows.pop()
                self.cuts += 1
            elif section.kind == "bounds":
                self._bound()
            elif section.kind in ("binary", "integer"):
                self._kind("binary" if section.kind == "binary" else "integer")
            else:
                raise self.file.error(f"the section {section.text!r} is not supported", section.line)

    def _kind(self, kind: str) -> None:
        token = self.tokens.take("name")
        if self.kinds.setdefault(token.text, kind) != kind:
            raise self.file.error(f"{token.text!r} is both binary and general", token.line)
        self._column(token.text, token.line).kind = "binary" if kind == "binary" else "integer"

    def _label(self) -> str | None:
        """Return the name before a colon, or None."""
        if self.tokens.kinds(2) != ["name", ":"]:
            return None
        label = self.tokens.take("name").text
        self.tokens.take(":")
        return label

    def _constraint(self) -> None:
        line = self.tokens.line
        label = self._label()
        if label in self.labels:
            raise self.file.error(f"two constraints are called {label!r}", line)
        if label is not None:
            self.labels.add(label)
        sides = [self._expression(in_objective=False)]
        relations: list[str] = []
        while self.tokens.peek_kind() == "relation" and len(relations) < 2:
            relations.append(self.tokens.take("relation").text)
            # `1 <= x + y` may be the start of a range that ends on the next line.
            sides.append(self._expression(in_objective=False, right=True, open_end=not sides[0].terms))
        if self.tokens.peek_kind() in ("->", "<->"):
            raise self.file.error(f"the indicator constraint {label or 'here'!r} is not supported", line)
        if not relations:
            raise self.file.error(f"expected relation, found {self.tokens.peek()}", self.tokens.line)
        self.rows.append(self._row(label, sides, relations, line))

    def _row(self, label: str | None, sides: list[Expression], relations: list[str], line: int) -> Row:
        if len(sides) == 3:
            low, terms, high = sides if relations[0] == "<=" else reversed(sides)
            if "=" in relations or relations[0] != relations[1] or low.terms or high.terms:
                raise self.file.error("expected 'number <= expression <= number'", line)
            least, most = low.constant, high.constant
        else:
            terms, right = sides
            # Constants stay on their sides, so that a written program is read back unchanged.
            terms.add(Expression(right.linear, right.quadratic), -1.0)
            constant = right.constant
            least = -math.inf if relations[0] == "<=" else constant
            most = math.inf if relations[0] == ">=" else constant
        if not terms.finite():
            raise self.file.error("coefficients add up beyond the range of a float", line)
        return Row(label, terms, least, most)

    def _expression(self, in_objective: bool, right: bool = False, open_end: bool = False) -> Expression:
        """Read terms up to a relation or a section; a right side ends as the module docstring describes.

        Args:
            in_objective: True: quadratic parts are halved.
            right: True: the expression follows a relation.
            open_end: True: a line that begins with an operator always continues the expression.
        """
        found = Expression()
        first = True
        while self.tokens.peek_kind() in (*_SIGNS, "number", "name", "[") and not self._starts_a_constraint():
            if right and not first and self.tokens.on_new_line:
                if self.tokens.peek_kind() not in _SIGNS or not (open_end or self._continues()):
                    break
                open_end = True
            if not first and self.tokens.peek_kind() not in _SIGNS:
                raise self.file.error(f"expected + or - before {self.tokens.peek()}", self.tokens.line)
            first = False
            sign = self._sign()
            if self.tokens.peek_kind() == "[":
                self._quadratic(found, sign, in_objective)
                continue
            number = self.tokens.peek_kind() == "number"
            coefficient = sign * (self._number() if number else 1.0)
            broken = right and number and self.tokens.on_new_line
            if self.tokens.peek_kind() == "name" and not broken and not self._starts_a_constraint():
                name = self._variable()
                found.linear[name] = self._finite(found.linear.get(name, 0.0) + coefficient)
            elif number:
                found.constant = self._finite(found.constant + coefficient)
            else:
                raise self.file.error(f"expected a number or a variable, found {self.tokens.peek()}", self.tokens.line)
        return found

    def _starts_a_constraint(self) -> bool:
        return self.tokens.at_section() or self.tokens.kinds(2) == ["name", ":"]

    def _continues(self) -> bool:
        """Return whether a line that begins with an operator continues a right side: no relation follows."""
        return self.tokens.first_of("relation", ":") != "relation"

    def _quadratic(self, found: Expression, sign: float, halved: bool) -> None:
        line = self.tokens.take("[").line
        terms = Expression()
        while self.tokens.peek_kind() != "]":
            weight = self._sign()
            weight *= self._number() if self.tokens.peek_kind() == "number" else 1.0
            one = self._variable()
            if self.tokens.peek_kind() == "^":
                self.tokens.take("^")
                if self._number() != 2.0:
                    raise self.file.error("a power other than 2", self.tokens.line)
                other = one
            else:
                self.tokens.take("*")
                other = self._variable()
            pair = (min(one, other), max(one, other))
            terms.quadratic[pair] = self._finite(terms.quadratic.get(pair, 0.0) + weight)
        self.tokens.take("]")
        if self.tokens.peek_kind() == "/":
            self.tokens.take("/")
            if self._number() != 2.0 or not halved:
                raise self.file.error("'/ 2' belongs behind the quadratic part of the objective", self.tokens.line)
        elif halved:
            raise self.file.error("the quadratic part of the objective ends with '] / 2'", line)
        found.add(terms, sign / (2.0 if halved else 1.0))
        for weight in found.quadratic.values():
            self._finite(weight)

    def _bound(self) -> None:
        """Read `number relation name [relation number]`, `name relation number`, or `name free`."""
        line = self.tokens.line
        low: tuple[str, float] | None = None
        if self.tokens.peek_kind() != "name" or self._infinite():
            value = self._bound_value()
            low = _FLIPPED[self.tokens.take("relation").text], value
        name = self._variable()
        column = self.columns[name]
        if self.tokens.peek_kind() == "name" and self.tokens.peek().lower() == "'free'" and low is None:
            self.tokens.take("name")
            column.low, column.high = -math.inf, math.inf
            return
        if low is not None:
            _limit(column, *low, line)
        if self.tokens.peek_kind() == "relation":
            relation = self.tokens.take("relation").text
            _limit(column, relation, self._bound_value(), line)
        elif low is None:
            raise self.file.error(f"expected a bound of {name!r}", line)

    def _sign(self) -> float:
        sign = 1.0
        while self.tokens.peek_kind() in _SIGNS:
            sign = -sign if self.tokens.take(self.tokens.peek_kind()).text == "-" else sign
        return sign

    def _number(self) -> float:
        token = self.tokens.take("number")
        return self.file.number(token.text, token.line, "number")

    def _infinite(self) -> bool:
        return self.tokens.peek_kind() == "name" and self.tokens.peek().lower() in ("'inf'", "'infinity'")

    def _bound_value(self) -> float:
        sign = self._sign()
        if self._infinite():
            self.tokens.take("name")
            return sign * math.inf
        return sign * self._number()

    def _variable(self) -> str:
        token = self.tokens.take("name")
        self._column(token.text, token.line)
        return token.text

    def _column(self, name: str, line: int) -> Column:
        return self.columns.setdefault(name, Column("continuous", line=line))

    def _finite(self, value: float) -> float:
        if not math.isfinite(value):
            raise self.file.error("coefficients add up beyond the range of a float", self.tokens.line)
        return value


def _limit(column: Column, relation: str, value: float, line: int) -> None:
    """Set a bound; a later one replaces it. Errors refer to the line of the last bound."""
    column.line = line
    if relation != "<=":
        column.low = value
    if relation != ">=":
        column.high = value
