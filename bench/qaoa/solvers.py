"""Both ways to angles, judged by the exact distribution that these give; and both ways to an energy, timed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import dimod
import numpy as np
from qiskit.primitives import BaseSamplerV2, BitArray, DataBin, PrimitiveResult, SamplerPubResult
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import PassManager
from qiskit_aer.primitives import EstimatorV2
from qiskit_optimization.minimum_eigensolvers import QAOA
from qiskit_optimization.optimizers import COBYLA
from qiskit_optimization.utils import algorithm_globals

from bench.qaoa.problems import Floats, IsingInstance
from qubo_backends._qaoa.angles import linear_ramp
from qubo_backends._qaoa.ansatz import Transverse
from qubo_backends._qaoa.cost import gates_of
from qubo_backends._qaoa.gates import circuit
from qubo_backends._qaoa.options import QaoaOptions
from qubo_backends._qaoa.simulator import energies_of_states, evolved, mean_energy
from qubo_backends._qaoa.warm_start import rounded_relaxation, tilts
from qubo_backends.qaoa import QaoaBackend


@dataclass(frozen=True)
class FoundAngles:
    """Where a search for angles ended.

    Attributes:
        chances: [2^n] of all states at its angles.
        evaluations: of the energy that it took.
        seconds: CPU time.
    """

    chances: Floats
    evaluations: int
    seconds: float


def ours(given: IsingInstance, depth: int, evaluations: int, seed: int, **others: Any) -> FoundAngles:
    """Our search, with its defaults for all other options that are not given."""
    n = len(given.couplings)
    bqm = dimod.BinaryQuadraticModel(np.zeros(n), np.triu(given.couplings), dimod.SPIN)
    options = QaoaOptions(depth=depth, max_evaluations=evaluations, seed=seed, num_reads=1, **others)
    started = time.process_time()
    info = QaoaBackend().sample(bqm, options).info
    seconds = time.process_time() - started
    begin = None
    if options.warm_start != "none":
        begin = tilts(rounded_relaxation(np.zeros(n), given.couplings, seed), options.epsilon)
    ansatz = Transverse(np.zeros(n), given.couplings, begin)
    state = ansatz.evolved(np.array(info["gammas"]), np.array(info["betas"]))
    return FoundAngles(np.abs(state) ** 2, info.get("evaluations", 0), seconds)


def theirs(given: IsingInstance, depth: int, evaluations: int, seed: int) -> FoundAngles:
    """qiskit-optimization's search with its defaults: random angles, 1,024 shots an evaluation."""
    algorithm_globals.random_seed = seed
    sampler = Shots(given, depth, seed)
    started = time.process_time()
    # The circuit is recognised by its parameters alone: passes without any effect.
    solver = QAOA(sampler, COBYLA(maxiter=evaluations), reps=depth, pass_manager=PassManager())
    result = solver.compute_minimum_eigenvalue(operator(given))
    seconds = time.process_time() - started
    assert result.optimal_point is not None
    assert result.cost_function_evals is not None
    return FoundAngles(sampler.chances(result.optimal_point), int(result.cost_function_evals), seconds)


class Shots(BaseSamplerV2):  # type: ignore[misc]  # qiskit has no types
    """A primitive for the circuits of `QAOA` whose shots come from our simulator; Aer's take minutes from 20 qubits on.

    Args:
        given: the model.
        depth: layers.
        seed: of the shots.
    """

    def __init__(self, given: IsingInstance, depth: int, seed: int) -> None:
        self._given, self._depth, self._rng = given, depth, np.random.default_rng(seed)

    def chances(self, point: Floats) -> Floats:
        """[2^n] of all states.

        Args:
            point: [2 p] angles in the order of the circuit's parameters: betas, then gammas.
        """
        couplings = self._given.couplings
        betas, gammas = point[: self._depth], point[self._depth :]
        return np.abs(evolved(np.zeros(len(couplings)), couplings, gammas, betas)) ** 2

    def run(self, pubs: Any, *, shots: int | None = None) -> Any:
        """See `BaseSamplerV2`; without `shots` they are 1,024, as of Qiskit's own samplers."""
        results = []
        for each in pubs:
            pub = SamplerPub.coerce(each, shots)
            cumulated = np.cumsum(self.chances(pub.parameter_values.as_array(pub.circuit.parameters)))
            drawn = np.searchsorted(cumulated, self._rng.random(pub.shots or 1024) * cumulated[-1], side="right")
            bits = BitArray.from_samples(drawn.tolist(), pub.circuit.num_qubits)
            results.append(SamplerPubResult(DataBin(meas=bits)))
        return Done(PrimitiveResult(results))


@dataclass(frozen=True)
class Done:
    """A job that has its result."""

    answer: Any

    def result(self) -> Any:
        return self.answer


def operator(given: IsingInstance) -> SparsePauliOp:
    """The model as Qiskit has it."""
    n = len(given.couplings)
    rows, columns = np.nonzero(np.triu(given.couplings))
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return SparsePauliOp.from_sparse_list(
        [("ZZ", [u, v], float(given.couplings[u, v])) for u, v in pairs], num_qubits=n
    )


def timed(given: IsingInstance, depth: int, repeats: int) -> tuple[float, float, float]:
    """CPU seconds of an evaluation of the energy, ours and Aer's, least of several in turns; how far they are apart."""
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
        started = time.process_time()
        values[0] = mean_energy(ansatz.evolved(gammas, betas), energies)
        seconds[0].append(time.process_time() - started)
        started = time.process_time()
        values[1] = float(estimator.run([(made, pauli)]).result()[0].data.evs)
        seconds[1].append(time.process_time() - started)
    return min(seconds[0]), min(seconds[1]), abs(values[0] - values[1])
