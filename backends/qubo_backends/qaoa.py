"""The quantum approximate optimization algorithm, with angles found on an exact simulator.

The final circuit is measured on that simulator, or on Qiskit's Aer.

Source: Farhi, Goldstone & Gutmann 2014, arXiv 1411.4028; conditional value at risk, Barkoutsos et al. 2020,
arXiv 1907.04769.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import dimod
import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from qubo_backends import _ocean, _sampling
from qubo_backends._qaoa_angles import Method, linear_ramp, optimize, typical_energy
from qubo_backends._qaoa_circuit import bytes_of_state, circuit, readable_bytes, shots_on_aer
from qubo_backends._qaoa_simulator import State, bits_of, drawn, energies_of_states, evolved, mean_energy
from qubo_backends._qaoa_subspace import Subspace
from qubo_dnn.backend import Capabilities, SolveOptions
from qubo_dnn.constraint import ConstraintKind, check_finite
from qubo_dnn.errors import BackendUnavailableError, OptionError, UnsupportedProblemError
from qubo_dnn.extras import require
from qubo_dnn.problem import Problem

Floats = NDArray[np.float64]
_SHOTS = 1000
# A state of 22 qubits takes 64 MiB, an evaluation of its energy about half a second.
_MOST_QUBITS = {"exact": 22, "aer": 22, "mps": 200}
_MOST_STATES = 2**20


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
    """QAOA with a transverse mixer, and with an XY mixer inside one-hot groups.

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
        native = frozenset({ConstraintKind.ONE_HOT} if self.variant == "exact" else ())
        return Capabilities(max_variables=_MOST_QUBITS[self.variant], fills_time=False, native_constraints=native)

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

    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        """Draw samples that keep every one-hot group, by the XY mixer; see `qubo_dnn.backend.ConstrainedBackend`.

        `capabilities.max_variables` does not apply here, but the number of states that keep the groups is limited.

        Raises:
            UnsupportedProblemError: too many states, or constraints beyond one-hot groups.
        """
        options = _sampling.typed_options(self, options, QaoaOptions)
        if problem.constraints or self.variant != "exact":
            raise UnsupportedProblemError(f"backend 'qaoa' keeps one-hot groups only, and qaoa:{self.variant} none")
        grouped = sum(map(len, problem.one_hot.values()))
        size = math.prod(map(len, problem.one_hot.values())) << (len(problem.variables) - grouped)
        if size > _MOST_STATES:
            raise UnsupportedProblemError(
                f"backend 'qaoa' simulates at most {_MOST_STATES:,} states that keep the groups, the problem has "
                f"{float(size):.2g}, in {len(problem.variables)} qubits, which would take {readable_bytes(16 * size)}"
            )
        place = {variable: index for index, variable in enumerate(problem.variables)}
        groups = [[place[variable] for variable in group] for group in problem.one_hot.values()]
        return _ocean.run(
            self,
            problem.objective,
            options,
            dimod.BINARY,
            lambda job: _draw_within(job, options, groups),
            check=lambda _, bqm: check_finite(bqm),
        )


def _draw(job: _ocean.Job, options: QaoaOptions, variant: str) -> tuple[NDArray[np.int8], dict[str, Any]]:
    n, p, offset = job.bqm.num_variables, options.depth, float(job.bqm.offset)
    fields, couplings = _sampling.dense_arrays(job.bqm)
    unit = typical_energy(fields, couplings)
    fields, couplings = fields / unit, couplings / unit
    shots = options.num_reads or _SHOTS

    def evolve(angles: Floats) -> State:
        return evolved(fields, couplings, angles[:p], angles[p:])

    if n <= _MOST_QUBITS["exact"]:
        energies = unit * energies_of_states(fields, couplings) + offset
        angles, report = _found(evolve, energies, options, job.watch)
    else:
        # No exact simulator there: the angles given or the ramp, as they are.
        angles, report = _start(options), {}
    report |= {"qubits": n, "two_qubit_gates": p * np.count_nonzero(np.triu(couplings))}
    if variant == "exact":
        bits = bits_of(drawn(evolve(angles), shots, job.seed), n)
    else:
        made = circuit(fields, couplings, angles[:p], angles[p:])
        report["circuit_depth"] = made.depth()
        bits = shots_on_aer(made, variant, shots, job.seed, options.bond_dimension)
    return (1 - 2 * bits).astype(np.int8), {**report, "shots": shots, **_angles(angles, p)}


def _draw_within(
    job: _ocean.Job, options: QaoaOptions, groups: list[list[int]]
) -> tuple[NDArray[np.int8], dict[str, Any]]:
    """As `_draw`, inside the states that keep the groups."""
    p = options.depth
    subspace = Subspace(*_sampling.dense_arrays(job.bqm), groups)
    energies = subspace.energies
    # As `typical_energy`: uniform states of n spins with couplings have a variance of n r^2 / 2.
    unit = float(np.sqrt(2.0 * energies.var() / len(subspace.sites))) / 2.0 or 1.0

    def evolve(angles: Floats) -> State:
        return subspace.evolved(angles[:p], angles[p:], unit)

    angles, report = _found(evolve, energies + float(job.bqm.offset), options, job.watch)
    shots = options.num_reads or _SHOTS
    bits = subspace.bits(drawn(evolve(angles), shots, job.seed))
    report |= {"qubits": job.bqm.num_variables, "mixer": "xy-ring", "states": len(energies)}
    return bits, {**report, "shots": shots, **_angles(angles, p)}


def _angles(angles: Floats, depth: int) -> dict[str, Any]:
    return {"depth": depth, "gammas": angles[:depth].tolist(), "betas": angles[depth:].tolist()}


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
    evolve: Callable[[Floats], State], energies: Floats, options: QaoaOptions, watch: _sampling.Watch
) -> tuple[Floats, dict[str, Any]]:
    """The best angles, and how they were found.

    Args:
        evolve: state of [2 p] angles.
        energies: of the basis states.
        options: of the call.
        watch: ends the search.
    """
    order = np.argsort(energies) if options.cvar < 1.0 else np.empty(0, np.intp)

    def objective(angles: Floats) -> float:
        state = evolve(angles)
        if options.cvar == 1.0:
            return float(mean_energy(state, energies))
        chances = np.abs(state[order]) ** 2
        weights = np.clip(options.cvar - np.concatenate([[0.0], np.cumsum(chances)[:-1]]), 0.0, chances)
        return float(weights @ energies[order] / weights.sum())

    found = optimize(objective, _start(options), options.optimizer, max(options.max_evaluations, 1), lambda: watch.over)
    return found.angles, {
        "expected_energy": found.value,
        "evaluations": len(found.values),
        "convergence": found.values,
    }
