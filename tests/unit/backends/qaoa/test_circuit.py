"""The circuit of an answer gives the answer's samples again, wherever it is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import dimod
import numpy as np
import pytest

import qubo_dnn as qd
from qubo_dnn.cli.main import main
from qubo_dnn.errors import UnsupportedProblemError

BQM = dimod.BinaryQuadraticModel({"a": 0.5, "b": -1.0, "c": 0.3}, {"ab": 1.0, "bc": -0.7}, 0.2, "SPIN")


def chances(circuit: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The chance of every state; bit k of its number is qubit k."""
    from qiskit.quantum_info import Statevector

    return np.asarray(Statevector(circuit.remove_final_measurements(inplace=False)).probabilities())


@pytest.mark.parametrize("warm_start", ["none", "relaxation"])
def test_the_circuit_has_the_expected_energy(warm_start: Literal["none", "relaxation"]) -> None:
    found = qd.solve(BQM, "qaoa", seed=1, depth=2, warm_start=warm_start, presolve=False)
    circuit = found.circuit()
    states = (np.arange(8)[:, None] >> np.arange(3)) & 1
    energies = BQM.energies((2 * states - 1, circuit.metadata["variables"]))
    assert float(chances(circuit) @ energies) == pytest.approx(found.sampleset.info["expected_energy"])


def test_the_circuit_of_the_xy_mixer_keeps_the_groups() -> None:
    problem = qd.get_formulation("graph-coloring").example(0).compile()
    found = qd.solve(problem, "qaoa", seed=1, presolve=False, num_reads=200)
    circuit = found.circuit()
    names = circuit.metadata["variables"]
    assert set(names) == set(map(str, problem.variables))
    groups = [[names.index(str(v)) for v in group] for group in problem.one_hot.values()]
    states = np.flatnonzero(chances(circuit) > 1e-12)
    bits = (states[:, None] >> np.arange(len(names))) & 1
    assert all((bits[:, group].sum(axis=1) == 1).all() for group in groups)


def test_the_command_writes_a_program_that_reads_back(tmp_path: Path) -> None:
    from qiskit import qasm3

    (tmp_path / "cut.txt").write_text("3 3\n1 2 1\n2 3 1\n1 3 2\n")
    words = ["solve", str(tmp_path / "cut.txt"), "--backend", "qaoa", "--no-presolve"]
    assert main([*words, "--circuit", str(tmp_path / "cut.qasm"), "--json", str(tmp_path / "cut.json")]) == 0
    text = (tmp_path / "cut.qasm").read_text()
    assert "// qubit 0: " in text
    read = qasm3.loads(text)
    assert read.num_qubits == read.num_clbits == 3
    # A cut of three edges has two best states, which are complements, and QAOA favours them.
    best = np.argsort(chances(read))[-2:]
    assert best.sum() == 7
    assert json.loads((tmp_path / "cut.json").read_text())["objective"] == 3


def test_what_has_no_circuit_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnsupportedProblemError, match="'tabu' measures no circuit"):
        qd.solve(BQM, "tabu", seed=1).circuit()
    with pytest.raises(UnsupportedProblemError, match="presolve=False"):
        qd.solve(dimod.BinaryQuadraticModel({"a": 1.0}, {}, 0.0, "SPIN"), "qaoa", seed=1).circuit()
    (tmp_path / "cut.txt").write_text("2 1\n1 2 1\n")
    assert main(["solve", str(tmp_path / "cut.txt"), "--backend", "neal", "--circuit", str(tmp_path / "x")]) == 3
    assert "'neal' measures no circuit" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
