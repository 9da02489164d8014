"""Problems from dimod's discrete and quadratic models and from its polynomials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Literal

import dimod

from qubo_dnn.encodings.integer import EncodedInteger
from qubo_dnn.models.arrays import reduced_problem
from qubo_dnn.models.dimod_models import convert_cqm, problem_from_cqm
from qubo_dnn.models.sample_sets import SampleSets
from qubo_dnn.problem import Problem, Sample, Variable, natural_key
from qubo_dnn.support.arguments import checked


@checked
def problem_from_dqm(
    dqm: dimod.DiscreteQuadraticModel, sense: Literal["min", "max"] = "min"
) -> Problem[dict[Variable, int | float]]:
    """Make a problem from a discrete quadratic model, with a one-hot group for every variable.

    Args:
        dqm: discrete model; it is not changed.
        sense: "min" or "max".

    Returns:
        A problem over the variables `(variable, case)`, whose answers are the numbers of the cases. A state without a
        case of a variable is infeasible, and decoded as case 0.

    Example:
        >>> dqm = dimod.DiscreteQuadraticModel()
        >>> dqm.set_linear(dqm.add_variable(3, "color"), [2.0, 1.0, 3.0])
        >>> problem = problem_from_dqm(dqm)
        >>> problem.decode({("color", 0): 0, ("color", 1): 1, ("color", 2): 0}).value
        {'color': 1}
    """
    cqm = dimod.ConstrainedQuadraticModel.from_discrete_quadratic_model(dqm)
    cases = {variable: dqm.num_cases(variable) for variable in dqm.variables}
    problem = convert_cqm(cqm, sense, "binary", SampleSets(tuple(cases), "DISCRETE"))
    return replace(problem, decoder=_Cases(cases))


@checked
def problem_from_quadratic_model(
    model: dimod.QuadraticModel, sense: Literal["min", "max"] = "min", integers: str = "binary"
) -> Problem[dict[Variable, int | float]]:
    """Make an unconstrained problem from a quadratic model over binary, spin and bounded integer variables.

    Args:
        model: quadratic model; it is not changed.
        sense: "min" or "max".
        integers: name of the encoding of integers, see `qubo_dnn.encodings.names`.

    Raises:
        UnsupportedProblemError: see `problem_from_cqm`.

    Example:
        >>> problem = problem_from_quadratic_model(dimod.Integer("n", upper_bound=3) * dimod.Spin("s"))
        >>> problem.decode({"n[0]": 1, "n[1]": 1, "s": 0}).objective
        -3.0
    """
    return problem_from_cqm(dimod.ConstrainedQuadraticModel.from_quadratic_model(model), sense, integers)


@checked
def problem_from_polynomial(
    polynomial: dimod.BinaryPolynomial, sense: Literal["min", "max"] = "min"
) -> Problem[dict[Variable, int | float]]:
    """Make a problem from a polynomial of either vartype and any degree, reduced to degree two.

    Args:
        polynomial: polynomial; it is not changed.
        sense: "min" or "max".

    Returns:
        A problem with the constraint "products" if there are terms of more than two variables, see
        `qubo_dnn.encodings.rosenberg`. Its answers are the values of the polynomial's variables.

    Example:
        >>> polynomial = dimod.BinaryPolynomial({("a", "b", "c"): -1.0}, "SPIN")
        >>> problem = problem_from_polynomial(polynomial)
        >>> problem.decode({"a": 0, "b": 0, "c": 1, "products[0]": 0}).value
        {'a': -1, 'b': -1, 'c': 1}
    """
    spin = polynomial.vartype is dimod.SPIN
    own = EncodedInteger.of_spin if spin else EncodedInteger.of_bit
    terms = {frozenset(term): float(bias) for term, bias in polynomial.items()}
    # dimod keeps them in a set, whose order changes from run to run.
    variables = tuple(sorted(polynomial.variables, key=natural_key))
    return reduced_problem(
        _over_bits(terms) if spin else terms,
        {variable: own(variable) for variable in variables},
        sense,
        SampleSets(variables, polynomial.vartype.name),
    )


@dataclass(frozen=True)
class _Cases:
    """Decodes a sample into the number of the case of every discrete variable."""

    cases: Mapping[Variable, int]

    def __call__(self, sample: Sample) -> dict[Variable, int | float]:
        return {v: next((case for case in range(n) if sample[v, case]), 0) for v, n in self.cases.items()}


def _over_bits(terms: Mapping[frozenset[Variable], float]) -> dict[frozenset[Variable], float]:
    """Replace every spin s by 2 b - 1."""
    found: dict[frozenset[Variable], float] = {}
    for term, bias in terms.items():
        for chosen in product((False, True), repeat=len(term)):
            kept = frozenset(v for v, taken in zip(term, chosen, strict=True) if taken)
            found[kept] = found.get(kept, 0.0) + bias * prod(2.0 if taken else -1.0 for taken in chosen)
    return found
