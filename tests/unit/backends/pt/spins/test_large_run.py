"""`pt` on models without labels: exact energies, right optima, seeds, limits, and memory that is refused in time."""

from __future__ import annotations

import signal

import dimod
import numpy as np
import pytest

from qubo_backends._pt.drive import Progress
from qubo_backends._pt.spins.large_model import large_spin_model
from qubo_backends.parallel_tempering import ParallelTemperingBackend, ParallelTemperingOptions
from qubo_dnn.errors import OptionError, UnsupportedProblemError
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.large import solve_large
from qubo_dnn.sparse_model import SparseModel


def drawn(n: int, vartype: str, sense: str, seed: int, whole: bool = False) -> SparseModel:
    """A random model with an offset."""
    rng = np.random.default_rng(seed)
    rows, columns = np.triu_indices(n, 1)
    kept = rng.random(len(rows)) < min(6.0 / n, 1.0)
    biases, linear = rng.normal(size=kept.sum()), rng.normal(size=n)
    if whole:
        biases, linear = np.sign(biases), np.round(linear)
    return SparseModel(linear, rows[kept], columns[kept], biases, 2.5, vartype, sense)  # type: ignore[arg-type]


def labelled(model: SparseModel) -> dimod.BinaryQuadraticModel:
    pairs = model.rows, model.columns, model.biases
    return dimod.BinaryQuadraticModel.from_numpy_vectors(model.linear, pairs, model.offset, model.vartype)


@pytest.mark.parametrize("vartype", ["BINARY", "SPIN"])
@pytest.mark.parametrize("sense", ["min", "max"])
@pytest.mark.parametrize("whole", [False, True])
def test_the_optimum_of_a_small_model_is_found_with_its_energy(vartype: str, sense: str, whole: bool) -> None:
    model = drawn(14, vartype, sense, seed=3, whole=whole)
    bqm = labelled(model)
    found = solve_large(model, get_backend("pt"), {"seed": 1, "num_reads": 2, "num_sweeps": 200, "threads": 8})
    energies = dimod.ExactSolver().sample(bqm).record.energy
    assert found.objective == pytest.approx(energies.min() if sense == "min" else energies.max(), abs=1e-12)
    for state, energy in zip(found.samples.states, found.samples.energies, strict=True):
        assert energy == pytest.approx(float(bqm.energy(dict(enumerate(state.tolist())))), abs=1e-12)


def test_the_spin_model_has_the_energies_of_the_binary_one() -> None:
    model = drawn(30, "BINARY", "max", seed=5)
    spins, offset = large_spin_model(model)
    states = np.random.default_rng(0).integers(0, 2, (5, 30)).astype(np.int8)
    for state, energy in zip(states, model.energies(states), strict=True):
        assert spins.unit * spins.energy(2.0 * state - 1.0) + offset == pytest.approx(-energy)


def test_a_seed_gives_the_same_states_and_another_one_others() -> None:
    model = drawn(400, "SPIN", "min", seed=7)
    runs = [
        ParallelTemperingBackend().sample_sparse(model, ParallelTemperingOptions(seed=seed, num_sweeps=40, threads=2))
        for seed in (1, 1, 2)
    ]
    assert runs[0].states.tobytes() == runs[1].states.tobytes() != runs[2].states.tobytes()


def test_annealing_goes_below_a_descent_and_longer_annealing_further() -> None:
    """On the average of some models, by more than their spread."""
    energies = {
        sweeps: np.mean(
            [
                solve_large(
                    drawn(2000, "SPIN", "min", seed), get_backend("pt"), {"seed": 1, "num_sweeps": sweeps}
                ).objective
                for seed in range(3)
            ]
        )
        for sweeps in (1, 32, 500)
    }
    assert energies[500] < 1.01 * energies[32] < energies[1] < 0.0


def test_it_stops_at_a_target_and_when_the_caller_says_so() -> None:
    model = drawn(500, "SPIN", "min", seed=9, whole=True)
    best = solve_large(model, get_backend("pt"), {"seed": 1, "num_sweeps": 200})
    options = ParallelTemperingOptions(seed=2, target_energy=best.objective + 0.02 * abs(best.objective))
    found = ParallelTemperingBackend().sample_sparse(model, options)
    assert found.info["target_reached"]
    assert found.energies[0] <= options.target_energy

    def stop(_: Progress) -> None:
        raise StopIteration

    stopped = ParallelTemperingBackend(stop).sample_sparse(model, ParallelTemperingOptions(seed=1, num_sweeps=10**6))
    assert stopped.info["sweeps"] == [1]
    assert stopped.energies[0] < 0.8 * best.objective  # a local minimum all the same


def test_a_model_without_couplings_has_its_least_state() -> None:
    empty = np.zeros(0, np.int32)
    model = SparseModel(np.array([1.0, -2.0, 0.0]), empty, empty, np.zeros(0))
    assert solve_large(model, get_backend("pt"), {"seed": 1}).objective == -2.0


def test_what_does_not_fit_into_memory_is_refused_before_it_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qubo_backends._pt.spins.large_run.available_bytes", lambda: 2.0**20)
    chain = np.arange(49_999)
    model = SparseModel(np.zeros(50_000), chain, chain + 1, np.ones(49_999))
    with pytest.raises(UnsupportedProblemError, match=r"needs about .* GiB .* are free"):
        solve_large(model, get_backend("pt"))


def test_options_of_a_ladder_and_backends_without_arrays_are_refused() -> None:
    model = drawn(10, "SPIN", "min", seed=1)
    with pytest.raises(OptionError, match="num_replicas does not apply"):
        solve_large(model, get_backend("pt"), {"num_replicas": 8})
    with pytest.raises(UnsupportedProblemError, match=r"'neal' takes no models of more than 1,000,000 variables"):
        solve_large(model, get_backend("neal"))


def test_ctrl_c_keeps_the_best_state() -> None:
    pressed: list[int] = []

    def press(now: Progress) -> None:
        if now.sweeps >= 40 and not pressed:
            pressed.append(now.sweeps)
            signal.raise_signal(signal.SIGINT)

    model = drawn(500, "SPIN", "min", seed=9)
    found = ParallelTemperingBackend(press).sample_sparse(model, ParallelTemperingOptions(seed=1, time_limit=60.0))
    once = ParallelTemperingBackend().sample_sparse(model, ParallelTemperingOptions(seed=1, num_sweeps=32))
    assert found.info["interrupted"]
    assert pressed[0] <= found.info["sweeps"][0] < 1000
    assert found.energies[0] <= once.energies[0]
