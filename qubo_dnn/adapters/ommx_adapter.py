"""Backends as a sampler and a solver of OMMX, for models of JijModeling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qubo_dnn.adapters.answering import answer, prove
from qubo_dnn.backend import Backend
from qubo_dnn.models.ommx_models import problem_from_ommx
from qubo_dnn.problem import Problem
from qubo_dnn.solving.solution import Solution
from qubo_dnn.support.extras import require

if TYPE_CHECKING:
    from ommx.adapter import SamplerAdapter
    from ommx.v1 import Instance, SampleSet
    from ommx.v1 import Solution as OmmxSolution
else:
    SamplerAdapter = require("ommx.adapter", "ommx").SamplerAdapter


class OMMXQuboDnnAdapter(SamplerAdapter):
    """Samples and solves instances of OMMX with any backend.

    Args:
        ommx_instance: binary and bounded integer variables; it is not changed.
        integers: name of the encoding of integers, see `qubo_dnn.encodings.names`.

    Raises:
        UnsupportedProblemError: see `qubo_dnn.models.ommx_models.problem_from_ommx`.

    Example:
        >>> from ommx.v1 import DecisionVariable, Instance
        >>> x = [DecisionVariable.binary(i) for i in range(3)]
        >>> instance = Instance.from_components(
        ...     decision_variables=x, objective=x[0] + 2 * x[1] + 3 * x[2], constraints=[sum(x) == 1],
        ...     sense=Instance.MAXIMIZE,
        ... )
        >>> OMMXQuboDnnAdapter.solve(instance, backend="exact").objective
        3.0
    """

    def __init__(self, ommx_instance: Instance, *, integers: str = "binary") -> None:
        self.instance = ommx_instance
        self._problem = problem_from_ommx(ommx_instance, integers)

    @classmethod
    def solve(
        cls,
        ommx_instance: Instance,
        *,
        backend: Backend | str = "pt",
        integers: str = "binary",
        certify: float | None = None,
        **options: Any,
    ) -> OmmxSolution:
        """Return the best answer; where none is feasible, `feasible` of the answer is False.

        Args:
            ommx_instance: see the class.
            backend: a backend or its name.
            integers: see the class.
            certify: seconds for a proof: the answer is then marked as optimal if that is proven. None for no proof.
            **options: options of the backend, and those of `qubo_dnn.adapters.answering`.

        Raises:
            InfeasibleDetected: it is proven that no answer is feasible.
            QuboDnnError: see `qubo_dnn.solving.solve.solve`.
        """
        from ommx.adapter import InfeasibleDetected

        adapter = cls(ommx_instance, integers=integers)
        solution = answer(adapter.solver_input, backend, options)
        decoded = adapter.decode(solution)
        if certify is not None:
            certificate = prove(adapter.solver_input, solution, certify)
            if certificate.infeasible:
                raise InfeasibleDetected("it is proven that no state keeps the constraints")
            if certificate.optimal:
                decoded.optimality = type(decoded).OPTIMAL
        return decoded

    @classmethod
    def sample(
        cls,
        ommx_instance: Instance,
        *,
        backend: Backend | str = "pt",
        integers: str = "binary",
        num_reads: int = 10,
        **options: Any,
    ) -> SampleSet:
        """Return different feasible answers, best first; the best infeasible one if there is no feasible answer.

        Args:
            ommx_instance: see the class.
            backend: a backend or its name.
            integers: see the class.
            num_reads: number of samples of the backend, and largest number of answers.
            **options: see `solve`.

        Raises:
            QuboDnnError: see `qubo_dnn.solving.solve.solve`.
        """
        adapter = cls(ommx_instance, integers=integers)
        several = {"num_reads": num_reads, "num_solutions": num_reads, "presolve": False}
        return adapter.decode_to_sampleset(answer(adapter.sampler_input, backend, {**several, **options}))

    @property
    def solver_input(self) -> Problem[Any]:
        """The problem, for `qubo_dnn.solving.solve.solve`."""
        return self._problem

    @property
    def sampler_input(self) -> Problem[Any]:
        """The same as `solver_input`."""
        return self._problem

    def decode(self, data: Solution[Any]) -> OmmxSolution:
        """Return the best answer of a solution of `solver_input`."""
        return self.instance.evaluate(dict(data.best.value))

    def decode_to_sampleset(self, data: Solution[Any]) -> SampleSet:
        """Return the candidates of a solution of `sampler_input`."""
        return data.native()
