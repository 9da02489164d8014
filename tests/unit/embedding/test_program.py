"""The embedded model has the source's energies where chains are whole, and is scaled into the chip's ranges."""

from __future__ import annotations

from itertools import pairwise

import dimod
import networkx as nx
import numpy as np
import pytest

from qubo_dnn.embedding.chains import broken_chains, repaired
from qubo_dnn.embedding.embedding import Embedding, embed
from qubo_dnn.embedding.emulation import Chip, emulate
from qubo_dnn.embedding.program import AnnealingProgram, program
from qubo_dnn.embedding.target import Target
from qubo_dnn.errors import OptionError


@pytest.fixture
def embedding(chip: Target, clique: dimod.BinaryQuadraticModel) -> Embedding:
    return embed(nx.Graph(list(clique.quadratic)), chip, "clique")


def whole(plan: AnnealingProgram, spins: np.ndarray) -> np.ndarray:
    """Reads in which every chain agrees on its variable's spin."""
    return np.repeat(spins, np.diff(plan.starts), axis=1).astype(np.int8)


def test_whole_chains_have_the_energy_of_the_source(clique: dimod.BinaryQuadraticModel, embedding: Embedding) -> None:
    plan = program(clique, embedding, 3.0)
    spins = np.random.default_rng(0).choice([-1, 1], (20, 12))
    assert plan.model.num_interactions > clique.num_interactions
    np.testing.assert_allclose(
        plan.model.energies((whole(plan, spins), plan.qubits)), clique.energies((spins, list(embedding.chains)))
    )


def test_scaling_fills_a_range_and_breaks_none(clique: dimod.BinaryQuadraticModel, embedding: Embedding) -> None:
    for factor in (1e-3, 1.0, 1e4):
        model = clique.copy()
        model.scale(factor)
        plan = program(model, embedding)
        ranges = embedding.target.ranges
        rows, columns, biases = plan.couplings
        sums = np.bincount(rows, biases, len(plan.qubits)) + np.bincount(columns, biases, len(plan.qubits))
        used = {"h_range": plan.fields, "extended_j_range": biases, "per_qubit_coupling_range": sums}
        share = [
            max((plan.scale * values).max() / ranges[name][1], (plan.scale * values).min() / ranges[name][0])
            for name, values in used.items()
        ]
        assert max(share) == pytest.approx(1.0)
        assert plan.scale * factor == pytest.approx(program(clique, embedding).scale)


def test_the_smallest_coefficient_and_its_bits(embedding: Embedding) -> None:
    labels = list(embedding.chains)
    model = dimod.BinaryQuadraticModel({labels[0]: 0.0}, dict.fromkeys(pairwise(labels), 0.0), 0, "SPIN")
    model.add_linear_from(dict.fromkeys(labels, 0.0))
    model.set_quadratic(labels[0], labels[1], 1.0)
    plan = program(model, embedding, 64.0)
    couplers = int((np.abs(plan.couplings[2]) % 64 > 0).sum())
    assert plan.smallest == pytest.approx(plan.scale / couplers)
    assert plan.bits == pytest.approx(np.log2(3.0 * couplers / plan.scale))


def test_policies_and_numbers_set_the_chain_strength(clique: dimod.BinaryQuadraticModel, embedding: Embedding) -> None:
    assert program(clique, embedding, "scaled").chain_strength == 1.0
    assert program(clique, embedding, "scaled", 2.5).chain_strength == 2.5
    # Uniform torque: 1.414 times the root mean square of the couplings times the root of the mean degree.
    assert program(clique, embedding).chain_strength == pytest.approx(1.414 * np.sqrt(11))
    assert program(clique, embedding, 0.25).chain_strength == 0.25
    with pytest.raises(OptionError, match="above 0"):
        program(clique, embedding, 0.0)


