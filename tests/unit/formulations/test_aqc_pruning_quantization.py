from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from qubo_dnn.compression.task.budgets import TaskBudget
from qubo_dnn.compression.task.options import bit_widths, parse_options
from qubo_dnn.compression.task.plan import LayerPlan, Plan
from qubo_dnn.compression.task.stored_bits import CHANNEL_BITS, UNIT_BITS, stored_bits
from qubo_dnn.compression.task.task import CompressionFormulation, CompressionTask, LayerShape
from qubo_dnn.errors import BudgetError, FormulationError, OptionError
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.aqc_pruning_quantization import BETAS, AqcPruningQuantization

SHAPES = ((5, 9), (1, 40), (3, 18))
OPTIONS = bit_widths(*range(9))


def network(bits_per_weight: float = 4.0, seed: int = 0) -> CompressionTask:
    """Layers of 5, 1 and 3 filters, with real storage costs."""
    layers = tuple(LayerShape(f"layer{n}", channels, size, 1) for n, (channels, size) in enumerate(SHAPES))
    sizes = np.repeat([size for _, size in SHAPES], [channels for channels, _ in SHAPES])
    return CompressionTask(
        layers=layers,
        options=OPTIONS,
        cost=np.array([[stored_bits(size, 1, option) for option in OPTIONS] for size in sizes.tolist()]),
        overhead=100,
        limit=bits_per_weight * sum(channels * size for channels, size in SHAPES),
        mean_magnitude=np.random.default_rng(seed).uniform(0.05, 0.5, len(sizes)),
        squared_error=np.ones((len(sizes), len(OPTIONS))),
        sensitivity=None,
    )


@dataclass
class Terms:
    """L_p, L_q and R of one state by the formulas, in numpy."""

    pruning: float
    quantization: float
    reduction: float


def terms(task: CompressionTask, sample: dict[Hashable, int]) -> Terms:
    pruning = quantization = reduction = 0.0
    b_max, first = 8, 0
    total = sum(channels * size for channels, size in SHAPES)
    for n, (channels, size) in enumerate(SHAPES):
        p = np.array([sample[f"p[{n}][{i}]"] for i in range(channels)])
        r = sum(2**k * sample[f"q[{n}][{k}]"] for k in range(3))
        mean_l1 = task.mean_magnitude[first : first + channels]  # |w_ni|_1 / N_ni
        first += channels
        pruning += float((mean_l1 * p).sum()) ** 2
        quantization += (r * float(mean_l1.mean())) ** 2
        reduction += float((size * (b_max * p + r - p * r)).sum()) / (b_max * total)
    return Terms(pruning, quantization, reduction)


def samples(problem: Any, count: int = 40) -> list[dict[Hashable, int]]:
    rng = np.random.default_rng(1)
    rows = [np.zeros(len(problem.variables), int), np.ones(len(problem.variables), int)]
    rows += list(rng.integers(0, 2, (count, len(problem.variables))))
    return [dict(zip(problem.variables, row.tolist(), strict=True)) for row in rows]


@pytest.mark.parametrize(("beta", "gamma"), [(1.0, 0.0), (0.0, 2.0), (0.7, 3.5)])
def test_with_gamma_the_objective_is_the_hamiltonian(beta: float, gamma: float) -> None:
    task = network()
    formulation = AqcPruningQuantization(task, beta, gamma)
    problem = formulation.compile()
    assert problem.constraint_kinds == set()
    assert len(problem.variables) == 9 + 3 * 3
    for sample in samples(problem):
        expected = terms(task, sample)
        energy = expected.pruning + beta * expected.quantization - gamma * expected.reduction
        assert problem.objective.energy(sample) == pytest.approx(energy, abs=1e-10)
        assert formulation.cost(problem.decode(sample).value) == pytest.approx(energy, abs=1e-10)


