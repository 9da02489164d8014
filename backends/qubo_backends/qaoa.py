"""The quantum approximate optimization algorithm, with angles found on an exact simulator.

The final circuit is measured on that simulator, or on Qiskit's Aer.

Source: Farhi, Goldstone & Gutmann 2014, arXiv 1411.4028; conditional value at risk, Barkoutsos et al. 2020,
arXiv 1907.04769.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import dimod
import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from qubo_backends import _ocean, _sampling
from qubo_backends._qaoa_angles import Method, linear_ramp, optimize, typical_energy
from qubo_backends._qaoa_circuit import bytes_of_state, circuit, readable_bytes, shots_on_aer
from qubo_backends._qaoa_simulator import energies_of_states, evolved, mean_energy, shots_of
from qubo_dnn.backend import Capabilities, SolveOptions
from qubo_dnn.errors import BackendUnavailableError, OptionError, UnsupportedProblemError
from qubo_dnn.extras import require

Floats = NDArray[np.float64]
_SHOTS = 1000
# A state of 22 qubits takes 64 MiB, an evaluation of its energy about half a second.
_MOST_QUBITS = {"exact": 22, "aer": 22, "mps": 200}


def _split_angles(value: object) -> object:
    return [part.split(",") for part in value.split(";")] if isinstance(value, str) else value


Angles = Annotated[tuple[list[float], list[float]], BeforeValidator(_split_angles)]


class QaoaOptions(SolveOptions):
    """Options of `qaoa`; `num_reads` are the shots of the final circuit, 1000 by default."""

    depth: int = Field(default=3, ge=1, le=200, description="layers p")
    optimizer: Method = Field(default="COBYLA", description="of scipy, which finds the angles")
    max_evaluations: int = Field(
        default=100, ge=0, description="of the energy by the optimizer; 0 leaves the initial angles as they are"
    )
    cvar: float = Field(
        default=1.0, gt=0, le=1, description="share of the best states whose mean energy is minimised; 1 is all of them"
    )
    initial_angles: Angles | None = Field(
        default=None, description="gammas;betas as in 0.2,0.5;-0.5,-0.2, in the ramp's units (default: a linear ramp)"
    )
    ramp: float = Field(default=0.6, gt=0, description="slope of the linear ramp")
    bond_dimension: int = Field(default=64, ge=1, description="most that a matrix product state may have")


class QaoaBackend:
    """QAOA with a transverse mixer.

    Args:
        variant: where the final circuit is measured: "exact" (default) on the simulator that finds the angles, "aer" on
            Qiskit Aer's state vector, "mps" on its matrix product state, for sparse problems with more qubits.

    Raises:
        OptionError: the variant is neither.
    """

    name: ClassVar[str] = "qaoa"
    summary: ClassVar[str] = (
        "quantum approximate optimization, simulated exactly or by Qiskit's Aer (qaoa:aer, qaoa:mps)"
    )
    options_type: ClassVar[type[SolveOptions]] = QaoaOptions

    def __init__(self, variant: str | None = None) -> None:
        self.variant = variant or "exact"
        if self.variant not in _MOST_QUBITS:
            raise OptionError(f"backend 'qaoa' has the variants {', '.join(_MOST_QUBITS)}, not {variant!r}")

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(max_variables=_MOST_QUBITS[self.variant], fills_time=False)

    def examine(self, live: bool) -> str:  # noqa: ARG002  # nothing is remote
        """Whether it can be used; see `qubo_dnn.backend.Examinable`."""
        if self.variant != "exact":
            require("qiskit_aer", "qiskit", BackendUnavailableError)
        return "ok"

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Draw samples; see `qubo_dnn.backend.Backend.sample`.

        The time limit and Ctrl-C end the search for angles; the final circuit is always measured.

        Raises:
            UnsupportedProblemError: more qubits than can be simulated; the text says what they would take.
        """
        options = _sampling.typed_options(self, options, QaoaOptions)
        most, n = _MOST_QUBITS[self.variant], bqm.num_variables
        if n > most:
            raise UnsupportedProblemError(
                f"backend 'qaoa' simulates at most {most} qubits by {self.variant}; the problem needs {n}, whose state "
                f"vector takes {readable_bytes(bytes_of_state(n))}"
                + ("; for sparse problems there is qaoa:mps" if n <= _MOST_QUBITS["mps"] else "")
            )
        return _ocean.run(self, bqm, options, dimod.SPIN, lambda job: _draw(job, options, self.variant))


def _draw(job: _ocean.Job, options: QaoaOptions, variant: str) -> tuple[NDArray[np.int8], dict[str, Any]]:
    n = job.bqm.num_variables
    linear, (rows, columns, biases), _ = job.bqm.to_numpy_vectors(variable_order=range(n))
    fields, couplings = np.ascontiguousarray(linear, np.float64), np.zeros((n, n))
    couplings[rows, columns] = biases
    couplings += couplings.T
    unit = typical_energy(fields, couplings)
    start = _start(options)
    shots = options.num_reads or _SHOTS
    if n <= _MOST_QUBITS["exact"]:
        angles, report = _found(fields / unit, couplings / unit, start, options, job.watch)
        report["expected_energy"] = unit * report["expected_energy"] + float(job.bqm.offset)
        report["convergence"] = [unit * value + float(job.bqm.offset) for value in report["convergence"]]
    else:
        # No exact simulator there: the angles given or the ramp, as they are.
        angles, report = start, {}
    gammas, betas = angles[: options.depth], angles[options.depth :]
    report |= {"qubits": n, "two_qubit_gates": options.depth * np.count_nonzero(np.triu(couplings))}
    if variant == "exact":
        bits = shots_of(evolved(fields / unit, couplings / unit, gammas, betas), shots, job.seed)
    else:
        made = circuit(fields / unit, couplings / unit, gammas, betas)
        report["circuit_depth"] = made.depth()
        bits = shots_on_aer(made, variant, shots, job.seed, options.bond_dimension)
    info = {"depth": options.depth, "gammas": gammas.tolist(), "betas": betas.tolist(), "shots": shots}
    return (1 - 2 * bits).astype(np.int8), {**info, **report}


def _start(options: QaoaOptions) -> Floats:
    if options.initial_angles is None:
        return linear_ramp(options.depth, options.ramp)
    gammas, betas = options.initial_angles
    if not len(gammas) == len(betas) == options.depth:
        raise OptionError(
            f"depth {options.depth} takes as many gammas and betas, not {len(gammas)} and {len(betas)} initial angles"
        )
    return np.array([*gammas, *betas])


def _found(
    fields: Floats, couplings: Floats, start: Floats, options: QaoaOptions, watch: _sampling.Watch
) -> tuple[Floats, dict[str, Any]]:
    """The best angles, and how they were found; energies in the unit of the arrays."""
    energies, depth = energies_of_states(fields, couplings), options.depth
    order = np.argsort(energies) if options.cvar < 1.0 else np.empty(0, np.intp)

    def objective(angles: Floats) -> float:
        state = evolved(fields, couplings, angles[:depth], angles[depth:])
        if options.cvar == 1.0:
            return float(mean_energy(state, energies))
        chances = np.abs(state[order]) ** 2
        weights = np.clip(options.cvar - np.concatenate([[0.0], np.cumsum(chances)[:-1]]), 0.0, chances)
        return float(weights @ energies[order] / weights.sum())

    found = optimize(objective, start, options.optimizer, max(options.max_evaluations, 1), lambda: watch.over)
    return found.angles, {
        "expected_energy": found.value,
        "evaluations": len(found.values),
        "convergence": found.values,
    }
