"""Constraints that moves can keep, default numbers of replicas and sweeps, and kernels compiled ahead of any clock."""

from __future__ import annotations

from functools import cache

import dimod
import numpy as np

from qubo_backends._pt.choices.assignments import find_assignments
from qubo_backends._pt.choices.engine import ChoiceEngine
from qubo_backends._pt.choices.model import ChoiceModel, choice_problem
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
# Additions that the default number of sweeps may cost, and what it is at least and at most.
_DEFAULT_WORK, _SWEEPS = 1e10, (200, 1000)
# Sweeps of an assignment and the searches between them take about so many times as long as the sweeps.
_SEARCHED = 4


def default_choice_replicas(model: ChoiceModel) -> int:
    """Replicas where none are asked for: of large problems few that anneal long are better than many that do not."""
    return 16 if len(model.firsts) <= _SMALL else 8


def default_choice_sweeps(model: ChoiceModel, num_replicas: int) -> int:
    """Sweeps where nothing else ends the run; never depends on the speed of the machine."""
    sites, entries = max(len(model.firsts), 1), model.values.size + model.factor.shape[1] * len(model.linear)
    entries += model.quadratic.values.size
    per_sweep = num_replicas * (100 * sites + entries / 5)
    sweeps = int(np.clip(_DEFAULT_WORK / per_sweep, *_SWEEPS))
    return sweeps // _SEARCHED if find_assignments(model) else sweeps


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
