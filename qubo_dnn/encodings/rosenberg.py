"""Rosenberg's reduction of products of more than two variables to quadratic terms.

A new variable w replaces a pair `x y` in every term. The penalty `x y - 2 (x + y) w + 3 w` enforces it: it is 0 if
w = x y, and at least 1 otherwise. Substituting the most frequent pair first needs few variables.

Source: Rosenberg 1975, "Reduction of bivalent maximization to the quadratic case"; Boros & Hammer 2002,
"Pseudo-Boolean optimization", section 4.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import combinations
from typing import Any

import dimod

from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import Variable, natural_key

Pair = tuple[Variable, Variable]


@dataclass(frozen=True)
class Quadratized:
    """A polynomial of degree two that equals the original one in all states that keep `valid`.

    Attributes:
        model: model over the original variables and those of `products`.
        products: new variable, named `label[k]` -> the two variables whose product it is.
        valid: constraint that keeps all products; every wrong product violates it by 1 or 3. None without products.

    Example:
        >>> cubic = quadratize({frozenset({"x", "y", "z"}): 7.0}, "w")
        >>> cubic.complete({"x": 1, "y": 1, "z": 0})
        {'x': 1, 'y': 1, 'z': 0, 'w[0]': 1}
    """

    model: dimod.BinaryQuadraticModel
    products: Mapping[Any, Pair]
    valid: Constraint | None

    def complete(self, sample: Mapping[Any, int]) -> dict[Variable, int]:
        """Add the correct value of every product to `sample`."""
        whole = dict(sample)
        for product, (x, y) in self.products.items():
            whole[product] = whole[x] * whole[y]
        return whole


def quadratize(terms: Mapping[frozenset[Variable], float], label: str) -> Quadratized:
    """Reduce a polynomial over binary variables to degree two.

    Args:
        terms: set of variables -> coefficient of their product; the empty set has the offset.
        label: prefix of the new variables `label[k]`.

    Example:
        >>> cubic = quadratize({frozenset({"x", "y", "z"}): 7.0}, "w")
        >>> cubic.products, float(cubic.model.get_quadratic("z", "w[0]"))
        ({'w[0]': ('x', 'y')}, 7.0)
    """
    products: dict[Variable, Pair] = {}
    left = dict(terms)
    # Terms of degree above 2 that contain each pair; a queue of pairs by their number, possibly with outdated entries.
    holders: dict[Pair, set[frozenset[Variable]]] = {}
    for term in left:
        for pair in _pairs(term):
            holders.setdefault(pair, set()).add(term)
    queue = [_entry(pair, held) for pair, held in holders.items()]
    heapify(queue)
    while queue:
        count, _, pair = heappop(queue)
        held = holders[pair]
        if count != -len(held) or not held:
            continue
        product = f"{label}[{len(products)}]"
        products[product] = pair
        for term in sorted(held, key=natural_key):
            coefficient = left.pop(term)
            shorter = term - set(pair) | {product}
            left[shorter] = left.get(shorter, 0.0) + coefficient
            for other in _pairs(term):
                holders[other].discard(term)
                heappush(queue, _entry(other, holders[other]))
            for other in _pairs(shorter):
                holders.setdefault(other, set()).add(shorter)
                heappush(queue, _entry(other, holders[other]))
    model = dimod.BinaryQuadraticModel(dimod.BINARY)
    for term, coefficient in left.items():
        if len(term) == 2:
            model.add_quadratic(*sorted(term, key=natural_key), coefficient)
        elif term:
            model.add_linear(*term, coefficient)
        else:
            model.offset += coefficient
    valid = product_constraint(products) if products else None
    return Quadratized(model, products, valid)


def product_constraint(products: Mapping[Any, Pair]) -> Constraint:
    """Make the constraint that keeps all products; every wrong product violates it by 1 or 3.

    Args:
        products: variable -> the two variables whose product it is; these may be products too.

    Example:
        >>> valid = product_constraint({"w": ("x", "y")})
        >>> valid.violation(float(valid.lhs.energy({"x": 0, "y": 0, "w": 1})))
        3.0
    """
    return Constraint(consistency(products), "<=", 0.0, one_sided=True)


def sufficient_weight(model: dimod.BinaryQuadraticModel, products: Mapping[Any, Pair]) -> float:
    """Return a weight of `product_constraint` with which every state with a wrong product is above the minimum.

    Correcting all products changes the wrong ones and the products made of them. One product changes the model by at
    most the sum of the absolute values of its biases. A wrong product, which costs at least 1, therefore gains at most
    these sums over itself and all products made of it.

    Args:
        model: BINARY model over variables and products.
        products: as for `product_constraint`.

    Example:
        >>> cubic = quadratize({frozenset({"x", "y", "z"}): -8.0}, "w")
        >>> sufficient_weight(cubic.model, cubic.products)
        9.0
    """
    made_of: dict[Variable, list[Variable]] = {}
    for product, pair in products.items():
        for factor in pair:
            made_of.setdefault(factor, []).append(product)
    largest = 0.0
    for product in products:
        reached, waiting = {product}, [product]
        while waiting:
            more = [each for each in made_of.get(waiting.pop(), ()) if each not in reached]
            reached.update(more)
            waiting.extend(more)
        largest = max(largest, sum(_reach(model, each) for each in reached))
    return 1.125 * largest or 1.0


def _reach(model: dimod.BinaryQuadraticModel, variable: Variable) -> float:
    """Return a bound on the change of the model when one variable flips."""
    if variable not in model.variables:
        return 0.0
    return float(abs(model.get_linear(variable)) + sum(abs(bias) for _, bias in model.iter_neighborhood(variable)))


def _pairs(term: frozenset[Variable]) -> Iterable[Pair]:
    """Return all pairs in a term of degree above 2."""
    return combinations(sorted(term, key=natural_key), 2) if len(term) > 2 else ()


def _entry(pair: Pair, held: set[frozenset[Variable]]) -> tuple[int, tuple[Any, ...], Pair]:
    """Return a sort key: pairs in most terms first, ties by name, so that equal polynomials reduce equally."""
    return -len(held), natural_key(pair), pair


def consistency(products: Mapping[Any, Pair]) -> dimod.BinaryQuadraticModel:
    """Return the sum of `x y - 2 (x + y) w + 3 w` over all products w = x y: 0 if all are correct, else at least 1.

    Args:
        products: as for `product_constraint`.

    Example:
        >>> float(consistency({"w": ("x", "y")}).energy({"x": 1, "y": 1, "w": 0}))
        1.0
    """
    model = dimod.BinaryQuadraticModel(dimod.BINARY)
    for product, (x, y) in products.items():
        model.add_linear(product, 3.0)
        model.add_quadratic(x, y, 1.0)
        model.add_quadratic(x, product, -2.0)
        model.add_quadratic(y, product, -2.0)
    return model
