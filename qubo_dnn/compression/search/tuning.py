"""Choose parameters of a formulation by the networks of their plans."""

from __future__ import annotations

from typing import Any

from qubo_dnn.backend import Backend
from qubo_dnn.compression.rewriting.held_out import Divergence
from qubo_dnn.compression.search.plan_evaluator import AppliedPlan, PlanEvaluator
from qubo_dnn.compression.search.progress import CompressionReporter
from qubo_dnn.compression.search.settings import SearchSettings
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.compression.task.quick_planner import QuickPlanner
from qubo_dnn.compression.task.task import Alternatives, CompressionFormulation, CompressionTask
from qubo_dnn.solving.local_answer import solve_locally
from qubo_dnn.solving.solve import solve

# For the statistics of repairs. With all images and each repair alone, too, the choices are the same or nearly tied
# (bench/compression/results).
_IMAGES = 256


class ParameterTuner:
    """Choose parameters of a formulation on held-out images.

    Args:
        formulation: class of the formulation of the task.
        backend: any backend.
        evaluator: applies plans.
        settings: settings of the search; parameters that they set are kept.
        reporter: receives progress events.

    Example:
        >>> def shrinkage(tuner: ParameterTuner, task: CompressionTask) -> float:
        ...     return tuner.tune(task)["shrinkage"]
    """

    def __init__(
        self,
        formulation: type[CompressionFormulation],
        backend: Backend,
        evaluator: PlanEvaluator,
        settings: SearchSettings,
        reporter: CompressionReporter,
    ) -> None:
        self._formulation, self._backend = formulation, backend
        self._evaluator = evaluator.quicker(_IMAGES, settings.seed)
        self._settings, self._reporter = settings, reporter

    def candidates(self, task: CompressionTask) -> list[dict[str, Any]]:
        """Return the parameters whose final plans are to be compared by `prefers`, the first ones first.

        Those of which one has to be clearly better are compared in quick plans before.
        """
        fixed, alternatives = dict(self._settings.parameters), self._alternatives(task)
        if not task.has_choice:
            return [fixed | alternatives.sets[0]]
        if not alternatives.clearly:
            return [fixed | each for each in alternatives.sets]
        first, chosen = fixed | alternatives.sets[0], self.tune(task)
        return [first] if chosen == first else [first, chosen]

    def prefers(self, one: Divergence, first: Divergence, task: CompressionTask) -> bool:
        """Return whether a network is better than one with the first parameters, clearly where it has to be."""
        if self._alternatives(task).clearly:
            return one.clearly_better(first)
        return one.divergence < first.divergence

    def tune(self, task: CompressionTask) -> dict[str, Any]:
        """Return the parameters whose quick plan makes the best network: the first, unless others are better.

        Plans are compared without refitting, and the best one and the first one again with it, which takes longer than
        everything else.

        Args:
            task: the task, measured if the formulation needs it.
        """
        sets = self._alternatives(task).sets
        fixed = dict(self._settings.parameters)
        if len(sets) == 1 or not task.has_choice:
            return fixed | sets[0]
        self._reporter.stage("tune")
        tried: list[AppliedPlan] = []
        for number, chosen in enumerate(sets, 1):
            plan = self.quick_plan(self._formulation.from_task(task, **fixed, **chosen))
            # Neighbouring settings often give equal plans.
            known = (other for other in tried if other.plan == plan)
            tried.append(next(known, None) or self._evaluator(plan))
            self._reporter.progress(number, len(sets))
        best = min(range(len(sets)), key=lambda n: (not task.meets(tried[n].plan), tried[n].held_out.divergence))
        return fixed | sets[best if self._better(tried[best], tried[0], task) else 0]

    def _better(self, one: AppliedPlan, first: AppliedPlan, task: CompressionTask) -> bool:
        """Return whether a plan is better than the first one, with refitted weights."""
        if one.plan == first.plan or not task.meets(first.plan):
            return one.plan != first.plan
        of_one, of_first = (self._evaluator.refitted(each).held_out for each in (one, first))
        return self.prefers(of_one, of_first, task)

    def _alternatives(self, task: CompressionTask) -> Alternatives:
        return self._formulation.tunable(self._settings.parameters, task)

    def quick_plan(self, formulated: CompressionFormulation) -> Plan:
        """Find a plan as the formulation does by itself, else by local descent, or with the backend for a factor."""
        plan = formulated.quick_plan() if isinstance(formulated, QuickPlanner) else None
        if plan is not None:
            return plan
        problem = formulated.compile()
        if problem.low_rank is None:
            return solve_locally(problem).value
        return solve(problem, self._backend, self._settings.backend_options).best.value
