"""What a run will cost, said before it begins."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from typing import Any

from qubo_backends._qaoa.ansatz import Ansatz
from qubo_backends._qaoa.gates import Gate, circuit
from qubo_backends._qaoa.options import QaoaOptions, RqaoaOptions
from qubo_backends._qaoa.primitives import Primitive, simulator_passes
from qubo_backends._qaoa.states import bytes_of_state, readable_bytes
from qubo_dnn.errors import TimeLimitError

# Seconds of a layer per amplitude and qubit, on one core.
_LAYER = 1.4e-9


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


def cost_of_elimination(
    prepared: Any, primitive: Primitive, options: RqaoaOptions, runs: int, qubits: int
) -> dict[str, Any]:
    """Figures of the circuits of a recursive run to come.

    Args:
        prepared: the first circuit as it will be run; every further one has a qubit less.
        primitive: that measures.
        options: of the call.
        runs: from all qubits down to the cutoff.
        qubits: of the first circuit.

    Returns:
        As `cost`, of the first circuit, which is the largest; circuits, how many there are, with seconds_of_circuits
        for all of them, at most.
    """
    sizes = range(qubits, options.cutoff, -1)
    seconds: float | None = None
    if primitive.seconds is not None:
        gates, span, used = _shape(prepared)
        seconds = runs * sum(primitive.seconds(gates, span, min(size, used), options.shots) for size in sizes)
    return {
        "circuits": runs * len(sizes),
        "two_qubit_gates": prepared.num_nonlocal_gates(),
        "circuit_depth": prepared.depth(),
        "bytes": 0 if primitive.memory is None else primitive.memory(qubits, options.shots),
        "seconds_of_circuit": seconds_of(primitive, prepared, options.shots),
        "seconds_of_circuits": seconds,
    }


def seconds_of(primitive: Primitive, prepared: Any, shots: int) -> float | None:
    """About how long a circuit takes, at most; None where it is not known."""
    if primitive.seconds is None:
        return None
    return primitive.seconds(*_shape(prepared), shots)


def _shape(prepared: Any) -> tuple[int, int, int]:
    """Gates of a circuit, the sum of the distances that they span, and its qubits that are used."""
    places = {qubit: index for index, qubit in enumerate(prepared.qubits)}
    used, span, count = set(), 0, 0
    for instruction in prepared.data:
        where = [places[qubit] for qubit in instruction.qubits]
        if instruction.operation.num_clbits == 0 and instruction.operation.name != "barrier":
            used.update(where)
            span += max(where) - min(where)
            count += 1
    return count, span, len(used)


def sentence(found: dict[str, Any], depth: int) -> str:
    """The figures of `cost` as a line of text."""
    seconds = _seconds_text(found["seconds_of_search"], found["seconds_of_circuit"])
    return ", ".join([f"{found['qubits']} qubits, {depth} layers", *_circuit_texts(found), seconds])


def sentence_of_elimination(found: dict[str, Any]) -> str:
    """Those of a recursive run, with qubits and seconds_of_search; those of its circuits where there are any."""
    circuits = found.get("circuits", 0)
    seconds = _seconds_text(found["seconds_of_search"], found["seconds_of_circuits"] if circuits else 0.0)
    if not circuits:
        return f"{found['qubits']} spins, {seconds}"
    first = f"{circuits:,} circuits of at most {found['qubits']} qubits"
    return ", ".join([first, *_circuit_texts(found), seconds])


def _circuit_texts(found: dict[str, Any]) -> Iterator[str]:
    if found["circuit_depth"] is not None:
        yield f"{found['two_qubit_gates']:,} two-qubit gates in a circuit of depth {found['circuit_depth']:,}"
    if found["bytes"]:
        yield readable_bytes(found["bytes"])


def _seconds_text(search: float, circuits: float | None) -> str:
    return f"about {search + (circuits or 0.0):.2g} s{' and the service' if circuits is None else ''}"


def check_time(what: str, seconds: float | None, left: float) -> None:
    """Refuse to begin what would not end in time.

    Args:
        what: a circuit, which cannot be interrupted.
        seconds: that it takes; None where they are not known.
        left: seconds there are.

    Raises:
        TimeLimitError: it would take longer.
    """
    if seconds is not None and seconds > left:
        raise TimeLimitError(f"{what} takes about {seconds:.2g} s and cannot be interrupted; {left:.3g} s are left")


def logical_circuit(qubits: int, gates: list[Gate], seed: int) -> Any:
    """The circuit as a simulator would run it; None without Qiskit."""
    if importlib.util.find_spec("qiskit") is None:
        return None
    return simulator_passes(seed).run(circuit(qubits, gates))
