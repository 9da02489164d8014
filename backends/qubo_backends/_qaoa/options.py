"""Options of `qaoa` and `rqaoa`."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from qubo_backends._qaoa.angles import Method, linear_ramp
from qubo_dnn.backend import UNSEEN, SolveOptions
from qubo_dnn.errors import OptionError

SHOTS = 1000


def _split_angles(value: object) -> object:
    return [part.split(",") for part in value.split(";")] if isinstance(value, str) else value


Angles = Annotated[tuple[list[float], list[float]], BeforeValidator(_split_angles)]


class CircuitOptions(SolveOptions):
    """Options of whatever runs circuits."""

    bond_dimension: int = Field(
        default=64,
        ge=1,
        description="most that a matrix product state may have (mps)",
        json_schema_extra={UNSEEN: "only the variant mps has one"},
    )
    device: str | None = Field(
        default=None,
        description="noisy: a fake device of qiskit-ibm-runtime, such as FakeTorino (default: a generic one); "
        "ibm: a device of your account (default: the least busy)",
    )


class QaoaOptions(CircuitOptions):
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
        default=None,
        description="gammas;betas as in 0.2,0.5;-0.5,-0.2, as `gammas` and `betas` of the diagnostics; they fit "
        "problems of any size (default: a linear ramp)",
    )
    ramp: float = Field(default=0.6, gt=0, description="slope of the linear ramp")
    transfer: int | None = Field(
        default=None,
        ge=2,
        le=20,
        description="find the angles on a part of the problem with so many qubits "
        "(default: 14 where the whole cannot be simulated, otherwise the whole)",
    )
    warm_start: Literal["none", "relaxation"] = Field(
        default="none", description="begin near the rounded semidefinite relaxation; not inside one-hot groups"
    )
    epsilon: float = Field(
        default=0.25,
        gt=0,
        le=0.5,
        description="chance of the other value in a warm start; 0.5 is no warm start",
        json_schema_extra={UNSEEN: "it counts in a warm start only"},
    )

    def first_angles(self) -> NDArray[np.float64]:
        """[2 depth] gammas, then betas, to begin with.

        Raises:
            OptionError: those given are not of this depth.
        """
        if self.initial_angles is None:
            return linear_ramp(self.depth, self.ramp)
        gammas, betas = self.initial_angles
        if not len(gammas) == len(betas) == self.depth:
            raise OptionError(
                f"depth {self.depth} takes as many gammas and betas, not {len(gammas)} and {len(betas)} initial angles"
            )
        return np.array([*gammas, *betas])


class RqaoaOptions(CircuitOptions):
    """Options of `rqaoa`; `num_reads` runs, the first of which ties the most correlated spins, the others at random."""

    cutoff: int = Field(default=12, ge=1, le=20, description="spins left to be enumerated")
    choices: int = Field(default=3, ge=1, description="most correlated spins or pairs, of which further runs draw one")
    shots: int = Field(
        default=1000,
        ge=1,
        description="of every circuit, where correlations are measured",
        json_schema_extra={UNSEEN: "only variants that run circuits measure"},
    )
