"""What a run takes is said before it begins, and too much is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dimod
import pytest

from qubo_backends._qaoa.states import readable_bytes
from qubo_backends.qaoa import QaoaBackend
from qubo_dnn.backend import make_options
from qubo_dnn.errors import TimeLimitError, UnsupportedProblemError
from qubo_dnn.problem import Problem

RandomBqm = Callable[..., dimod.BinaryQuadraticModel]


@pytest.mark.parametrize("variant", ["exact", "aer"])
def test_too_many_qubits_are_refused_with_what_they_would_take(random_bqm: RandomBqm, variant: str) -> None:
    backend = QaoaBackend(variant)
    with pytest.raises(UnsupportedProblemError, match=r"at most 2[02] qubits.*needs 60.*takes 16 EiB.*qaoa:mps"):
        backend.sample(random_bqm(60, 1), make_options(backend, {}))
    with pytest.raises(UnsupportedProblemError, match="at most 200"):
        QaoaBackend("mps").sample(random_bqm(201, 1, density=0.01), make_options(backend, {}))


@pytest.mark.parametrize(
    ("size", "text"), [(16, "16 B"), (2**28, "256 MiB"), (16 << 60, "16 EiB"), (1000, "1,000 B"), (16 << 9000, "YiB")]
)
def test_sizes_are_readable(size: int, text: str) -> None:
    assert text in readable_bytes(size)


def test_thousands_of_qubits_are_refused_like_others() -> None:
    chain = dimod.BinaryQuadraticModel({}, {(i, i + 1): 1.0 for i in range(4999)}, 0.0, dimod.SPIN)
    grouped = Problem(
        objective=chain.binary.copy(), decoder=dict, one_hot={str(i): (2 * i, 2 * i + 1) for i in range(2500)}
    )
    backend = QaoaBackend()
    with pytest.raises(UnsupportedProblemError, match=r"needs 5000, whose state vector takes .*e\+1482 YiB"):
        backend.sample(chain, make_options(backend, {}))
    with pytest.raises(UnsupportedProblemError, match=r"the problem has .*e\+752, in 5000 qubits"):
        backend.sample_constrained(grouped, make_options(backend, {}))


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


@pytest.mark.parametrize("name", ["qaoa", "qaoa:aer", "rqaoa:aer"])
def test_a_problem_is_refused_before_anything_slow_is_imported(
    random_bqm: RandomBqm, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "dense.bqm"
    path.write_bytes(random_bqm(60, 2).to_file().read())
    code = (
        "import sys\nfrom qubo_dnn.cli.main import main\n"
        f"code = main(['solve', {str(path)!r}, '--backend', {name!r}])\nprint(code, *sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    exit_code, *loaded = ended.stdout.split()
    assert int(exit_code) == UnsupportedProblemError.exit_code
    assert "60, whose state vector takes 16 EiB" in ended.stderr
    assert not {module.partition(".")[0] for module in loaded} & {"numba", "qiskit", "rich", "scipy"}
