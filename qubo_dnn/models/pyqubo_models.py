"""Problems from pyqubo's expressions and compiled models, with correct products of more than two variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from qubo_dnn.constraints.exact_products import find_products, with_exact_products
from qubo_dnn.encodings.integer import EncodedInteger
from qubo_dnn.errors import FormulationError
from qubo_dnn.models.values import Values
from qubo_dnn.problem import Problem, Variable


def problem_from_pyqubo(
    source: Any, sense: Literal["min", "max"] = "min", feed_dict: Mapping[str, float] | None = None
) -> Problem[dict[Variable, int | float]]:
    """Make an unconstrained problem of any degree from pyqubo.

    Args:
        source: a pyqubo expression, or a model compiled from one with any strength.
        sense: "min" or "max".
        feed_dict: placeholder -> value.

    Returns:
        A problem whose answers are the values of the expression's variables, 0 and 1; a `Spin` of -1 has the value 0.
        The problem contains pyqubo's product variables, but its answers do not.

    Raises:
        FormulationError: `source` is neither an expression nor a model, a placeholder has no value, or a bias is not
            finite.

    Example:
        >>> from pyqubo import Binary
        >>> problem = problem_from_pyqubo(-3 * Binary("x") * Binary("y") * Binary("z"))
        >>> sorted(problem.decode(dict.fromkeys(problem.variables, 1)).value), len(problem.variables)
        (['x', 'y', 'z'], 4)
    """
    from pyqubo import Base, Model

    if not isinstance(source, Base | Model):
        raise FormulationError(f"expected an expression or a compiled model of pyqubo, not {type(source).__name__}")
    # Any strength works, since it is removed below; a small one causes the smallest rounding errors.
    model = source.compile(strength=1.0) if isinstance(source, Base) else source
    try:
        bqm = model.to_bqm(feed_dict=dict(feed_dict or {}))
    except ValueError as cause:
        raise FormulationError(f"pyqubo: {cause}") from cause
    products = find_products(bqm)
    own = [variable for variable in bqm.variables if variable not in products]
    if sense == "max":
        bqm.scale(-1.0)
    values = Values({variable: EncodedInteger.of_bit(variable) for variable in own})
    return with_exact_products(Problem(objective=bqm, decoder=values, sense=sense))
