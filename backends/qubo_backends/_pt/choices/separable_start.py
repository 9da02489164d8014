"""Starts from what every site wants by itself, at prices for what the inequalities ration."""

from __future__ import annotations

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.quadratic_constraints import QuadraticConstraints

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
    alone = np.zeros(len(site))
    alone[on] = model.linear + _own_squares(model) / 2.0
    rations = _Rations(model, np.flatnonzero(on), site)
    priced = alone + _price(rations, alone, begins, site, temperature)
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


class _Rations:
    """The inequalities that sites can change, over the options of all sites, entry by entry.

    Args:
        model: see there.
        option_of: [n] option of every variable.
        site: [options] of every option.

    Attributes:
        lowers, uppers: [rationed] what left sides may be.
        option, constraint: [entries] what is in which of them.
        pair: [entries] number of the site in that inequality.
        constraint_of_pair: [pairs] the inequality.
    """

    def __init__(self, model: ChoiceModel, option_of: NDArray[np.int64], site: NDArray[np.int64]) -> None:
        quadratic, first = model.quadratic or QuadraticConstraints.of({}, model.firsts), model.inequalities
        rationed = first + np.flatnonzero(np.diff(model.member_starts[first:]))
        self.lowers, self.uppers = model.lowers[rationed], model.uppers[rationed]
        self._constants = model.constants[rationed]
        place = np.full(len(model.constants), -1)
        place[rationed] = np.arange(len(rationed))
        variables = np.repeat(np.arange(len(model.linear)), np.diff(model.terms))
        kept = place[model.term_constraints] >= 0
        self._weights = model.term_weights[kept]
        # The option and the constraint of every entry of the quadratic constraints.
        sites = np.repeat(np.arange(len(model.firsts)), np.diff(quadratic.site_starts))
        lengths = (model.sizes - model.offs)[sites]
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        entries = np.repeat(quadratic.firsts, lengths) + within
        option, constraint = np.empty((2, len(entries)), np.int64)
        option[entries] = option_of[np.repeat(model.firsts[sites], lengths) + within]
        constraint[entries] = place[np.repeat(quadratic.constraints, lengths)]
        self._own = quadratic.linear
        interactions = quadratic.values, quadratic.partners, quadratic.starts
        self._interactions = scipy.sparse.csr_array(interactions, shape=(len(entries), len(entries)))
        self.option = np.concatenate([option_of[variables[kept]], option])
        self.constraint = np.concatenate([place[model.term_constraints[kept]], constraint])
        pairs, self.pair = np.unique(site[self.option] * len(rationed) + self.constraint, return_inverse=True)
        self.constraint_of_pair = pairs % max(len(rationed), 1)

    def at(self, chances: Floats) -> tuple[Floats, Floats]:
        """Return [entries] what options add to left sides in the mean state, and [rationed] means of these.

        Args:
            chances: [options].
        """
        linear, weights = len(self._weights), self._weights
        added = chances[self.option[:linear]] * weights
        if len(self._own):
            inside = chances[self.option[linear:]]
            slopes = self._own + self._interactions @ inside
            weights = np.concatenate([weights, slopes])
            # Of sites drawn one by one the mean of a product is the product of the means.
            added = np.concatenate([added, inside * (self._own + slopes) / 2.0])
        return weights, self._constants + np.bincount(self.constraint, added, len(self._constants))


def _price(
    rations: _Rations, alone: Floats, begins: NDArray[np.int64], site: NDArray[np.int64], temperature: float
) -> Floats:
    """[options] what every option pays for what the inequalities ration.

    A unit of a left side costs > 0 of "<=", < 0 of ">=", and nothing where the inequality does not bind.
    """
    uppers, lowers, count = rations.uppers, rations.lowers, len(rations.uppers)
    option, constraint = rations.option, rations.constraint
    weights, _ = rations.at(_chances(alone, begins, site, temperature))
    prices, least = np.zeros(count), np.inf
    best: Floats = np.zeros(len(site))
    for _ in range(_STEPS if count else 0):
        charges: Floats = np.bincount(option, weights * prices[constraint], len(site)).astype(float)
        chances = _chances(alone + charges, begins, site, temperature)
        weights, means = rations.at(chances)
        largest = np.full(count, 1e-300)
        np.maximum.at(largest, constraint, np.abs(weights))
        parts = chances[option] * weights
        squares = np.bincount(rations.pair, parts) ** 2
        variances = np.bincount(constraint, parts * weights, count)
        variances -= np.bincount(rations.constraint_of_pair, squares, count)
        beyond = means - np.where(np.isfinite(uppers), uppers, lowers)
        # An inequality that holds at a price of nothing is no matter.
        misses = np.where((prices != 0.0) | (np.isfinite(uppers) == (beyond > 0.0)), np.abs(beyond) / largest, 0.0)
        if misses.sum() < least:
            best, least = charges, float(misses.sum())
            if least <= _CLOSE:
                break
        step = _DAMPING * beyond * temperature / np.maximum(variances, 1e-12 * largest**2)
        reach = 2.0 * np.maximum(np.abs(prices), temperature / largest)
        prices = prices + np.clip(step, -reach, reach)
        prices = np.where(np.isfinite(uppers), np.maximum(prices, 0.0), np.minimum(prices, 0.0))
    return best


def _chances(energies: Floats, begins: NDArray[np.int64], site: NDArray[np.int64], temperature: float) -> Floats:
    """[options] Boltzmann probabilities among the options of each site."""
    chances = np.exp((np.minimum.reduceat(energies, begins)[site] - energies) / temperature)
    chances /= np.add.reduceat(chances, begins)[site]
    return np.asarray(chances)
