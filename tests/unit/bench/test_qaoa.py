"""The benchmark judges both searches by the same exact distribution."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from qiskit.quantum_info import Statevector
from qiskit.transpiler import PassManager
from qiskit_optimization.minimum_eigensolvers import QAOA
from qiskit_optimization.optimizers import COBYLA

from bench.qaoa import layers, quality, speed, starts
from bench.qaoa.__main__ import main
from bench.qaoa.problems import KINDS, instance
from bench.qaoa.solvers import FoundAngles, Shots, operator, ours, theirs


@pytest.mark.parametrize("kind", ["3-regular", "dense"])
def test_ratio_and_hit_of_known_distributions(kind: str) -> None:
    given = instance(kind, 8, 1)
    optimum = (given.energies == given.energies.min()) / (given.energies == given.energies.min()).sum()
    assert given.ratio(optimum) == pytest.approx(1.0)
    assert given.hit(optimum) == pytest.approx(1.0)
    uniform = np.full(256, 1 / 256)
    # Half of all edges are cut; couplings without fields have an energy of 0 on average.
    expected = 6 / (6 - given.energies.min()) if kind == "3-regular" else 0.0
    assert given.ratio(uniform) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("search", [ours, theirs])
def test_both_give_a_distribution_that_is_better_than_uniform(search: Callable[..., FoundAngles]) -> None:
    given = instance("3-regular", 8, 2)
    found = search(given, 2, 40, 0)
    assert found.chances.sum() == pytest.approx(1.0)
    assert given.ratio(found.chances) > given.ratio(np.full(256, 1 / 256)) + 0.05
    assert 10 < found.evaluations <= 40


def test_their_circuits_have_the_chances_that_their_shots_are_drawn_from() -> None:
    """The ansatz as qiskit-optimization makes it, by Qiskit's own state vector."""
    given, point = instance("dense", 6, 3), np.random.default_rng(1).uniform(-3, 3, 6)
    solver = QAOA(Shots(given, 3, 0), COBYLA(maxiter=8), reps=3, pass_manager=PassManager())
    solver.compute_minimum_eigenvalue(operator(given))
    circuit = solver.ansatz.remove_final_measurements(inplace=False)
    state = Statevector(circuit.assign_parameters(point))
    sampler = Shots(given, 3, 0)
    np.testing.assert_allclose(sampler.chances(point), np.abs(np.asarray(state)) ** 2, atol=1e-12)
    shots = sampler.run([(solver.ansatz, point)], shots=200_000).result()[0].data.meas.get_int_counts()
    counts = np.bincount(list(shots), list(shots.values()), 64)
    # Of a binomial count the standard deviation is below sqrt(n p).
    assert (np.abs(counts - 200_000 * sampler.chances(point)) < 5 * np.sqrt(200_000 * sampler.chances(point)) + 5).all()


def test_rows_have_both_sides() -> None:
    for row in quality.rows([6], [1], 20, 2):
        assert len(row["ours"]["ratio"]) == len(row["qiskit_optimization"]["hit"]) == 2
        assert quality.TABLE.headings.count(" | ") == quality.TABLE.line(row).count(" | ")
    for row in speed.rows([6], 2, 2):
        assert row["apart"] < 1e-9


def test_a_part_gives_nearly_the_angles_of_the_whole_and_a_warm_start_more() -> None:
    found = {(row["problem"], row["start"]): np.mean(row["ratio"]) for row in starts.rows(14, [2], 60, 2)}
    for kind in KINDS:
        ramp, part, whole, _, warm = (found[kind, name] for name in starts.STARTS)
        assert ramp < part < whole + 1e-9 < warm < 1.0
        assert warm < found[kind, starts.RELAXATION] <= 1.0 + 1e-12


@pytest.mark.slow
def test_layers_are_judged_before_and_after_repair() -> None:
    pytest.importorskip("mlxtend")
    random, circuit = layers.rows([(2, 4)], [0, 2], 3.0, 1)
    assert (random["variables"], random["states"]) == (14, 128)
    assert random["hit"] == pytest.approx([1 / 128])
    assert random["ratio"] == pytest.approx([0.0], abs=1e-12)
    assert random["ratio"][0] + 0.3 < circuit["ratio"][0] < 1.0
    assert circuit["hit"][0] > 3 / 128
    for row in (random, circuit):
        assert 0.0 <= row["plan_distance"][0] + 1e-12 <= row["shot_distance"][0] + 2e-12


def test_parts_run_again_replace_their_own_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in ("speed", "quality", "speed"):
        line = [*("bench.qaoa", "--out", str(tmp_path), "--parts", part, "--seeds", "1", "--depths", "1")]
        monkeypatch.setattr("sys.argv", [*line, "--sizes", "4", "--timed-sizes", "4", "6"])
        main()
    found = json.loads((tmp_path / "results.json").read_text())
    assert (len(found["speed"]), len(found["quality"])) == (4, 2)
    assert (tmp_path / "README.md").read_text().count("| dense | ") == 3