def test_broken_chains_are_found_and_repaired(clique: dimod.BinaryQuadraticModel, embedding: Embedding) -> None:
    plan = program(clique, embedding)
    rng = np.random.default_rng(1)
    spins = rng.choice([-1, 1], (200, 12))
    reads = whole(plan, spins)
    assert not broken_chains(plan, reads).any()
    torn = reads.copy()
    torn[:100, plan.starts[3]] *= -1
    broken = broken_chains(plan, torn)
    assert broken[:100, 3].all()
    assert broken.sum() == 100

    kept, origin = repaired(plan, clique, torn, "discard", rng)
    np.testing.assert_array_equal(origin, np.arange(100, 200))
    np.testing.assert_array_equal(kept, spins[100:])

    labels = list(embedding.chains)
    best, _ = repaired(plan, clique, torn, "minimize-energy", rng)
    flipped = spins.copy()
    flipped[:, 3] *= -1
    lower = np.minimum(clique.energies((spins, labels)), clique.energies((flipped, labels)))
    np.testing.assert_allclose(clique.energies((best[:100], labels)), lower[:100])
    np.testing.assert_array_equal(best[100:], spins[100:])

    length = int(np.diff(plan.starts)[3])
    drawn, _ = repaired(plan, clique, np.repeat(torn[:1], 4000, axis=0), "weighted-random", rng)
    assert np.delete(drawn, 3, axis=1).std(axis=0).max() == 0.0
    ones = (length - 1 if spins[0, 3] == 1 else 1) / length
    assert (drawn[:, 3] == 1).mean() == pytest.approx(ones, abs=0.04)

    voted, _ = repaired(plan, clique, torn, "majority-vote", rng)
    sums = np.add.reduceat(torn, plan.starts[:-1], axis=1)
    np.testing.assert_array_equal(voted, np.where(sums >= 0, 1, -1))


QUIET = Chip(h_noise=0.0, j_noise=0.0, sweeps=1000)


def test_without_errors_and_slowly_the_emulator_finds_the_ground_state(
    clique: dimod.BinaryQuadraticModel, embedding: Embedding
) -> None:
    best = dimod.ExactSolver().sample(clique).first.energy
    for reversals in (1, 5):
        plan = program(clique, embedding)
        reads = emulate(plan, Chip(0.0, 0.0, sweeps=1000, spin_reversals=reversals), 20, 1)
        rows, _ = repaired(plan, clique, reads, "majority-vote", np.random.default_rng(0))
        assert reads.shape == (20, len(plan.qubits))
        assert clique.energies((rows, list(embedding.chains))).min() == pytest.approx(best)


def test_errors_spoil_the_reads(clique: dimod.BinaryQuadraticModel, embedding: Embedding) -> None:
    def mean(chip: Chip) -> float:
        plan = program(clique, embedding)
        rows, _ = repaired(plan, clique, emulate(plan, chip, 40, 2), "majority-vote", np.random.default_rng(0))
        return float(clique.energies((rows, list(embedding.chains))).mean())

    assert mean(QUIET) < mean(Chip(h_noise=0.5, j_noise=0.5, sweeps=1000)) - 5.0


def test_weak_chains_break(clique: dimod.BinaryQuadraticModel, embedding: Embedding) -> None:
    broken = []
    for strength in (0.1, 8.0):
        plan = program(clique, embedding, strength)
        broken.append(broken_chains(plan, emulate(plan, QUIET, 20, 3)).mean())
    assert broken[0] > 0.2 > 0.02 > broken[1]


def test_a_seed_reproduces_errors_gauges_and_reads(clique: dimod.BinaryQuadraticModel, embedding: Embedding) -> None:
    plan, chip = program(clique, embedding), Chip(sweeps=20, spin_reversals=3)
    one, same, other = (emulate(plan, chip, 7, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    assert len(emulate(plan, chip, 2, 1)) == 2


def test_stopping_keeps_at_least_one_read(clique: dimod.BinaryQuadraticModel, embedding: Embedding) -> None:
    assert 1 <= len(emulate(program(clique, embedding), QUIET, 1000, 1, lambda: True)) < 1000
