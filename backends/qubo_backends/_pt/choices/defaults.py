"""Constraints that moves can keep, default numbers of replicas and sweeps, and kernels compiled ahead of any clock."""

from __future__ import annotations

from functools import cache

import dimod
import numpy as np

from qubo_backends._pt.choices.assignments import find_assignments
from qubo_backends._pt.choices.engine import ChoiceEngine
from qubo_backends._pt.choices.model import ChoiceModel, choice_problem
from qubo_backends._pt.sweep_limit import SweepLimit
from qubo_dnn.constraint import Constraint, ConstraintKind
from qubo_dnn.problem import LowRank, Problem

KINDS = frozenset(
    {
        ConstraintKind.ONE_HOT,
        ConstraintKind.INEQUALITY,
        ConstraintKind.ASSIGNMENT,
        ConstraintKind.QUADRATIC_INEQUALITY,
    }
)
"""Kinds of constraint that no move leaves."""

# Sites up to which a problem is small.
_SMALL = 300
# Work is counted in additions: one core does some 2e8 a second.
# Sweeps of a default run: as many as cost this, within these bounds.
_USUAL_WORK, _USUAL_SWEEPS = 1e10, (200, 1000)
# A run that still improves goes on up to this.
_MOST_WORK = 1e9
# Sweeps of an assignment and the searches between them take about so many times as long as the sweeps.
_SEARCHED = 4


def default_choice_replicas(model: ChoiceModel) -> int:
    """Replicas where none are asked for: of large problems few that anneal long are better than many that do not."""
    return 16 if len(model.firsts) <= _SMALL else 8


def default_choice_limit(model: ChoiceModel, num_replicas: int) -> SweepLimit:
    """Return the limit of sweeps where nothing else ends the run; it never depends on the speed of the machine."""
    sites, entries = max(len(model.firsts), 1), model.values.size + model.factor.shape[1] * len(model.linear)
    entries += model.quadratic.values.size
    per_sweep, searched = num_replicas * (100 * sites + entries / 5), _SEARCHED if find_assignments(model) else 1
    usual = np.clip(_USUAL_WORK / per_sweep, *_USUAL_SWEEPS) // searched
    return SweepLimit.default(usual, _MOST_WORK / per_sweep / searched)


@cache
def compile_choice_kernels(values: str, low_rank: bool, chains: bool) -> None:
    """Compile (or load from disk) all kernels on a small problem, so that no clock counts it.

    Args:
        values: character of the type of the interactions, which kernels are compiled for.
        low_rank: whether the kernels of products are needed.
        chains: whether those of ejection chains are.
    """
    labels = list("abcde")
    objective = dimod.BinaryQuadraticModel({}, {("a", "c"): 0.1 if values == "d" else 1.0}, 0.0, dimod.BINARY)
    for label in labels:
        objective.add_linear(label, 1.0)
    count = dimod.BinaryQuadraticModel({"a": 1.0, "c": 1.0}, {}, 0.0, dimod.BINARY)
    problem = Problem(
        objective=objective,
        decoder=dict,
        one_hot={"one": ("a", "b"), "two": ("c", "d")},
        constraints={"limit": Constraint(count, "<=" if chains else "==", 1.0)},
        low_rank=LowRank(tuple(labels), np.ones((5, 1), np.float32)) if low_rank else None,
    )
    ChoiceEngine(choice_problem(problem), num_replicas=2, seed=np.random.SeedSequence(0)).advance(1)
