"""A constrained problem as arrays: sites with options, couplings, a low-rank form, and linear constraints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from qubo_backends._pt.choices.couplings import read_couplings
from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import Problem

# Moves keep constraints within half of the tolerance by which they count as met; the rest is for rounding.
_TOLERANCE = 1e-9
# So many constraints are looked up in a table, which is quicker than a list for every variable.
_FEW = 4


class ChoiceModel(NamedTuple):
    """Energy `linear'x + 1/2 x'Qx + 1/2 |factor'x|^2` over sites that choose one option each, within constraints.

    A site is a one-hot group, or a free variable: option 0 of that is "off" and has no variable. Variables are
    numbered site by site, within a group by their equality; option k of site a is variable `firsts[a] + k - offs[a]`.
    Row i of the symmetric Q is `values[starts[i]:starts[i + 1]]` at `columns[...]`, sorted; when `columns` is empty
    the rows are dense. Interactions inside a group are left out: they never count.

    Attributes:
        linear: [n].
        starts: [n + 1] where every row begins.
        columns: [entries], or empty for dense rows.
        values: [entries], each present in both its rows; float32 in large models where that loses nothing.
        firsts: [sites] the site's first variable.
        sizes: [sites] number of options.
        offs: [sites] 1 for a free variable, 0 for a group.
        factor: [rows, rank] as the problem has it; rank 0 where there is none.
        factor_rows: [n] row of `factor` of every variable, -1 where it has none.
        gram_starts: [sites + 1] where the products of a site's rows of `factor` begin in `gram`.
        gram: [products] row by row; empty where there is no factor.
        terms: [n + 1] where a variable's constraints begin in `term_constraints` and `term_weights`.
        term_constraints: [terms].
        term_weights: [terms] coefficients.
        table: [constraints, n] coefficients; empty where there are more than a few constraints.
        constants: [constraints] of the left sides.
        lowers, uppers: [constraints] what left sides may be; equalities come first.
        equalities: [n] constraint of the only equality that the variable is in, -1 where there is none.
        member_starts: [constraints + 1] where the sites of a constraint begin in `members`.
        members: sites, the options of which a constraint tells apart.
        inequalities: constraints from this one on are.
        switchable: sites with two options that have the same equality.
        swappable: sites with options of different equalities.
    """

    linear: NDArray[np.float64]
    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: NDArray[Any]
    firsts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    offs: NDArray[np.int64]
    factor: NDArray[np.float32]
    factor_rows: NDArray[np.int64]
    gram_starts: NDArray[np.int64]
    gram: NDArray[np.float64]
    terms: NDArray[np.int64]
    term_constraints: NDArray[np.int64]
    term_weights: NDArray[np.float64]
    table: NDArray[np.float64]
    constants: NDArray[np.float64]
    lowers: NDArray[np.float64]
    uppers: NDArray[np.float64]
    equalities: NDArray[np.int64]
    member_starts: NDArray[np.int64]
    members: NDArray[np.int64]
    inequalities: int
    switchable: NDArray[np.int64]
    swappable: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ChoiceProblem:
    """A problem's arrays, and the way back.

    Attributes:
        model: the arrays.
        order: [n] position in the problem's variables of every variable of the model.
        strict_lowers, strict_uppers: [constraints] within these a constraint counts as met.
        scales: [constraints] > 0, the largest coefficient: the unit in which violations are compared.
    """

    model: ChoiceModel
    order: NDArray[np.int64]
    strict_lowers: NDArray[np.float64]
    strict_uppers: NDArray[np.float64]
    scales: NDArray[np.float64]

    def states(self, choices: NDArray[np.int32]) -> NDArray[np.int8]:
        """[k, n] of 0 and 1 in the problem's order, from [k, sites] options."""
        model = self.model
        rows, sites = np.nonzero(choices >= model.offs)
        states = np.zeros((len(choices), len(self.order)), np.int8)
        chosen = model.firsts[sites] + choices[rows, sites] - model.offs[sites]
        states[rows, self.order[chosen]] = 1
        return states

    def choices(self, states: NDArray[np.int8]) -> NDArray[np.int32]:
        """[k, sites] options from [k, n] of 0 and 1; a group takes the first that is 1, or else its first."""
        model = self.model
        mine = states[:, self.order]
        choices = np.zeros((len(states), len(model.firsts)), np.int32)
        for a, (first, size, off) in enumerate(zip(model.firsts, model.sizes, model.offs, strict=True)):
            choices[:, a] = mine[:, first] if off else np.argmax(mine[:, first : first + size], axis=1)
        return choices


