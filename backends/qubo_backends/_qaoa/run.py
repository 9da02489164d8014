"""One run: the cost said, the angles found, the circuit measured."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from qubo_backends._qaoa.angles import optimize
from qubo_backends._qaoa.ansatz import Ansatz, Transverse, drawable
from qubo_backends._qaoa.cost import check_time, cost, gates_of, logical_circuit, sentence
from qubo_backends._qaoa.diagnosis import distribution
from qubo_backends._qaoa.options import SHOTS, QaoaOptions
from qubo_backends._qaoa.primitives import Primitive
from qubo_backends._qaoa.simulator import drawn, mean_energy
from qubo_backends._qaoa.states import Bits, Floats, State
from qubo_backends._qaoa.warm_start import rounded_relaxation, tilts
from qubo_backends._shared import ocean, sampling
from qubo_dnn.backend import PROGRESS
from qubo_dnn.errors import BackendFailedError

# Qubits of the part that angles are found on where the whole is too large.
_PART = 14
_log = logging.getLogger(f"{PROGRESS}.qaoa")


def transverse(job: ocean.SamplerJob, options: QaoaOptions) -> Transverse:
    """The ansatz of all states, tilted where a warm start is asked for."""
    fields, couplings = sampling.dense_arrays(job.bqm)
    if options.warm_start == "none":
        return Transverse(fields, couplings)
    spins = rounded_relaxation(fields, couplings, job.seed)
    return Transverse(fields, couplings, tilts(spins, options.epsilon))


def draw(
    job: ocean.SamplerJob, options: QaoaOptions, ansatz: Ansatz, primitive: Primitive | None
) -> tuple[Bits, dict[str, Any]]:
    """Rows of the final circuit, and what happened.

    Args:
        job: of the call; its model has the variables of the ansatz.
        options: of the call.
        ansatz: of the whole problem.
        primitive: that measures; None: the exact simulator.

    Raises:
        TimeLimitError: the final circuit would take longer than the time limit, and cannot be interrupted.
        BackendFailedError: no shot keeps the groups, which only errors of a device can cause.
    """
    shots, p, offset = options.num_reads or SHOTS, options.depth, float(job.bqm.offset)
    whole = ansatz.simulable and options.transfer is None
    searched = ansatz if whole else ansatz.part(options.transfer or _PART) if options.max_evaluations else None
    angles = options.first_angles()

    def prepared() -> Any:
        gates = gates_of(ansatz, angles[:p].tolist(), angles[p:].tolist())
        return (
            logical_circuit(ansatz.qubits, gates, job.seed)
            if primitive is None
            else primitive.prepared(ansatz.qubits, gates)
        )

    said = cost(searched, ansatz, options, primitive, prepared(), shots)
    _log.info("qaoa: %s", sentence(said, p))
    reserved = said["seconds_of_circuit"] or 0.0
    check_time("the final circuit alone", reserved, job.watch.time_limit)
    report: dict[str, Any] = {"mixer": ansatz.mixer, "states": float(ansatz.states)}
    if searched is not None:
        angles, figures = _searched(searched, angles, options, job.watch, reserved, offset if whole else 0.0)
        report |= figures
        if not whole:
            report["angles_of_qubits"] = searched.qubits
    if primitive is None:
        bits = ansatz.bits(drawn(ansatz.evolved(angles[:p], angles[p:]), shots, job.seed))
    else:
        _log.debug("qaoa: the final circuit, %d shots", shots)
        bits = primitive.shots(prepared(), shots, job.watch)
    kept = ansatz.keeps(bits)
    if not kept.any():
        raise BackendFailedError(f"none of {shots} shots keeps every one-hot group: the device's errors are too large")
    bits = bits[kept]
    final = gates_of(ansatz, angles[:p].tolist(), angles[p:].tolist())
    circuit = drawable(ansatz)
    return bits, {
        **report,
        **said,
        "depth": p,
        "shots": shots,
        "shots_that_keep_the_groups": float(kept.mean()),
        "gammas": angles[:p].tolist(),
        "betas": angles[p:].tolist(),
        "distribution": distribution(job.bqm, bits, ansatz.uniform(np.random.default_rng([job.seed, 1]), len(bits))),
        "circuit": None if circuit is None else [[gate.name, list(gate.qubits)] for gate in circuit],
        "gates": [[gate.name, list(gate.qubits), gate.angle] for gate in final],
    }


def _searched(
    ansatz: Ansatz,
    first: Floats,
    options: QaoaOptions,
    watch: sampling.InterruptGuard,
    reserved: float,
    offset: float,
) -> tuple[Floats, dict[str, Any]]:
    """The best angles, and how they were found.

    Args:
        ansatz: simulated.
        first: angles to begin with.
        options: of the call.
        watch: ends the search.
        reserved: seconds of the time limit that are left for the final circuit.
        offset: added to energies.
    """
    energies = ansatz.energies + offset
    objective = _objective(energies, options.cvar)
    p, most = options.depth, max(options.max_evaluations, 1)
    done = 0
    best, said = np.inf, time.perf_counter()

    def value(angles: Floats) -> float:
        nonlocal done, best, said
        found = objective(ansatz.evolved(angles[:p], angles[p:]))
        done, best = done + 1, min(best, found)
        if time.perf_counter() - said > 0.5:
            said = time.perf_counter()
            _log.debug("qaoa: evaluation %d of %d, energy %.6g", done, most, best)
        return found

    found = optimize(value, first, options.optimizer, most, lambda: watch.over or watch.seconds_left <= reserved)
    figures = {"expected_energy": found.value, "evaluations": len(found.values), "convergence": found.values}
    return found.angles, figures


def _objective(energies: Floats, share: float) -> Callable[[State], float]:
    """Expected energy of a state, or that of the best share of what is measured."""
    if share == 1.0:
        return lambda state: float(mean_energy(state, energies))
    order = np.argsort(energies)

    def value(state: State) -> float:
        chances = np.abs(state[order]) ** 2
        weights = np.clip(share - np.concatenate([[0.0], np.cumsum(chances)[:-1]]), 0.0, chances)
        return float(weights @ energies[order] / weights.sum())

    return value
