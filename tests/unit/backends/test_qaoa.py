"""QAOA agrees with linear algebra and with Qiskit, and its angles lower the energy."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import dimod
import networkx as nx
import numpy as np
import pytest
import scipy.linalg

from qubo_backends._qaoa.angles import linear_ramp, optimize
from qubo_backends._qaoa.ansatz import Transverse
from qubo_backends._qaoa.cost import gates_of, readable_bytes
from qubo_backends._qaoa.gates import circuit
from qubo_backends._qaoa.simulator import drawn, energies_of_states, evolved, mean_energy
from qubo_backends._qaoa.warm_start import rounded_relaxation, tilts
from qubo_backends.qaoa import QaoaBackend
from qubo_backends.rqaoa import RqaoaBackend
from qubo_dnn.backend import make_options
from qubo_dnn.errors import BackendUnavailableError, OptionError, TimeLimitError, UnsupportedProblemError
from qubo_dnn.registry import get_backend
from qubo_dnn.solve import solve
from qubo_dnn.testing.backends import BACKEND_CASES
from qubo_dnn.testing.common import NotApplicable
from qubo_formulations.max_cut import MaxCut

RandomBqm = Callable[..., dimod.BinaryQuadraticModel]
BACKEND = QaoaBackend()


def ising(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.normal(size=(n, n)), 1)
    return rng.normal(size=n), upper + upper.T


def spins_of_states(n: int) -> np.ndarray:
    return 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_energies_are_those_of_all_states(n: int) -> None:
    fields, couplings = ising(n, n)
    spins = spins_of_states(n)
    expected = spins @ fields + np.einsum("xi,ij,xj->x", spins, couplings, spins) / 2
    np.testing.assert_allclose(energies_of_states(fields, couplings), expected, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_the_state_is_that_of_the_matrices(n: int) -> None:
    fields, couplings = ising(n, 10 + n)
    energies = energies_of_states(fields, couplings)
    gammas, betas = np.array([0.3, -0.7, 1.9]), np.array([-0.5, 0.2, 2.5])
    state = np.full(2**n, 2 ** (-n / 2), complex)
    for gamma, beta in zip(gammas, betas, strict=True):
        rotation = scipy.linalg.expm(-1j * beta * np.array([[0, 1], [1, 0]]))
        mixer = np.ones((1, 1))
        for _ in range(n):
            mixer = np.kron(rotation, mixer)
        state = mixer @ (np.exp(-1j * gamma * energies) * state)
    np.testing.assert_allclose(evolved(fields, couplings, gammas, betas), state, atol=1e-12)


def test_a_state_beyond_the_cache_agrees_with_qiskit() -> None:
    """14 qubits: some are rotated in blocks, the others over the whole state."""
    from qiskit.quantum_info import Statevector

    fields, couplings = ising(14, 3)
    gammas, betas = np.array([0.2, 0.4]), np.array([-0.6, -0.3])
    for angles in (None, np.linspace(0.3, 2.8, 14)):
        ansatz = Transverse(fields, couplings, angles)
        made = circuit(14, gates_of(ansatz, gammas.tolist(), betas.tolist())).remove_final_measurements(inplace=False)
        theirs = np.asarray(Statevector(made))
        ours = ansatz.evolved(gammas, betas)
        assert abs(np.vdot(theirs, ours)) == pytest.approx(1.0, abs=1e-9)
        energies = ansatz.energies
        assert mean_energy(ours, energies) == pytest.approx(float(np.abs(theirs) ** 2 @ energies), abs=1e-9)


@pytest.mark.parametrize("variant", ["exact", "aer", "mps"])
def test_shots_follow_the_state(random_bqm: RandomBqm, variant: str) -> None:
    bqm = random_bqm(4, 2, vartype="SPIN")
    backend = QaoaBackend(variant)
    found = backend.sample(bqm, make_options(backend, {"num_reads": 20_000, "seed": 5, "max_evaluations": 1}))
    linear, (rows, columns, biases), _ = bqm.to_numpy_vectors(variable_order=range(4))
    couplings = np.zeros((4, 4))
    couplings[rows, columns] = biases
    couplings += couplings.T
    state = Transverse(linear, couplings).evolved(np.array(found.info["gammas"]), np.array(found.info["betas"]))
    numbers = (found.record.sample[:, [found.variables.index(v) for v in range(4)]] > 0) @ (1 << np.arange(4))
    counts = np.bincount(numbers, found.record.num_occurrences, 16)
    expected = 20_000 * np.abs(state) ** 2
    # Pearson's statistic of 15 degrees of freedom is above 45 once in 10,000 times.
    assert float(((counts - expected) ** 2 / expected).sum()) < 45
    assert counts.sum() == 20_000


def test_the_expectation_is_that_of_the_model(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(5, 7)
    found = BACKEND.sample(bqm, make_options(BACKEND, {"num_reads": 50_000, "seed": 1, "depth": 2}))
    assert found.info["expected_energy"] == pytest.approx(
        found.record.energy.mean(), abs=5 * found.record.energy.std() / 220
    )
    assert found.info["expected_energy"] == min(found.info["convergence"])
    assert found.info["evaluations"] == len(found.info["convergence"]) == 100


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


def test_a_matrix_product_state_takes_more_qubits_than_a_vector() -> None:
    graph = nx.cycle_graph(40)
    backend = QaoaBackend("mps")
    options = make_options(backend, {"seed": 0, "num_reads": 20, "depth": 1})
    found = backend.sample(MaxCut(graph).compile().objective, options)
    assert found.info["qubits"] == 40
    assert found.info["circuit_depth"] > 2
    # A ramp of one layer cuts about 0.68 of a ring's edges.
    assert -found.record.energy.mean() > 0.55 * 40


@pytest.mark.parametrize("variant", ["exact", "aer"])
def test_too_many_qubits_are_refused_with_what_they_would_take(random_bqm: RandomBqm, variant: str) -> None:
    backend = QaoaBackend(variant)
    with pytest.raises(UnsupportedProblemError, match=r"at most 2[02] qubits.*needs 60.*takes 16 EiB.*qaoa:mps"):
        backend.sample(random_bqm(60, 1), make_options(backend, {}))
    with pytest.raises(UnsupportedProblemError, match="at most 200"):
        QaoaBackend("mps").sample(random_bqm(201, 1, density=0.01), make_options(backend, {}))


@pytest.mark.parametrize("kind", [QaoaBackend, RqaoaBackend])
@pytest.mark.parametrize("case", BACKEND_CASES)
def test_the_kit_on_aer(case: str, kind: type[QaoaBackend | RqaoaBackend]) -> None:
    try:
        BACKEND_CASES[case](kind("aer"))
    except NotApplicable as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize(
    "values",
    [
        {"initial_angles": "0.1,0.2;-0.1"},
        {"initial_angles": "0.1;-0.1"},
        {"initial_angles": "0.1"},
        {"cvar": "0"},
        {"depth": "0"},
        {"optimizer": "SGD"},
        {"ramp": "-1"},
    ],
)
def test_bad_options_are_refused(random_bqm: RandomBqm, values: dict[str, str]) -> None:
    with pytest.raises(OptionError):
        BACKEND.sample(random_bqm(3, 1), make_options(BACKEND, values))
    with pytest.raises(OptionError, match="exact, aer, mps, noisy, ibm"):
        get_backend("qaoa:hardware")


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


def test_measuring_a_basis_state_gives_its_bits() -> None:
    state = np.zeros(16, complex)
    state[0b0110] = 1.0
    ansatz = Transverse(np.zeros(4), np.zeros((4, 4)))
    assert ansatz.bits(drawn(state, 3, 0)).tolist() == [[0, 1, 1, 0]] * 3


@pytest.mark.parametrize(("size", "text"), [(16, "16 B"), (2**28, "256 MiB"), (16 << 60, "16 EiB"), (16 << 200, "")])
def test_sizes_are_readable(size: int, text: str) -> None:
    assert text in readable_bytes(size)
    assert math.isfinite(float(readable_bytes(size).split()[0]))


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
def test_the_rounded_relaxation_is_near_the_optimum(seed: int) -> None:
    fields, couplings = ising(12, 40 + seed)
    energies = energies_of_states(fields, couplings)
    spins = rounded_relaxation(fields, couplings, 0)
    energy = spins @ fields + spins @ couplings @ spins / 2
    assert energies.min() - 1e-9 <= energy < 0.9 * energies.min()


class Sampler:
    """A stranger's SamplerV2 that counts its jobs, and whose jobs may never end."""

    def __init__(self, ends: bool = True) -> None:
        self.ends, self.cancelled, self.circuits = ends, False, 0

    def run(self, pubs: list[object], shots: int) -> object:
        from qiskit.primitives import StatevectorSampler

        self.circuits += 1
        job = StatevectorSampler(seed=1).run(pubs, shots=shots)
        return job if self.ends else self

    def done(self) -> bool:
        return False

    def cancel(self) -> None:
        self.cancelled = True


