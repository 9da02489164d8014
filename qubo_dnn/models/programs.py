"""Problems from the programs of other libraries: polynomials over bounded variables, with constraints.

The converters of the libraries fill a `Program`; this module replaces fixed variables, reduces products of more than
two binary variables, and makes the problem.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import dimod

from qubo_dnn.encodings.integer import LARGEST, EncodedInteger, whole_range
from qubo_dnn.encodings.rosenberg import Pair, product_constraint, quadratize, sufficient_weight
from qubo_dnn.errors import FormulationError, UnsupportedProblemError
from qubo_dnn.models.arrays import PRODUCTS, free_prefix
from qubo_dnn.models.dimod_models import convert_cqm
from qubo_dnn.models.values import Values
from qubo_dnn.problem import Native, Problem, Variable

Terms = Mapping[tuple[Variable, ...], float]
"""Product of variables, with repetitions -> coefficient; the empty tuple has the constant."""
# Libraries that have no infinity use bounds of this size.
_INFINITE = 1e20


@dataclass(frozen=True)
class Bounded:
    """A variable of a program.

    Attributes:
        kind: "binary", "integer", or another name, such as "continuous"; variables of other kinds have to be fixed.
        low: least value; bounds from 1e20 on are infinite.
        high: largest value.

    Example:
        >>> Bounded("integer", 2.0, 2.0).fixed
        2.0
    """

    kind: str
    low: float
    high: float

    @property
    def fixed(self) -> float | None:
        """The only value that the bounds allow, or None."""
        return self.low if self.low == self.high else None


@dataclass(frozen=True)
class Relation:
    """A constraint of a program, `terms sense rhs`.

    Attributes:
        label: name; it is made unique.
        terms: left side.
        sense: "<=", "==" or ">=".
        rhs: right side.

    Example:
        >>> Relation("capacity", {("x",): 3.0, ("y",): 4.0}, "<=", 5.0).sense
        '<='
    """

    label: str
    terms: Terms
    sense: Literal["<=", "==", ">="]
    rhs: float


@dataclass
class Program:
    """A program of another library.

    Attributes:
        library: name of the library, for errors.
        sense: "min" or "max".
        variables: name -> variable, in the order of the library.
        objective: terms of the objective, in the program's sense.
        relations: the constraints.

    Example:
        >>> program = Program("mine", "max", {"n": Bounded("integer", 0, 3), "x": Bounded("binary", 1, 1)})
        >>> program.objective = {("n", "n", "x"): 1.0}
        >>> problem = program.problem("binary", native=None)
        >>> problem.decode({"n[0]": 1, "n[1]": 1})
        Decoded(value={'n': 3, 'x': 1}, objective=9.0, violations={}, soft={})
    """

    library: str
    sense: Literal["min", "max"]
    variables: Mapping[Variable, Bounded]
    objective: Terms = field(default_factory=dict)
    relations: list[Relation] = field(default_factory=list)

    def problem(self, integers: str, native: Native | None) -> Problem[dict[Variable, int | float]]:
        """Make the problem, whose answers are the values of all variables.

        Args:
            integers: name of the encoding of integers, see `qubo_dnn.encodings.names`.
            native: see `Problem.native`.

        Raises:
            UnsupportedProblemError: a variable is neither binary nor integer nor fixed, an integer has no bounds, or a
                product of more than two variables contains an integer.
            FormulationError: a coefficient is not finite, or the bounds of a variable leave no value.
        """
        fixed = {name: each.fixed for name, each in self.variables.items() if each.fixed is not None}
        for name, value in fixed.items():
            self._check_fixed(name, value)
        cqm = dimod.ConstrainedQuadraticModel()
        for name, each in self.variables.items():
            if name not in fixed:
                self._add_variable(cqm, name, each)
        products: dict[Variable, Pair] = {}
        taken: set[str] = set()
        prefix = free_prefix(PRODUCTS, self.variables)
        cqm.set_objective(self._model(cqm, self.objective, prefix, fixed, products))
        for relation in self.relations:
            label = unused(relation.label, taken)
            lhs = self._model(cqm, relation.terms, f"{prefix}[{label}]", fixed, products)
            cqm.add_constraint_from_model(lhs, relation.sense, rhs=relation.rhs, label=label)
        problem = convert_cqm(cqm, self.sense, integers, native)
        if not (fixed or products):
            return problem
        decoder = problem.decoder
        assert isinstance(decoder, Values)
        constants = {name: EncodedInteger(_plain(value), {}) for name, value in fixed.items()}
        problem = replace(
            problem, decoder=Values({name: constants.get(name) or decoder.encoded[name] for name in self.variables})
        )
        return _with_products(problem, products) if products else problem

    def _check_fixed(self, name: Variable, value: float) -> None:
        kind = self.variables[name].kind
        whole = value in (0.0, 1.0) if kind == "binary" else kind != "integer" or value % 1.0 == 0.0
        if not (abs(value) < _INFINITE and whole):
            raise FormulationError(f"the {kind} variable {name!r} of the {self.library} is fixed at {value:g}")

    def _add_variable(self, cqm: dimod.ConstrainedQuadraticModel, name: Variable, variable: Bounded) -> None:
        if variable.kind not in ("binary", "integer"):
            raise UnsupportedProblemError(
                f"the variable {name!r} of the {self.library} is {variable.kind} and its bounds do not fix it; only "
                "binary and integer variables are supported"
            )
        if variable.kind == "binary" and (variable.low, variable.high) == (0.0, 1.0):
            cqm.add_variable("BINARY", name)
            return
        low, high = whole_range(name, _bound(variable.low), _bound(variable.high))
        cqm.add_variable("INTEGER", name, lower_bound=max(low, -LARGEST), upper_bound=min(high, LARGEST))

    def _model(
        self,
        cqm: dimod.ConstrainedQuadraticModel,
        terms: Terms,
        label: str,
        fixed: Mapping[Variable, float],
        products: dict[Variable, Pair],
    ) -> dimod.QuadraticModel:
        """Convert terms to a quadratic model over the variables of the CQM, and the new ones of `products`."""
        low, high = _by_degree(self._collected(cqm, terms, fixed))
        for term, value in _reduced(cqm, high, label, products).items() if high else ():
            low[term] = low.get(term, 0.0) + value
        model = dimod.QuadraticModel()
        for name in dict.fromkeys(name for term in low for name in term):
            kind = cqm.vartype(name)
            model.add_variable(kind, name, lower_bound=cqm.lower_bound(name), upper_bound=cqm.upper_bound(name))
        for term, value in low.items():
            if len(term) == 2:
                model.add_quadratic(*term, value)
            elif term:
                model.add_linear(*term, value)
            else:
                model.offset += value
        return model

    def _collected(
        self, cqm: dimod.ConstrainedQuadraticModel, terms: Terms, fixed: Mapping[Variable, float]
    ) -> dict[tuple[Variable, ...], float]:
        """Put in the values of fixed variables, and replace powers of binary variables by these variables."""
        found: dict[tuple[Variable, ...], float] = {}
        for term, coefficient in terms.items():
            value = float(coefficient) * math.prod(fixed[name] for name in term if name in fixed)
            left = [name for name in term if name not in fixed]
            binary = dict.fromkeys(name for name in left if cqm.vartype(name) is dimod.BINARY)
            others = [name for name in left if name not in binary]
            if others and len(binary) + len(others) > 2:
                raise UnsupportedProblemError(
                    f"the {self.library} has a product of degree {len(binary) + len(others)} with the integer variable "
                    f"{others[0]!r}; only products of binary variables may have more than two factors"
                )
            key = (*binary, *others)
            found[key] = found.get(key, 0.0) + value
        return found


def unused(name: str, taken: set[str]) -> str:
    """Return `name`, with a number if it is taken; the result is then marked as taken.

    Example:
        >>> taken = set()
        >>> unused("c", taken), unused("c", taken)
        ('c', 'c_2')
    """
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found)
    return found


def _by_degree(terms: Terms) -> tuple[dict[tuple[Variable, ...], float], dict[tuple[Variable, ...], float]]:
    """Separate terms of at most two variables from the others."""
    return (
        {term: value for term, value in terms.items() if len(term) <= 2},
        {term: value for term, value in terms.items() if len(term) > 2},
    )


def _reduced(
    cqm: dimod.ConstrainedQuadraticModel, terms: Terms, label: str, products: dict[Variable, Pair]
) -> dict[tuple[Variable, ...], float]:
    """Reduce terms of more than two binary variables, with the products that there are and new ones."""
    reduced = quadratize({frozenset(term): value for term, value in terms.items()}, label)
    known = {frozenset(pair): name for name, pair in products.items()}
    names: dict[Variable, Variable] = {}
    for name, (x, y) in reduced.products.items():
        pair = names.get(x, x), names.get(y, y)
        if frozenset(pair) not in known:
            known[frozenset(pair)] = name
            products[name] = pair
            cqm.add_variable("BINARY", name)
        names[name] = known[frozenset(pair)]
    model = reduced.model.relabel_variables(names, inplace=False)
    return {**{(v,): bias for v, bias in model.linear.items() if bias}, **dict(model.quadratic)}


def _with_products(problem: Problem[Any], products: Mapping[Variable, Pair]) -> Problem[Any]:
    """Add the constraint that keeps the products."""
    label = unused(PRODUCTS, {*problem.one_hot, *problem.constraints, *problem.soft})
    free = not (problem.one_hot or problem.constraints)
    return replace(
        problem,
        constraints={**problem.constraints, label: product_constraint(products)},
        penalties={label: sufficient_weight(problem.objective, products)} if free else {},
    )


def _bound(value: float) -> float:
    return math.copysign(math.inf, value) if abs(value) >= _INFINITE else value


def _plain(value: float) -> float:
    """Return a whole number as an int."""
    return int(value) if value == int(value) else value
