"""An instance: a model to be minimised, its value in its own sense, and the best value that is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import dimod
import numpy as np
from numpy.typing import ArrayLike

from qubo_dnn.files.common.model import ObjectiveSense
from qubo_dnn.problem import Problem

Source = Literal["literature", "proven", "best seen", "best of the run"]


@dataclass(frozen=True)
class BestKnown:
    """A value that gaps are counted from.

    Attributes:
        value: in the sense of the instance.
        source: "literature": it came with the instance, and a run ends where it is reached. "proven": by construction
            or by an exact method; a run ends there, too. "best seen": of all runs that were remembered; runs go on,
            since there may be better ones. "best of the run": of the runs compared.
    """

    value: float
    source: Source


@dataclass(frozen=True, eq=False)
class BenchmarkInstance:
    """One problem.

    Attributes:
        name: unique among the instances.
        family: what it is like.
        bqm: to be minimised, over the variables 0, ..., n - 1; minus the objective where `sense` is "max".
        sense: of the objective.
        best: None where nothing is known.
        problem: with constraints, where it has some; `bqm` is then its objective alone, over its own variables.
    """

    name: str
    family: str
    bqm: dimod.BinaryQuadraticModel
    sense: ObjectiveSense = "min"
    best: BestKnown | None = None
    problem: Problem[Any] | None = None

    @classmethod
    def of_problem(cls, name: str, family: str, problem: Problem[Any]) -> BenchmarkInstance:
        """An instance with constraints."""
        return cls(name, family, problem.objective, problem.sense, problem=problem)

    def value(self, energy: float) -> float:
        """The objective of a state with this energy, and the other way round."""
        # Added to 0.0 so that nothing is reported as -0.0.
        return 0.0 - energy if self.sense == "max" else energy

    @property
    def target(self) -> float | None:
        """Energy at which a run ends; None where there may be a lower one that nobody has seen."""
        final = self.best is not None and self.best.source in ("literature", "proven")
        return self.value(self.best.value) if self.best is not None and final else None

    def known(self, value: float | None, source: Source = "literature") -> BenchmarkInstance:
        """This instance with a best value; None leaves it as it is."""
        return self if value is None else replace(self, best=BestKnown(value, source))


def gap(value: float, best: float, sense: ObjectiveSense) -> float:
    """By how much a value is worse than the best, in % of the best; negative where it is better.

    Args:
        value: of the objective.
        best: in the same sense.
        sense: of both.
    """
    worse = best - value if sense == "max" else value - best
    # A best value of 0 has no percentages; then the gap is the difference itself.
    return 100.0 * worse / abs(best) if best else worse


def model(
    vartype: dimod.typing.VartypeLike,
    linear: ArrayLike,
    rows: ArrayLike,
    columns: ArrayLike,
    biases: ArrayLike,
    offset: float = 0.0,
) -> dimod.BinaryQuadraticModel:
    """A model over 0, ..., n - 1 from arrays.

    Args:
        vartype: of its variables.
        linear: [n].
        rows: [m].
        columns: [m], nowhere equal to `rows`.
        biases: [m].
        offset: in the unit of the biases.
    """
    pairs = (np.asarray(rows, np.int64), np.asarray(columns, np.int64), np.asarray(biases, float))
    return dimod.BinaryQuadraticModel.from_numpy_vectors(np.asarray(linear, float), pairs, offset, vartype)


def max_cut(n: int, rows: ArrayLike, columns: ArrayLike, weights: ArrayLike) -> dimod.BinaryQuadraticModel:
    """Minus the weight of the edges whose ends differ, as a SPIN model.

    Args:
        n: nodes.
        rows: [m] first ends.
        columns: [m] second ends.
        weights: [m].
    """
    half = np.asarray(weights, float) / 2.0
    return model(dimod.SPIN, np.zeros(n), rows, columns, half, -float(half.sum()))


def renumbered(bqm: dimod.BinaryQuadraticModel) -> dimod.BinaryQuadraticModel:
    """The model with its variables called 0, ..., n - 1, in their order."""
    linear, (rows, columns, biases), offset = bqm.to_numpy_vectors(variable_order=list(bqm.variables))
    return model(bqm.vartype, linear, rows, columns, biases, float(offset))
