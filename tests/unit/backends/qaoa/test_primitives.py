"""Circuits are measured on Aer, with the errors of a device, and by any sampler."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dimod
import networkx as nx
import numpy as np
import pytest

from qubo_backends._qaoa.ansatz import Transverse
from qubo_backends.qaoa import QaoaBackend
from qubo_backends.rqaoa import RqaoaBackend
from qubo_dnn.backend import make_options
from qubo_dnn.errors import BackendUnavailableError, OptionError, TimeLimitError
from qubo_dnn.registry import get_backend
from qubo_dnn.testing.backends import BACKEND_CASES
from qubo_dnn.testing.common import NotApplicable
from qubo_formulations.max_cut import MaxCut
from tests.unit.backends.samplers import SAMPLER, Sampler

RandomBqm = Callable[..., dimod.BinaryQuadraticModel]


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


def test_a_matrix_product_state_takes_more_qubits_than_a_vector() -> None:
    graph = nx.cycle_graph(40)
    backend = QaoaBackend("mps")
    options = make_options(backend, {"seed": 0, "num_reads": 20, "depth": 1})
    found = backend.sample(MaxCut(graph).compile().objective, options)
    assert found.info["qubits"] == 40
    assert found.info["circuit_depth"] > 2
    # A ramp of one layer cuts about 0.68 of a ring's edges.
    assert -found.record.energy.mean() > 0.55 * 40


# What depends on where circuits are measured; in haste, the other cases are left to the exact simulator.
QUICK = frozenset({"answers_mixed_labels", "describes_itself", "seed_reproduces", "seeds_differ"})
CASES = [case if case in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in BACKEND_CASES]


@pytest.mark.parametrize("kind", [QaoaBackend, RqaoaBackend])
@pytest.mark.parametrize("case", CASES)
def test_the_kit_on_aer(case: str, kind: type[QaoaBackend | RqaoaBackend]) -> None:
    try:
        BACKEND_CASES[case](kind("aer"))
    except NotApplicable as reason:
        pytest.skip(str(reason))


def test_any_sampler_can_measure(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(5, 3)
    for backend in (QaoaBackend(sampler=Sampler()), get_backend("qaoa:tests.unit.backends.samplers:given_sampler")):
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
    sampler = Sampler(answers=0)
    backend = QaoaBackend(sampler=sampler)
    with pytest.raises(TimeLimitError, match=r"within 0\.2 seconds"):
        backend.sample(random_bqm(4, 1), make_options(backend, {"time_limit": 0.2}))
    assert sampler.cancelled


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
