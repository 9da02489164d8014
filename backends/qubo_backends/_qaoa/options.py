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
    """Options of backends that run circuits."""

    bond_dimension: int = Field(
        default=64,
        ge=1,
        description="largest bond dimension of the matrix product state (variant mps)",
        json_schema_extra={UNSEEN: "only the variant mps has one"},
    )
    device: str | None = Field(
        default=None,
        description="noisy: a fake device of qiskit-ibm-runtime, such as FakeTorino (default: a generic one); "
        "ibm: a device of your account (default: the least busy)",
    )


class QaoaOptions(CircuitOptions):
    """Options of `qaoa`; `num_reads` are the shots of the final circuit, 1000 by default."""

    depth: int = Field(default=3, ge=1, le=200, description="number of layers p")
    optimizer: Method = Field(default="COBYLA", description="optimizer of scipy for the angles")
    max_evaluations: int = Field(
        default=100,
        ge=0,
        description="largest number of energy evaluations of the optimizer; 0: keep the initial angles",
    )
    cvar: float = Field(
        default=1.0, gt=0, le=1, description="share of the best states whose mean energy is minimised; 1: all states"
    )
    initial_angles: Angles | None = Field(
        default=None,
        description="gammas;betas, as in 0.2,0.5;-0.5,-0.2, in the convention of `gammas` and `betas` of the "
        "diagnostics, independent of the size of the problem (default: a linear ramp)",
    )
    ramp: float = Field(default=0.6, gt=0, description="slope of the linear ramp")
    transfer: int | None = Field(
        default=None,
        ge=2,
        le=20,
        description="number of qubits of the part of the problem on which the angles are found "
        "(default: the whole problem, or 14 if the whole cannot be simulated)",
    )
    warm_start: Literal["none", "relaxation"] = Field(
        default="none",
        description="start near the rounded semidefinite relaxation; not available inside one-hot groups",
    )
    epsilon: float = Field(
        default=0.25,
        gt=0,
        le=0.5,
        description="probability of the opposite value in a warm start; 0.5: no warm start",
        json_schema_extra={UNSEEN: "it counts in a warm start only"},
    )

    def first_angles(self) -> NDArray[np.float64]:
        """Return [2 depth] the first gammas, then betas.

        Raises:
            OptionError: the given angles do not have this depth.
        """
        if self.initial_angles is None:
            return linear_ramp(self.depth, self.ramp)
        gammas, betas = self.initial_angles
        if not len(gammas) == len(betas) == self.depth:
            raise OptionError(
                f"depth {self.depth} takes that many gammas and betas, not {len(gammas)} and {len(betas)}"
            )
        return np.array([*gammas, *betas])


class RqaoaOptions(CircuitOptions):
    """Options of `rqaoa`; `num_reads` runs, the first of which ties the most correlated spins, the others at random."""

    cutoff: int = Field(default=12, ge=1, le=20, description="number of remaining spins that are enumerated")
    choices: int = Field(
        default=3, ge=1, description="number of most correlated spins or pairs from which further runs draw one"
    )
    shots: int = Field(
        default=1000,
        ge=1,
        description="number of shots per circuit that measures correlations",
        json_schema_extra={UNSEEN: "only variants that run circuits measure"},
    )
