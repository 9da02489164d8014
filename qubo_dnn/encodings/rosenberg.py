"""Products of more than two variables as quadratic terms, by substituting a pair with a variable of its own.

A variable w takes the place of `x y` in every term, and `x y - 2 (x + y) w + 3 w`, which is 0 where w = x y and at
least 1 elsewhere, keeps it there. Substituting the pair that occurs in most terms first needs few variables.

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
    """A polynomial of degree two that equals the given one wherever `valid` is kept.

    Attributes:
        model: over the given variables and those of `products`.
        products: new variable, named `label[k]` -> the two variables whose product it is.
        valid: keeps every product; None where there is none. It counts 1 or 3 for every product that is wrong.
    """

    model: dimod.BinaryQuadraticModel
    products: Mapping[Variable, Pair]
    valid: Constraint | None

    def complete(self, sample: Mapping[Variable, int]) -> dict[Variable, int]:
        """`sample` with the value that every product should have."""
        whole = dict(sample)
        for product, (x, y) in self.products.items():
            whole[product] = whole[x] * whole[y]
        return whole


def quadratize(terms: Mapping[frozenset[Variable], float], label: str) -> Quadratized:
    """Reduce a polynomial over binary variables to degree two.

    Args:
        terms: set of variables -> coefficient of their product; the empty set is the offset.
        label: of the new variables.
    """
    products: dict[Variable, Pair] = {}
    left = dict(terms)
    # Which terms of a degree above 2 hold a pair, and the pairs by how many; entries of the queue may be outdated.
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


def product_constraint(products: Mapping[Variable, Pair]) -> Constraint:
    """Keeps every product; it counts 1 or 3 for every one that is wrong.

    Args:
        products: variable -> the two variables whose product it is, which may be products themselves.
    """
    return Constraint(consistency(products), "<=", 0.0, one_sided=True)


def sufficient_weight(model: dimod.BinaryQuadraticModel, products: Mapping[Variable, Pair]) -> float:
    """A penalty weight of `product_constraint` with which no state of a wrong product is as low as the minimum.

    Setting all products right changes those that are wrong and those made of them; a product changes the model by at
    most the sum of the sizes of its biases. So a product that breaks its constraint, which counts at least 1, accounts
    for no more than these sums over itself and all products made of it.

    Args:
        model: BINARY, over variables and products.
        products: as for `product_constraint`.
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
    """By how much the model can change with one variable, at most."""
    if variable not in model.variables:
        return 0.0
    return float(abs(model.get_linear(variable)) + sum(abs(bias) for _, bias in model.iter_neighborhood(variable)))


def _pairs(term: frozenset[Variable]) -> Iterable[Pair]:
    """All pairs in a term of a degree above 2."""
    return combinations(sorted(term, key=natural_key), 2) if len(term) > 2 else ()


def _entry(pair: Pair, held: set[frozenset[Variable]]) -> tuple[int, tuple[Any, ...], Pair]:
    """Sorts pairs held by most terms first, and equal ones by name, so that equal polynomials reduce equally."""
    return -len(held), natural_key(pair), pair


def consistency(products: Mapping[Variable, Pair]) -> dimod.BinaryQuadraticModel:
    """The sum over products w of x and y of `x y - 2 (x + y) w + 3 w`: 0 where all are right, else at least 1."""
    model = dimod.BinaryQuadraticModel(dimod.BINARY)
    for product, (x, y) in products.items():
        model.add_linear(product, 3.0)
        model.add_quadratic(x, y, 1.0)
        model.add_quadratic(x, product, -2.0)
        model.add_quadratic(y, product, -2.0)
    return model