SAMPLER = Sampler()


def given_sampler() -> Sampler:
    return SAMPLER


def test_any_sampler_can_measure(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(5, 3)
    for backend in (QaoaBackend(sampler=Sampler()), get_backend(f"qaoa:{__name__}:given_sampler")):
        assert not backend.capabilities.seeded
        found = backend.sample(bqm, make_options(backend, {"num_reads": 200}))
        assert len(found) == 200
        assert found.first.energy == pytest.approx(dimod.ExactSolver().sample(bqm).first.energy)
    assert SAMPLER.circuits == 1
    missing = QaoaBackend("nowhere.at_all:sampler")
    with pytest.raises(OptionError, match="callable that returns a SamplerV2"):
        missing.sample(bqm, make_options(missing, {}))
    with pytest.raises(OptionError, match="not both"):
        QaoaBackend("aer", sampler=Sampler())


def test_a_sampler_that_does_not_answer_is_cancelled_at_the_limit(random_bqm: RandomBqm) -> None:
    sampler = Sampler(ends=False)
    backend = QaoaBackend(sampler=sampler)
    with pytest.raises(TimeLimitError, match=r"within 0\.2 seconds"):
        backend.sample(random_bqm(4, 1), make_options(backend, {"time_limit": 0.2}))
    assert sampler.cancelled


def test_a_circuit_that_cannot_end_in_time_is_not_begun(random_bqm: RandomBqm) -> None:
    backend = QaoaBackend("mps")
    with pytest.raises(TimeLimitError, match="final circuit alone takes about"):
        backend.sample(random_bqm(60, 1), make_options(backend, {"time_limit": 1.0}))


def test_the_cost_is_said_before_and_the_progress_meanwhile(
    random_bqm: RandomBqm, caplog: pytest.LogCaptureFixture
) -> None:
    backend = QaoaBackend("aer")
    with caplog.at_level("DEBUG", logger="qubo_dnn.backend"):
        found = backend.sample(random_bqm(6, 1), make_options(backend, {"seed": 1}))
    first = caplog.records[0].getMessage()
    assert "6 qubits, 3 layers" in first
    assert f"{found.info['two_qubit_gates']} two-qubit gates" in first
    assert found.info["two_qubit_gates"] == 3 * 15
    assert found.info["seconds_of_circuit"] > 0.0
    assert "final circuit" in caplog.records[-1].getMessage()


def test_a_fake_device_restricts_couplings_and_errs(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(5, 2)
    means = {}
    for variant in ("aer", "noisy"):
        backend = QaoaBackend(variant)
        found = backend.sample(bqm, make_options(backend, {"seed": 1, "num_reads": 4000}))
        means[variant] = found.record.energy.mean(), found.info["two_qubit_gates"]
    assert means["noisy"][0] > means["aer"][0]
    assert means["noisy"][1] > means["aer"][1]
    backend = QaoaBackend("noisy")
    with pytest.raises(OptionError, match="no fake device 'FakeNothing'"):
        backend.sample(bqm, make_options(backend, {"device": "FakeNothing"}))


def test_without_an_account_ibm_is_unavailable(
    random_bqm: RandomBqm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    runtime = pytest.importorskip("qiskit_ibm_runtime")

    def refused() -> object:
        raise RuntimeError("the token secret-token is wrong")

    monkeypatch.setattr(runtime, "QiskitRuntimeService", refused)
    backend = QaoaBackend("ibm")
    with pytest.raises(BackendUnavailableError, match=r"RuntimeError.*QISKIT_IBM_TOKEN") as raised:
        backend.sample(random_bqm(3, 1), make_options(backend, {}))
    assert "secret" not in str(raised.value)


def test_pictures_show_what_info_has(random_bqm: RandomBqm) -> None:
    info = BACKEND.sample(random_bqm(5, 2), make_options(BACKEND, {"seed": 1})).info
    read_back = json.loads(json.dumps(info))
    drawn = BACKEND.pictures(read_back)
    assert [each.name for each in drawn] == ["convergence", "angles", "energies", "circuit"]
    assert sum(info["distribution"]["measured"]) == pytest.approx(1.0)
    assert sum(info["distribution"]["random"]) == pytest.approx(1.0)
    gates = {series.name: series for series in drawn[-1].series}
    assert len(gates["rzz"].x) == 3 * 10
    assert len(gates["h"].x) == 5
    assert BACKEND.pictures({}) == []
