"""Plans of feasible states fit the budget, whatever the network."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel
from qubo_dnn.compression.task.stored_bits import LAYER_OVERHEAD_BITS, stored_bits
from qubo_dnn.compression.task.task import CompressionTask, LayerShape
from qubo_dnn.errors import BudgetError
from qubo_formulations.aqc_pruning_quantization import AqcPruningQuantization
from qubo_formulations.pruning_quantization import PruningQuantization
from tests.drawn import drawn

pytestmark = pytest.mark.slow


@st.composite
def tasks(draw: st.DrawFn, group: int | None = None) -> CompressionTask:
    """Up to 3 layers of up to 4 channels, at any budget between the smallest and the largest choice."""
    layers = []
    for index in range(draw(st.integers(1, 3))):
        channels = draw(st.integers(1, 4))
        size = draw(st.integers(1, 30))
        layers.append(LayerShape(f"layer{index}", channels, size, group or draw(st.integers(1, channels))))
    options = bit_widths(*range(9))
    units = [(layer.weights_per_channel, channels) for layer in layers for channels in layer.unit_channels]
    cost = np.array([[stored_bits(size, channels, option) for option in options] for size, channels in units])
    overhead = LAYER_OVERHEAD_BITS * len(layers)
    least, most = (overhead + int(total) for total in (cost.min(axis=1).sum(), cost.max(axis=1).sum()))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    factor = rng.normal(size=(cost.size, 4)).astype(np.float32)
    return CompressionTask(
        layers=tuple(layers),
        options=options,
        cost=cost,
        overhead=overhead,
        limit=float(draw(st.integers(least, most))),
        mean_magnitude=rng.uniform(0.01, 1.0, len(units)),
        squared_error=rng.uniform(0.0, 1.0, cost.shape),
        sensitivity=QuadraticLossModel(matrix=factor @ factor.T, linear=np.zeros(cost.size)),
    )


@settings(max_examples=drawn(60), deadline=None, derandomize=True)
@given(tasks(group=1), st.integers(0, 2**32 - 1))
def test_a_state_that_meets_the_reduction_never_exceeds_the_budget(task: CompressionTask, seed: int) -> None:
    try:
        formulation = AqcPruningQuantization(task)
    except BudgetError:
        assume(False)
    problem = formulation.compile()
    rng = np.random.default_rng(seed)
    rows = [np.ones(len(problem.variables), int)]
    rows += [(rng.random(len(problem.variables)) < share).astype(int) for share in rng.random(30)]
    feasible = 0
    for row in rows:
        decoded = problem.decode(dict(zip(problem.variables, row.tolist(), strict=True)))
        if decoded.feasible:
            feasible += 1
            assert task.stored_bits(decoded.value) <= task.limit
    assert feasible >= 1  # with every filter pruned


@settings(max_examples=drawn(40), deadline=None, derandomize=True)
@given(tasks(), st.integers(0, 2**32 - 1))
def test_a_choice_is_feasible_exactly_when_its_plan_fits(task: CompressionTask, seed: int) -> None:
    formulation = PruningQuantization(task)
    problem = formulation.compile()
    units, options = task.cost.shape
    for choice in np.random.default_rng(seed).integers(0, options, (10, units)):
        sample: dict[Hashable, int] = {
            f"x[{u}][{k}]": int(choice[u] == k) for u in range(units) for k in range(options)
        }
        decoded = problem.decode(sample)
        assert task.choice(decoded.value).tolist() == choice.tolist()
        assert decoded.feasible == (task.stored_bits(decoded.value) <= task.limit)
        assert abs(decoded.objective - formulation.cost(decoded.value)) <= 1e-5 * max(1.0, abs(decoded.objective))
