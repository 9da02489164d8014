"""Constraints that moves can keep, default numbers of replicas and sweeps, and kernels compiled ahead of any clock."""

from __future__ import annotations

import numpy as np

from qubo_backends._pt.choices.energies import new_workspace
from qubo_backends._pt.choices.feasible_start import min_conflicts
from qubo_backends._pt.choices.model import ChoiceModel, ChoiceProblem
from qubo_backends._pt.choices.replicas import replicas_of
from qubo_backends._pt.choices.searches.assignments import find_assignments
from qubo_backends._pt.choices.searches.portfolio import kinds_of_search
from qubo_backends._pt.choices.sweeps import sum_up
from qubo_backends._pt.sweep_limit import SweepLimit
from qubo_dnn.constraint import ConstraintKind

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
    sites, entries = max(len(model.firsts), 1), model.values.size + model.rank * len(model.linear)
    entries += 0 if model.quadratic is None else model.quadratic.values.size
    per_sweep, searched = num_replicas * (100 * sites + entries / 5), _SEARCHED if find_assignments(model) else 1
    usual = np.clip(_USUAL_WORK / per_sweep, *_USUAL_SWEEPS) // searched
    return SweepLimit.default(usual, _MOST_WORK / per_sweep / searched)


def compile_choice_kernels(choices: ChoiceProblem) -> None:
    """Compile the kernels that a problem needs, or load them from disk; nothing is sampled."""
    model, rng = choices.model, np.random.default_rng(0)
    if not len(model.firsts):
        return
    state = np.zeros((1, len(model.firsts)), np.int32)
    sum_up(model, replicas_of(model, state, rng), new_workspace(model, 1))
    if len(model.constants):
        min_conflicts(model, choices.constraints.scales, state[0], np.zeros(1, np.uint64), patience=0)
    for kind in kinds_of_search(model, choices.constraints.scales, 1, rng).values():
        kind.compile()
