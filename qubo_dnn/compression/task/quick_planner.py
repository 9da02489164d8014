"""The optional contract of a compression formulation that finds plans without a solver. Needs no torch."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from qubo_dnn.compression.task.plan import Plan


@runtime_checkable
class QuickPlanner(Protocol):
    """Optional method of a compression formulation that finds a plan in a small part of the time of a solver.

    Plans of many settings are compared by their networks. Without this method, the problem of every setting is compiled
    and solved by local descent, or by the backend if its objective is a factor.

    Example:
        >>> from qubo_formulations.pruning_quantization import PruningQuantization
        >>> formulation = PruningQuantization.example(seed=1)
        >>> isinstance(formulation, QuickPlanner), formulation.task.meets(formulation.quick_plan())
        (True, True)
    """

    def quick_plan(self) -> Plan | None:
        """Return a plan of low cost that keeps all budgets; None if none is found."""
        ...
