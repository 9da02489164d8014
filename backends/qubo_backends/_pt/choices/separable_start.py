"""Starts from what every site wants by itself, at prices for what the inequalities ration."""

from __future__ import annotations

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from qubo_backends._pt.choices.model import ChoiceModel

# Steps of the prices, and the share of Newton's step of each inequality alone: several that ration the same overshoot.
_STEPS, _DAMPING = 100, 0.7
# No more steps where the inequalities hold on average within this share of their largest weight.
_CLOSE = 1e-6

Floats = NDArray[np.float64]


def draw_separable(model: ChoiceModel, temperature: float, count: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """States whose sites are drawn one by one, at prices at which the inequalities hold on average.

    Couplings between sites and equalities are left out, so that the states have to be repaired, and annealed.

    Args:
        model: see there.
        temperature: > 0.
        count: of the states.
        rng: draws them.

    Returns:
        [count, sites] options.

    Source: Everett 1963, "Generalized Lagrange multiplier method".
    """
    begins = np.cumsum([0, *model.sizes])[:-1]
    site = np.repeat(np.arange(len(begins)), model.sizes)
    # But for "off", the first option of a free variable, the options are the variables in their order.
    on = np.ones(len(site), bool)
    on[begins[model.offs == 1]] = False
    alone, counts = np.zeros(len(site)), np.zeros(len(site), np.int64)
    alone[on], counts[on] = model.linear + _own_squares(model) / 2.0, np.diff(model.terms)
    terms = scipy.sparse.csr_array(
        (model.term_weights, model.term_constraints, np.cumsum([0, *counts])), shape=(len(site), len(model.constants))
    )
    # What no site changes has no price.
    rationed = model.inequalities + np.flatnonzero(np.diff(model.member_starts[model.inequalities :]))
    weights = scipy.sparse.csr_array(terms[:, rationed])
    priced = alone + weights @ _prices(model, rationed, alone, weights, begins, site, temperature)
    drawn = np.empty((count, len(begins)), np.int32)
    for row in drawn:
        # The least of energies less Gumbel noise is a draw from their Boltzmann distribution.
        noisy = priced / temperature - rng.gumbel(size=len(site))
        row[:] = np.lexsort((noisy, site))[begins] - begins
    return drawn


def _own_squares(model: ChoiceModel) -> Floats:
    """[n] squared length of every variable's row of the factor."""
    squares = np.zeros(len(model.linear))
    for start, first, count in zip(model.gram_starts, model.firsts, model.sizes - model.offs, strict=False):
        if model.gram.size:
            squares[first : first + count] = model.gram[start : start + count**2 : count + 1]
    return squares


def _prices(
    model: ChoiceModel,
    rationed: NDArray[np.int64],
    alone: Floats,
    weights: scipy.sparse.csr_array,
    begins: NDArray[np.int64],
    site: NDArray[np.int64],
    temperature: float,
) -> Floats:
    """[rationed] what a unit of each left side costs: > 0 of "<=", < 0 of ">=", 0.0 where it does not bind."""
    uppers, lowers, constants = model.uppers[rationed], model.lowers[rationed], model.constants[rationed]
    sites = scipy.sparse.csr_array((np.ones(len(site)), (site, np.arange(len(site)))))
    largest = np.maximum(abs(weights).max(axis=0).toarray().ravel(), 1e-300)
    squares = weights.power(2).T
    prices, best, least = np.zeros(weights.shape[1]), np.zeros(weights.shape[1]), np.inf
    for _ in range(_STEPS if len(prices) else 0):
        energies = alone + weights @ prices
        chances = np.exp((np.minimum.reduceat(energies, begins)[site] - energies) / temperature)
        chances /= np.add.reduceat(chances, begins)[site]
        means = weights.T @ chances
        own = sites @ (scipy.sparse.diags_array(chances) @ weights)
        variances = squares @ chances - own.power(2).sum(axis=0)
        beyond = constants + means - np.where(np.isfinite(uppers), uppers, lowers)
        # An inequality that holds at a price of nothing is no matter.
        misses = np.where((prices != 0.0) | (np.isfinite(uppers) == (beyond > 0.0)), np.abs(beyond) / largest, 0.0)
        if misses.sum() < least:
            best, least = prices, float(misses.sum())
            if least <= _CLOSE:
                break
        step = _DAMPING * beyond * temperature / np.maximum(variances, 1e-12 * largest**2)
        reach = 2.0 * np.maximum(np.abs(prices), temperature / largest)
        prices = prices + np.clip(step, -reach, reach)
        prices = np.where(np.isfinite(uppers), np.maximum(prices, 0.0), np.minimum(prices, 0.0))
    return best
