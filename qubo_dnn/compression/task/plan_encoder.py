"""The optional contract of a compression formulation that can begin at a plan. Needs no torch."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.problem import Sample


@runtime_checkable
class PlanEncoder(Protocol):
    """Optional method of a compression formulation that converts plans to states of its problem.

    A solver then knows the plan of a neighbouring budget, and may begin at it; see `qubo_dnn.problem.Problem.start`.

    Example:
        >>> from qubo_formulations.pruning_quantization import PruningQuantization
        >>> formulation = PruningQuantization.example(seed=1)
        >>> plan = formulation.quick_plan()
        >>> isinstance(formulation, PlanEncoder), formulation.decode(formulation.encode(plan)) == plan
        (True, True)
    """

    def encode(self, value: Plan) -> Sample:
        """Return the state that decodes to a plan.

        Raises:
            FormulationError: the problem has no such state.
        """
        ...