def test_without_gamma_the_objective_is_the_losses_and_the_reduction_is_bounded() -> None:
    task = network()
    formulation = AqcPruningQuantization(task, 0.7)
    problem = formulation.compile()
    reduction = problem.constraints["reduction"]
    assert reduction.sense == ">="
    for sample in samples(problem):
        expected = terms(task, sample)
        losses = expected.pruning + 0.7 * expected.quantization
        assert problem.objective.energy(sample) == pytest.approx(losses, abs=1e-10)
        assert reduction.lhs.energy(sample) == pytest.approx(expected.reduction, abs=1e-12)
        assert formulation.cost(problem.decode(sample).value) == pytest.approx(losses, abs=1e-10)


def test_the_relaxed_objective_at_gamma_is_the_hamiltonian_with_that_gamma() -> None:
    relaxed, hamiltonian = (AqcPruningQuantization(network(), 0.7, gamma).compile() for gamma in (None, 2.5))
    for sample in samples(relaxed):
        reward = 2.5 * relaxed.constraints["reduction"].lhs.energy(sample)
        assert relaxed.objective.energy(sample) - reward == pytest.approx(hamiltonian.objective.energy(sample))


def test_the_reduction_needed_leaves_the_budget_after_scales_offsets_and_codes() -> None:
    task = network(4.0)
    kept = task.limit - 100 - 9 * (UNIT_BITS + CHANNEL_BITS)
    assert AqcPruningQuantization(task).reduction_needed == pytest.approx(1 - kept / (8 * 139))


def test_decoding_gives_removed_bits_and_pruned_filters() -> None:
    formulation = AqcPruningQuantization(network())
    sample = dict.fromkeys(formulation.compile().variables, 0)
    sample |= {"p[0][1]": 1, "p[0][4]": 1, "q[0][0]": 1, "q[0][2]": 1, "q[2][1]": 1}
    plan = formulation.decode(sample)
    assert plan.layers["layer0"] == LayerPlan(1, bit_widths(3, 0, 3, 3, 0))
    assert plan.layers["layer1"] == LayerPlan(1, bit_widths(8))
    assert plan.layers["layer2"] == LayerPlan(1, bit_widths(6, 6, 6))


def test_a_layer_whose_filters_are_all_pruned_keeps_its_cost() -> None:
    """Its removed bits are invisible in the bit widths, but count in L_q."""
    formulation = AqcPruningQuantization(network())
    problem = formulation.compile()
    sample = dict.fromkeys(problem.variables, 0) | dict.fromkeys([f"p[2][{i}]" for i in range(3)], 1)
    costs = []
    for code in (0, 1):
        decoded = problem.decode(sample | {"q[2][2]": code})
        assert decoded.value.layers["layer2"].options == bit_widths(0, 0, 0)
        assert formulation.cost(decoded.value) == pytest.approx(decoded.objective)
        costs.append(decoded.objective)
    assert costs[1] > costs[0]


def test_the_quantization_loss_can_be_exchanged() -> None:
    task = network()
    problem = AqcPruningQuantization(task, 2.0, quantization_loss=lambda removed, magnitude: 3.0 * magnitude * removed)
    compiled = problem.compile()
    for sample in samples(compiled):
        removed = [sum(2**k * sample[f"q[{n}][{k}]"] for k in range(3)) for n in range(3)]
        means = [task.mean_magnitude[:5].mean(), task.mean_magnitude[5], task.mean_magnitude[6:].mean()]
        loss = sum(3.0 * mean * r for mean, r in zip(means, removed, strict=True))
        energy = terms(task, sample).pruning + 2.0 * loss
        assert compiled.objective.energy(sample) == pytest.approx(energy, abs=1e-10)
        assert problem.cost(compiled.decode(sample).value) == pytest.approx(energy, abs=1e-10)


def test_a_quantization_loss_that_charges_nothing_keeps_all_variables() -> None:
    problem = AqcPruningQuantization(network(), quantization_loss=lambda _removed, _magnitude: 0.0).compile()
    assert len(problem.variables) == 18


