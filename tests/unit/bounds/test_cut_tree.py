"""The semidefinite relaxation with triangle inequalities, and branch and bound on it."""

from __future__ import annotations

import math
from itertools import combinations, count, product
from typing import Any

import dimod
import numpy as np
import pytest

from qubo_dnn.bounds import cut_tree, proof
from qubo_dnn.bounds.certificate import certify
from qubo_dnn.bounds.proof import CUT_RELAXATION
from qubo_dnn.bounds.semidefinite import Dual, _Slack, proven_bound, tighten
from qubo_dnn.bounds.spin_model import Relations, SpinModel, bits, one_opt, spin_model
from qubo_dnn.bounds.steps import steps_of
from qubo_dnn.bounds.triangles import Triangles, violated
from qubo_dnn.problem import Problem
from qubo_dnn.testing.backend_cases.models import rugged_model
from tests.unit.bounds.problems import optimum, random_problem


def bare(seed: int) -> Problem[dict[int, int]]:
    """A random small model without constraints."""
    objective = random_problem(seed).objective
    return Problem(objective=objective, decoder=dict)


def cut_problem(seed: int, n: int = 14, whole: bool = True) -> Problem[dict[int, int]]:
    """A dense maximum cut with weights of both signs."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(-9, 10, (n, n)).astype(float) if whole else rng.normal(size=(n, n))
    pairs = {(i, j): weights[i, j] for i, j in combinations(range(n), 2)}
    model = dimod.BinaryQuadraticModel.from_ising(dict.fromkeys(range(n), 0.0), pairs, 0.5)
    return Problem(objective=model, decoder=dict)


def solved(problem: Problem[Any], known: float = math.inf) -> cut_tree.CutTree:
    return cut_tree.search(*spin_model(problem), known, steps_of(problem).enough, lambda: False)


def signs_of(count: int) -> np.ndarray[Any, Any]:
    """[count, 2^count] all states of spins."""
    return np.array(list(product((1.0, -1.0), repeat=count))).T


@pytest.mark.parametrize("seed", range(20))
def test_spins_have_the_energies_of_the_bits(seed: int) -> None:
    problem = bare(seed)
    model, relations = spin_model(problem)
    assert relations.count == len(model.matrix)
    spins = signs_of(len(model.matrix))
    rows = np.array([bits(relations, state) for state in spins.T])
    energies = problem.objective.energies((rows, list(problem.variables)))
    assert model.energy(spins) == pytest.approx(energies, abs=1e-9)
    assert model.energy(spins).min() == pytest.approx(optimum(problem), abs=1e-9)


def test_connected_parts_share_a_spin() -> None:
    objective = dimod.BinaryQuadraticModel.from_ising({}, {(0, 1): 1.0, (2, 3): -2.0, (4, 5): 3.0}, 0.0)
    model, _ = spin_model(Problem(objective=objective, decoder=dict))
    assert len(model.matrix) == 4
    assert model.energy(signs_of(4)).min() == -6.0
    with_field = dimod.BinaryQuadraticModel.from_ising({0: 0.5}, {(0, 1): 1.0, (2, 3): -2.0}, 0.0)
    assert len(spin_model(Problem(objective=with_field, decoder=dict))[0].matrix) == 4


def test_merged_models_have_the_energies_of_the_whole_one() -> None:
    model, _ = spin_model(cut_problem(1, 6))
    relations = Relations.none(6).merge(1, 4, -1).merge(0, 1, 1).merge(2, 3, -1)
    left = model.merged(relations)
    spins = signs_of(3)
    every = relations.spins(spins)
    assert (every[4] == -every[1]).all()
    assert (every[0] == every[1]).all()
    assert (every[3] == -every[5]).all()
    assert left.energy(spins) == pytest.approx(model.energy(every))


def test_violated_triangles_are_those_of_brute_force() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(9, 3))
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    products = rows @ rows.T
    expected = {
        ((i, j, k), (a * b, a, b)): -1.0 - (a * b * products[i, j] + a * products[i, k] + b * products[j, k])
        for i, j, k in combinations(range(9), 3)
        for a, b in product((1, -1), repeat=2)
    }
    expected = {triangle: value for triangle, value in expected.items() if value > 0.05}
    found = violated(products, most=10**6, least=0.05)
    kinds = found.products().astype(int)
    assert {(tuple(c), tuple(p)) for c, p in zip(found.corners.T.tolist(), kinds.T.tolist(), strict=True)} == {
        (corners, (pair, first, second)) for corners, (pair, first, second) in expected
    }
    best = violated(products, most=5, least=0.05)
    values = sorted(expected.values(), reverse=True)
    chosen = zip(best.corners.T.tolist(), best.products().T.astype(int).tolist(), strict=True)
    assert sorted((expected[tuple(c), tuple(p)] for c, p in chosen), reverse=True) == values[:5]


def test_triangles_are_kept_once_and_follow_merged_spins() -> None:
    triangles = Triangles(
        np.array([[0, 0, 1, 1], [1, 1, 2, 3], [2, 3, 3, 4]], np.int16),
        np.array([[1, 1, -1, 1], [-1, 1, 1, 1], [1, 1, 1, -1]], np.int8),
        np.array([1.0, 2.0, 3.0, 4.0]),
    )
    again = Triangles(triangles.corners, -triangles.signs, np.full(4, 9.0))
    assert triangles.with_new(again).multipliers.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert len(triangles.with_new(Triangles(again.corners, np.ones((3, 4), np.int8), np.zeros(4)))) == 7
    # With s_1 = -s_0, only the last two stay: (1, 2, 3) and (1, 3, 4), now at 0.
    merged = triangles.merge(0, 1, -1)
    assert sorted(zip(*merged.corners.tolist(), merged.multipliers.tolist(), strict=True)) == [
        (0, 1, 2, 3.0),
        (0, 2, 3, 4.0),
    ]
    pairs = dict(zip(map(tuple, merged.corners.T.tolist()), merged.products().T.tolist(), strict=True))
    assert pairs == {(0, 1, 2): [1.0, 1.0, 1.0], (0, 2, 3): [-1.0, 1.0, -1.0]}
    # With s_3 = s_2, (0, 1, 2) and (0, 1, 3) become one triangle if their signs agree.
    equal = Triangles(triangles.corners[:, :2], np.ones((3, 2), np.int8), np.array([1.0, 2.0]))
    assert equal.merge(2, 3, 1).multipliers.tolist() == [3.0]
    assert len(equal.merge(2, 3, -1)) == 2


def random_dual(model: SpinModel, rng: np.random.Generator) -> Dual:
    """Any diagonal, and any multipliers of some triangles of random signs."""
    count = len(model.matrix)
    scale = 10.0 ** rng.integers(-3, 2)
    corners = np.array(list(combinations(range(count), 3)), np.int16).reshape(-1, 3).T
    signs = rng.choice([-1, 1], corners.shape).astype(np.int8)
    multipliers = scale * rng.random(corners.shape[1]) * rng.integers(0, 2, corners.shape[1])
    size = float(np.abs(model.matrix).sum())
    return Dual(scale * size * rng.normal(size=count), Triangles(corners, signs, size * multipliers))


def test_bounds_hold_for_any_dual_variables_and_do_not_fall_where_spins_merge() -> None:
    for seed in range(150):
        model, _ = spin_model(cut_problem(seed, 2 + seed % 6, whole=seed % 2 == 0))
        rng = np.random.default_rng(seed)
        dual = random_dual(model, rng)
        bound = proven_bound(model, dual)
        assert -math.inf < bound <= model.energy(signs_of(len(model.matrix))).min()
        i, j = sorted(rng.choice(len(model.matrix), 2, replace=False).tolist())
        for sign in (1, -1):
            relations = Relations.none(len(model.matrix)).merge(i, j, sign)
            merged = proven_bound(model.merged(relations), dual.merge(i, j, sign, model.matrix[i, j]))
            assert merged <= model.energy(relations.spins(signs_of(relations.count))).min()
            # The inherited matrix is positive semidefinite where that of the parent is.
            least = np.linalg.eigvalsh(_Slack(model, dual.triangles)(dual.diagonal, dual.triangles.multipliers))[0]
            level = Dual(dual.diagonal + least, dual.triangles)
            assert proven_bound(
                model.merged(relations), level.merge(i, j, sign, model.matrix[i, j])
            ) >= bound - 1e-9 * abs(bound)


def test_triangles_close_the_gap_of_three_spins() -> None:
    """Three spins that repel each other: products of -1/2 are semidefinite, and the triangle excludes them."""
    model = dimod.BinaryQuadraticModel.from_ising({}, dict.fromkeys(combinations(range(3), 2), 1.0), 0.0)
    spins, _ = spin_model(Problem(objective=model, decoder=dict))
    plain = tighten(spins, Dual.zero(3), 1e-5, 200, math.inf, lambda: False)
    assert plain.bound == pytest.approx(-1.5, abs=0.01)
    dual = Dual(plain.dual.diagonal, violated(plain.products, 100, 0.01))
    cut = tighten(spins, dual, 1e-5, 200, math.inf, lambda: False)
    assert -1.01 < cut.bound <= -1.0


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_optima_are_proven(whole: bool, known: bool) -> None:
    for seed in range(4):
        problem = cut_problem(seed, 14, whole)
        least, steps = optimum(problem), steps_of(problem)
        tree = solved(problem, least if known else math.inf)
        assert tree.bound <= least
        assert least - steps.raised(tree.bound) <= steps.tolerance
        assert tree.energy == pytest.approx(least)
        if not known:
            assert tree.state is not None
            state = dict(zip(problem.variables, tree.state.tolist(), strict=True))
            assert problem.objective.energy(state) == pytest.approx(least)


def test_a_better_state_than_the_known_one_is_found() -> None:
    problem = cut_problem(0)
    tree = solved(problem, optimum(problem) + 3.0)
    assert tree.energy == pytest.approx(optimum(problem))


@pytest.mark.parametrize(
    ("linear", "pairs", "least"),
    [
        ({}, {}, 0.25),
        ({0: -2.0}, {}, -1.75),
        ({0: 0.0}, {}, 0.25),
        ({0: 0.0, 1: 0.0}, {(0, 1): 0.0}, 0.25),
        ({0: 0.0, 1: 0.0}, {(0, 1): 3.0}, -2.75),
        ({0: 1.0, 1: -1.0, 2: 0.0}, {(0, 1): -1.0}, -0.75),
    ],
)
def test_tiny_models(linear: dict[int, float], pairs: dict[tuple[int, int], float], least: float) -> None:
    problem = Problem(objective=dimod.BinaryQuadraticModel.from_ising(linear, pairs, 0.25), decoder=dict)
    tree = solved(problem)
    assert tree.energy == least
    assert steps_of(problem).raised(tree.bound) == pytest.approx(least)
    assert tree.bound <= least


@pytest.mark.parametrize("limit", [0, 1, 5, 20, 60])
def test_a_search_that_is_cut_short_leaves_a_bound(limit: int) -> None:
    problem = cut_problem(0, 16)
    least, calls = optimum(problem), count()
    seen: list[float] = []
    tree = cut_tree.search(
        *spin_model(problem),
        math.inf,
        steps_of(problem).enough,
        lambda: next(calls) >= limit,
        lambda tree: seen.append(tree.bound),
    )
    assert all(-math.inf < bound <= least for bound in [*seen, tree.bound])
    assert seen == sorted(seen)


def test_equal_seeds_give_equal_searches() -> None:
    problem = cut_problem(2, 16, whole=False)
    first, second = solved(problem), solved(problem)
    assert (first.bound, first.energy, first.nodes) == (second.bound, second.energy, second.nodes)


def test_one_opt_ends_at_local_minima() -> None:
    model, _ = spin_model(cut_problem(3, 12))
    start = np.where(np.random.default_rng(0).random((12, 20)) < 0.5, -1.0, 1.0)
    found = one_opt(model, start)
    assert (model.energy(found) <= model.energy(start)).all()
    for i in range(12):
        flipped = found.copy()
        flipped[i] *= -1.0
        assert (model.energy(flipped) >= model.energy(found) - 1e-9).all()


def test_certificates_of_models_without_constraints_name_the_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "available", lambda: None)
    problem = Problem(objective=rugged_model(30, 0), decoder=dict)
    found = certify(problem, None, 600.0)
    again = certify(problem, found.bound, 600.0)
    assert (again.method, again.gap) == (CUT_RELAXATION, 0.0)
