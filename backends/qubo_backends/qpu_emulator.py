"""An offline emulation of a quantum annealer: embedding, ranges, noise, annealing, chain breaks."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any, ClassVar

import dimod
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from qubo_backends._shared import embedded, sampling
from qubo_dnn.backend import Capabilities, SolveOptions
from qubo_dnn.embedding.emulation import Chip, emulate
from qubo_dnn.embedding.program import AnnealingProgram
from qubo_dnn.embedding.target import Target, target
from qubo_dnn.errors import BackendUnavailableError
from qubo_dnn.support.extras import require


class EmulatorOptions(embedded.EmbeddedOptions):
    """Options of `qpu-emulator`; 100 reads by default.

    Example:
        >>> EmulatorOptions(target="zephyr:4", h_noise=0.0).h_noise
        0.0
    """

    target: str | None = Field(
        default=None,
        description="hardware graph: pegasus:16, zephyr:15, chimera:16 or a file of solver properties (default: "
        "pegasus:16)",
    )
    defects: float = Field(
        default=0.0, ge=0, lt=1, description="share of defective qubits, chosen at random by the seed"
    )
    h_noise: float = Field(
        default=0.02, ge=0, description="standard deviation of the errors of fields, after scaling, dimensionless"
    )
    j_noise: float = Field(
        default=0.01, ge=0, description="standard deviation of the errors of couplings, after scaling, dimensionless"
    )
    beta: float = Field(
        default=13.0, gt=0, description="energy of a coupling of 1 divided by the temperature, after scaling"
    )
    transverse_field: sampling.FloatPair = Field(
        default=(9.0, 0.01), description="first,last transverse field divided by the temperature"
    )
    num_sweeps: int = Field(default=200, ge=1, description="number of Monte Carlo sweeps per anneal")

    @field_validator("transverse_field")
    @classmethod
    def _positive(cls, field: tuple[float, float]) -> tuple[float, float]:
        if min(field) <= 0:
            raise ValueError("transverse_field must be two positive numbers")
        return field


class QpuEmulatorBackend:
    """An emulated QPU: working graph, errors and chains, with simulated instead of real quantum annealing.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": -1.0, "b": 2.0}, {("a", "b"): 1.0}, 0.0, "BINARY")
        >>> best = QpuEmulatorBackend().sample(bqm, EmulatorOptions(target="chimera:1", num_reads=3, seed=1)).first
        >>> int(best.sample["a"]), int(best.sample["b"]), float(best.energy)
        (1, 0, -1.0)
    """

    name: ClassVar[str] = "qpu-emulator"
    summary: ClassVar[str] = "emulation of a D-Wave QPU, offline: embedding, ranges, noise, chain breaks"
    options_type: ClassVar[type[SolveOptions]] = EmulatorOptions

    def __init__(self, variant: str | None = None) -> None:
        self.variant = variant

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(structured=True)

    def check_ready(self, live: bool) -> str:  # noqa: ARG002  # nothing is remote
        """Check that the backend can be used; see `qubo_dnn.backend.Checkable`."""
        require("dwave.embedding", "dwave", BackendUnavailableError)
        return "ok"

    def block_size(self, options: SolveOptions) -> int:
        """See `qubo_dnn.backend.BlockSolver`: the largest complete graph that the chip embeds."""
        assert isinstance(options, EmulatorOptions)
        return self._target(options, options.seed or 0).largest_clique

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Draw samples; see `qubo_dnn.backend.Backend.sample`."""
        options = sampling.typed_options(self, options, EmulatorOptions)
        seed = sampling.drawn_seed(options)
        chip = Chip(
            options.h_noise,
            options.j_noise,
            options.beta,
            options.transverse_field,
            options.num_sweeps,
            options.num_spin_reversal_transforms,
        )
        with sampling.InterruptGuard(options.time_limit) as watch:

            def read(program: AnnealingProgram, reads: int) -> tuple[NDArray[np.int8], dict[str, Any]]:
                return emulate(program, chip, reads, seed, lambda: watch.over), {}

            graph = partial(self._target, options, seed)
            found = embedded.sample(self, bqm, options, graph, seed, watch, read)
        found.info.update(watch.told())
        return found

    def _target(self, options: EmulatorOptions, seed: int) -> Target:
        # A perfect chip is the same for every seed.
        name = options.target or self.variant or "pegasus:16"
        return _target(name, options.defects, seed if options.defects else 0)


@lru_cache(maxsize=4)
def _target(name: str, defects: float, seed: int) -> Target:
    return target(name, defects, seed)
