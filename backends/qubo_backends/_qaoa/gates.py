"""Gates as plain data: what ansätze are made of, whoever runs or draws them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.errors import BackendUnavailableError
from qubo_dnn.support.extras import require

# More of them are not worth a picture.
MOST_DRAWN = 1500


class Gate(NamedTuple):
    """One gate.

    Attributes:
        name: h, x, rx, ry, rz, rzz, or xy: exp(-i angle / 4 (XX + YY)), or give: the same in the real, which moves
            the excitation of the first qubit to the second.
        qubits: one or two.
        angle: radians, by Qiskit's conventions.
    """

    name: str
    qubits: tuple[int, ...]
    angle: float = 0.0


def circuit(qubits: int, gates: Sequence[Gate]) -> Any:
    """A Qiskit circuit of them that ends with measuring every qubit into `meas`."""
    made = require("qiskit", "qiskit", BackendUnavailableError).QuantumCircuit(qubits)
    for name, where, angle in gates:
        if name in ("h", "x"):
            getattr(made, name)(*where)
        elif name in ("xy", "give"):
            library = require("qiskit.circuit.library", "qiskit", BackendUnavailableError)
            made.append(library.XXPlusYYGate(angle, np.pi / 2 if name == "give" else 0.0), where)
        else:
            getattr(made, name)(angle, *where)
    made.measure_all()
    return made


def columns(qubits: int, gates: Sequence[Gate]) -> NDArray[np.int64]:
    """[gates] the earliest column in which each can stand, one gate per qubit and column.

    A gate of two qubits takes up those between them, so that no line crosses another.
    """
    ends = np.zeros(qubits, np.int64)
    found = np.empty(len(gates), np.int64)
    for index, gate in enumerate(gates):
        span = slice(min(gate.qubits), max(gate.qubits) + 1)
        found[index] = ends[span].max()
        ends[span] = found[index] + 1
    return found
