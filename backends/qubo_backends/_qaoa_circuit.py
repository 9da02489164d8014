"""The circuit of QAOA and its shots on Aer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.errors import BackendUnavailableError
from qubo_dnn.extras import require

Floats = NDArray[np.float64]


def circuit(fields: Floats, couplings: Floats, gammas: Floats, betas: Floats) -> Any:
    """A measured Qiskit circuit; qubit i is 1 where spin i is -1.

    Args:
        fields: [n].
        couplings: [n, n], symmetric with an empty diagonal.
        gammas: [p] per unit of energy.
        betas: [p] radians.
    """
    made = require("qiskit", "qiskit", BackendUnavailableError).QuantumCircuit(len(fields))
    made.h(range(len(fields)))
    rows, columns = np.nonzero(np.triu(couplings, 1))
    for gamma, beta in zip(gammas.tolist(), betas.tolist(), strict=True):
        for u, v in zip(rows.tolist(), columns.tolist(), strict=True):
            made.rzz(2.0 * gamma * float(couplings[u, v]), u, v)
        for u in np.flatnonzero(fields).tolist():
            made.rz(2.0 * gamma * float(fields[u]), u)
        made.rx(2.0 * beta, range(len(fields)))
    made.measure_all()
    return made


def shots_on_aer(made: Any, method: str, shots: int, seed: int, bond_dimension: int) -> NDArray[np.int8]:
    """[shots, n] bits that were measured.

    Args:
        made: see `circuit`.
        method: "aer" for a state vector, "mps" for a matrix product state.
        shots: >= 1.
        seed: of the simulator.
        bond_dimension: most of a matrix product state; it cuts off what is beyond.
    """
    primitives = require("qiskit_aer.primitives", "qiskit", BackendUnavailableError)
    options: dict[str, Any] = {"method": "statevector", "max_parallel_threads": 1}
    if method == "mps":
        options |= {"method": "matrix_product_state", "matrix_product_state_max_bond_dimension": bond_dimension}
    sampler = primitives.SamplerV2(default_shots=shots, seed=seed, options={"backend_options": options})
    measured = sampler.run([made]).result()[0].data.meas
    bits = np.unpackbits(measured.array, axis=-1)[:, -made.num_qubits :]
    # Qubit 0 is the last bit.
    return bits[:, ::-1].astype(np.int8)


def bytes_of_state(qubits: int) -> int:
    """Memory of a state vector."""
    return 16 << qubits


def readable_bytes(size: int) -> str:
    """Such as "16 GiB"."""
    power = min(int(math.log2(size) // 10), 8) if size else 0
    return f"{size / 2 ** (10 * power):.3g} {['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB'][power]}"
