"""Both ways to angles, judged by the exact distribution that these give; and both ways to an energy, timed."""

from __future__ import annotations

import time

import dimod
import numpy as np
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_aer import AerSimulator
from qiskit_aer.primitives import EstimatorV2, SamplerV2
from qiskit_optimization.minimum_eigensolvers import QAOA
from qiskit_optimization.optimizers import COBYLA
from qiskit_optimization.utils import algorithm_globals

from bench.qaoa.problems import Floats, Instance
from qubo_backends._qaoa.angles import linear_ramp
from qubo_backends._qaoa.ansatz import Transverse
from qubo_backends._qaoa.cost import gates_of
from qubo_backends._qaoa.gates import circuit
from qubo_backends._qaoa.simulator import energies_of_states, mean_energy
from qubo_backends.qaoa import QaoaBackend
from qubo_dnn.backend import make_options


def ours(given: Instance, depth: int, evaluations: int, seed: int) -> Floats:
    """[2^n] chances after our search."""
    n = len(given.couplings)
    bqm = dimod.BinaryQuadraticModel(np.zeros(n), np.triu(given.couplings), dimod.SPIN)
    backend = QaoaBackend()
    values = {"depth": depth, "max_evaluations": evaluations, "seed": seed, "num_reads": 1}
    info = backend.sample(bqm, make_options(backend, values)).info
    ansatz = Transverse(np.zeros(n), given.couplings)
    state = ansatz.evolved(np.array(info["gammas"]), np.array(info["betas"]))
    return np.abs(state) ** 2


def theirs(given: Instance, depth: int, evaluations: int, seed: int) -> Floats:
    """[2^n] chances after qiskit-optimization's search with its defaults: random angles, 1,024 shots an evaluation."""
    algorithm_globals.random_seed = seed
    sampler = SamplerV2(seed=seed, default_shots=1024, options={"backend_options": {"max_parallel_threads": 1}})
    passes = generate_preset_pass_manager(optimization_level=1, backend=AerSimulator())
    solver = QAOA(sampler, COBYLA(maxiter=evaluations), reps=depth, pass_manager=passes)
    result = solver.compute_minimum_eigenvalue(operator(given))
    bare = solver.ansatz.remove_final_measurements(inplace=False)
    found = Statevector(bare.assign_parameters(result.optimal_point))
    return np.abs(np.asarray(found)) ** 2


def operator(given: Instance) -> SparsePauliOp:
    """The model as Qiskit has it."""
    n = len(given.couplings)
    rows, columns = np.nonzero(np.triu(given.couplings))
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return SparsePauliOp.from_sparse_list(
        [("ZZ", [u, v], float(given.couplings[u, v])) for u, v in pairs], num_qubits=n
    )


def timed(given: Instance, depth: int, repeats: int) -> tuple[float, float, float]:
    """Seconds of an evaluation of the energy, ours and Aer's, least of several in turns; how far they are apart."""
    n = len(given.couplings)
    angles = linear_ramp(depth)
    fields, gammas, betas = np.zeros(n), angles[:depth], angles[depth:]
    ansatz = Transverse(fields, given.couplings)
    energies = energies_of_states(fields, given.couplings)
    made = circuit(n, gates_of(ansatz, gammas.tolist(), betas.tolist())).remove_final_measurements(inplace=False)
    estimator = EstimatorV2(options={"backend_options": {"method": "statevector", "max_parallel_threads": 1}})
    pauli = operator(given)
    mean_energy(ansatz.evolved(gammas, betas), energies)  # compiled
    seconds: tuple[list[float], list[float]] = ([], [])
    values = [0.0, 0.0]
    for _ in range(repeats):
        started = time.perf_counter()
        values[0] = mean_energy(ansatz.evolved(gammas, betas), energies)
        seconds[0].append(time.perf_counter() - started)
        started = time.perf_counter()
        values[1] = float(estimator.run([(made, pauli)]).result()[0].data.evs)
        seconds[1].append(time.perf_counter() - started)
    return min(seconds[0]), min(seconds[1]), abs(values[0] - values[1])