def test_a_quantization_loss_of_third_order_is_refused() -> None:
    formulation = AqcPruningQuantization(network(), quantization_loss=lambda removed, magnitude: magnitude * removed**3)
    with pytest.raises(FormulationError, match="higher than second order"):
        formulation.compile()


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_weights_out_of_range_are_refused(value: float) -> None:
    with pytest.raises(OptionError, match="beta must be a finite number >= 0"):
        AqcPruningQuantization(network(), beta=value)
    with pytest.raises(OptionError, match="gamma must be a finite number >= 0"):
        AqcPruningQuantization(network(), gamma=value)


def test_other_units_than_filters_are_refused() -> None:
    task = replace(network(), layers=(LayerShape("layer", 9, 10, 3),))
    with pytest.raises(OptionError, match="granularity is 'channel'"):
        AqcPruningQuantization(task)


def test_other_options_and_unknown_parameters_are_refused_for_a_task() -> None:
    task = network()
    for options in ("0,2,4", "0,1,2,3,4,5,6,7,8@50%"):
        with pytest.raises(OptionError, match="fixed options 0 to 8, no sparsity"):
            AqcPruningQuantization.from_task(replace(task, options=parse_options(options)))
    with pytest.raises(OptionError, match="no parameter 'gama'; did you mean 'gamma'"):
        AqcPruningQuantization.from_task(task, gama=1.0)
    assert AqcPruningQuantization.from_task(task, gamma="1.5").gamma == 1.5


def test_rules_and_further_budgets_are_refused_for_a_task() -> None:
    task, cost = network(), np.ones((9, 9))
    budget = TaskBudget(
        name="bops", kind="bops", text="9BOPs", cost=cost, overhead=0.0, limit=9.0, scale=1.0, unit="bit operations"
    )
    for changes in (
        {"allowed": np.ones((9, 9), bool)},
        {"tied": np.arange(9)},
        {"budgets": (budget,)},
    ):
        with pytest.raises(OptionError, match="one budget of stored size, and no layers tied together"):
            AqcPruningQuantization.from_task(replace(task, **changes))


def test_beta_can_be_tuned_unless_it_is_set() -> None:
    task = network()
    assert AqcPruningQuantization.tunable({"beta": "2"}, task).sets == ({},)
    tried = [
        AqcPruningQuantization.from_task(task, **chosen) for chosen in AqcPruningQuantization.tunable({}, task).sets
    ]
    assert [formulation.beta for formulation in tried] == list(BETAS)


def test_a_budget_below_scales_and_codes_is_refused_with_the_least_that_works() -> None:
    least = (100 + 9 * (UNIT_BITS + CHANNEL_BITS)) / 139
    with pytest.raises(BudgetError, match=rf"0\.5 stored bits .* reaches {least:.4g} to {least + 8:.4g}"):
        AqcPruningQuantization(network(0.5))
    assert AqcPruningQuantization(network(0.5), gamma=1.0).compile().constraints == {}
    assert AqcPruningQuantization(network(least)).reduction_needed == pytest.approx(1.0)


def test_a_plan_of_another_formulation_has_no_cost() -> None:
    with pytest.raises(FormulationError, match="only plans decoded by this formulation"):
        AqcPruningQuantization(network()).cost(Plan({}))


def test_no_loss_is_predicted() -> None:
    formulation: CompressionFormulation = AqcPruningQuantization.example(0)
    problem = formulation.compile()
    plan = problem.decode(dict.fromkeys(problem.variables, 0)).value
    assert formulation.predicted_loss_increase(plan) is None


@pytest.mark.parametrize("name", ["exact", "neal", "pt"])
@pytest.mark.parametrize("bits", [2.5, 4.0, 6.0])
def test_a_solved_plan_keeps_the_budget(name: str, bits: float) -> None:
    task = network(bits)
    formulation = AqcPruningQuantization.from_task(task)
    solution = solve(formulation.compile(), get_backend(name), {"seed": 0})
    assert solution.best.feasible
    assert task.stored_bits(solution.best.value) <= task.limit
    assert formulation.cost(solution.best.value) == pytest.approx(solution.best.objective)
