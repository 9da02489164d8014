"""Solutions of constrained and discrete models as dimod's sample sets, as Leap returns them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dimod

from qubo_dnn.models.dimod_models import Values
from qubo_dnn.problem import Variable
from qubo_dnn.solving.solution import Solution


def sample_set_of_cqm(solution: Solution[Values], cqm: dimod.ConstrainedQuadraticModel) -> dimod.SampleSet:
    """Return the candidates of a solution over the variables of the model.

    Args:
        solution: of the problem that `problem_from_cqm` makes of the model.
        cqm: the model, for energies and feasibility.

    Returns:
        One row per candidate, with `is_feasible` and `is_satisfied`; `info` has the record of the search.

    Example:
        >>> from qubo_dnn.models.dimod_models import problem_from_cqm
        >>> from qubo_dnn.registry import get_backend
        >>> from qubo_dnn.solving.solve import solve
        >>> cqm = dimod.ConstrainedQuadraticModel.from_bqm(dimod.BinaryQuadraticModel({"a": -1.0}, {}, 0.0, "BINARY"))
        >>> found = sample_set_of_cqm(solve(problem_from_cqm(cqm), get_backend("exact")), cqm)
        >>> float(found.first.energy), bool(found.first.is_feasible), found.info["backend"]
        (-1.0, True, 'exact')
    """
    labels = list(cqm.variables)
    states = [[each.value[variable] for variable in labels] for each in solution.candidates]
    found = dimod.SampleSet.from_samples_cqm((states, labels), cqm)
    found.info.update(_record(solution))
    return found


def sample_set_of_dqm(solution: Solution[Values], dqm: dimod.DiscreteQuadraticModel) -> dimod.SampleSet:
    """Return the feasible candidates of a solution as cases of the variables of the model.

    Args:
        solution: of the problem of a CQM from `from_discrete_quadratic_model`, whose variables are (variable, case).
        dqm: the model, for energies.

    Returns:
        One row per candidate; no row if no state found chooses one case per variable.

    Example:
        >>> from qubo_dnn.models.dimod_models import problem_from_cqm
        >>> from qubo_dnn.registry import get_backend
        >>> from qubo_dnn.solving.solve import solve
        >>> dqm = dimod.DiscreteQuadraticModel()
        >>> label = dqm.add_variable(3, label="v")
        >>> dqm.set_linear("v", [0.0, 2.0, -1.0])
        >>> cqm = dimod.ConstrainedQuadraticModel.from_discrete_quadratic_model(dqm)
        >>> found = sample_set_of_dqm(solve(problem_from_cqm(cqm), get_backend("exact")), dqm)
        >>> int(found.first.sample["v"]), float(found.first.energy)
        (2, -1.0)
    """
    labels = list(dqm.variables)
    states = [[_case(each.value, dqm, v) for v in labels] for each in solution.candidates if each.feasible]
    energies = dqm.energies((states, labels)) if states else []
    found = dimod.SampleSet.from_samples((states, labels), "DISCRETE", energies)
    found.info.update(_record(solution))
    return found


def _case(values: Values, dqm: dimod.DiscreteQuadraticModel, variable: Variable) -> int:
    return next(case for case in range(dqm.num_cases(variable)) if values[(variable, case)])


def _record(solution: Solution[Any]) -> Mapping[str, Any]:
    return {
        "backend": solution.backend,
        "seed": solution.seed,
        "calls": len(solution.calls),
        "interrupted": solution.interrupted,
        "seconds": solution.seconds,
    }
