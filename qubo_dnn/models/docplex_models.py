"""Problems from models of docplex, and answers as its solutions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.models.programs import Bounded, Program, Relation, Terms
from qubo_dnn.problem import Decoded, Problem, Variable

if TYPE_CHECKING:
    from docplex.mp.model import Model
    from docplex.mp.solution import SolveSolution

Sense = Literal["<=", "==", ">="]
_SENSES: dict[str, Sense] = {"LE": "<=", "EQ": "==", "GE": ">="}
_INFINITE = 1e20


def problem_from_docplex(model: Model, integers: str = "binary") -> Problem[dict[Variable, int | float]]:
    """Make a problem from a model of docplex, in its sense and with its constraints.

    Args:
        model: it is not changed.
        integers: name of the encoding of integers, see `qubo_dnn.encodings.names`.

    Returns:
        A problem whose answers are the values of the variables by name; variables without a name have the name that
        docplex writes to files. An indicator constraint becomes a linear one, with the largest violation that the
        bounds allow as coefficient of its binary variable.

    Raises:
        UnsupportedProblemError: a variable is continuous and its bounds do not fix it, or an integer has no bounds; the
            model has another objective than a linear or quadratic one, or other constraints than linear, quadratic,
            range and indicator constraints.
        FormulationError: a coefficient is not finite, or the bounds of a variable leave no value.

    Example:
        >>> from docplex.mp.model import Model
        >>> model = Model("knapsack")
        >>> x, y = model.binary_var("x"), model.binary_var("y")
        >>> row = model.add_range(1, x + y, 1, "one")
        >>> model.maximize(2 * x + 3 * y)
        >>> problem_from_docplex(model).decode({"x": 1, "y": 1}).violations
        {'one': 1.0}
    """
    _check(model)
    variables: dict[Variable, Bounded] = {
        _name(each): Bounded(each.vartype.short_name, float(each.lb), float(each.ub)) for each in model.iter_variables()
    }
    made = Program(
        library="docplex model",
        sense="max" if model.objective_sense.is_maximize() else "min",
        variables=variables,
        objective=_objective(model.objective_expr),
    )
    for number, each in enumerate(model.iter_constraints(), 1):
        made.relations.extend(_relations(each, each.name or f"c{number}", variables))
    return made.problem(integers, SolveSolutions(model))


@dataclass(frozen=True, eq=False)
class SolveSolutions:
    """Makes docplex's solution of the best answer, as `Model.solve` returns one.

    Attributes:
        model: the model.

    Example:
        >>> from docplex.mp.model import Model
        >>> model = Model("one")
        >>> x = model.binary_var("x")
        >>> SolveSolutions(model)([Decoded({"x": 1}, objective=2.0)]).get_value("x")
        1
    """

    model: Any

    def __call__(self, answers: Sequence[Decoded[Any]]) -> SolveSolution:
        """Return the solution of the first answer."""
        from docplex.mp.solution import SolveSolution

        best = answers[0]
        values = {variable: best.value[_name(variable)] for variable in self.model.iter_variables()}
        return SolveSolution(self.model, values, obj=best.objective, name=self.model.name, solved_by="qubo-dnn")


def _name(variable: Any) -> str:
    return str(variable.name or variable.lp_name)


def _check(model: Model) -> None:
    """Refuse parts of a model that are neither its objective nor its constraints."""
    for there, what in (
        (model.has_multi_objective(), "several objectives"),
        (model.number_of_sos, "special ordered sets"),
        (model.number_of_lazy_constraints, "lazy constraints"),
        (model.number_of_user_cut_constraints, "user cuts"),
    ):
        if there:
            raise UnsupportedProblemError(f"the docplex model has {what}, which are not supported")


def _objective(expression: Any) -> Terms:
    if not hasattr(expression, "iter_terms") or _is_function(expression):
        raise UnsupportedProblemError(
            f"the objective of the docplex model is {expression}, neither linear nor quadratic"
        )
    quadratic = expression.iter_quad_triplets() if expression.is_quad_expr() else ()
    return {
        (): float(expression.get_constant()),
        **_sum(((_name(v),), weight) for v, weight in expression.iter_terms()),
        **_sum(((_name(u), _name(v)), weight) for u, v, weight in quadratic),
    }


def _is_function(expression: Any) -> bool:
    """Return whether an expression is a function such as a maximum, which docplex replaces by a variable."""
    return hasattr(expression, "functional_var")


def _sum(terms: Iterable[tuple[tuple[Variable, ...], float]]) -> dict[tuple[Variable, ...], float]:
    found: dict[tuple[Variable, ...], float] = {}
    for term, weight in terms:
        found[term] = found.get(term, 0.0) + float(weight)
    return found


def _relations(constraint: Any, label: str, variables: Mapping[Variable, Bounded]) -> Iterator[Relation]:
    """Generate the relations that a constraint stands for."""
    kind = type(constraint).__name__
    if kind == "LinearConstraint":
        yield _linear(constraint, label)
    elif kind == "QuadraticConstraint":
        terms = _net(constraint)
        terms |= _sum(((_name(each.first), _name(each.second)), w) for each, w in constraint.iter_net_quads())
        yield Relation(label, terms, _SENSES[constraint.sense.name], float(constraint.cplex_num_rhs()))
    elif kind == "RangeConstraint":
        terms, constant = _net(constraint), float(constraint.expr.get_constant())
        low, high = float(constraint.lb) - constant, float(constraint.ub) - constant
        if low == high:
            yield Relation(label, terms, "==", low)
            return
        both = abs(low) < _INFINITE and abs(high) < _INFINITE
        for sense, end, suffix in ((">=", low, "_lower"), ("<=", high, "_upper")):
            if abs(end) < _INFINITE:
                yield Relation(f"{label}{suffix}" if both else label, terms, sense, end)  # type: ignore[arg-type]
    elif kind == "IndicatorConstraint":
        yield from _implied(constraint, label, variables)
    else:
        raise UnsupportedProblemError(
            f"the constraint {label!r} of the docplex model is of the kind {kind}; only linear, quadratic, "
            "range and indicator constraints are supported"
        )


def _linear(constraint: Any, label: str) -> Relation:
    return Relation(label, _net(constraint), _SENSES[constraint.sense.name], float(constraint.cplex_num_rhs()))


def _net(constraint: Any) -> dict[tuple[Variable, ...], float]:
    """Return the linear terms of the left side minus those of the right side."""
    pairs = constraint.expr.iter_terms() if hasattr(constraint, "expr") else constraint.iter_net_linear_coefs()
    return _sum(((_name(variable),), weight) for variable, weight in pairs)


def _implied(indicator: Any, label: str, variables: Mapping[Variable, Bounded]) -> Iterator[Relation]:
    """Generate linear constraints that hold if the binary variable of an indicator does not have its active value."""
    inner = _linear(indicator.linear_constraint, label)
    switch, active = (_name(indicator.binary_var),), bool(indicator.active_value)
    for sense in ("<=", ">=") if inner.sense == "==" else (inner.sense,):
        upper = sense == "<="
        extreme = 0.0
        for (name,), weight in inner.terms.items():
            bounds = variables[name]
            extreme += weight * (bounds.high if (weight > 0.0) == upper else bounds.low)
        excess = extreme - inner.rhs
        if abs(excess) >= _INFINITE:
            raise UnsupportedProblemError(
                f"the indicator constraint {label!r} of the docplex model contains variables without bounds; set them"
            )
        slack = max(excess, 0.0) if upper else min(excess, 0.0)
        # The active value 1 needs terms + slack * switch <= rhs + slack; the active value 0 terms - slack * switch.
        terms = {**inner.terms, switch: inner.terms.get(switch, 0.0) + (slack if active else -slack)}
        suffix = "" if inner.sense != "==" else "_upper" if upper else "_lower"
        yield Relation(f"{label}{suffix}", terms, sense, inner.rhs + (slack if active else 0.0))
