"""The quantum approximate optimization algorithm; an exact simulator finds the angles.

The final circuit is measured on that simulator, on Qiskit's Aer, on a device, or with any SamplerV2.

Source: Farhi, Goldstone & Gutmann 2014, arXiv 1411.4028; conditional value at risk, Barkoutsos et al. 2020,
arXiv 1907.04769; XY mixers, Hadfield et al. 2019, arXiv 1709.03489; angles of a part, Brandao et al. 2018,
arXiv 1812.04170 (concentration), Galda et al. 2021, arXiv 2106.07531 (transfer).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import dimod

from qubo_backends._qaoa.diagnosis import pictures
from qubo_backends._qaoa.gates import Gate, circuit
from qubo_backends._qaoa.options import QaoaOptions
from qubo_backends._qaoa.states import MOST_STATES, bytes_of_state, readable_bytes, readable_count
from qubo_backends._qaoa.variants import CircuitBackend
from qubo_backends._shared import ocean, sampling
from qubo_dnn.backend import Capabilities, SolveOptions, check_kinds, check_model
from qubo_dnn.constraint import ConstraintKind, check_finite
from qubo_dnn.errors import OptionError, UnsupportedProblemError
from qubo_dnn.pictures.picture import Picture
from qubo_dnn.problem import Problem
from qubo_dnn.support.arguments import checked

if TYPE_CHECKING:
    from qiskit import QuantumCircuit


class QaoaBackend(CircuitBackend):
    """QAOA with a transverse mixer, and with an XY mixer inside one-hot groups.

    Args:
        variant: place of the final measurement: "exact" (default) on the simulator that finds the angles, "aer" on
            Qiskit Aer's state vector, "mps" on its matrix product state, for sparse problems with more qubits, "noisy"
            on Aer with a device's errors, "ibm" on a device of IBM Quantum, or `package.module:callable`, which
            returns a SamplerV2.
        sampler: a SamplerV2, in place of a variant.
        target: device for which circuits of `sampler` are transpiled (default: that of the sampler).

    Raises:
        OptionError: the variant is unknown, or is given together with a sampler.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": -1.0, "b": 2.0}, {("a", "b"): 1.0}, 0.0, "BINARY")
        >>> best = QaoaBackend().sample(bqm, QaoaOptions(depth=1, num_reads=10, seed=1)).first
        >>> int(best.sample["a"]), int(best.sample["b"]), float(best.energy)
        (1, 0, -1.0)
    """

    name: ClassVar[str] = "qaoa"
    summary: ClassVar[str] = (
        "quantum approximate optimization, simulated exactly, by Qiskit's Aer (qaoa:aer, :mps, :noisy), or on qaoa:ibm"
    )
    options_type: ClassVar[type[SolveOptions]] = QaoaOptions

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            max_variables=self._variant.most,
            fills_time=False,
            seeded=self._variant.seeded,
            remote=self._variant.remote,
            native_constraints=frozenset({ConstraintKind.ONE_HOT}),
        )

    def block_size(self, options: SolveOptions) -> int:  # noqa: ARG002  # the same for all
        """See `qubo_dnn.backend.BlockSolver`: quick to simulate; on devices, more qubits are noise."""
        return min(14, self._variant.most)

    def pictures(self, info: Mapping[str, Any]) -> list[Picture]:
        """See `qubo_dnn.backend.Plottable`."""
        return pictures(info)

    def circuit(self, info: Mapping[str, Any]) -> QuantumCircuit:
        """See `qubo_dnn.backend.CircuitSource`."""
        if "gates" not in info:
            raise UnsupportedProblemError(
                f"this run of backend {self.name!r} has no circuit of the whole problem: the presolve solved it or "
                "split it; presolve=False (--no-presolve) keeps it whole"
            )
        variables: list[str] = list(info["variables_of_qubits"])
        gates = [Gate(name, tuple(qubits), angle) for name, qubits, angle in info["gates"]]
        made = circuit(len(variables), gates)
        made.metadata = {"variables": variables}
        return made

    @checked
    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Draw samples; see `qubo_dnn.backend.Backend.sample`.

        The time limit and Ctrl-C end the search for angles; a final circuit on this machine is always measured.

        Raises:
            UnsupportedProblemError: too many qubits for the simulator; the message states the memory they need.
            TimeLimitError: the final circuit alone would take longer than the time limit, or a service does.
            CancelledError: Ctrl-C came before a service's answer.
            BackendFailedError: a service failed.
        """
        options = sampling.typed_options(self, options, QaoaOptions)
        self._variant.check_qubits(bqm.num_variables)

        def drawn(job: ocean.SamplerJob) -> Any:
            # Import here, so that a problem can be refused without loading numba.
            from qubo_backends._qaoa.run import draw, transverse

            primitive = self._variant.primitive(job.bqm.num_variables, job.seed, options)
            return draw(job, options, transverse(job, options), primitive)

        return _named(ocean.run(self, bqm, options, dimod.SPIN, drawn, check=check_model), bqm)

    @checked
    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        """Draw samples that keep every one-hot group, by the XY mixer; see `qubo_dnn.backend.ConstrainedBackend`.

        If errors of a device break groups, only the shots that keep them are returned. On the exact simulator,
        `capabilities.max_variables` does not apply here; the number of states that keep the groups is limited.

        Raises:
            UnsupportedProblemError: too many states, or constraints beyond one-hot groups.
            OptionError: a warm start, which the XY mixer does not have.
            BackendFailedError: as for `sample`, or no shot keeps the groups.
        """
        options = sampling.typed_options(self, options, QaoaOptions)
        check_kinds(self, problem)
        if options.warm_start != "none":
            raise OptionError("warm_start is for the transverse mixer; inside one-hot groups there is none")
        check_finite(problem.objective)
        groups = [[problem.index[variable] for variable in group] for group in problem.one_hot.values()]

        if self._variant.name == "exact":
            self._check_states(problem)
        else:
            self._variant.check_qubits(len(problem.variables))

        def drawn(job: ocean.SamplerJob) -> Any:
            from qubo_backends._qaoa.run import draw  # as in `sample`
            from qubo_backends._qaoa.subspace import Subspace

            primitive = self._variant.primitive(job.bqm.num_variables, job.seed, options)
            return draw(job, options, Subspace(*sampling.dense_arrays(job.bqm), groups), primitive)

        bqm = problem.objective
        return _named(
            ocean.run(self, bqm, options, dimod.BINARY, drawn, check=lambda _, given: check_finite(given)), bqm
        )

    @staticmethod
    def _check_states(problem: Problem[Any]) -> None:
        grouped = sum(map(len, problem.one_hot.values()))
        states = math.prod(map(len, problem.one_hot.values())) << (len(problem.variables) - grouped)
        if states > MOST_STATES:
            raise UnsupportedProblemError(
                f"backend 'qaoa' simulates at most {MOST_STATES:,} states that keep the groups, the problem has "
                f"{readable_count(states)}, in {len(problem.variables)} qubits, which would take "
                f"{readable_bytes(bytes_of_state(states))}"
            )


def _named(found: dimod.SampleSet, bqm: dimod.BinaryQuadraticModel) -> dimod.SampleSet:
    """The sample set with the variables of the qubits, for `QaoaBackend.circuit`."""
    found.info["variables_of_qubits"] = [str(variable) for variable in sampling.natural_order(bqm)]
    return found
