"""Searches know the energy of what they find, and sparse models are searched as often as it brings something."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import dimod
import numpy as np
import pytest
import scipy.sparse

from qubo_backends._pt.ladder import new_ladder
from qubo_backends._pt.pace import Pace
from qubo_backends._pt.spins.dense import DenseEngine
from qubo_backends._pt.spins.model import SpinModel, from_couplings, spin_model
from qubo_backends._pt.spins.sparse_engine import SparseEngine
from qubo_backends._pt.spins.tabu_searches import TabuSearches
from qubo_backends._pt.spins.temperatures import temperature_range

RandomSpins = Callable[..., SpinModel]


def tour(cities: int, seed: int) -> SpinModel:
    """A round trip as penalties, with sparse rows."""
    rng = np.random.default_rng(seed)
    distances = rng.integers(1, 100, (cities, cities))
    bqm = dimod.BinaryQuadraticModel(dimod.BINARY)
    for place, (one, other) in itertools.product(range(cities), itertools.permutations(range(cities), 2)):
        following = (place + 1) % cities
        bqm.add_quadratic((one, place), (other, following), float(distances[one, other]))
    for k in range(cities):
        for group in ([(k, place) for place in range(cities)], [(city, k) for city in range(cities)]):
            bqm.add_linear_equality_constraint([(v, 1.0) for v in group], 200.0, -1.0)
    bqm.relabel_variables({v: i for i, v in enumerate(sorted(bqm.variables))})
    bqm.change_vartype(dimod.SPIN)
    model = spin_model(bqm)
    return model if not model.dense else from_couplings(model.own, scipy.sparse.csr_array(model.rows))


def torus(side: int, seed: int) -> SpinModel:
    """Couplings of -1 and 1 between neighbours on a square with opposite edges joined."""
    rng = np.random.default_rng(seed)
    n = side * side
    nodes = np.arange(n).reshape(side, side)
    ends = [(nodes.ravel(), np.roll(nodes, 1, axis).ravel()) for axis in (0, 1)]
    rows, columns = (np.concatenate(each) for each in zip(*ends, strict=True))
    upper = scipy.sparse.csr_array((rng.choice([-1.0, 1.0], 2 * n), (rows, columns)), shape=(n, n))
    return from_couplings(np.zeros(n), scipy.sparse.csr_array(upper + upper.T))


@pytest.mark.parametrize("dense", [True, False])
def test_what_is_found_has_its_energy_and_is_no_worse_than_its_start(random_spins: RandomSpins, dense: bool) -> None:
    model = random_spins(60, 5, density=0.3, dense=dense)
    rng = np.random.default_rng(2)
    searches = TabuSearches(model, model.kernel_couplings(np.float64, np.float64), 2, rng)
    ladder = new_ladder(1.0 / np.geomspace(0.2, 2.0, 8), np.ones(1, np.uint64))
    states = rng.choice(np.array([-1, 1], np.int8), (8, 60))
    for count in range(1, 9):
        searches.search(count % 2, ladder, lambda replica: states[replica])
        found, energy = searches.found[count % 2], searches.energies[count % 2]
        assert energy == pytest.approx(model.energy(found))
        assert (found * model.local_fields(found[None])[0] <= model.least_gain).all()
    assert searches.count == 8


@pytest.mark.parametrize(
    ("model", "least", "most"), [(tour(9, 1), 0.5, 1.0), (torus(16, 1), 0.0, 0.3)], ids=["tour", "torus"]
)
def test_searches_go_on_where_they_alone_find_something_and_become_rare_where_sweeps_do(
    model: SpinModel, least: float, most: float
) -> None:
    rng = np.random.default_rng(1)
    settings = {"temperatures": temperature_range(model, rng), "replicas": 32, "keep": 1, "target": -np.inf}
    engine = SparseEngine(model, np.float32, rng, states=None, **settings)
    engine.advance(8000)
    # Of so few spins one search a period is the most there can be.
    assert least <= engine.report()["tabu_searches"] / (8000 // engine.period) <= most


def waits(pace: Pace, rounds: list[tuple[float, float]]) -> list[int]:
    """Sweeps between searches after rounds of what descents and what a search found."""
    found = []
    for descended, searched in rounds:
        sweeps = pace.next_search
        pace.descended(descended)
        pace.searched(sweeps, searched, 0.1)
        found.append(pace.next_search - sweeps)
    return found


def test_the_pace_follows_who_finds_the_better_states() -> None:
    rounds = [(-10.0, -9.0), (-12.0, -11.0), (-13.0, -11.0), (-13.0, -14.0), (-13.0, -13.0), (-13.0, -13.5)]
    # Where descents do better it doubles, where a search finds something new it halves, and otherwise it stays.
    assert waits(Pace(8, 8, 8), rounds) == [16, 32, 64, 32, 32, 32]


def test_searches_that_end_lower_come_sooner_than_usual() -> None:
    rounds = [(-9.0, -10.0), (-9.0, -9.5), (-9.0, -9.5), (-9.0, -9.5), (-9.0, -9.0), (-9.0, -8.0), (-9.0, -8.0)]
    assert waits(Pace(8, 32, 32), rounds) == [16, 8, 8, 8, 16, 32, 64]


def test_large_dense_models_are_swept_before_they_are_searched(random_spins: RandomSpins) -> None:
    searches = []
    for n in (100, 1001):
        settings = {"temperatures": (0.3, 30.0), "replicas": 2, "keep": 1, "states": None, "target": -np.inf}
        engine = DenseEngine(random_spins(n, 1, dense=True), np.float32, np.random.default_rng(0), **settings)
        engine.advance(1)
        assert np.isfinite(engine.elite.best_energy)
        engine.advance(8)
        searches.append(engine.report()["tabu_searches"])
    assert searches[0] > 0
    assert searches[1] == 0
