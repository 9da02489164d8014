"""Sizes that are calculated for networks are those of the product, and instances are what they are said to be."""

from __future__ import annotations

from pathlib import Path

import dimod
import numpy as np
import pytest
import torch
from torch import nn

from bench.results import read_results
from bench.scale.__main__ import FOLDER, Results, page
from bench.scale.factors import OPTIONS, budgeted, random_factor
from bench.scale.instances import Lattice, write_coo, write_npz
from bench.scale.network import LLM, Network, Solver, windows
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.network.macs import count_macs
from qubo_dnn.compression.quantization.candidates import make_candidates
from qubo_dnn.compression.search.task_builder import layer_changes
from qubo_dnn.compression.sensitivity.accumulator import SumsSize
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.files.common.text import TextFile
from qubo_dnn.files.large import read_large_coo, read_large_npz
from qubo_dnn.problem import LowRank
from qubo_dnn.sparse_model import SparseModel

SOLVER = Solver(variable_bytes=1000.0, product_seconds=1e-9)


@pytest.mark.parametrize("granularity", ["layer", "channel", "group:2"])
def test_the_factor_of_a_network_has_the_calculated_size(granularity: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3)).eval()
    data, options = Data.from_tensors(torch.randn(5, 6)), bit_widths(0, 2, 4, 8)
    inventory = find_layers(model)
    changes = layer_changes(inventory, granularity, make_candidates(inventory, options))
    found = gauss_newton(model, changes, data, loss=CROSS_ENTROPY, probes=2, as_factor=True)
    units, macs = sum(each.units for each in changes), sum(count_macs(inventory, data).values())
    network = Network("tiny", 36, macs, 2, 36 / units, 4, samples=5, probes=2)
    assert found.factor is not None
    assert (network.variables, network.columns) == found.factor.shape
    assert network.factor_bytes == found.factor.nbytes == SumsSize(network.variables, network.columns, 0).as_factor


def test_windows_of_all_layers_with_all_columns_are_the_whole() -> None:
    design = windows(LLM, SOLVER, LLM.layers, LLM.columns, workers=1)
    assert (design.count, design.variables, design.scattered_bytes) == (1, LLM.variables, 0.0)
    assert design.solver_bytes == SOLVER.bytes(LLM.variables, LLM.columns)
    assert design.sweep_seconds == SOLVER.sweep_seconds(LLM.variables, LLM.columns)


def test_narrower_windows_take_less_memory_and_overlapping_ones_twice_the_work() -> None:
    wide, narrow = (windows(LLM, SOLVER, layers, 64, workers=1) for layers in (56, 14))
    assert narrow.solver_bytes == pytest.approx(wide.solver_bytes / 4)
    assert narrow.sweep_seconds == pytest.approx(2 * SOLVER.sweep_seconds(LLM.variables, 64), rel=0.05)


@pytest.mark.parametrize("degree", [3, 10])
def test_both_files_hold_the_lattice(tmp_path: Path, degree: int) -> None:
    lattice = Lattice(1000, degree, seed=4)
    write_coo(lattice, tmp_path / "a.coo")
    write_npz(lattice, tmp_path / "a.npz")
    one = read_large_coo(TextFile(tmp_path / "a.coo"), 0)
    other = read_large_npz(TextFile(tmp_path / "a.npz"), 0)
    assert isinstance(one, SparseModel)
    assert other is not None
    assert one.num_interactions == other.num_interactions == lattice.couplings
    # Every spin has the neighbours of all offsets in both directions.
    assert set(np.bincount(np.concatenate([one.rows, one.columns]))) == {2 * degree}
    states = 2 * np.random.default_rng(0).integers(0, 2, (3, 1000), np.int8) - np.int8(1)
    assert one.energies(states).tolist() == other.energies(states).tolist()


def test_a_budgeted_problem_has_half_of_the_couplings() -> None:
    factor = random_factor(3, 5, seed=1)
    problem = budgeted(factor.copy())
    state = np.array([0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0])
    sample = dict(enumerate(state.tolist()))
    whole, diagonal = np.square(state @ factor).sum(), (state @ np.square(factor)).sum()
    assert problem.decode(sample).objective == pytest.approx((whole + diagonal) / 4)
    assert isinstance(problem.low_rank, LowRank)
    (budget,) = problem.constraints.values()
    assert isinstance(budget.lhs, dimod.BinaryQuadraticModel)
    assert float(budget.lhs.energy(sample)) == OPTIONS[1] + OPTIONS[2] + OPTIONS[0]


def test_the_page_has_the_parts_that_were_run() -> None:
    results = read_results(FOLDER / "results.json", Results)
    assert page(results) == (FOLDER / "README.md").read_text()
    assert "## Factors" not in page(Results(sparse=results.sparse))
    assert "7 billion" not in page(Results(sparse=results.sparse, factors=results.factors))
