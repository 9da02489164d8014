"""Write programs and models as LP files; see `qubo_dnn.files.lp` for the grammar."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import dimod

from qubo_dnn.encodings.integer import LARGEST
from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.files.common.model import ConstrainedModel, Model
from qubo_dnn.files.lp_tokens import NAME

_NAME = re.compile(NAME)
# Words that a reader would take for a section, a bound or an exponent.
_TAKEN = re.compile(
    r"(min|max)(imi[sz]e|imum)?|st|s\.t\.|st\.|bounds?|bin(ary|aries)?|gen(erals?)?|int(egers?)?|end|free|inf(inity)?"
    r"|semis?|semi-.*|sos[12]?|subject|such|lazy|user|pwlobj|multi-objectives|scenario|[eE][0-9.]*",
    re.IGNORECASE,
)
_SENSES = {"<=": "<=", ">=": ">=", "==": "="}


def lp_lines(value: Model | ConstrainedModel) -> Iterator[str]:
    r"""Generate the lines of a file from which `read_lp` reads the same program.

    Raises:
        UnsupportedProblemError: a variable is SPIN or REAL, a label is not a valid name of the format, a constraint is
            soft, or the format cannot represent a square of a variable.

    Example:
        >>> model = Model(dimod.BinaryQuadraticModel({"a": 1.0, "b": 2.0}, {("a", "b"): -3.0}, 0.0, "BINARY"))
        >>> print(*lp_lines(model), sep="\n")
        minimize
         obj: + 1.0 a + 2.0 b + [ - 6.0 b * a ] / 2
        subject to
        bounds
        binary
         a
         b
        general
        end
    """
    program = as_program(value)
    cqm = program.cqm
    soft = [label for label, constraint in cqm.constraints.items() if constraint.lhs.is_soft()]
    if soft:
        raise UnsupportedProblemError(f".lp files have no soft constraints, and {soft[0]!r} is one")
    for label in (*cqm.variables, *cqm.constraints):
        if not isinstance(label, str) or not _NAME.fullmatch(label) or _TAKEN.fullmatch(label):
            raise UnsupportedProblemError(f".lp files cannot carry the label {label!r}; relabel with names such as x1")
    for name in cqm.variables:
        if cqm.vartype(name) not in (dimod.BINARY, dimod.INTEGER):
            raise UnsupportedProblemError(f".lp files hold no {cqm.vartype(name).name} variables, and {name!r} is one")
    yield "maximize" if program.sense == "max" else "minimize"
    yield f" obj: {_expression(cqm.objective, cqm.variables, '] / 2', 2.0)}"
    yield "subject to"
    for label, constraint in cqm.constraints.items():
        lhs = constraint.lhs
        # Readers require a variable in every row, possibly with coefficient 0.
        used = lhs.variables if lhs.num_variables or not cqm.variables else [cqm.variables[0]]
        rhs = float(constraint.rhs)
        yield f" {label}: {_expression(lhs, used, ']', 1.0)} {_SENSES[constraint.sense.value]} {rhs!r}"
    yield "bounds"
    integers = [name for name in cqm.variables if cqm.vartype(name) is dimod.INTEGER]
    for name in integers:
        yield f" {_bound(cqm.lower_bound(name))} <= {name} <= {_bound(cqm.upper_bound(name))}"
    yield "binary"
    yield from (f" {name}" for name in cqm.variables if cqm.vartype(name) is dimod.BINARY)
    yield "general"
    yield from (f" {name}" for name in integers)
    yield "end"


def as_program(value: Model | ConstrainedModel) -> ConstrainedModel:
    """Convert a model to a program without constraints; a program is returned unchanged.

    Example:
        >>> model = Model(dimod.BinaryQuadraticModel({"a": 1.0, "b": 2.0}, {("a", "b"): -3.0}, 0.0, "BINARY"))
        >>> as_program(model).cqm.num_variables()
        2
    """
    if isinstance(value, ConstrainedModel):
        return value
    return ConstrainedModel(dimod.ConstrainedQuadraticModel.from_bqm(value.bqm), value.sense)


def _expression(model: dimod.QuadraticModel, variables: Iterable[str], closing: str, factor: float) -> str:
    """Write every variable once, which keeps their order, then the products and the constant."""
    terms = [_signed(float(model.linear[name]) if name in model.variables else 0.0, name) for name in variables]
    if model.quadratic:
        products = [
            _signed(factor * float(bias), f"{u} ^ 2" if u == v else f"{u} * {v}")
            for (u, v), bias in model.quadratic.items()
        ]
        terms.append(f"+ [ {' '.join(products)} {closing}")
    if model.offset:
        terms.append(_signed(float(model.offset), ""))
    return " ".join(terms)


def _bound(value: float) -> str:
    """Write a bound; dimod's largest integer means infinity."""
    return repr(float(value)) if abs(value) < LARGEST else "-inf" if value < 0 else "+inf"


def _signed(value: float, name: str) -> str:
    return f"{'-' if str(value).startswith('-') else '+'} {abs(value)!r} {name}".rstrip()
