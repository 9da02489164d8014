"""Penalty weights of constraints and one-hot groups for backends that only know a BQM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.constraint import Constraint
from qubo_dnn.local_search import Bits, Floats, LocalModel, LocalState, descend
from qubo_dnn.problem import Problem

MARGIN = 1.5


def constraint_weights(problem: Problem[Any], models: Mapping[str, dimod.BinaryQuadraticModel]) -> dict[str, float]:
    """A start value for the weight of every penalty model: what breaking the constraint could gain in a good state.

    The good state is where descent ends at weights that no single move can outweigh: a variable changes the
    objective by at most |linear| + the largest |coupling| to every group + all |couplings| to free variables.

    Args:
        problem: whose objective is at stake.
        models: constraint -> its penalty model, see `Constraint.penalty`.

    Returns:
        Constraint -> weight > 0 in the unit of the objective per unit of the penalty model; at most the problem's own.
    """
    penalised = replace(problem, constraints={k: Constraint(m, "<=", 0.0) for k, m in models.items()}, penalties={})
    local = LocalModel(penalised)
    largest = _largest_changes(local)
    stiff = []
    for form, model in zip(local.forms[1:], models.values(), strict=True):
        member = (form.linear != 0.0) | (np.diff(form.couplings.indptr) > 0)
        stiff.append(MARGIN * float(largest[member].max(initial=0.0)) / _least_bias(model))
    state = LocalState(local, np.zeros(len(local.variables), np.int8))
    descend(state, np.array([1.0, *stiff]))
    objective, *penalties = state.changes()
    total = np.sum(penalties, axis=0)
    # Moves that break something: what each of them gains for every unit that it breaks.
    gain = np.divide(-objective, total, out=np.zeros_like(total), where=total > 0.0)
    floor = 1e-3 * float(np.abs(objective).max(initial=0.0)) or 1.0
    weights = {}
    for label, change, most in zip(models, penalties, stiff, strict=True):
        needed = MARGIN * max(float(gain[change > 0.0].max(initial=0.0)), floor)
        weights[label] = min(needed, most or needed, problem.penalties.get(label, needed))
    return weights


def _largest_changes(local: LocalModel) -> Floats:
    """[n] bound of how far flipping a variable can change the objective, whatever the others are."""
    form = local.forms[0]
    row, column = form.couplings.nonzero()
    size = np.abs(form.couplings.data)
    blocks = row * (int(local.block_of.max(initial=0)) + 1) + local.block_of[column]
    order = np.argsort(blocks, kind="stable")
    bound = np.abs(form.linear)
    if len(order):
        firsts = np.flatnonzero(np.diff(blocks[order], prepend=-1))
        np.add.at(bound, row[order][firsts], np.maximum.reduceat(size[order], firsts))
    return bound


def _least_bias(model: dimod.BinaryQuadraticModel) -> float:
    """The smallest non-zero |bias|: for integer biases no more than the least that breaking the constraint costs."""
    vectors = model.to_numpy_vectors()
    biases = np.abs(np.concatenate([vectors.linear_biases, vectors.quadratic.biases]))
    return float(biases[biases > 0.0].min(initial=np.inf)) if (biases > 0.0).any() else 1.0


def one_hot_penalties(state: LocalState, weights: Floats) -> list[float]:
    """A start value for every group's weight: what breaking the group could gain near `state`.

    At weight P, choosing no option costs P and so does a second one, hence P has to exceed the gain of
    either. The provable bound adds up |coupling| over all states and is orders of magnitude too stiff for
    thousands of dense variables; this one is local to a good state, and where a backend still breaks a group
    the weight is raised by what that gained it (`gain_of_breaking`).

    Args:
        state: a low-energy state of the relaxed problem.
        weights: of the objective and of every constraint's left side in the relaxed objective.

    Returns:
        Weights > 0 in the unit of the objective, one for every group.
    """
    fields = np.tensordot(weights, state.fields, axes=1)
    least = 1e-3 * float(np.abs(fields).max(initial=0.0)) or 1.0
    penalties = []
    for group in state.model.groups:
        chosen = int(state.chosen[group[0]])
        second = -fields[group[group != chosen]]
        penalties.append(MARGIN * max(float(fields[chosen]), float(second.max(initial=0.0)), least))
    return penalties


def gain_of_breaking(fields: Floats, group: NDArray[np.intp], x: Bits) -> float:
    """The penalty weight beyond which mending a broken group pays in a state.

    Args:
        fields: [n] change of the relaxed objective when each variable goes from 0 to 1, the others as in `x`.
        group: indices of its variables.
        x: [n] a state with no option of the group chosen, or with several.

    Returns:
        Weight in the unit of the objective; <= 0 where mending pays without any.
    """
    chosen = group[x[group] == 1]
    if not len(chosen):
        return float(fields[group].min())
    # Dropping one of m options lowers the penalty from (m - 1)^2 to (m - 2)^2 weights.
    return float(-fields[chosen].max()) / (2 * len(chosen) - 3)
