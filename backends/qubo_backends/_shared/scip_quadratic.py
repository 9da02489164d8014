"""Quadratic constraints in a program for SCIP, with a variable for every product."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse

from qubo_backends._shared.scip import ScipProgram, product_of, row_in_units
from qubo_dnn.bounds.site_model import LOOSER, Floats, Indices, SiteModel
from qubo_dnn.constraint import Constraint


def add_quadratic(program: ScipProgram, constraint: Constraint, index: Mapping[Any, int]) -> None:
    """Add a quadratic constraint to a program.

    A product is bounded from the side on which the constraint needs it: from below if a larger product may break it.

    Args:
        program: the program; its sites are those of the problem.
        constraint: over the variables of the problem.
        index: variable -> its place in the problem.

    Source: Glover & Woolsey 1974, "Converting the 0-1 polynomial programming problem to a 0-1 linear program".
    """
    constant, linear, rows, columns, weights = _over_program(program, constraint, index)
    products = [program.model.addVar(lb=0.0, ub=1.0) for _ in weights]
    sign = constraint.sign
    x, model = program.variables, program.model
    for i, j, weight, product in zip(rows.tolist(), columns.tolist(), weights.tolist(), products, strict=True):
        if constraint.sense == "==" or sign * weight > 0.0:
            model.addCons(product >= x[i] + x[j] - 1.0)
        if constraint.sense == "==" or sign * weight < 0.0:
            model.addCons(product <= x[i])
            model.addCons(product <= x[j])
        program.derived.append((product, partial(product_of, i, j)))
    row = sign * np.concatenate([linear, weights])
    limit = sign * (constraint.rhs - constant)
    program.keep_row(*row_in_units(row, row, limit, LOOSER * constraint.tolerance, constraint.sense == "=="), products)


def _over_program(
    program: ScipProgram, constraint: Constraint, index: Mapping[Any, int]
) -> tuple[float, Floats, Indices, Indices, Floats]:
    """Return the left side over the program's variables: constant, [n] linear terms, and rows, columns, and weights."""
    values, slopes = _of_options(program.options, program)
    labels = list(constraint.lhs.variables)
    option_of = np.zeros(len(index), np.intp)
    taken = np.flatnonzero(program.options.sites.variables >= 0)
    option_of[program.options.sites.variables[taken]] = taken
    options = option_of[[index[label] for label in labels]]
    vectors = constraint.lhs.to_numpy_vectors(variable_order=labels)
    pairs = (vectors.quadratic.biases, (vectors.quadratic.row_indices, vectors.quadratic.col_indices))
    upper = sparse.coo_array(pairs, shape=(len(labels), len(labels))).tocsr()
    matrix, values, slopes = upper + upper.T, values[options], slopes[options]
    fields = vectors.linear_biases + matrix @ values
    constant = float(constraint.lhs.offset + vectors.linear_biases @ values + 0.5 * (values @ (matrix @ values)))
    form = (slopes.T @ matrix @ slopes).tocsr()
    linear = np.asarray(slopes.T @ fields + 0.5 * form.diagonal(), float)
    products = sparse.triu(form, 1).tocoo()
    site_of = program.options.sites.site_of[program.sites.members]
    # Of two options of a site, at most one is 1.
    apart = (site_of[products.row] != site_of[products.col]) & (products.data != 0.0)
    return constant, linear, products.row[apart], products.col[apart], products.data[apart]


def _of_options(options: SiteModel, program: ScipProgram) -> tuple[Floats, sparse.csr_array]:
    """Return [N] and [N, n]: every option of the problem as a constant and a linear form of the program's variables."""
    sites, site_of, count = program.sites, options.sites.site_of, len(options.linear)
    values = np.zeros(count)
    values[sites.fixed], values[sites.bases] = 1.0, 1.0
    base_of = np.full(len(options.sites.starts) - 1, -1, np.intp)
    base_of[site_of[sites.bases]] = sites.bases
    bases = base_of[site_of[sites.members]]
    based = np.flatnonzero(bases >= 0)
    rows, columns = np.concatenate([sites.members, bases[based]]), np.concatenate([np.arange(len(bases)), based])
    signs = np.repeat([1.0, -1.0], [len(bases), len(based)])
    return values, sparse.csr_array((signs, (rows, columns)), shape=(count, len(bases)))
