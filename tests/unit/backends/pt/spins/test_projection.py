"""Auxiliary spins are found, and always have their best values while the others are flipped."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import dimod
import numba
import numpy as np
import pytest
import scipy.sparse
from numpy.typing import NDArray

from qubo_backends._pt.ladder import new_ladder
from qubo_backends._pt.spins.engine import PROJECTED, WALK
from qubo_backends._pt.spins.model import SpinModel, flip, from_couplings, spin_model, sum_state_fields
from qubo_backends._pt.spins.projection import Projection, projection_of
from qubo_backends._pt.spins.sparse_engine import SparseEngine
from qubo_backends._pt.spins.tabu_searches import TabuSearches
from qubo_backends._pt.spins.temperatures import temperature_range
from qubo_backends._pt.spins.walks import Walks, walk
from qubo_formulations.max_sat import MaxSat

RandomSpins = Callable[..., SpinModel]
Misfit = Callable[[NDArray[np.int8], SpinModel, float], float]


@numba.njit  # type: ignore[untyped-decorator]
def flip_all(couplings: Any, spins: Any, fields: Any, flipped: Any, seen: Any) -> float:
    """Make flips one after the other; `seen` receives the fields before each. Returns the energy before all."""
    energy = sum_state_fields(couplings, spins, fields)
    for step in range(flipped.size):
        seen[step] = fields
        flip(couplings, spins, fields, flipped[step])
    return energy


def with_auxiliaries(core: int, auxiliary: int, seed: int, *, whole: bool) -> SpinModel:
    """A model of coupled spins, and of further ones that are coupled to three of these each, in random order."""
    rng = np.random.default_rng(seed)
    n = core + auxiliary
    mask = np.zeros((n, n), bool)
    mask[:core, :core] = np.triu(np.ones((core, core), bool), 1)
    for a in range(core, n):
        mask[rng.choice(core, 3, replace=False), a] = True
    values = rng.integers(1, 4, (n, n)) * rng.choice([-1.0, 1.0], (n, n)) if whole else rng.normal(size=(n, n))
    own = rng.integers(-2, 3, n).astype(float) if whole else rng.normal(size=n)
    order = rng.permutation(n)
    matrix = (np.where(mask, values, 0.0) + np.where(mask, values, 0.0).T)[np.ix_(order, order)]
    return from_couplings(own, scipy.sparse.csr_array(matrix))


def projected(model: SpinModel) -> Projection:
    """The projection, which exists."""
    projection = projection_of(model)
    assert projection is not None
    return projection


def least_energy(projection: Projection, spins: NDArray[Any]) -> float:
    """Over all values of the auxiliary spins."""
    state = np.zeros(projection.model.n)
    state[projection.core] = spins
    energies = []
    for values in itertools.product((-1, 1), repeat=len(projection.auxiliary)):
        state[projection.auxiliary] = values
        energies.append(projection.model.energy(state))
    return min(energies)


@pytest.mark.parametrize(("whole", "dtype"), [(True, np.float32), (False, np.float64)])
def test_fields_are_the_exact_changes_after_any_flips(whole: bool, dtype: type[Any]) -> None:
    for seed in range(5):
        projection = projected(with_auxiliaries(6, 6, seed, whole=whole))
        assert len(projection.core) == len(projection.auxiliary) == 6
        rng = np.random.default_rng(seed)
        spins = rng.choice(np.array([-1.0, 1.0]), 6).astype(dtype)
        start, flipped, seen = spins.copy(), rng.integers(0, 6, 30), np.zeros((30, 6), dtype)
        energy = flip_all(projection.couplings(dtype), spins, np.empty(6, dtype), flipped, seen)
        assert energy == pytest.approx(least_energy(projection, start))
        for step, i in enumerate(flipped):
            now = least_energy(projection, start)
            for j in range(6):
                other = start.copy()
                other[j] *= -1
                change = least_energy(projection, other) - now
                assert -2.0 * start[j] * seen[step, j] == pytest.approx(change, abs=1e-9)
            start[i] *= -1
        assert (start == spins).all()


def test_a_completed_state_is_the_best_with_these_spins() -> None:
    projection = projected(with_auxiliaries(6, 6, 1, whole=True))
    for spins in itertools.product((-1, 1), repeat=6):
        state = projection.completed(np.array(spins, np.int8))
        assert (state[projection.core] == spins).all()
        assert projection.model.energy(state) == pytest.approx(least_energy(projection, np.array(spins)))


def clauses(variables: int, count: int, seed: int) -> list[list[int]]:
    """Random ones of three literals."""
    rng = np.random.default_rng(seed)
    drawn = [(rng.choice(variables, 3, replace=False) + 1, rng.choice([-1, 1], 3)) for _ in range(count)]
    return [(chosen * signs).tolist() for chosen, signs in drawn]


def satisfying(variables: int, count: int, seed: int) -> SpinModel:
    """Such clauses as a model: those that are alike share a variable, and the variables proper come last."""
    model = MaxSat(clauses(variables, count, seed), variables=variables).compile().objective
    names = sorted(model.variables, key=lambda name: (str(name).startswith("x["), str(name)))
    model.relabel_variables({name: place for place, name in enumerate(names)})
    return spin_model(model.change_vartype(dimod.SPIN, inplace=False))


def test_the_auxiliary_spins_of_clauses_are_found() -> None:
    model = satisfying(100, 430, 1)
    assert projected(model).core.tolist() == list(range(model.n - 100, model.n))


def test_graphs_whose_nodes_are_alike_have_none(random_spins: RandomSpins) -> None:
    side = np.arange(400).reshape(20, 20)
    ends = [(side.ravel(), np.roll(side, 1, axis).ravel()) for axis in (0, 1)]
    rows, columns = (np.concatenate(each) for each in zip(*ends, strict=True))
    upper = scipy.sparse.csr_array((np.ones(800), (rows, columns)), shape=(400, 400))
    assert projection_of(from_couplings(np.zeros(400), scipy.sparse.csr_array(upper + upper.T))) is None
    assert projection_of(random_spins(400, 1, density=0.02)) is None
    # Isolated spins follow nothing.
    assert projection_of(from_couplings(np.ones(20), scipy.sparse.csr_array((20, 20)))) is None


def test_coupled_spins_are_not_both_auxiliary() -> None:
    # Pairs of coupled spins, each of which has one further neighbour, of many.
    rows = list(range(0, 40, 2)) + list(range(40))
    columns = list(range(1, 40, 2)) + [40 + k % 4 for k in range(40)]
    upper = scipy.sparse.csr_array((np.ones(60), (rows, columns)), shape=(44, 44))
    projection = projected(from_couplings(np.zeros(44), scipy.sparse.csr_array(upper + upper.T)))
    assert projection.auxiliary.tolist() == list(range(0, 40, 2))


def by_number(states: NDArray[np.int8], replica: int) -> NDArray[np.int8]:
    """The state of a replica."""
    return np.array(states[replica])


def searches_of(kind: str, model: SpinModel, rng: np.random.Generator) -> TabuSearches | Walks:
    """Of the projected model."""
    projection = projected(model)
    couplings = projection.couplings(np.float64)
    return Walks(projection, couplings, rng) if kind == WALK else TabuSearches(model, couplings, 1, rng, projection)


@pytest.mark.parametrize("kind", [PROJECTED, WALK])
def test_searches_solve_small_polynomials(kind: str) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        products = {tuple(rng.choice(10, 4, replace=False).tolist()): float(rng.integers(-5, 6)) for _ in range(30)}
        states = np.array(list(itertools.product((0, 1), repeat=10)))
        least = min(sum(c * states[:, list(term)].prod(axis=1) for term, c in products.items()))
        quadratic = dimod.make_quadratic(products, 20.0, dimod.BINARY)
        quadratic.relabel_variables({v: k for k, v in enumerate(quadratic.variables)})
        quadratic.change_vartype(dimod.SPIN)
        model = spin_model(quadratic)
        searches = searches_of(kind, model, rng)
        ladder = new_ladder(1.0 / np.geomspace(10.0, 1000.0, 32), np.ones(1, np.uint64))
        found = []
        for start in rng.choice(np.array([-1, 1], np.int8), (40, model.n)):
            searches.search(0, ladder, partial(by_number, start[None].repeat(32, 0)))
            assert searches.energies[0] == pytest.approx(model.energy(searches.found[0]))
            found.append(searches.energies[0])
        assert min(found) * model.unit + quadratic.offset == pytest.approx(least)


def test_walks_draw_states_by_their_weights(misfit: Misfit) -> None:
    projection = projected(with_auxiliaries(4, 4, 3, whole=False))
    couplings, best = projection.couplings(np.float64), np.zeros(4, np.int8)
    random, spins = np.ones(1, np.uint64), np.ones(4)
    states = []
    for _ in range(4000):
        _, energy = walk(couplings, spins, np.empty(4), 0.7, 10, 1e-9, random, best)
        states.append(spins.astype(np.int8))
        assert energy == pytest.approx(projection.model.energy(projection.completed(states[-1])))

    class Least:
        """The projected model, as a model of four spins."""

        n = 4

        @staticmethod
        def energy(state: NDArray[Any]) -> float:
            return projection.model.energy(projection.completed(state))

    assert misfit(np.array(states), Least, 0.7) > 1e-3  # type: ignore[arg-type]


def test_walks_start_anew_at_any_temperature() -> None:
    model = satisfying(60, 250, 1)
    walks = searches_of(WALK, model, np.random.default_rng(1))
    assert isinstance(walks, Walks)
    ladder = new_ladder(1.0 / np.geomspace(1.0, 8.0, 32), np.ones(1, np.uint64))
    starts = np.random.default_rng(2).choice(np.array([-1, 1], np.int8), (32, model.n))
    asked: list[int] = []

    def state(replica: int) -> NDArray[np.int8]:
        asked.append(replica)
        return by_number(starts, replica)

    for _ in range(11):
        walks.search(0, ladder, state)
    assert asked == list(range(8))
    walks.forget()
    for _ in range(8):
        walks.search(0, ladder, state)
    assert asked[8:] == [3, 4, 5, 6, 7, 0, 1, 2]


def engine(model: SpinModel, seed: int) -> SparseEngine:
    """With default temperatures."""
    rng = np.random.default_rng(seed)
    settings: dict[str, Any] = {"temperatures": temperature_range(model, rng), "replicas": 32, "keep": 1}
    return SparseEngine(model, np.float32, rng, states=None, target=-np.inf, **settings)


def test_clauses_are_satisfied_by_flips_of_their_variables_and_the_same_way_each_time() -> None:
    model = satisfying(100, 400, 1)
    first, second = engine(model, 1), engine(model, 1)
    first.advance(600)
    for _ in range(6):
        second.advance(100)
    assert first.found_by == second.found_by
    assert first.found_by in (PROJECTED, WALK)
    assert first.elite.energies == second.elite.energies
    assert (first.elite.states[0] == second.elite.states[0]).all()
    assert first.ledger.entries == second.ledger.entries
