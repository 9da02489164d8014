"""Penalty weights of constraints and one-hot groups for backends that take only a BQM."""

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
# No weight is less than this share of the largest change of the objective by one move. Several moves may gain together
# what none gains alone, such as those that empty a colour: calls at weights far too small would be wasted.
_LEAST_SHARE = 0.1


def constraint_weights(problem: Problem[Any], models: Mapping[str, dimod.BinaryQuadraticModel]) -> dict[str, float]:
    """Return start values of the penalty weights: what breaking each constraint could gain in a good state.

    The good state is the end of a descent with weights that no single move can outweigh: a variable changes the
    objective by at most |linear| + the largest |coupling| to every group + all |couplings| to free variables.

    Args:
        problem: problem with the objective.
        models: constraint -> its penalty model, see `Constraint.penalty`.

    Returns:
        Constraint -> weight > 0 in the unit of the objective per unit of the penalty model, at most the weight in
        `problem.penalties`.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> independent = get_formulation("maximum-independent-set").example(0).compile()
        >>> penalties = {label: each.penalty for label, each in independent.constraints.items()}
        >>> all(weight > 0.0 for weight in constraint_weights(independent, penalties).values())
        True
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
    # Gain of each move that breaks a constraint, per unit of the violation.
    gain = np.divide(-objective, total, out=np.zeros_like(total), where=total > 0.0)
    floor = _LEAST_SHARE * float(np.abs(objective).max(initial=0.0)) or 1.0
    weights = {}
    for label, change, most in zip(models, penalties, stiff, strict=True):
        needed = MARGIN * max(float(gain[change > 0.0].max(initial=0.0)), floor)
        weights[label] = min(needed, most or needed, problem.penalties.get(label, needed))
    return weights


def _largest_changes(local: LocalModel) -> Floats:
    """Return [n] bounds on the change of the objective when a variable flips, for any values of the others."""
    form = local.forms[0]
    row, column = form.couplings.nonzero()
    size = np.abs(form.couplings.data)
    sites = row * len(local.sites.starts) + local.site_of[column]
    order = np.argsort(sites, kind="stable")
    bound = np.abs(form.linear)
    if len(order):
        firsts = np.flatnonzero(np.diff(sites[order], prepend=-1))
        np.add.at(bound, row[order][firsts], np.maximum.reduceat(size[order], firsts))
    return bound


def _least_bias(model: dimod.BinaryQuadraticModel) -> float:
    """Return the smallest non-zero |bias|; for integer biases, breaking the constraint costs at least this much."""
    vectors = model.to_numpy_vectors()
    biases = np.abs(np.concatenate([vectors.linear_biases, vectors.quadratic.biases]))
    return float(biases[biases > 0.0].min(initial=np.inf)) if (biases > 0.0).any() else 1.0


def one_hot_penalties(state: LocalState, weights: Floats) -> list[float]:
    """Return start values of the groups' penalty weights: what breaking each group could gain near `state`.

    With weight P, choosing no option costs P, and so does choosing a second one. P must therefore exceed the gain of
    both. The provable bound adds |coupling| over all states and is orders of magnitude too large for thousands of dense
    variables. This weight is local to a good state. If a backend still breaks a group, the weight grows by the gain
    (`gain_of_breaking`).

    Args:
        state: a low-energy state of the relaxed problem.
        weights: [forms] weights of the objective and of the left sides in the relaxed objective.

    Returns:
        Weights > 0 in the unit of the objective, one for every group.

    Example:
        >>> cost = dimod.BinaryQuadraticModel({"a": 2.0, "b": 3.0}, {}, 0.0, "BINARY")
        >>> local = LocalModel(Problem(objective=cost, decoder=dict, one_hot={"choice": ("a", "b")}))
        >>> one_hot_penalties(LocalState(local, np.array([1, 0], np.int8)), np.ones(1))
        [3.0]
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
    """Return the penalty weight above which repairing a broken group lowers the energy of a state.

    Args:
        fields: [n] changes of the relaxed objective if one variable goes from 0 to 1 and the others stay as in `x`.
        group: indices of the group's variables.
        x: [n] a state with no chosen option of the group, or with several.

    Returns:
        Weight in the unit of the objective; <= 0 if the repair lowers the energy without a penalty.

    Example:
        >>> gain_of_breaking(np.array([2.0, 3.0]), np.array([0, 1]), np.array([0, 0], np.int8))
        2.0
    """
    chosen = group[x[group] == 1]
    if not len(chosen):
        return float(fields[group].min())
    # Dropping one of m options lowers the penalty from (m - 1)^2 to (m - 2)^2 weights.
    return float(-fields[chosen].max()) / (2 * len(chosen) - 3)
