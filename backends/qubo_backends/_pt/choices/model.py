"""A constrained problem as arrays: sites with options, couplings, a low-rank form, and constraints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from qubo_backends._pt.choices.couplings import read_couplings
from qubo_backends._pt.choices.quadratic_constraints import QuadraticConstraints
from qubo_backends._shared.constraint_arrays import read_constraints
from qubo_backends._shared.struct import Struct
from qubo_dnn.arrays import LinearConstraints, factor_rows
from qubo_dnn.problem import Problem
from qubo_dnn.sites import OFF, Sites

# Moves keep constraints within this share of the tolerance by which they count as met; the rest is for rounding.
_KEPT = 0.5
# So many constraints are looked up in a table, which is quicker than a list for every variable.
_FEW = 4
# Share of the largest coefficient by which an energy has to change.
_LEAST = 1e-9


@dataclass(frozen=True, eq=False)
class ChoiceModel(Struct):
    """Energy `linear'x + 1/2 x'Qx + 1/2 |factor'x|^2` over sites that choose one option each, within constraints.

    The sites are those of `ChoiceProblem.sites`, laid out for the kernels: variables are numbered site by site and
    "off" has none, so that the fields of a site stand side by side and option k of site a is variable
    `firsts[a] + k - offs[a]`, which a sweep computes faster than it looks it up.
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
        factor: [rows, rank] float32 as the problem has it; None where there is none.
        factor_rows: [n] row of `factor` of every variable, -1 where it has none.
        gram_starts: [sites + 1] where the products of a site's rows of `factor` begin in `gram`.
        gram: [products] row by row; empty where there is no factor.
        terms: [n + 1] where a variable's linear constraints begin in `term_constraints` and `term_weights`.
        term_constraints: [terms].
        term_weights: [terms] coefficients.
        table: [linear constraints, n] coefficients; empty where there are more than a few.
        constants: [constraints] of the left sides.
        lowers, uppers: [constraints] what left sides may be; equalities come first, quadratic constraints last.
        equalities: [n] constraint of the only equality that the variable is in, -1 where there is none.
        member_starts: [constraints + 1] where the sites of a constraint begin in `members`.
        members: sites, the options of which a constraint tells apart.
        inequalities: constraints from this one on are.
        quadratic: `QuadraticConstraints`, those of degree two; None where there are none.
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
    factor: Any
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
    quadratic: Any
    switchable: NDArray[np.int64]
    swappable: NDArray[np.int64]

    @property
    def rank(self) -> int:
        """Columns of the factor."""
        return 0 if self.factor is None else int(self.factor.shape[1])

    @property
    def entries(self) -> int:
        """Entries of the quadratic constraints."""
        return 0 if self.quadratic is None else len(self.quadratic.linear)


@dataclass(frozen=True, eq=False)
class ChoiceProblem:
    """A problem's arrays, and the way back.

    Attributes:
        model: the arrays.
        sites: the same sites in the problem's own numbering, the options of each by their equality.
        constraints: equalities first, quadratic ones last; see `read_constraints`.
    """

    model: ChoiceModel
    sites: Sites
    constraints: LinearConstraints

    def states(self, choices: NDArray[np.int32]) -> NDArray[np.int8]:
        """[k, n] of 0 and 1 in the problem's order, from [k, sites] options."""
        return self.sites.bits(choices)

    def choices(self, states: NDArray[np.int8]) -> NDArray[np.int32]:
        """[k, sites] options from [k, n] of 0 and 1; a group takes the first that is 1, or else its first."""
        return self.sites.options(states)


