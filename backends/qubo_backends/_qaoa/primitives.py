"""Where circuits are measured: Aer, Aer with a device's noise, IBM Quantum, or any SamplerV2 of the user's."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from qubo_backends._qaoa.gates import Gate, circuit
from qubo_backends._qaoa.options import CircuitOptions
from qubo_backends._qaoa.states import Bits
from qubo_backends._shared.sampling import InterruptGuard
from qubo_dnn.errors import BackendFailedError, BackendUnavailableError, CancelledError, OptionError, TimeLimitError
from qubo_dnn.support.extras import require

# Gates that Aer's methods take as they are.
_NATIVE = ["h", "x", "rx", "ry", "rz", "rzz", "cx"]
_POLL = 0.05
# Seconds on one core: of a gate per amplitude, and of a swap per cube of the bond dimension.
_GATE, _SWAP = 2e-9, 1.5e-8


@dataclass(frozen=True)
class Primitive:
    """A sampler and what its circuits have to be.

    Attributes:
        sampler: a SamplerV2.
        passes: pass manager that makes a circuit one of the sampler's.
        local: it computes in this process, and cannot be cancelled.
        seconds: (gates, sum of the distances that they span, qubits, shots) -> about how long one
            circuit takes, at most; None where that is not known.
        memory: (qubits, shots) -> bytes of its state; None where it is none of this machine's.
    """

    sampler: Any
    passes: Any
    local: bool
    seconds: Callable[[int, int, int, int], float] | None
    memory: Callable[[int, int], int] | None

    def prepared(self, qubits: int, gates: Sequence[Gate]) -> Any:
        """The circuit as it is run."""
        return self.passes.run(circuit(qubits, gates))

    def shots(self, prepared: Any, shots: int, watch: InterruptGuard) -> Bits:
        """[shots, qubits] what was measured.

        Raises:
            TimeLimitError: the limit came before the answer; the job was cancelled.
            CancelledError: Ctrl-C did.
            BackendFailedError: the job failed.
        """
        try:
            job = self.sampler.run([prepared], shots=shots)
            while not self.local and not job.done():
                if watch.over:
                    job.cancel()
                    if watch.interrupted:
                        raise CancelledError("interrupted before the circuit's answer; the job was cancelled")
                    raise TimeLimitError(
                        f"no answer to the circuit within {watch.time_limit:g} seconds; the job was cancelled"
                    )
                time.sleep(min(_POLL, max(watch.seconds_left, 0.0)))
            measured = job.result()[0].data.meas
        except BackendFailedError:
            raise
        except Exception as cause:  # a stranger's sampler may raise anything
            raise BackendFailedError(f"the circuit's job failed: {type(cause).__name__}: {cause}") from cause
        # Qubit 0 is the last bit.
        return np.unpackbits(measured.array, axis=-1)[:, ::-1][:, : measured.num_bits].astype(np.int8)


def passes(target: Any, seed: int, **constraints: Any) -> Any:
    """A preset pass manager, for a device or for all qubits coupled."""
    transpiler = require("qiskit.transpiler", "qiskit", BackendUnavailableError)
    return transpiler.generate_preset_pass_manager(
        optimization_level=1, backend=target, seed_transpiler=seed % 2**31, **constraints
    )


def simulator_passes(seed: int) -> Any:
    """What circuits for Aer pass through."""
    return passes(None, seed, basis_gates=_NATIVE)


def aer(method: str, seed: int, options: CircuitOptions) -> Primitive:
    """Qiskit Aer, one thread.

    Args:
        method: "aer" for a state vector, "mps" for a matrix product state.
        seed: of the shots.
        options: `bond_dimension`.
    """
    primitives = require("qiskit_aer.primitives", "qiskit", BackendUnavailableError)
    settings: dict[str, Any] = {"method": "statevector", "max_parallel_threads": 1}
    if method == "mps":
        bond = options.bond_dimension
        settings |= {"method": "matrix_product_state", "matrix_product_state_max_bond_dimension": bond}

    def seconds(gates: int, span: int, qubits: int, shots: int) -> float:
        if method == "aer":
            return _GATE * gates * 2.0**qubits
        # Qubits that are not neighbours are swapped together and apart; a bond is never more than half the qubits'.
        bond = min(float(options.bond_dimension), 2.0 ** (qubits // 2))
        return _SWAP * (2 * span + gates) * bond**3 + 1e-6 * shots * qubits

    def memory(qubits: int, _: int) -> int:
        # A product state has two matrices for every qubit.
        return 16 << qubits if method == "aer" else 32 * qubits * options.bond_dimension**2

    sampler = primitives.SamplerV2(seed=seed, options={"backend_options": settings})
    return Primitive(sampler, simulator_passes(seed), local=True, seconds=seconds, memory=memory)


def noisy(qubits: int, seed: int, options: CircuitOptions) -> Primitive:
    """Aer with the noise of a fake device, its couplings and its gates.

    Raises:
        OptionError: there is no such device, or it is too small.
    """
    device, simulator = _noisy_device(qubits if options.device is None else 0, options.device)
    if device.num_qubits < qubits:
        raise OptionError(f"device {options.device!r} has {device.num_qubits} qubits, the problem needs {qubits}")
    primitives = require("qiskit_aer.primitives", "qiskit", BackendUnavailableError)

    def seconds(gates: int, _: int, qubits: int, shots: int) -> float:
        # A density matrix, or as many state vectors as there are shots, whichever is less.
        return _GATE * gates * 2.0**qubits * min(2.0**qubits, shots)

    def memory(qubits: int, shots: int) -> int:
        return (16 << qubits) * (1 << qubits if 1 << qubits <= shots else 1)

    sampler = primitives.SamplerV2.from_backend(simulator, seed=seed)
    return Primitive(sampler, passes(device, seed), local=True, seconds=seconds, memory=memory)


@cache
def _noisy_device(qubits: int, name: str | None) -> tuple[Any, Any]:
    """A fake device and Aer with its noise, which takes seconds to be made."""
    aer_package = require("qiskit_aer", "qiskit", BackendUnavailableError)
    if name is None:
        fake = require("qiskit.providers.fake_provider", "qiskit", BackendUnavailableError)
        device = fake.GenericBackendV2(max(qubits, 2), seed=0)
    else:
        known = require("qiskit_ibm_runtime.fake_provider", "ibm", BackendUnavailableError)
        if not name.startswith("Fake") or not hasattr(known, name):
            raise OptionError(f"qiskit-ibm-runtime has no fake device {name!r}, such as FakeTorino")
        device = getattr(known, name)()
    return device, aer_package.AerSimulator.from_backend(device, max_parallel_threads=1)


def ibm(qubits: int, seed: int, options: CircuitOptions) -> Primitive:
    """A device of IBM Quantum, by the saved account or the variables QISKIT_IBM_TOKEN and QISKIT_IBM_INSTANCE.

    Raises:
        BackendUnavailableError: the account does not let us in, or has no such device; the message names the kind of
            error only, for a service's message may hold what was sent.
    """
    runtime = require("qiskit_ibm_runtime", "ibm", BackendUnavailableError)
    try:
        service = runtime.QiskitRuntimeService()
        device = (
            service.least_busy(min_num_qubits=qubits, operational=True, simulator=False)
            if options.device is None
            else service.backend(options.device)
        )
        sampler = runtime.Sampler(mode=device)
    except Exception as cause:  # several trees of errors, and of the HTTP client's; none may show what was sent
        raise BackendUnavailableError(
            f"IBM Quantum is not available ({type(cause).__name__}): save an account with QiskitRuntimeService."
            "save_account, or set QISKIT_IBM_TOKEN and QISKIT_IBM_INSTANCE"
        ) from None
    return of_sampler(sampler, seed, device)


def of_sampler(sampler: Any, seed: int, target: Any = None) -> Primitive:
    """A SamplerV2 of the user's.

    Args:
        sampler: any.
        seed: of the transpiler.
        target: device that circuits are made for; None: what the sampler says its backend is, or else all qubits
            coupled and the gates of Aer.
    """
    if target is None:
        target = getattr(sampler, "backend", None)
        target = target() if callable(target) else target
    made = simulator_passes(seed) if target is None else passes(target, seed)
    return Primitive(sampler, made, local=False, seconds=None, memory=None)


def imported(path: str) -> Any:
    """What `package.module:callable` returns: a SamplerV2.

    Raises:
        OptionError: there is no such thing.
    """
    module, _, name = path.rpartition(":")
    try:
        return getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError, ValueError, TypeError) as cause:
        raise OptionError(f"{path!r} is not package.module:callable that returns a SamplerV2: {cause}") from cause
