"""Reads of the emulated chip, judged: how many chains break, what repairing them costs, what the answers are worth."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.embedding.backend_model import BackendModel
from qubo_dnn.embedding.chains import broken_chains, repaired
from qubo_dnn.embedding.embedding import Embedding
from qubo_dnn.embedding.emulation import Chip, emulate
from qubo_dnn.embedding.program import Policy, program

# Times the default strength.
FACTORS = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0)


@dataclass(frozen=True)
class Judged:
    """Reads at one chain strength.

    Attributes:
        strength: coupling inside chains, in the unit of the model as Ising.
        broken: [reads] share of broken chains.
        by_variable: variable -> share of reads in which its chain is broken.
        energies: method of repair -> [reads] energy of the embedded model.
        feasible: share of the reads, repaired by majority vote, that break no constraint of the user's problem.
        objective: least objective (minimised) among those, None where there is none.
        scale: by which the model was multiplied to fill the chip's ranges.
    """

    strength: float
    broken: NDArray[np.float64]
    by_variable: Mapping[Hashable, float]
    energies: Mapping[str, NDArray[np.float64]]
    feasible: float
    objective: float | None
    scale: float

    @property
    def energy(self) -> float:
        """Least energy, after majority vote."""
        return float(self.energies["majority-vote"].min())


def judged(
    what: BackendModel,
    embedding: Embedding,
    reads: int,
    seed: int,
    chip: Chip | None = None,
    chain_strength: Policy | float = "uniform-torque",
    prefactor: float | None = None,
) -> Judged:
    """Read the emulated chip.

    Args:
        what: was embedded.
        embedding: of its model.
        reads: >= 1.
        seed: of errors and anneals.
        chip: see `qubo_dnn.embedding.emulation`.
        chain_strength: see `qubo_dnn.embedding.program.program`.
        prefactor: see there.
    """
    model = what.bqm
    plan = program(model, embedding, chain_strength, prefactor)
    states = emulate(plan, chip or Chip(), reads, seed)
    broken = broken_chains(plan, states)
    labels = list(embedding.chains)
    energies = {}
    for method in ("majority-vote", "minimize-energy"):
        rows, _ = repaired(plan, model, states, method, np.random.default_rng(seed))
        energies[method] = model.energies(((rows + 1) // 2, labels)).astype(np.float64)
        if method == "majority-vote":
            objectives, feasible = what.objectives(((rows + 1) // 2).astype(np.int8), labels)
    return Judged(
        strength=plan.chain_strength,
        broken=broken.mean(axis=1) if labels else np.zeros(len(states)),
        by_variable=dict(zip(labels, broken.mean(axis=0).tolist(), strict=True)),
        energies=energies,
        feasible=float(feasible.mean()),
        objective=float(objectives[feasible].min()) if feasible.any() else None,
        scale=plan.scale,
    )


def scan(
    what: BackendModel,
    embedding: Embedding,
    default: float,
    reads: int,
    seed: int,
    chip: Chip | None = None,
    factors: Sequence[float] = FACTORS,
    progress: Callable[[int, int], None] | None = None,
) -> list[Judged]:
    """The emulated chip at several chain strengths: too weak, chains break; too strong, the problem drowns in errors.

    Args:
        what: was embedded.
        embedding: of its model.
        default: strength that `factors` multiply.
        reads: at every strength.
        seed: the same at every strength.
        chip: see `qubo_dnn.embedding.emulation`.
        factors: > 0.
        progress: told how many strengths of how many are done.
    """
    found = []
    for factor in factors:
        found.append(judged(what, embedding, reads, seed, chip, factor * default))
        if progress:
            progress(len(found), len(factors))
    return found


def best_strength(found: Sequence[Judged]) -> Judged:
    """The strength whose reads are best: least mean energy of the better half, which no single lucky read can move."""

    def mean_of_the_better_half(each: Judged) -> float:
        energies = np.sort(each.energies["majority-vote"])
        return float(energies[: (len(energies) + 1) // 2].mean())

    return min(found, key=mean_of_the_better_half)
