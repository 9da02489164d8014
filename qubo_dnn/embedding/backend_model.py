"""The binary quadratic model that a backend gets in place of a problem, and its rows read back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dimod
import networkx as nx
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.arguments import checked
from qubo_dnn.backend import Capabilities
from qubo_dnn.constraints.relaxation import RelaxedProblem
from qubo_dnn.encodings.names import LAGRANGIAN
from qubo_dnn.presolve.reduction import Reduction, expand, reduce
from qubo_dnn.problem import Problem, natural_key


@dataclass(frozen=True)
class BackendModel:
    """A problem on its way to a chip.

    Attributes:
        problem: as the user has it.
        asked: the same with penalties and multipliers in place of constraints.
        reduction: what presolve made of that.
    """

    problem: Problem[Any]
    asked: Problem[Any]
    reduction: Reduction

    @property
    def bqm(self) -> dimod.BinaryQuadraticModel:
        """The model that is embedded; without variables where presolve has settled everything."""
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
        """What rows of the model are worth to the user.

        Args:
            rows: [rows, variables] of 0 and 1, over the model's variables.
            labels: of the columns.

        Returns:
            [rows] objective, to be minimised whatever the problem's own sense is; [rows] whether nothing is broken.
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
    """What `qubo_dnn.solving.solve.solve` would first send to such a backend.

    Args:
        problem: any.
        inequalities: how linear inequalities are expressed, see `qubo_dnn.solving.solve.solve`.
        presolve: whether variables are fixed first.

    Raises:
        UnsupportedProblemError: its constraints cannot be relaxed, or its objective has a low-rank form.
    """
    problem.check_expressible()
    asked = RelaxedProblem(problem, Capabilities(), inequalities=inequalities).asked()
    whole = Reduction((asked,) if asked.variables else (), {}, 0, 0, 0)
    return BackendModel(problem, asked, reduce(asked, split=False) if presolve else whole)
