"""The program of a chip: the embedded Ising model, the chain strength, and the scale factor."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.embedding.embedding import Embedding
from qubo_dnn.errors import OptionError
from qubo_dnn.support.extras import require

Floats = NDArray[np.float64]
Policy = Literal["uniform-torque", "scaled"]


@dataclass(frozen=True)
class AnnealingProgram:
    """An Ising model over qubits, as submitted to the chip.

    Attributes:
        model: SPIN model over the qubits of the embedding, in the unit of the source.
        embedding: the embedding of the variables.
        chain_strength: strength of the coupling between qubits of a chain, > 0, in the unit of the source.

    Example:
        >>> import networkx as nx
        >>> from qubo_dnn.embedding.embedding import embed
        >>> from qubo_dnn.embedding.target import target
        >>> triangle = dimod.BinaryQuadraticModel({}, {("a", "b"): 1, ("b", "c"): 1, ("a", "c"): 1}, "SPIN")
        >>> plan = program(triangle, embed(nx.complete_graph(["a", "b", "c"]), target("chimera:1")), chain_strength=2.0)
        >>> len(plan.qubits), plan.scale, int(plan.inside.sum())
        (6, 1.0, 3)
    """

    model: dimod.BinaryQuadraticModel
    embedding: Embedding
    chain_strength: float

    @cached_property
    def qubits(self) -> list[int]:
        """The qubits, chain after chain; they are the columns of the reads."""
        return [qubit for chain in self.embedding.chains.values() for qubit in chain]

    @cached_property
    def starts(self) -> NDArray[np.intp]:
        """[variables + 1] start of every chain in `qubits`, and the number of qubits."""
        return np.cumsum([0, *map(len, self.embedding.chains.values())], dtype=np.intp)

    @cached_property
    def fields(self) -> Floats:
        """[qubits] linear biases."""
        return np.array([self.model.linear[qubit] for qubit in self.qubits], np.float64)

    @cached_property
    def couplings(self) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
        """Columns of both ends and bias of every coupler in use."""
        _, (rows, columns, biases), _ = self.model.to_numpy_vectors(variable_order=self.qubits)
        return rows.astype(np.intp), columns.astype(np.intp), biases.astype(np.float64)

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """True for couplers within a chain, in the order of `couplings`."""
        chain = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        rows, columns, _ = self.couplings
        same: NDArray[np.bool_] = chain[rows] == chain[columns]
        return same

    @cached_property
    def limits(self) -> Mapping[str, float]:
        """Range of the chip -> largest factor for which the model stays in the range; infinite without a bound."""
        rows, columns, biases = self.couplings
        sums = np.zeros(len(self.qubits))
        np.add.at(sums, rows, biases)
        np.add.at(sums, columns, biases)
        values = {"h_range": self.fields, "extended_j_range": biases, "per_qubit_coupling_range": sums}
        return {name: _room(values[name], *bounds) for name, bounds in self.embedding.target.ranges.items()}

    @property
    def scale(self) -> float:
        """Factor of auto-scaling, for which the model fills the ranges of the chip."""
        factor = min(self.limits.values())
        return factor if np.isfinite(factor) else 1.0

    @property
    def smallest(self) -> float:
        """The smallest non-zero |bias| after scaling, dimensionless; 0.0 without biases."""
        biases = np.abs(np.concatenate([self.fields, self.couplings[2]]))
        # A bias that cancels up to rounding errors does not count.
        biases = biases[biases > 1e-12 * biases.max(initial=0.0)]
        return self.scale * float(biases.min()) if len(biases) else 0.0

    @property
    def bits(self) -> float:
        """Bits of precision of the smallest coefficient: log2 of coupling range over coefficient; 0.0 without any."""
        low, high = self.embedding.target.ranges["extended_j_range"]
        return float(np.log2((high - low) / self.smallest)) if self.smallest else 0.0


def _room(values: Floats, low: float, high: float) -> float:
    above, below = float(values.max(initial=0.0)), float(values.min(initial=0.0))
    return min(high / above if above > 0.0 else np.inf, low / below if below < 0.0 else np.inf)


def program(
    bqm: dimod.BinaryQuadraticModel,
    embedding: Embedding,
    chain_strength: Policy | float = "uniform-torque",
    prefactor: float | None = None,
) -> AnnealingProgram:
    """Distribute a model over the chains of an embedding: every bias evenly over its qubits or couplers.

    Args:
        bqm: model of either vartype, over the variables of the embedding.
        embedding: embedding of the model.
        chain_strength: a policy, or a coupling > 0 in the unit of `bqm` as an Ising model.
        prefactor: factor of the policy, dimensionless (default: 1.414 for uniform torque compensation, 1 for the
            largest bias).

    Raises:
        OptionError: the strength is not above 0.

    Example:
        >>> import networkx as nx
        >>> from qubo_dnn.embedding.embedding import embed
        >>> from qubo_dnn.embedding.target import target
        >>> triangle = dimod.BinaryQuadraticModel({}, {("a", "b"): 1, ("b", "c"): 1, ("a", "c"): 1}, "SPIN")
        >>> plan = program(triangle, embed(nx.complete_graph(["a", "b", "c"]), target("chimera:1")), chain_strength=2.0)
        >>> plan.chain_strength, plan.model.num_variables
        (2.0, 6)
    """
    embeddings = require("dwave.embedding", "dwave")
    strengths = require("dwave.embedding.chain_strength", "dwave")
    ising = bqm.change_vartype(dimod.SPIN, inplace=False)
    chains: dict[Hashable, tuple[int, ...]] = dict(embedding.chains)
    if isinstance(chain_strength, str):
        policies = {"uniform-torque": strengths.uniform_torque_compensation, "scaled": strengths.scaled}
        factors = {} if prefactor is None else {"prefactor": prefactor}
        strength = float(policies[chain_strength](ising, chains, **factors)) or 1.0
    else:
        strength = float(chain_strength)
    if not 0.0 < strength < np.inf:
        raise OptionError(f"the chain strength has to be above 0, not {strength:g}")
    graph = embedding.target.graph
    used = {qubit for chain in chains.values() for qubit in chain}
    adjacency = {qubit: set(graph[qubit]) for qubit in used}
    model = embeddings.embed_bqm(ising, chains, adjacency, chain_strength=strength)
    model.add_linear_from(dict.fromkeys(used, 0.0))
    return AnnealingProgram(model, embedding, strength)
