"""The binary quadratic model that a backend samples for a problem, and the conversion of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dimod
import networkx as nx
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.backend import Capabilities
from qubo_dnn.constraints.relaxation import RelaxedProblem
from qubo_dnn.encodings.names import LAGRANGIAN
from qubo_dnn.presolve.reduction import Reduction, expand, reduce
from qubo_dnn.problem import Problem, natural_key
from qubo_dnn.support.arguments import checked


@dataclass(frozen=True)
class BackendModel:
    """A problem prepared for a chip.

    Attributes:
        problem: the problem of the user.
        asked: the problem with penalties and multipliers in place of constraints.
        reduction: presolve reduction of `asked`.

    Example:
        >>> from qubo_formulations.max_cut import MaxCut
        >>> model = make_backend_model(MaxCut([(0, 1), (1, 2), (0, 2)]).compile(), presolve=False)
        >>> objective, feasible = model.objectives(np.array([[1, 0, 0]], np.int8), ["x[0]", "x[1]", "x[2]"])
        >>> objective.tolist(), feasible.tolist()  # minus the cut
        ([-2.0], [True])
    """

    problem: Problem[Any]
    asked: Problem[Any]
    reduction: Reduction

    @property
    def bqm(self) -> dimod.BinaryQuadraticModel:
        """The model to embed; it has no variables if presolve fixes all of them."""
        parts = self.reduction.parts
        return parts[0].objective if parts else dimod.BinaryQuadraticModel(dimod.BINARY)

    @property
    def graph(self) -> nx.Graph:
        """Variables and interactions of the model."""
        graph = nx.Graph()
        graph.add_nodes_from(sorted(self.bqm.variables, key=natural_key))
        graph.add_edges_from(self.bqm.quadratic)
        return graph

    def objectives(self, rows: NDArray[np.int8], labels: list[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Evaluate rows of the model on the user's problem.

        Args:
            rows: [rows, variables] of 0 and 1, over the variables of the model.
            labels: variables of the columns.

        Returns:
            [rows] objective to be minimised, whatever the sense of the problem; [rows] True if all constraints hold.
        """
        answer = dimod.SampleSet.from_samples((rows, labels), energy=np.arange(len(rows)), vartype=dimod.BINARY)
        whole = expand(self.asked, self.reduction, [answer])
        names = list(self.problem.variables)
        states = np.asarray(whole.record.sample[:, [whole.variables.index(name) for name in names]], np.int8)
        feasible = np.ones(len(states), bool)
        place = {name: index for index, name in enumerate(names)}
        for group in self.problem.one_hot.values():
            feasible &= states[:, [place[name] for name in group]].sum(axis=1) == 1
        for constraint in self.problem.constraints.values():
            values = constraint.lhs.energies((states, names))
            feasible &= constraint.excess(np.asarray(values, float)) == 0.0
        return self.problem.objective.energies((states, names)).astype(np.float64), feasible


@checked
def make_backend_model(problem: Problem[Any], inequalities: str = LAGRANGIAN, presolve: bool = True) -> BackendModel:
    """Make the model that `qubo_dnn.solving.solve.solve` would first send to a chip.

    Args:
        problem: any problem.
        inequalities: treatment of linear inequalities, see `qubo_dnn.solving.solve.solve`.
        presolve: True to fix variables first.

    Raises:
        UnsupportedProblemError: the constraints cannot be relaxed, or its objective has a low-rank form.

    Example:
        >>> from qubo_formulations.max_cut import MaxCut
        >>> make_backend_model(MaxCut([(0, 1), (1, 2), (0, 2)]).compile(), presolve=False).graph.number_of_edges()
        3
    """
    problem.check_expressible()
    asked = RelaxedProblem(problem, Capabilities(), inequalities=inequalities).asked()
    whole = Reduction((asked,) if asked.variables else (), {}, 0, 0, 0)
    return BackendModel(problem, asked, reduce(asked, split=False) if presolve else whole)
