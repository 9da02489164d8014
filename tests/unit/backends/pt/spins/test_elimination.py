"""Models that `pt` solves, or makes smaller, before it samples."""

from __future__ import annotations

import math
from typing import Any

import dimod
import numpy as np
import pytest

from qubo_backends.parallel_tempering import ParallelTemperingBackend, ParallelTemperingOptions

pytestmark = pytest.mark.kernels

BACKEND = ParallelTemperingBackend()


def options(**given: Any) -> ParallelTemperingOptions:
    return ParallelTemperingOptions(**given)


def tree(n: int, seed: int) -> dimod.BinaryQuadraticModel:
    """A random tree without fields, with shuffled names."""
    rng = np.random.default_rng(seed)
    names = [f"x[{k}]" for k in rng.permutation(n)]
    parents = rng.integers(0, np.arange(1, n)).tolist()
    couplings = rng.normal(size=n - 1).tolist()
    return dimod.BinaryQuadraticModel.from_ising(
        dict.fromkeys(names, 0.0), {(names[i + 1], names[j]): couplings[i] for i, j in enumerate(parents)}, 2.5
    )


def strip(height: int, length: int, vartype: str = "SPIN") -> dimod.BinaryQuadraticModel:
    rng = np.random.default_rng(height)
    model = dimod.BinaryQuadraticModel(vartype)
    for i in range(length):
        for j in range(height):
            model.add_linear((i, j), float(rng.normal()))
            model.add_quadratic_from(
                ((i, j), other, float(rng.normal())) for other in ((i - 1, j), (i, j - 1)) if other in model.variables
            )
    return model


@pytest.mark.parametrize("vartype", ["SPIN", "BINARY"])
def test_a_tree_is_solved(vartype: str) -> None:
    model = tree(20_000, 1)
    least = 2.5 - math.fsum(map(abs, model.quadratic.values()))
    found = BACKEND.sample(model.change_vartype(vartype, inplace=False), options(seed=1))
    assert found.vartype.name == vartype
    assert found.first.energy == pytest.approx(least, rel=1e-12)
    assert found.info["optimal"] is True
    assert found.info["elimination"] == {"eliminated": 20_000, "left": 0, "width": 1}


@pytest.mark.parametrize("vartype", ["SPIN", "BINARY"])
def test_a_strip_is_solved_better_than_sampled(vartype: str) -> None:
    model = strip(6, 200, vartype)
    solved = BACKEND.sample(model, options(seed=1))
    assert solved.info["optimal"]
    start = {v: int(x) for v, x in solved.first.sample.items()}
    # In two halves, with every state of the column between them fixed as it is, nothing is better.
    for half in (range(100), range(101, 200)):
        fixed = model.copy()
        fixed.fix_variables({v: x for v, x in start.items() if v[0] not in half})
        other = BACKEND.sample(fixed, options(seed=2))
        assert other.first.energy >= solved.first.energy - 1e-9
    relabelled = model.relabel_variables({v: f"{v[1]} {v[0]}" for v in model.variables}, inplace=False)
    assert BACKEND.sample(relabelled, options(seed=3)).first.energy == pytest.approx(solved.first.energy, abs=1e-9)


def test_several_reads_are_the_lowest_states() -> None:
    """A chain of 40 whose lowest states are known: every coupling is broken on its own."""
    couplings = np.random.default_rng(0).uniform(1.0, 2.0, 39)
    model = dimod.BinaryQuadraticModel.from_ising({0: -1e3}, {(i, i + 1): -c for i, c in enumerate(couplings)})
    found = BACKEND.sample(model, options(seed=1, num_reads=20))
    gaps = found.record.energy - found.first.energy
    singles = np.sort(2.0 * couplings)
    pairs = (singles[:, None] + singles)[np.triu_indices(39, 1)]
    np.testing.assert_allclose(gaps, np.sort([0.0, *singles, *pairs])[:20], atol=1e-9)
    assert len({row.tobytes() for row in found.record.sample}) == 20
    assert found.info["optimal"]


def test_fewer_states_than_reads_are_repeated() -> None:
    model = dimod.BinaryQuadraticModel(dict.fromkeys(range(40), -1.0), {}, 0.0, "BINARY")
    assert BACKEND.sample(model, options(num_reads=50)).record.energy.tolist() == [-40.0] + 40 * [-39.0] + 9 * [-38.0]


def test_only_what_is_left_is_sampled() -> None:
    rng = np.random.default_rng(3)
    dense = dimod.BinaryQuadraticModel(rng.integers(-5, 6, (30, 30)).astype(float), "SPIN")
    alone = BACKEND.sample(dense, options(seed=1))
    model = tree(300, 2)
    model.update(dense)
    model.add_quadratic(0, "x[0]", 3.0)
    found = BACKEND.sample(model, options(seed=1, initial_states=dict.fromkeys(model.variables, 1)))
    assert found.info["elimination"] == {"eliminated": 300, "left": 30, "width": 1}
    assert not found.info["optimal"]
    # Without fields in the tree, either value of its root is as good.
    least = alone.first.energy + 2.5 - 3.0 - math.fsum(map(abs, tree(300, 2).quadratic.values()))
    assert found.first.energy == pytest.approx(least)
    assert found.first.energy == pytest.approx(model.energy(found.first.sample))
    # Several states are all sampled.
    assert BACKEND.sample(model, options(seed=1, num_reads=3)).info["elimination"]["left"] == 330


@pytest.mark.parametrize("limit", [{"time_limit": 0.02}, {"target_energy": -1e9, "num_sweeps": 2}])
def test_little_time_and_targets_limit_the_elimination(limit: dict[str, Any]) -> None:
    model = strip(16, 100)
    assert not BACKEND.sample(model, options(seed=1, **limit)).info["optimal"]
    assert BACKEND.sample(model, options(seed=1)).info["elimination"]["width"] <= 17


def test_small_models_are_sampled() -> None:
    found = BACKEND.sample(tree(32, 1), options(seed=1, num_sweeps=3))
    assert found.info["sweeps"] == [3]
    assert not found.info["optimal"]
