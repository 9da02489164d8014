"""What a run will cost, said before it begins."""

from __future__ import annotations

import importlib.util
import math
from typing import Any

from qubo_backends._qaoa.ansatz import Ansatz
from qubo_backends._qaoa.gates import Gate, circuit
from qubo_backends._qaoa.options import QaoaOptions
from qubo_backends._qaoa.primitives import Primitive, simulator_passes

# Seconds of a layer per amplitude and qubit, on one core.
_LAYER = 1.4e-9


def bytes_of_state(states: int) -> int:
    """Memory of a state vector."""
    return 16 * states


def readable_bytes(size: int) -> str:
    """Such as "16 GiB"."""
    power = min(int(math.log2(size) // 10), 8) if size else 0
    return f"{size / 2 ** (10 * power):.3g} {['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB'][power]}"


def gates_of(ansatz: Ansatz, gammas: list[float], betas: list[float]) -> list[Gate]:
    """All gates of a state."""
    made = ansatz.start()
    for gamma, beta in zip(gammas, betas, strict=True):
        made += ansatz.layer(gamma, beta)
    return made


def search_seconds(ansatz: Ansatz, options: QaoaOptions) -> float:
    """About how long the search for angles takes where the ansatz is simulated."""
    evaluation = _LAYER * options.depth * ansatz.states * max(math.log2(ansatz.states), 1.0)
    return max(options.max_evaluations, 1) * evaluation


def cost(
    searched: Ansatz | None,
    ansatz: Ansatz,
    options: QaoaOptions,
    primitive: Primitive | None,
    prepared: Any,
    shots: int,
) -> dict[str, Any]:
    """Figures of a run to come.

    Args:
        searched: ansatz whose angles are searched; None: none are.
        ansatz: measured at the end.
        options: of the call.
        primitive: that measures; None: the exact simulator.
        prepared: the circuit as it will be run; None without Qiskit.
        shots: of the circuit.

    Returns:
        qubits; two_qubit_gates and circuit_depth of the circuit as transpiled (None without Qiskit); bytes of the
        largest state; seconds_of_search, seconds_of_circuit (None where a service's are not known).
    """
    sizes = [bytes_of_state(each.states) for each in (searched, None if primitive else ansatz) if each is not None]
    circuit_seconds: float | None = 0.0
    if primitive is not None:
        circuit_seconds = seconds_of(primitive, prepared, shots)
        if primitive.memory is not None:
            sizes.append(primitive.memory(ansatz.qubits, shots))
    return {
        "qubits": ansatz.qubits,
        "two_qubit_gates": None if prepared is None else prepared.num_nonlocal_gates(),
        "circuit_depth": None if prepared is None else prepared.depth(),
        "bytes": max(sizes, default=0),
        "seconds_of_search": 0.0 if searched is None else search_seconds(searched, options),
        "seconds_of_circuit": circuit_seconds,
    }


def seconds_of(primitive: Primitive, prepared: Any, shots: int) -> float | None:
    """About how long a circuit takes, at most; None where it is not known."""
    if primitive.seconds is None:
        return None
    places = {qubit: index for index, qubit in enumerate(prepared.qubits)}
    used, span, count = set(), 0, 0
    for instruction in prepared.data:
        where = [places[qubit] for qubit in instruction.qubits]
        if instruction.operation.num_clbits == 0 and instruction.operation.name != "barrier":
            used.update(where)
            span += max(where) - min(where)
            count += 1
    return primitive.seconds(count, span, len(used), shots)


def sentence(found: dict[str, Any], depth: int) -> str:
    """The figures as a line of text."""
    if found["circuit_depth"] is None:
        circuit_text = ""
    else:
        gates, layers = found["two_qubit_gates"], found["circuit_depth"]
        circuit_text = f", {gates:,} two-qubit gates in a circuit of depth {layers:,}"
    memory = f", {readable_bytes(found['bytes'])}" if found["bytes"] else ""
    known = found["seconds_of_circuit"] is not None
    total = found["seconds_of_search"] + (found["seconds_of_circuit"] or 0.0)
    seconds = f", about {total:.2g} s{'' if known else ' and the service'}"
    return f"{found['qubits']} qubits, {depth} layers{circuit_text}{memory}{seconds}"


def logical_circuit(qubits: int, gates: list[Gate], seed: int) -> Any:
    """The circuit as a simulator would run it; None without Qiskit."""
    if importlib.util.find_spec("qiskit") is None:
        return None
    return simulator_passes(seed).run(circuit(qubits, gates))
