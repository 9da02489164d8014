"""Evaluate reads of the emulated chip: chain breaks, energies after each repair, feasibility and objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.embedding.backend_model import BackendModel
from qubo_dnn.embedding.chains import broken_chains, repaired
from qubo_dnn.embedding.embedding import Embedding
from qubo_dnn.embedding.emulation import Chip, emulate
from qubo_dnn.embedding.program import Policy, program

# Factors of the default strength.
FACTORS = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0)


@dataclass(frozen=True)
class Judged:
    """Evaluated reads at one chain strength.

    Attributes:
        strength: coupling inside chains, in the unit of the Ising model.
        broken: [reads] share of broken chains.
        by_variable: variable -> share of reads in which its chain is broken.
        energies: repair method -> [reads] energy of the embedded model.
        feasible: share of reads that, repaired by majority vote, satisfy all constraints of the user's problem.
        objective: least objective (minimised) of the feasible reads, None without any.
        scale: factor by which the model was multiplied to fill the ranges of the chip.

    Example:
        >>> energies = {"majority-vote": np.array([-3.0, -1.0])}
        >>> reads = Judged(2.0, np.array([0.0, 0.5]), {"a": 0.5}, energies, feasible=1.0, objective=-2.0, scale=1.0)
        >>> float(reads.energy)
        -3.0
    """

    strength: float
    broken: NDArray[np.float64]
    by_variable: Mapping[Any, float]
    energies: Mapping[str, NDArray[np.float64]]
    feasible: float
    objective: float | None
    scale: float

    @property
    def energy(self) -> float:
        """Least energy after majority vote."""
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
    """Read the emulated chip and evaluate the reads.

    Args:
        what: the embedded model with its problem.
        embedding: embedding of the model.
        reads: number of reads, >= 1.
        seed: random seed of errors and anneals.
        chip: parameters of the chip, see `qubo_dnn.embedding.emulation`.
        chain_strength: see `qubo_dnn.embedding.program.program`.
        prefactor: see `qubo_dnn.embedding.program.program`.

    Example:
        >>> from qubo_dnn.embedding.backend_model import make_backend_model
        >>> from qubo_formulations.max_cut import MaxCut
        >>> from qubo_dnn.embedding.embedding import embed
        >>> from qubo_dnn.embedding.target import target
        >>> model = make_backend_model(MaxCut([(0, 1), (1, 2), (0, 2)]).compile(), presolve=False)
        >>> reads = judged(model, embed(model.graph, target("chimera:1"), "clique"), reads=5, seed=1)
        >>> reads.objective  # minus the cut
        -2.0
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
    """Evaluate the emulated chip at several chain strengths: weak chains break, strong ones let noise hide the problem.

    Args:
        what: the embedded model with its problem.
        embedding: embedding of the model.
        default: default chain strength.
        reads: number of reads per strength.
        seed: random seed, the same at every strength.
        chip: parameters of the chip, see `qubo_dnn.embedding.emulation`.
        factors: factors of the default strength, > 0.
        progress: called after every strength with the number of strengths done and their total.

    Example:
        >>> from qubo_dnn.embedding.backend_model import make_backend_model
        >>> from qubo_formulations.max_cut import MaxCut
        >>> from qubo_dnn.embedding.embedding import embed
        >>> from qubo_dnn.embedding.target import target
        >>> model = make_backend_model(MaxCut([(0, 1), (1, 2), (0, 2)]).compile(), presolve=False)
        >>> embedding = embed(model.graph, target("chimera:1"), "clique")
        >>> [each.strength for each in scan(model, embedding, default=2.0, reads=5, seed=1, factors=(0.5, 1.0))]
        [1.0, 2.0]
    """
    found = []
    for factor in factors:
        found.append(judged(what, embedding, reads, seed, chip, factor * default))
        if progress:
            progress(len(found), len(factors))
    return found


def best_strength(found: Sequence[Judged]) -> Judged:
    """Return the best strength: least mean energy of the better half of the reads, robust to single lucky reads.

    Example:
        >>> low, high = (
        ...     Judged(strength, np.zeros(2), {}, {"majority-vote": np.array(energies)}, 1.0, None, 1.0)
        ...     for strength, energies in ((1.0, [-1.0, 0.0]), (2.0, [-3.0, -2.0]))
        ... )
        >>> best_strength([low, high]).strength
        2.0
    """

    def mean_of_the_better_half(each: Judged) -> float:
        energies = np.sort(each.energies["majority-vote"])
        return float(energies[: (len(energies) + 1) // 2].mean())

    return min(found, key=mean_of_the_better_half)
