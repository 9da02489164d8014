"""Small constrained problems of every structure, and all their feasible states."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations, product
from typing import Any

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import LowRank, Problem

Sums = dict[str, float]


def objective(n: int, rng: np.random.Generator, integers: bool = False, density: float = 1.0) -> Any:
    """Biases of both signs over `x[0]`, `x[1]`, ..."""
    rows, columns = np.triu_indices(n, 1)
    kept = rng.random(len(rows)) < density
    draw: Callable[..., Any] = (lambda size: rng.integers(-4, 5, size).astype(float)) if integers else rng.normal
    return dimod.BinaryQuadraticModel.from_numpy_vectors(
        draw(size=n),
        (rows[kept], columns[kept], draw(size=int(kept.sum()))),
        0.25,
        dimod.BINARY,
        variable_order=[f"x[{i}]" for i in range(n)],
    )


def weighted(weights: Sums) -> Any:
    return dimod.BinaryQuadraticModel(weights, {}, 0.5, dimod.BINARY)


def budget(seed: int) -> Problem[Any]:
    """Three groups, two free variables, one tight budget with uneven costs."""
    rng = np.random.default_rng(seed)
    groups = {f"g{g}": tuple(f"x[{3 * g + k}]" for k in range(3)) for g in range(3)}
    costs = {f"x[{i}]": float(rng.integers(0, 6)) + 0.1 * (i % 3) for i in range(11)}
    cheapest = sum(min(costs[v] for v in group) for group in groups.values())
    limit = Constraint(weighted(costs), "<=", cheapest + 4.5)
    return Problem(objective=objective(11, rng), decoder=dict, one_hot=groups, constraints={"limit": limit})


def several(seed: int) -> Problem[Any]:
    """A group and free variables under more inequalities than are kept in a table, of both senses, sparse."""
    rng = np.random.default_rng(seed)
    hidden = np.concatenate([[1, 0, 0], rng.integers(0, 2, 7)])
    constraints = {}
    for c in range(6):
        inside = rng.choice(10, 4, replace=False)
        weights = {f"x[{i}]": float(rng.normal()) for i in inside}
        value = sum(weights[f"x[{i}]"] * hidden[i] for i in inside) + 0.5
        sense, slack = (("<=", 0.3), (">=", -0.3))[c % 2]
        constraints[f"c{c}"] = Constraint(weighted(weights), sense, value + slack)  # type: ignore[arg-type]
    groups = {"g": ("x[0]", "x[1]", "x[2]")}
    return Problem(objective=objective(10, rng, density=0.4), decoder=dict, one_hot=groups, constraints=constraints)


def products(seed: int) -> Problem[Any]:
    """Groups and free variables under products of sums, in both senses, and a linear budget beside them."""
    rng = np.random.default_rng(seed)
    groups = {f"g{g}": tuple(f"x[{3 * g + k}]" for k in range(3)) for g in range(2)}
    limit = weighted({f"x[{i}]": float(rng.integers(0, 4)) for i in range(9)})
    for i in range(6):
        for j in range(max(i + 1, 4), 10):
            limit.add_quadratic(f"x[{i}]", f"x[{j}]", float(rng.integers(0, 4)))
    signed = weighted({f"x[{i}]": float(rng.normal()) for i in (0, 8)})
    for i, j in ((0, 8), (1, 9), (4, 6), (3, 7), (2, 5)):
        signed.add_quadratic(f"x[{i}]", f"x[{j}]", float(rng.normal()))
    constraints = {
        "products": Constraint(limit, "<=", 8.5),
        "signed": Constraint(signed, ">=", 0.0),
        "linear": Constraint(weighted({"x[1]": 1.0, "x[6]": 2.0, "x[7]": 1.0}), "<=", 3.5),
    }
    return Problem(objective=objective(10, rng), decoder=dict, one_hot=groups, constraints=constraints)


def selected_pairs(seed: int) -> Problem[Any]:
    """An assignment of which some pairs cost too much together: swaps have to keep a quadratic constraint."""
    rng = np.random.default_rng(seed)
    problem = assignment(seed)
    pairs = weighted({})
    for i, j in zip(*np.triu_indices(16, 1), strict=True):
        pairs.add_quadratic(f"x[{i}]", f"x[{j}]", float(rng.integers(0, 3)))
    constraints = {"pairs": Constraint(pairs, "<=", 6.5), **problem.constraints}
    return Problem(objective=problem.objective, decoder=dict, one_hot=problem.one_hot, constraints=constraints)


def assignment(seed: int) -> Problem[Any]:
    """Four things in four places."""
    rng = np.random.default_rng(seed)
    groups = {f"t{i}": tuple(f"x[{4 * i + p}]" for p in range(4)) for i in range(4)}
    places = {f"p{p}": Constraint(weighted({f"x[{4 * i + p}]": 1.0 for i in range(4)}), "==", 1.5) for p in range(4)}
    return Problem(objective=objective(16, rng, integers=True), decoder=dict, one_hot=groups, constraints=places)


def selection(seed: int) -> Problem[Any]:
    """Things that stay out of a place of two in one, two and three ways; free variables of which two are taken."""
    rng = np.random.default_rng(seed)
    groups = {"t0": ("x[0]", "x[1]"), "t1": ("x[2]", "x[3]", "x[4]"), "t2": ("x[5]", "x[6]", "x[7]", "x[8]")}
    constraints = {
        "place": Constraint(weighted({"x[0]": 2.0, "x[2]": 2.0, "x[5]": 2.0}), "==", 4.5),
        "taken": Constraint(weighted({f"x[{i}]": 1.0 for i in (9, 10, 11, 12)}), "==", 2.5),
        "limit": Constraint(weighted({"x[3]": 2.0, "x[6]": 2.0, "x[9]": 1.0, "x[10]": 1.5}), "<=", 3.5),
    }
    return Problem(objective=objective(13, rng), decoder=dict, one_hot=groups, constraints=constraints)


def large_groups(seed: int) -> Problem[Any]:
    """Two groups of more options than are drawn from at once, under a budget."""
    rng = np.random.default_rng(seed)
    groups = {f"g{g}": tuple(f"x[{11 * g + k}]" for k in range(11)) for g in range(2)}
    costs = {f"x[{i}]": float(i % 11) for i in range(22)}
    constraints = {"limit": Constraint(weighted(costs), "<=", 9.5)}
    return Problem(objective=objective(22, rng), decoder=dict, one_hot=groups, constraints=constraints)


def free_only(seed: int) -> Problem[Any]:
    """Free variables and a group without any further constraint."""
    rng = np.random.default_rng(seed)
    return Problem(objective=objective(9, rng, density=0.2), decoder=dict, one_hot={"g": ("x[4]", "x[0]", "x[7]")})


def with_form(problem: Problem[Any], seed: int, rank: int = 5) -> Problem[Any]:
    """The same with a low-rank form on all variables but the second, in another order."""
    names = [*problem.variables[:1], *problem.variables[2:]][::-1]
    factor = np.random.default_rng(seed).normal(size=(len(names), rank)).astype(np.float32)
    return Problem(
        objective=problem.objective,
        decoder=dict,
        one_hot=problem.one_hot,
        constraints=problem.constraints,
        low_rank=LowRank(tuple(names), factor),
    )


def places_of(n: int, names: NDArray[Any], **constraints: Constraint) -> dict[str, Any]:
    """Groups and equalities that give each of n things one of n places, which are rows and columns of names."""
    groups = {f"t{i}": tuple(names[i]) for i in range(n)}
    places = {f"p{p}": Constraint(weighted(dict.fromkeys(names[:, p], 1.0)), "==", 1.5) for p in range(n)}
    return {"decoder": dict, "one_hot": groups, "constraints": {**places, **constraints}}


def names_of(n: int) -> NDArray[Any]:
    """[things, places] names of variables."""
    return np.array([f"x[{k}]" for k in range(n * n)], object).reshape(n, n)


def trip(n: int, seed: int, *, closed: bool, by_places: bool, further: bool = False) -> Problem[Any]:
    """An asymmetric round trip or path whose costs differ from step to step; groups are places, or things."""
    rng = np.random.default_rng(seed)
    order, names = rng.permutation(n), names_of(n)
    bqm = dimod.BinaryQuadraticModel({name: float(rng.normal()) for name in names.ravel()}, {}, 0.0, dimod.BINARY)
    for t in range(n if closed else n - 1):
        for a, b in permutations(range(n), 2):
            here, there = order[t], order[(t + 1) % n]
            bqm.add_quadratic(names[a, here], names[b, there], float(rng.normal()))
    if further:
        bqm.add_quadratic("y", names[0, 0], -20.0)
    return Problem(objective=bqm, **places_of(n, names.T if by_places else names))


KINDS: dict[str, Callable[[int], Problem[Any]]] = {
    "budget": budget,
    "several": several,
    "assignment": assignment,
    "products": products,
    "selected pairs": selected_pairs,
    "selection": selection,
    "large groups": large_groups,
    "free": free_only,
    "budget, low rank": lambda seed: with_form(budget(seed), seed),
    "assignment, low rank": lambda seed: with_form(assignment(seed), seed),
    "products, low rank": lambda seed: with_form(products(seed), seed),
    "selection, low rank": lambda seed: with_form(selection(seed), seed),
}


def feasible_states(problem: Problem[Any]) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """[states, n] all that keep every constraint, and their energies."""
    names = list(problem.variables)
    place = {variable: index for index, variable in enumerate(names)}
    grouped = {v for group in problem.one_hot.values() for v in group}
    sites = [[place[v] for v in group] for group in problem.one_hot.values()]
    sites += [[-1, place[v]] for v in names if v not in grouped]
    chosen = np.array(list(product(*sites)))
    # The last column takes what is off.
    states = np.zeros((len(chosen), len(names) + 1), np.int8)
    np.put_along_axis(states, chosen, 1, axis=1)
    states = states[:, :-1]
    for constraint in problem.constraints.values():
        inside = list(constraint.lhs.variables)
        beyond = constraint.lhs.energies((states[:, [place[v] for v in inside]], inside)) - constraint.rhs
        signed = {"<=": beyond, ">=": -beyond, "==": np.abs(beyond)}[constraint.sense]
        states = states[signed <= 1e-9]
    energies = problem.objective.energies((states, names))
    if problem.low_rank is not None:
        rows = states[:, [place[v] for v in problem.low_rank.variables]].astype(float)
        energies = energies + 0.5 * ((rows @ problem.low_rank.factor) ** 2).sum(axis=1)
    return states, energies
