"""Common parts of the backends that read a chip: embedding, program, reads, and repair of chains."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import dimod
import networkx as nx
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qubo_backends._shared import sampling
from qubo_dnn.backend import UNSEEN, Backend, SolveOptions, check_model
from qubo_dnn.embedding.chains import ChainBreakMethod, broken_chains, repaired
from qubo_dnn.embedding.embedding import Embedder, Embedding, check_counts, embed, load_embedding
from qubo_dnn.embedding.program import AnnealingProgram, Policy, program
from qubo_dnn.embedding.target import Target
from qubo_dnn.errors import BackendFailedError

_READS = 100
_REMEMBERED = 8


class EmbeddedOptions(SolveOptions):
    """Options of backends that need a minor embedding."""

    embedder: Embedder = Field(default="auto", description="method that finds the chains")
    embedding: Path | None = Field(
        default=None, description="JSON file of an embedding: read if it exists, otherwise written"
    )
    embedding_time_limit: float = Field(
        default=60.0,
        gt=0,
        description="time limit of minorminer, in wall-clock seconds",
        json_schema_extra={UNSEEN: "small models are embedded at once"},
    )
    chain_strength: Annotated[float, Field(gt=0)] | Policy = Field(
        default="uniform-torque",
        description="coupling inside chains: a policy, or a number in the unit of the Ising model",
    )
    chain_strength_prefactor: float | None = Field(
        default=None,
        gt=0,
        description="factor of the chain strength policy (default: 1.414 for uniform-torque, 1 for scaled)",
    )
    chain_break_method: ChainBreakMethod = Field(
        default="majority-vote",
        description="treatment of broken chains",
        json_schema_extra={UNSEEN: "chains of small models hold"},
    )
    num_spin_reversal_transforms: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="number of programmings in random gauges, which share the reads; 1: no gauge",
    )


# Cache of the last embeddings by their inputs, because a solve needs the same one in every round.
_found: dict[tuple[Any, ...], Embedding] = {}
# Files written here: a later round, in which presolve fixes fewer variables, overwrites them.
_written: set[Path] = set()


def find(
    bqm: dimod.BinaryQuadraticModel, target: Target, options: EmbeddedOptions, time_left: float, seed: int
) -> Embedding:
    """Load, recall or search the embedding of a model.

    Raises:
        EmbeddingError: no embedding is found, or the one in the file does not fit.
        FileFormatError: the file is not an embedding.
    """
    # Check the counts before building the graph, which takes a minute for millions of interactions.
    check_counts(bqm.num_variables, bqm.num_interactions, target)
    source = nx.Graph()
    source.add_nodes_from(sampling.natural_order(bqm))
    source.add_edges_from(bqm.quadratic)
    file = options.embedding
    if file is not None and file.exists() and file.resolve() not in _written:
        return load_embedding(file, source, target)
    # Chains of a complete graph suit any interactions and depend on no seed, so that all models of one size share them.
    apart = () if options.embedder == "clique" else (frozenset(map(frozenset, source.edges)), seed)
    key = (target.digest, tuple(source), apart, options.embedder, options.embedding_time_limit)
    if key not in _found:
        limit = max(1.0, min(options.embedding_time_limit, time_left))
        embedding = embed(source, target, options.embedder, limit, seed)
        while len(_found) >= _REMEMBERED:
            del _found[next(iter(_found))]
        _found[key] = embedding
    if file is not None:
        _found[key].save(file)
        _written.add(file.resolve())
    return _found[key]


def sample(
    backend: Backend,
    bqm: dimod.BinaryQuadraticModel,
    options: EmbeddedOptions,
    target: Callable[[], Target],
    seed: int,
    watch: sampling.InterruptGuard,
    read: Callable[[AnnealingProgram, int], tuple[NDArray[np.int8], dict[str, Any]]],
) -> dimod.SampleSet:
    """Embed a model, read the chip, and return samples of the caller's model.

    Args:
        backend: the calling backend.
        bqm: the caller's model, not changed.
        options: options of the run.
        target: returns the working graph.
        seed: random seed of embedder and repair.
        watch: an entered guard; its time limit includes the embedder.
        read: maps a program and a number of reads to [reads, qubits] of -1 and 1, and the entries to report.

    Returns:
        The samples, without the entries of `watch`.

    Raises:
        BackendFailedError: every read was discarded.
    """
    check_model(backend, bqm)
    order, reads = sampling.natural_order(bqm), options.num_reads or _READS
    if not order:
        return sampling.answer(bqm, order, np.empty((options.num_reads or 1, 0)), {"seed": seed})
    embedding = find(bqm, target(), options, watch.seconds_left, seed)
    # Use one order of variables, so that the errors of the couplers do not depend on the caller's order.
    ising = sampling.indexed(bqm, dimod.SPIN).relabel_variables(dict(enumerate(order)))
    plan = program(ising, embedding, options.chain_strength, options.chain_strength_prefactor)
    states, reported = read(plan, reads)
    broken = broken_chains(plan, states)
    rng = np.random.default_rng(seed)
    rows, origin = repaired(plan, ising, states, options.chain_break_method, rng)
    if not len(rows):
        raise BackendFailedError(
            f"all {len(states)} reads have broken chains and were discarded; raise chain_strength above "
            f"{plan.chain_strength:.4g} or choose another chain_break_method"
        )
    info = {
        "seed": seed,
        "target": embedding.target.name,
        "embedder": embedding.embedder,
        "embedding_seconds": embedding.seconds,
        "qubits": embedding.qubits,
        "longest_chain": embedding.longest,
        "chain_strength": plan.chain_strength,
        "scale": plan.scale,
        "chain_break_fraction": float(broken.mean()),
        **reported,
    }
    answer = sampling.answer(bqm, list(embedding.chains), rows > 0, info)
    return dimod.append_data_vectors(answer, chain_break_fraction=broken.mean(axis=1)[origin])
