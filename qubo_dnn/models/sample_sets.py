"""Answers as dimod's sample sets, in the vartypes of the model that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dimod
import numpy as np

from qubo_dnn.problem import Decoded, Variable


@dataclass(frozen=True)
class SampleSets:
    """Makes the sample set of answers to a model without constraints.

    Attributes:
        variables: variables of the model, in its order.
        vartype: "BINARY", "SPIN", or "DISCRETE" for the numbers of cases.

    Example:
        >>> answer = Decoded({"a": -1, "b": 1}, objective=-2.0)
        >>> made = SampleSets(("a", "b"), "SPIN")([answer])
        >>> made.vartype.name, float(made.first.energy)
        ('SPIN', -2.0)
    """

    variables: tuple[Variable, ...]
    vartype: str

    def __call__(self, answers: Sequence[Decoded[Any]]) -> dimod.SampleSet:
        """Return one row per answer, in the same order, with its objective as energy."""
        return dimod.SampleSet.from_samples(
            _rows(answers, self.variables), energy=[each.objective for each in answers], vartype=self.vartype
        )


@dataclass(frozen=True, eq=False)
class ConstrainedSampleSets:
    """Makes the sample set of answers to a constrained or a quadratic model, as dimod's CQM samplers return it.

    Attributes:
        cqm: the model.

    Example:
        >>> cqm = dimod.ConstrainedQuadraticModel()
        >>> label = cqm.add_constraint(dimod.Integer("n", upper_bound=5) >= 3, label="least")
        >>> made = ConstrainedSampleSets(cqm)([Decoded({"n": 2}, objective=0.0)])
        >>> bool(made.first.is_feasible), made.info["constraint_labels"]
        (False, ['least'])
    """

    cqm: dimod.ConstrainedQuadraticModel

    def __call__(self, answers: Sequence[Decoded[Any]]) -> dimod.SampleSet:
        """Return one row per answer, in the same order, with `is_feasible`, `is_satisfied` and its objective."""
        made = dimod.SampleSet.from_samples_cqm(_rows(answers, tuple(self.cqm.variables)), self.cqm)
        # dimod adds the prices of soft constraints; a maximised objective loses them.
        made.record.energy[:] = [each.objective for each in answers]
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the model as its file, since dimod cannot pickle it."""
        with self.cqm.to_file() as file:
            return _from_file, (file.read(),)


def _from_file(content: bytes) -> ConstrainedSampleSets:
    return ConstrainedSampleSets(dimod.ConstrainedQuadraticModel.from_file(content))


def _rows(answers: Sequence[Decoded[Any]], variables: tuple[Variable, ...]) -> tuple[Any, tuple[Variable, ...]]:
    rows = np.array([[each.value[variable] for variable in variables] for each in answers])
    return rows.reshape(len(answers), len(variables)), variables