def choice_problem(problem: Problem[Any]) -> ChoiceProblem:
    """The arrays of a problem.

    Args:
        problem: its constraints are inequalities, and assignments in the sense of `qubo_dnn.constraint.ConstraintKind`.
    """
    ordered = sorted(problem.constraints.values(), key=lambda each: (not each.is_linear, each.sense != "=="))
    sites = Sites.of_problem(problem)
    constraints, forms = read_constraints(problem, ordered, sites.site_of_variable)
    inequalities, linear_ones = int(constraints.equal.sum()), len(ordered) - len(forms)
    equality_of = np.full(len(problem.index), -1)
    inside = constraints.weights[:inequalities].tocoo()
    equality_of[inside.col] = inside.row
    sites = sites.in_order(equality_of + 1)
    is_on, site_of = sites.variables != OFF, sites.site_of
    order, off = sites.variables[is_on], sites.variables[sites.starts[:-1]] == OFF
    firsts = np.cumsum([0, *np.bincount(site_of[is_on], minlength=len(off))])[:-1]
    linear, rows = read_couplings(problem, order, site_of[is_on])
    held = np.where(is_on, equality_of[sites.variables], -1)
    # Sites and equalities of all options, each pair once.
    kinds = np.unique(np.stack([site_of, held]), axis=1)[0]
    different = np.bincount(kinds, minlength=len(off))
    factor = None
    if problem.low_rank is not None and problem.low_rank.factor.shape[1]:
        factor = np.ascontiguousarray(problem.low_rank.factor, np.float32)  # no copy where it is that already
    gram_starts, gram = _gram(factor, factor_rows(problem), sites)
    weights = constraints.weights[:linear_ones, order]
    terms = scipy.sparse.csr_array(weights.T)
    lowers, uppers = constraints.bounds(_KEPT)
    member_starts, members = _members(constraints.weights, sites, linear_ones)
    quadratic = {
        number: (form.linear[order], scipy.sparse.csr_array(form.couplings)[order][:, order])
        for number, form in forms.items()
    }
    model = ChoiceModel(
        linear=linear,
        starts=rows[0],
        columns=rows[1],
        values=rows[2],
        firsts=firsts,
        sizes=np.diff(sites.starts),
        offs=off.astype(np.int64),
        factor=factor,
        factor_rows=factor_rows(problem)[order],
        gram_starts=gram_starts,
        gram=gram,
        terms=terms.indptr.astype(np.int64),
        term_constraints=terms.indices.astype(np.int64),
        term_weights=terms.data,
        table=np.ascontiguousarray(weights.toarray()) if linear_ones <= _FEW else np.zeros((0, 0)),
        constants=constraints.offsets,
        lowers=lowers,
        uppers=uppers,
        equalities=equality_of[order],
        member_starts=member_starts,
        members=members,
        inequalities=inequalities,
        quadratic=QuadraticConstraints.of(quadratic, firsts) if quadratic else None,
        switchable=np.flatnonzero(different < np.diff(sites.starts)),
        swappable=np.flatnonzero(different > 1),
    )
    return ChoiceProblem(model, sites, constraints)


def least_change(model: ChoiceModel) -> float:
    """Return the least change of the energy that counts, a tiny share of the largest coefficient."""
    return _LEAST * max(float(np.abs(each).max(initial=0.0)) for each in (model.linear, model.values, model.gram))


def _gram(
    factor: NDArray[np.float32] | None, rows: NDArray[np.int64], sites: Sites
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    if factor is None:
        return np.zeros(len(sites.starts), np.int64), np.zeros(0)
    blocks = [np.zeros(0)]
    for options in sites.each():
        mine = rows[options[options != OFF]]
        block = factor[np.maximum(mine, 0)].astype(float) * (mine >= 0)[:, None]
        blocks.append((block @ block.T).ravel())
    return np.cumsum([len(block) for block in blocks]), np.concatenate(blocks)


def _members(weights: scipy.sparse.csr_array, sites: Sites, linear: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the sites of every constraint begin, and these sites: those whose options do not all weigh the same.

    Of the constraints behind so many `linear` ones, which are quadratic, all sites that interact or have a weight.
    """
    entries, count = weights.tocoo(), len(sites.starts) - 1
    pairs = entries.row.astype(np.int64) * count + sites.site_of_variable[entries.col]
    order = np.argsort(pairs, kind="stable")
    pairs, begins, entered = np.unique(pairs[order], return_index=True, return_counts=True)
    low, high = (each.reduceat(entries.data[order], begins) for each in (np.minimum, np.maximum))
    # Options without the constraint weigh 0.
    constraint, site = np.divmod(pairs, count)
    varies = (low < high) | (entered < np.diff(sites.starts)[site]) | (constraint >= linear)
    return np.searchsorted(constraint[varies], np.arange(weights.shape[0] + 1)), site[varies]
