r"""Models in the LP format of CPLEX (`.lp`), over binary and general integer variables.

Grammar, with `[...]` quadratic parts and `\` starting a comment; keywords in any case, each at the start of a line:

    minimize | maximize     also min, max, minimise, maximise, minimum, maximum
      [NAME:] EXPRESSION    quadratic terms as `[ 2 x * y - 3 z ^ 2 ] / 2`
    subject to              also such that, st, s.t.
      [NAME:] EXPRESSION <= NUMBER      also =<, <, >=, =>, >, =; quadratic terms as `[ x * y ]`, without `/ 2`
    bounds                  `1 <= x <= 4`, `x <= 4`, `x >= 1`, `x = 2`; inf and infinity are unbounded
    binary | general        names; also binaries, bin, generals, gen, integer, integers, int
    end

Integer variables are within 0 and infinity unless `bounds` say otherwise. Continuous variables, semi-continuous ones,
SOS sets and indicator constraints are refused by name. dimod's own reader hangs on malformed files and names no lines.

Source: IBM ILOG CPLEX, "LP file format: algebraic representation".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import dimod

from qubo_dnn.files.lp_tokens import Section, Tokens
from qubo_dnn.files.model import ObjectiveSense, Program
from qubo_dnn.files.text import TextFile

Pair = tuple[str, str]
_FLIPPED = {"<=": ">=", ">=": "<=", "=": "="}


@dataclass
class Expression:
    """Linear and quadratic terms and a constant."""

    linear: dict[str, float] = field(default_factory=dict)
    quadratic: dict[Pair, float] = field(default_factory=dict)
    constant: float = 0.0


def read_lp(file: TextFile | Path) -> Program:
    """Read a program.

    Returns:
        Its objective in its own sense; constraints without a name are called c1, c2, ... by their position.

    Raises:
        FileFormatError: the file cannot be read, breaks the grammar, or has variables that are neither binary nor
            integer; the text names file and line.
    """
    return _Reader(file if isinstance(file, TextFile) else TextFile(file)).program()


class _Reader:
    def __init__(self, file: TextFile) -> None:
        self.file = file
        self.tokens = Tokens(file)
        self.sense: ObjectiveSense = "min"
        self.objective = Expression()
        self.constraints: dict[str, tuple[Expression, str, float]] = {}
        self.bounds: dict[str, tuple[float, float]] = {}
        self.kinds: dict[str, str] = {}
        self.seen: dict[str, int] = {}  # variable -> line of its first use, in the order of the file

    def program(self) -> Program:
        section = self.tokens.section()
        if section is None or section.kind not in ("minimize", "maximize"):
            raise self.file.error("begins with neither 'minimize' nor 'maximize'", self.tokens.line)
        self.sense = "max" if section.kind == "maximize" else "min"
        self._label()
        self.objective = self._expression(in_objective=True)
        done: set[str] = set()
        while (section := self.tokens.section()) is not None and section.kind != "end":
            self._section(section, done)
        if section is None:
            raise self.file.error(
                "ends without 'end'" if self.tokens.ended else f"unexpected {self.tokens.peek()}", self.tokens.line
            )
        if not self.tokens.ended:
            raise self.file.error("more text after 'end'", self.tokens.line)
        return Program(self._cqm(), self.sense)

    def _section(self, section: Section, done: set[str]) -> None:
        if section.kind in ("minimize", "maximize") or (section.kind in done and section.kind != "bounds"):
            raise self.file.error(f"a second section {section.text!r}", section.line)
        done.add(section.kind)
        while not self.tokens.at_section():
            if section.kind == "constraints":
                self._constraint()
            elif section.kind == "bounds":
                self._bound()
            elif section.kind in ("binary", "integer"):
                token = self.tokens.take("name")
                if self.kinds.setdefault(token.text, section.kind) != section.kind:
                    raise self.file.error(f"{token.text!r} is both binary and general", token.line)
                self.seen.setdefault(token.text, token.line)
            else:
                raise self.file.error(f"the section {section.text!r} is not supported", section.line)

    def _label(self) -> str | None:
        """The name before a colon, if there is one."""
        if self.tokens.kinds(2) != ["name", ":"]:
            return None
        label = self.tokens.take("name").text
        self.tokens.take(":")
        return label

    def _constraint(self) -> None:
        label = self._label() or f"c{len(self.constraints) + 1}"
        line = self.tokens.line
        if label in self.constraints:
            raise self.file.error(f"two constraints are called {label!r}", line)
        left = self._expression(in_objective=False)
        relation = self.tokens.take("relation")
        right = self._signed_number()
        if self.tokens.peek_kind() == "relation" or not (left.linear or left.quadratic):
            raise self.file.error("expected 'expression <= number'", relation.line)
        self.constraints[label] = (left, relation.text, right)

    def _expression(self, in_objective: bool) -> Expression:
        found = Expression()
        first = True
        while self.tokens.peek_kind() in ("+", "-", "number", "name", "[") and not self.tokens.at_section():
            if not first and self.tokens.peek_kind() not in ("+", "-"):
                raise self.file.error(f"expected + or - before {self.tokens.peek()}", self.tokens.line)
            first = False
            sign = self._sign()
            if self.tokens.peek_kind() == "[":
                self._quadratic(found, sign, in_objective)
                continue
            coefficient = sign * (self._number() if self.tokens.peek_kind() == "number" else 1.0)
            if self.tokens.peek_kind() == "name" and not self._starts_a_constraint():
                self._add(found.linear, self._variable(), coefficient)
            elif self.tokens.last_kind == "number":
                found.constant = self._finite(found.constant + coefficient)
            else:
                raise self.file.error(f"expected a number or a variable, found {self.tokens.peek()}", self.tokens.line)
        return found

    def _starts_a_constraint(self) -> bool:
        return self.tokens.at_section() or self.tokens.kinds(2) == ["name", ":"]

    def _quadratic(self, found: Expression, sign: float, halved: bool) -> None:
        line = self.tokens.take("[").line
        terms: dict[Pair, float] = {}
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
            self._add(terms, (min(one, other), max(one, other)), weight)
        self.tokens.take("]")
        if self.tokens.peek_kind() == "/":
            self.tokens.take("/")
            if self._number() != 2.0 or not halved:
                raise self.file.error("'/ 2' belongs behind the quadratic part of the objective", self.tokens.line)
        elif halved:
            raise self.file.error("the quadratic part of the objective ends with '] / 2'", line)
        for pair, weight in terms.items():
            self._add(found.quadratic, pair, sign * weight / (2.0 if halved else 1.0))

    def _bound(self) -> None:
        """`number relation name [relation number]`, `name relation number`, or `name free`."""
        line = self.tokens.line
        low: tuple[str, float] | None = None
        if self.tokens.peek_kind() != "name" or self._infinite():
            value = self._signed_number(infinite=True)
            low = _FLIPPED[self.tokens.take("relation").text], value
        name = self._variable()
        if self.tokens.peek_kind() == "name" and self.tokens.peek().lower() == "'free'" and low is None:
            self.tokens.take("name")
            self.bounds[name] = (-math.inf, math.inf)
            return
        self._limit(name, low, line)
        if self.tokens.peek_kind() == "relation":
            relation = self.tokens.take("relation").text
            self._limit(name, (relation, self._signed_number(infinite=True)), line)
        elif low is None:
            raise self.file.error(f"expected a bound of {name!r}", line)

    def _limit(self, name: str, bound: tuple[str, float] | None, line: int) -> None:
        if bound is None:
            return
        relation, value = bound
        low, high = self.bounds.get(name, (0.0, math.inf))
        self.bounds[name] = low, high = (value if relation != "<=" else low), (value if relation != ">=" else high)
        if low > high or low == math.inf or high == -math.inf:
            raise self.file.error(f"{name!r} is within {low:g} and {high:g}, which leaves no value", line)

    def _sign(self) -> float:
        sign = 1.0
        while self.tokens.peek_kind() in ("+", "-"):
            sign = -sign if self.tokens.take(self.tokens.peek_kind()).text == "-" else sign
        return sign

    def _number(self) -> float:
        token = self.tokens.take("number")
        return self.file.number(token.text, token.line, "number")

    def _infinite(self) -> bool:
        return self.tokens.peek_kind() == "name" and self.tokens.peek().lower() in ("'inf'", "'infinity'")

    def _signed_number(self, infinite: bool = False) -> float:
        sign = self._sign()
        if infinite and self._infinite():
            self.tokens.take("name")
            return sign * math.inf
        return sign * self._number()

    def _variable(self) -> str:
        token = self.tokens.take("name")
        self.seen.setdefault(token.text, token.line)
        return token.text

    def _add(self, terms: dict[str, float] | dict[Pair, float], key: str | Pair, value: float) -> None:
        known: dict[object, float] = terms  # type: ignore[assignment]  # one table for both kinds of keys
        known[key] = self._finite(known.get(key, 0.0) + value)

    def _finite(self, value: float) -> float:
        if not math.isfinite(value):
            raise self.file.error("coefficients add up beyond the range of a float", self.tokens.line)
        return value

    def _cqm(self) -> dimod.ConstrainedQuadraticModel:
        cqm = dimod.ConstrainedQuadraticModel()
        for name, line in self.seen.items():
            kind = self.kinds.get(name)
            low, high = self.bounds.get(name, (0.0, math.inf))
            if kind == "binary":
                if (low, high) not in ((0.0, math.inf), (0.0, 1.0)):
                    raise self.file.error(f"the binary variable {name!r} has bounds of its own; use a constraint", line)
                cqm.add_variable("BINARY", name)
            elif kind == "integer":
                least, most = (-(2.0**53) + 1, 2.0**53 - 1)
                cqm.add_variable(
                    "INTEGER", name, lower_bound=max(math.ceil(max(low, least)), least), upper_bound=min(high, most)
                )
            else:
                raise self.file.error(
                    f"the variable {name!r} is continuous; only binary and general ones are supported", line
                )
        cqm.set_objective(self._model(cqm, self.objective))
        for label, (left, relation, right) in self.constraints.items():
            sense = "==" if relation == "=" else relation
            cqm.add_constraint_from_model(self._model(cqm, left), sense, rhs=right, label=label)
        return cqm

    def _model(self, cqm: dimod.ConstrainedQuadraticModel, terms: Expression) -> dimod.QuadraticModel:
        model = dimod.QuadraticModel()
        used = dict.fromkeys((*terms.linear, *(end for pair in terms.quadratic for end in pair)))
        for name in used if terms is not self.objective else cqm.variables:
            model.add_variable(
                cqm.vartype(name), name, lower_bound=cqm.lower_bound(name), upper_bound=cqm.upper_bound(name)
            )
        model.add_linear_from(terms.linear)
        for (one, other), weight in terms.quadratic.items():
            if one == other and cqm.vartype(one) is dimod.BINARY:
                model.add_linear(one, weight)
            else:
                model.add_quadratic(one, other, weight)
        model.offset = terms.constant
        return model
