"""Angles lower the energy, wherever the search begins and on whatever part."""

from __future__ import annotations

from collections.abc import Callable

import dimod
import networkx as nx
import numpy as np
import pytest

from qubo_backends._qaoa.angles import linear_ramp, optimize
from qubo_backends._qaoa.simulator import energies_of_states
from qubo_backends._qaoa.warm_start import rounded_relaxation, tilts
from qubo_backends.qaoa import QaoaBackend
from qubo_dnn.backend import make_options
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.max_cut import MaxCut

RandomBqm = Callable[..., dimod.BinaryQuadraticModel]
RandomIsing = Callable[[int, int], tuple[np.ndarray, np.ndarray]]
BACKEND = QaoaBackend()


def test_three_regular_graphs_reach_the_published_ratio() -> None:
    ratios = []
    for seed in range(5):
        problem = MaxCut(nx.random_regular_graph(3, 16, seed=seed)).compile()
        best = solve(problem, get_backend("exact")).best.objective
        info = BACKEND.sample(problem.objective, make_options(BACKEND, {"seed": seed, "num_reads": 1})).info
        assert info["evaluations"] <= 100
        ratios.append(-info["expected_energy"] / best)
    assert np.mean(ratios) >= 0.87


def test_deeper_ramps_are_better_and_the_optimizer_improves_them() -> None:
    problem = MaxCut(nx.random_regular_graph(3, 12, seed=3)).compile()

    def expected(**values: object) -> float:
        options = make_options(BACKEND, {"seed": 0, "num_reads": 1} | values)
        return float(BACKEND.sample(problem.objective, options).info["expected_energy"])

    ramps = [expected(depth=depth, max_evaluations=0) for depth in (1, 3, 8)]
    assert ramps == sorted(ramps, reverse=True)
    for depth, ramp in zip((1, 3), ramps, strict=False):
        for optimizer in ("COBYLA", "Nelder-Mead", "Powell"):
            assert expected(depth=depth, optimizer=optimizer) < ramp - 0.1


def test_the_best_states_become_likelier_when_only_they_count() -> None:
    problem = MaxCut(nx.random_regular_graph(3, 12, seed=4)).compile()
    best = -solve(problem, get_backend("exact")).best.objective
    hits = []
    for share in (1.0, 0.1):
        options = make_options(BACKEND, {"seed": 2, "num_reads": 20_000, "depth": 2, "cvar": share})
        energies = BACKEND.sample(problem.objective, options).record.energy
        hits.append(float((energies < best + 0.5).mean()))
    assert hits[1] > hits[0]


def test_given_angles_are_taken(random_bqm: RandomBqm) -> None:
    values = {"depth": "2", "initial_angles": "0.1,0.2;-0.4,-0.3", "max_evaluations": "0", "seed": "1"}
    info = BACKEND.sample(random_bqm(4, 1), make_options(BACKEND, values)).info
    assert (info["gammas"], info["betas"]) == ([0.1, 0.2], [-0.4, -0.3])


def test_the_optimizer_stops_when_told_and_keeps_the_best() -> None:
    seen: list[float] = []

    def objective(angles: np.ndarray) -> float:
        seen.append(float((angles**2).sum()))
        return seen[-1]

    found = optimize(objective, linear_ramp(3), "COBYLA", 1000, lambda: len(seen) >= 7)
    assert len(found.values) == 7
    assert found.value == min(seen)
    assert float((found.angles**2).sum()) == found.value


def test_angles_of_a_part_are_nearly_those_of_the_whole() -> None:
    problem = MaxCut(nx.random_regular_graph(3, 16, seed=1)).compile()

    def expected(**values: object) -> float:
        info = BACKEND.sample(problem.objective, make_options(BACKEND, {"seed": 0, "num_reads": 4000} | values))
        return float(info.record.energy.mean())

    ramp, whole, part = expected(max_evaluations=0), expected(), expected(transfer=10)
    assert whole < ramp
    assert part < ramp - 0.8 * (ramp - whole)


def test_beyond_the_simulator_angles_come_from_a_part() -> None:
    backend = QaoaBackend("mps")
    bqm = MaxCut(nx.cycle_graph(30)).compile().objective
    found = backend.sample(bqm, make_options(backend, {"seed": 0, "num_reads": 100, "depth": 1}))
    assert found.info["angles_of_qubits"] == 14
    assert found.info["evaluations"] > 10
    # One layer cuts at most 3/4 of a ring's edges, the ramp 0.68 of them.
    assert -found.record.energy.mean() > 0.70 * 30


def test_a_warm_start_begins_near_a_good_cut() -> None:
    problem = MaxCut(nx.random_regular_graph(3, 14, seed=2)).compile()
    energies = {}
    for start in ("none", "relaxation"):
        values = {"seed": 0, "num_reads": 1, "depth": 1, "warm_start": start}
        energies[start] = BACKEND.sample(problem.objective, make_options(BACKEND, values)).info["convergence"]
    assert energies["relaxation"][0] < energies["none"][0] - 0.5
    assert min(energies["relaxation"]) < min(energies["none"])
    assert tilts(np.array([1, -1], np.int8), 0.5) == pytest.approx([np.pi / 2] * 2)


@pytest.mark.parametrize("seed", range(3))
def test_the_rounded_relaxation_is_near_the_optimum(seed: int, ising: RandomIsing) -> None:
    fields, couplings = ising(12, 40 + seed)
    energies = energies_of_states(fields, couplings)
    spins = rounded_relaxation(fields, couplings, 0)
    energy = spins @ fields + spins @ couplings @ spins / 2
    assert energies.min() - 1e-9 <= energy < 0.9 * energies.min()