def choice_problem(problem: Problem[Any]) -> ChoiceProblem:
    """The arrays of a problem.

    Args:
        problem: its constraints are linear inequalities, and assignments in the sense of
            `qubo_dnn.constraint.ConstraintKind`.
    """
    position = {variable: place for place, variable in enumerate(problem.variables)}
    constraints = sorted(problem.constraints.values(), key=lambda constraint: constraint.sense != "==")
    equalities = sum(constraint.sense == "==" for constraint in constraints)
    weights = _weights(constraints, position)
    equality_of = np.full(len(position), -1)
    inside = weights[:equalities].tocoo()
    equality_of[inside.col] = inside.row
    groups = [np.array([position[v] for v in group], np.int64) for group in problem.one_hot.values()]
    groups = [group[np.lexsort((group, equality_of[group]))] for group in groups]
    grouped = np.zeros(len(position), bool)
    for group in groups:
        grouped[group] = True
    sites = sorted([*groups, *np.flatnonzero(~grouped).reshape(-1, 1)], key=lambda site: int(site.min()))
    order = np.concatenate([np.empty(0, np.int64), *sites])
    counts = np.array([len(site) for site in sites], np.int64)
    offs = np.array([not grouped[site[0]] for site in sites], np.int64)
    firsts = np.cumsum([0, *counts])[:-1]
    linear, rows = read_couplings(problem, order, np.repeat(np.arange(len(sites)), counts))
    factor, factor_rows = _factor(problem, position, order)
    gram_starts, gram = _gram(factor, factor_rows, firsts, counts)
    terms = scipy.sparse.csr_array(weights[:, order].T)
    ordered = equality_of[order]
    lowers, uppers = _bounds(constraints)
    slack = _TOLERANCE * np.maximum(1.0, np.abs([constraint.rhs for constraint in constraints]))
    member_starts, members = _members(terms, firsts, counts, offs)
    held = [
        np.append(ordered[first : first + count], [-1] * off)
        for first, count, off in zip(firsts, counts, offs, strict=True)
    ]
    model = ChoiceModel(
        linear=linear,
        starts=rows[0],
        columns=rows[1],
        values=rows[2],
        firsts=firsts,
        sizes=counts + offs,
        offs=offs,
        factor=factor,
        factor_rows=factor_rows,
        gram_starts=gram_starts,
        gram=gram,
        terms=terms.indptr.astype(np.int64),
        term_constraints=terms.indices.astype(np.int64),
        term_weights=terms.data.astype(float),
        table=np.ascontiguousarray(weights[:, order].toarray()) if len(constraints) <= _FEW else np.zeros((0, 0)),
        constants=np.array([float(constraint.lhs.offset) for constraint in constraints]),
        lowers=lowers - slack / 2,
        uppers=uppers + slack / 2,
        equalities=ordered,
        member_starts=member_starts,
        members=members,
        inequalities=equalities,
        switchable=np.flatnonzero([len(np.unique(each)) < len(each) for each in held]),
        swappable=np.flatnonzero([len(np.unique(each)) > 1 for each in held]),
    )
    scales, entries = np.zeros(len(constraints)), weights.tocoo()
    np.maximum.at(scales, entries.row, np.abs(entries.data))
    return ChoiceProblem(model, order, lowers - slack, uppers + slack, np.where(scales > 0.0, scales, 1.0))


def _weights(constraints: list[Constraint], position: dict[Any, int]) -> scipy.sparse.csr_array:
    """[constraints, n] coefficients of the left sides."""
    rows, columns, data = [], [], []
    for row, constraint in enumerate(constraints):
        for variable, weight in constraint.lhs.linear.items():
            if weight != 0.0:
                rows.append(row)
                columns.append(position[variable])
                data.append(float(weight))
    return scipy.sparse.csr_array((data, (rows, columns)), shape=(len(constraints), len(position)), dtype=float)


def _bounds(constraints: list[Constraint]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lowers = np.array([-np.inf if each.sense == "<=" else each.rhs for each in constraints], float)
    uppers = np.array([np.inf if each.sense == ">=" else each.rhs for each in constraints], float)
    return lowers, uppers


def _factor(
    problem: Problem[Any], position: dict[Any, int], order: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The factor, never copied where it is float32 and contiguous, and its row of every variable of the model."""
    form = problem.low_rank
    if form is None:
        return np.zeros((1, 0), np.float32), np.full(len(order), -1)
    row_of = np.full(len(order), -1)
    row_of[[position[variable] for variable in form.variables]] = np.arange(len(form.variables))
    return np.ascontiguousarray(form.factor, np.float32), row_of[order]


def _gram(
    factor: NDArray[np.float32], rows: NDArray[np.int64], firsts: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    if not factor.shape[1]:
        return np.zeros(len(firsts) + 1, np.int64), np.zeros(0)
    starts = np.cumsum([0, *counts**2])
    gram = np.zeros(starts[-1])
    for a, (first, count) in enumerate(zip(firsts, counts, strict=True)):
        mine = rows[first : first + count]
        block = factor[np.maximum(mine, 0)].astype(float) * (mine >= 0)[:, None]
        gram[starts[a] : starts[a + 1]] = (block @ block.T).ravel()
    return starts, gram


def _members(
    terms: scipy.sparse.csr_array, firsts: NDArray[np.int64], counts: NDArray[np.int64], offs: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the sites of every constraint begin, and these sites: those whose options do not all weigh the same."""
    site_of = np.repeat(np.arange(len(firsts)), counts)
    columns = scipy.sparse.csc_array(terms)
    starts, sites = [0], [np.empty(0, np.int64)]
    for c in range(terms.shape[1]):
        inside = slice(columns.indptr[c], columns.indptr[c + 1])
        weight, of = columns.data[inside], site_of[columns.indices[inside]]
        order = np.argsort(of, kind="stable")
        found, begins = np.unique(of[order], return_index=True)
        low, high = (
            each.reduceat(weight[order], begins) if len(found) else weight for each in (np.minimum, np.maximum)
        )
        # Options without the constraint weigh 0.
        partial = np.diff(begins, append=len(of)) < (counts + offs)[found]
        sites.append(found[(low < high) | partial])
        starts.append(starts[-1] + len(sites[-1]))
    return np.array(starts, np.int64), np.concatenate(sites)
