"""Compressions that choose widths of activations."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
from qubo_dnn.compression.network.hooks import replacing_inputs
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.outcome import Compression
from qubo_dnn.compression.quantization.activation_grid import activation_grids
from qubo_dnn.compression.records import layer_records
from qubo_dnn.compression.rewriting.compressed_file import load_compressed_, save_compressed
from qubo_dnn.compression.rewriting.held_out import HeldOutDivergence
from qubo_dnn.compression.task.formats import Formats
from qubo_dnn.compression.task.layer_rules import Rules
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.errors import BudgetError, ModelError, OptionError
from tests.unit.compression.conftest import Tiny

QUICK: dict[str, Any] = {"backend": "tabu", "rounds": 1, "rerank": 1}


def bops(done: Compression) -> float:
    """Bit operations of the plan, counted from the records of the layers."""
    return float(sum(record["bops"] for record in layer_records(done)))


def read_by(model: nn.Module, name: str, data: Data) -> Tensor:
    seen: list[Tensor] = []

    def see(values: Tensor) -> Tensor:
        seen.append(values)
        return values

    with replacing_inputs([(model.get_submodule(name), see)]):
        logits(model, data)
    return torch.cat([each.flatten() for each in seen])


def test_one_width_for_all_activations(tiny: Tiny) -> None:
    done = tiny.compress(activations=(4,), **QUICK)
    assert done.found.applied.plan.activations == {"0": 4, "5": 4}
    grids = activation_grids(done.model)
    for name in ("0", "5"):
        values = read_by(done.model, name, tiny.images(40, seed=7))
        assert len(set(values.tolist())) <= 16
        assert torch.equal(grids[name](values), values)
    assert not activation_grids(done.inventory.model)
    assert [record["activation_bits"] for record in layer_records(done)] == [4, 4]
    (budget,) = done.budgets
    assert budget.met(done.found.task.choice(done.found.applied.plan))


@pytest.mark.parametrize("backend", ["pt", "neal", "tabu", "genetic", "reinforcement", "exact-milp"])
@pytest.mark.parametrize("objective", ["gauss-newton", "separable"])
def test_bit_operations_are_met_with_widths_of_both_kinds(tiny: Tiny, backend: str, objective: str) -> None:
    options = {"seed": 1, **({} if backend in ("tabu", "exact-milp") else {"num_reads": 8})}
    settings = {**QUICK, "backend": backend, "backend_options": options, "parameters": {"objective": objective}}
    done = tiny.compress("1.5%bops", activations=(2, 4, 8), options=bit_widths(2, 4, 8), **settings)
    (budget,) = done.budgets
    used = budget.used(done.found.task.choice(done.found.applied.plan))
    assert used == pytest.approx(bops(done))
    assert 0.6 * budget.limit < used <= budget.limit * (1 + 1e-9)


def test_pairs_of_weights_and_activations_are_in_the_problem(tiny: Tiny) -> None:
    done = tiny.compress(activations=(2, 8), parameters={"objective": "gauss-newton", "shrinkage": 0.0}, **QUICK)
    task, problem = done.found.task, done.found.problem
    last = len(task.choices) - 1
    assert task.activations == ("0", "5")
    names = problem.one_hot[f"unit {last}"]
    assert len(names) == 2
    assert any(problem.objective.get_quadratic(names[0], other, default=0.0) for other in problem.one_hot["unit 0"])


def test_a_measured_reward_is_that_of_the_quantized_network(tiny: Tiny) -> None:
    settings = {**QUICK, "backend": "genetic", "backend_options": {"seed": 1, "generations": 3, "population_size": 8}}
    done = tiny.compress(
        "2%bops", options=bit_widths(4, 8), activations=(2, 8), reward="measured", recovery="none", **settings
    )
    found = done.found
    assert found.reward is not None
    judge = HeldOutDivergence(done.inventory.model, tiny.images().split(9, 0)[0], CROSS_ENTROPY)
    assert found.solution.best.value == found.applied.plan
    assert found.solution.best.objective == pytest.approx(judge(done.model).divergence, rel=1e-5)


def test_excluded_formats_stay_out(tiny: Tiny) -> None:
    formats = Formats.parse("2a8,8a8,2a4")
    done = tiny.compress(
        "2%bops",
        options=formats.options,
        activations=formats.activations,
        excluded_formats=formats.excluded,
        **QUICK,
    )
    plan = done.found.applied.plan
    for name, layer in plan.layers.items():
        assert plan.activations[name] == 8 or {option.bits for option in layer.options} == {2}
    assert {budget.name for budget in done.budgets} == {"bops"}


def test_a_single_format_is_uniform_quantization(tiny: Tiny) -> None:
    done = tiny.compress("50%bops", options=bit_widths(4), activations=(8,), **QUICK)
    plan = done.found.applied.plan
    assert {option.bits for layer in plan.layers.values() for option in layer.options} == {4}
    assert set(plan.activations.values()) == {8}
    with pytest.raises(OptionError, match="at least two different"):
        tiny.compress("50%bops", options=bit_widths(4), **QUICK)


def test_single_layers_have_formats_of_their_own(tiny: Tiny) -> None:
    done = tiny.compress("9bits", rules=Rules.parse(layer_options={"last": "4,8", "first": "8a8"}), **QUICK)
    plan = done.found.applied.plan
    assert plan.activations == {"0": 8}
    assert {option.bits for option in plan.layers["0"].options} == {8}


def test_a_second_round_starts_from_the_quantized_network(tiny: Tiny) -> None:
    done = tiny.compress(activations=(3, 8), backend="tabu", rounds=3, rerank=1)
    assert done.found.rounds
    assert tiny.listener.stages.count("measure") == min(3, len(done.found.rounds))


def test_activations_stay_within_the_file(tiny: Tiny, tmp_path: Path) -> None:
    done = tiny.compress(activations=(4, 8), **QUICK)
    applied = done.found.applied
    save_compressed(tmp_path / "model.safetensors", applied.network, applied.plan, applied.quantized)
    loaded = copy.deepcopy(tiny.network())
    load_compressed_(loaded, tmp_path / "model.safetensors")
    assert activation_grids(loaded) == activation_grids(done.model)
    assert torch.equal(logits(loaded, tiny.images()), logits(done.model, tiny.images()))


def test_what_cannot_be_quantized_is_named(tiny: Tiny) -> None:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.rnn, self.fc = nn.Embedding(5, 4), nn.LSTM(4, 4, batch_first=True), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            outputs: Tensor = self.fc(self.rnn(self.table(x))[0].mean(1))
            return outputs

    torch.manual_seed(0)
    words = Data.from_tensors(torch.randint(0, 5, (12, 6), generator=torch.Generator().manual_seed(0)))
    done = tiny.compress(model=Words().eval(), calibration=words, activations=(8,), **QUICK)
    assert done.found.applied.plan.activations == {"fc": 8}
    said = [text for text in tiny.listener.warnings if "is not quantized" in text]
    assert said == [
        "what rnn.weight_ih_l0, rnn.weight_hh_l0 reads is not quantized: it is not read by a plain call of its module",
        "what table reads is not quantized: it reads integers",
    ]


def test_refusals(tiny: Tiny) -> None:
    with pytest.raises(OptionError, match="2 to 8 bits, or 32"):
        tiny.compress(activations=(1,), **QUICK)
    with pytest.raises(OptionError, match="ranges of activations are by"):
        tiny.compress(activations=(8,), activation_ranges="max", **QUICK)
    with pytest.raises(OptionError, match="or with quantized activations"):
        tiny.compress(formulation="aqc-pruning-quantization", activations=(8,), **QUICK)
    with pytest.raises(BudgetError, match=r"0\.1%bops cannot be met"):
        tiny.compress("0.1%bops", options=bit_widths(4, 8), activations=(4, 8), **QUICK)


def test_plans_with_unknown_grids_are_refused(tiny: Tiny) -> None:
    from qubo_dnn.compression.rewriting.apply_plan import apply_plan_
    from qubo_dnn.compression.task.plan import LayerPlan, Plan

    plan = Plan({"5": LayerPlan(1, bit_widths(4, 4, 4))}, {"5": 8})
    with pytest.raises(ModelError, match="no grid of 8 bits for the activations that the layer '5' reads"):
        apply_plan_(tiny.network(), plan)
