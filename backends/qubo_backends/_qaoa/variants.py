"""The names of the places where circuits are measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from qubo_backends._qaoa.options import CircuitOptions
from qubo_backends._qaoa.primitives import Primitive, aer, ibm, imported, noisy, of_sampler
from qubo_backends._qaoa.states import MOST_QUBITS, bytes_of_state, readable_bytes
from qubo_dnn.errors import BackendUnavailableError, OptionError, UnsupportedProblemError
from qubo_dnn.support.extras import require


class Variants:
    """Where circuits are measured.

    Args:
        backend: for messages.
        variant: "exact", "aer", "mps", "noisy", "ibm", or `package.module:callable`.
        sampler: a SamplerV2 in place of a variant's.
        target: device that circuits for `sampler` are transpiled for.

    Raises:
        OptionError: the variant is none of these, or comes with a sampler.
    """

    # Aer takes seconds for a circuit of 20 qubits; a matrix product state is limited by its entanglement, not by its
    # qubits, and a device's circuits of more qubits are noise.
    MOST: ClassVar[Mapping[str, int]] = {"exact": MOST_QUBITS, "aer": 20, "mps": 200, "noisy": 14, "ibm": 200}

    def __init__(self, backend: str, variant: str | None, sampler: Any, target: Any) -> None:
        self.backend, self.name, self.sampler, self.target = backend, variant or "exact", sampler, target
        if sampler is not None and variant is not None:
            raise OptionError(f"backend {backend!r} takes a variant or a sampler, not both")
        if sampler is not None:
            self.name = "sampler"
        elif self.name not in self.MOST and ":" not in self.name:
            known = ", ".join(self.MOST)
            raise OptionError(
                f"backend {backend!r} has the variants {known} and package.module:callable, not {variant!r}"
            )

    @property
    def remote(self) -> bool:
        return self.name == "ibm"

    @property
    def seeded(self) -> bool:
        """Return whether shots can be drawn again."""
        return self.name in ("exact", "aer", "mps", "noisy")

    @property
    def most(self) -> int:
        """Qubits."""
        return self.MOST.get(self.name, 200)

    def check_qubits(self, qubits: int) -> None:
        """Refuse more of them than there can be.

        Raises:
            UnsupportedProblemError: too many qubits; the message states the memory they need.
        """
        if qubits > self.most:
            raise UnsupportedProblemError(
                f"backend {self.backend!r} takes at most {self.most} qubits by {self.name}; the problem needs {qubits}"
                f", whose state vector takes {readable_bytes(bytes_of_state(1 << qubits))}"
                + (f"; for sparse problems there is {self.backend}:mps" if qubits <= self.MOST["mps"] else "")
            )

    def primitive(self, qubits: int, seed: int, options: CircuitOptions) -> Primitive | None:
        """What measures circuits of so many qubits; None: the exact simulator."""
        if self.name == "exact":
            return None
        if self.name in ("aer", "mps"):
            return aer(self.name, seed, options)
        if self.name == "noisy":
            return noisy(qubits, seed, options)
        if self.name == "ibm":
            return ibm(qubits, seed, options)
        return of_sampler(imported(self.name) if self.sampler is None else self.sampler, seed, self.target)

    def check_ready(self, live: bool) -> str:
        """See `qubo_dnn.backend.Checkable`."""
        if self.name != "exact":
            require("qiskit", "qiskit", BackendUnavailableError)
        if self.name in ("aer", "mps", "noisy"):
            require("qiskit_aer", "qiskit", BackendUnavailableError)
        if self.name == "ibm":
            require("qiskit_ibm_runtime", "ibm", BackendUnavailableError)
            if live:
                ibm(1, 0, CircuitOptions())
        return "ok"


class CircuitBackend:
    """A backend whose circuits are measured in one of the places of `Variants`."""

    name: ClassVar[str]

    def __init__(self, variant: str | None = None, *, sampler: Any = None, target: Any = None) -> None:
        self._variant = Variants(self.name, variant, sampler, target)

    def check_ready(self, live: bool) -> str:
        """Check that the backend can be used; see `qubo_dnn.backend.Checkable`."""
        return self._variant.check_ready(live)
