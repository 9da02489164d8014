"""From a tiny network to a compressed one, through every backend and both formulations."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import nn
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from qubo_dnn.compression import compress as pipeline
from qubo_dnn.compression.compress import Compressor
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import SquaredError, kl_divergence
from qubo_dnn.compression.network.inference import evaluate, logits
from qubo_dnn.compression.network.layer_usage import NO_GRADIENT, NOT_USED
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.outcome import Compression
from qubo_dnn.compression.quantization.candidates import make_candidates
from qubo_dnn.compression.records import stored_bits_per_number
from qubo_dnn.compression.result import MODEL, write_run
from qubo_dnn.compression.rewriting.apply_plan import apply_plan_, bits_per_weight
from qubo_dnn.compression.rewriting.compressed_file import compressed_bytes, load_compressed_
from qubo_dnn.compression.search.plan_evaluator import PlanEvaluator
from qubo_dnn.compression.search.settings import SearchSettings
from qubo_dnn.compression.settings import CompressionSettings
from qubo_dnn.compression.task.budgets import parse_budget
from qubo_dnn.compression.task.cost_tables import read_table
from qubo_dnn.compression.task.layer_rules import Rules
from qubo_dnn.compression.task.options import Option, bit_widths, parse_options
from qubo_dnn.errors import BudgetError, ModelError
from qubo_dnn.registry import get_backend
from qubo_formulations.pruning_quantization import PruningQuantization
from tests.unit.compression.conftest import Tiny

HEURISTICS = (
    "pt",
    "neal",
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("tabu", "path-integral", "steepest-descent")),
)
QUICK: dict[str, Any] = {"backend": "neal", "backend_options": {"seed": 3, "num_reads": 4}, "rounds": 1, "rerank": 1}
FORMULATIONS = {"pruning-quantization": {"shrinkage": 0.5}, "aqc-pruning-quantization": {"beta": 1.0}}


def stored_bits(done: Compression) -> int:
    return round(bits_per_weight(done.model, done.found.applied.plan) * done.inventory.weights)


def options_of(done: Any, layer: str) -> set[Option]:
    return set(done.found.applied.plan.layers[layer].options)


class TestSize:
    @pytest.mark.parametrize(
        ("budget", "kind", "bits"), [("5bits", "bits", 600), ("16%", "fraction", 614), ("70B", "bytes", 560)]
    )
    @pytest.mark.parametrize("formulation", FORMULATIONS)
    def test_is_met_in_each_of_its_forms(self, tiny: Tiny, budget: str, kind: str, bits: int, formulation: str) -> None:
        done = tiny.compress(budget, formulation=formulation, parameters=FORMULATIONS[formulation], **QUICK)
        (only,) = done.budgets
        assert (only.name, only.kind, only.limit) == ("size", kind, bits)
        assert 0.5 * bits < stored_bits(done) <= bits

    @pytest.mark.parametrize("backend", HEURISTICS)
    @pytest.mark.parametrize("formulation", FORMULATIONS)
    def test_is_met_by_every_backend(self, tiny: Tiny, backend: str, formulation: str) -> None:
        done = tiny.compress(
            formulation=formulation, parameters=FORMULATIONS[formulation], **QUICK | {"backend": backend}
        )
        assert stored_bits(done) <= 600
        assert done.found.solution.best.feasible
        assert done.found.solution.backend == backend

    def test_below_any_choice_names_the_range_before_measuring(self, tiny: Tiny) -> None:
        with pytest.raises(BudgetError, match=r"they reach 0\.9417 to 9\.642 bits per weight \(15 to 145 bytes\)"):
            tiny.compress("0.5bits", options=bit_widths(0, 8))
        assert tiny.listener.stages == ["examine", "quantize"]

    def test_above_every_choice_gives_the_best_one(self, tiny: Tiny) -> None:
        done = tiny.compress("32bits", options=bit_widths(0, 8), parameters={"objective": "separable"})
        assert options_of(done, "0") | options_of(done, "5") == set(bit_widths(8))


class TestWholeFile:
    """Budgets of size count biases, norms, buffers and what is skipped, unless they are of the weights alone."""

    @pytest.mark.parametrize(("budget", "limit"), [("9bits", 9 * 144), ("73%", None), ("2KiB", 8 * 2048)])
    def test_is_kept_by_the_file(self, tiny: Tiny, budget: str, limit: int | None) -> None:
        settings = CompressionSettings(budgets=(parse_budget(budget),), search=SearchSettings(rounds=1))
        compressor = Compressor(PruningQuantization, get_backend("tabu"), settings)
        done = compressor.compress(tiny.network(), tiny.images(), None, tiny.listener)
        applied = done.found.applied
        size = len(compressed_bytes(applied.network, applied.plan, applied.quantized))
        whole = len(save(tiny.network().state_dict()))
        (only,) = done.budgets
        assert only.limit == (int(Fraction(73, 100) * 8 * whole) if limit is None else limit)
        if only.kind == "bits":
            assert stored_bits_per_number(done) <= 9
        else:
            assert 8 * size <= only.limit
        # The bound on the header is at most one digit per offset too large, and the padding.
        header = int.from_bytes(compressed_bytes(applied.network, applied.plan, applied.quantized)[:8], "little") + 8
        assert header <= done.contents.header_bytes <= header + 64

    def test_out_of_reach_names_what_prevents_it(self, tiny: Tiny) -> None:
        rules = Rules(skip=("5",))
        settings = CompressionSettings(budgets=(parse_budget("20%"),), rules=rules)
        compressor = Compressor(PruningQuantization, get_backend("tabu"), settings)
        text = r"20% cannot be met .* of the fp32 file to .* 5 \(Linear\), 204 bytes: skipped, as asked; biases, norms"
        with pytest.raises(BudgetError, match=text):
            compressor.compress(tiny.network(), tiny.images(), None, tiny.listener)
        assert tiny.listener.stages == ["examine", "quantize"]


class TestOtherBudgets:
    """The convolution makes 72 weights x 16 positions multiply-accumulates, the linear layer 48."""

    macs = np.array([18 * 16] * 4 + [16] * 3)

    def test_bit_operations_alone(self, tiny: Tiny) -> None:
        done = tiny.compress("10%bops", **QUICK)
        (only,) = done.budgets
        choice = done.found.task.choice(done.found.applied.plan)
        bits = np.array([option.bits for option in done.found.task.options])[choice]
        used = 32 * float(self.macs @ bits)
        assert only.used(choice) == pytest.approx(used)
        assert 0.5 * only.limit < used <= only.limit == pytest.approx(0.1 * 1200 * 32**2)
        assert done.found.task.limit == np.inf

    def test_several_at_once(self, tiny: Tiny, tmp_path: Path) -> None:
        """No one of them alone keeps the others."""
        table = tmp_path / "latency.csv"
        rows = [f"{layer},{bits},{cost * bits}" for layer, cost in (("0", 1), ("5", 10)) for bits in (0, 2, 3, 4, 6, 8)]
        table.write_text("\n".join(["layer,option,cost", *rows]))
        costs = read_table(table)
        texts = ("4.4bits:weights", "8%bops", "latency=45%")
        done = tiny.compress(*texts, tables={"latency": costs}, **QUICK)
        assert [budget.text for budget in done.budgets] == list(texts)
        choice = done.found.task.choice(done.found.applied.plan)
        assert all(budget.met(choice) for budget in done.budgets)
        assert stored_bits(done) <= 528
        assert [budget.name for budget in done.found.task.budgets] == ["bops", "latency"]
        bits = np.array([option.bits for option in done.found.task.options])[choice]
        latency = bits[:4].sum() / 4 + 10 * bits[4:].sum() / 3
        assert done.budgets[2].used(choice) == pytest.approx(latency)
        assert latency <= 0.45 * 88
        for text in texts:
            own = {"latency": costs} if text.startswith("latency") else {}
            alone = tiny.compress(text, tables=own, **QUICK).found.applied.plan
            assert not all(budget.met(done.found.task.choice(alone)) for budget in done.budgets)

    def test_out_of_reach(self, tiny: Tiny) -> None:
        with pytest.raises(BudgetError, match=r"1%bops cannot be met .* 6\.25 % of the fp32 BOPs to 25 % of"):
            tiny.compress("5bits", "1%bops", options=bit_widths(2, 8))
        assert "measure" not in tiny.listener.stages


class TestTargetAccuracyDrop:
    def test_is_kept_on_the_held_out_images(self, tiny: Tiny) -> None:
        calibration = tiny.images(40)
        done = tiny.compress(target_accuracy_drop=0.15, calibration=calibration, held_out=0.5, **QUICK)
        held_out = calibration.split(20, 0)[1]
        accuracy = evaluate(done.model, held_out).accuracy
        assert accuracy is not None
        assert accuracy >= 0.85
        assert done.budgets == ()
        assert stored_bits(done) < 600
        assert "bracket the size" in tiny.listener.stages

    def test_beside_another_budget(self, tiny: Tiny) -> None:
        done = tiny.compress("12%bops", target_accuracy_drop=0.3, **QUICK)
        choice = done.found.task.choice(done.found.applied.plan)
        assert [budget.met(choice) for budget in done.budgets] == [True]


class TestRules:
    def test_skipped_layers_stay_and_count(self, tiny: Tiny) -> None:
        done = tiny.compress("60%", rules=Rules(skip=("last",)), **QUICK)
        assert torch.equal(done.model.get_parameter("5.weight"), tiny.network().get_parameter("5.weight"))
        assert list(done.found.applied.plan.layers) == ["0"]
        assert [(left.name, left.reason) for left in done.inventory.left_alone] == [("5", "skipped, as asked")]
        (only,) = done.budgets
        assert only.limit == int(0.6 * 32 * 120)
        assert only.overhead == 32 * 48 + 39
        assert bits_per_weight(done.model, done.found.applied.plan) * 120 <= only.limit

    def test_skipped_layers_alone_beyond_the_budget(self, tiny: Tiny) -> None:
        """Sizes are per weight of the whole network, as the budget is."""
        with pytest.raises(BudgetError, match=r"budget of 5 stored .* they reach 13\.29 to 18\.49 bits per weight"):
            tiny.compress("5bits", rules=Rules(skip=("5",)))

    def test_layers_have_their_own_options_and_others_the_common_ones(self, tiny: Tiny) -> None:
        rules = Rules(options={"last": bit_widths(6, 7)})
        done = tiny.compress("8bits", options=bit_widths(0, 2), rules=rules, **QUICK)
        assert options_of(done, "0") <= set(bit_widths(0, 2))
        assert options_of(done, "5") <= set(bit_widths(6, 7))
        assert done.found.task.options == bit_widths(0, 2, 6, 7)
        assert done.found.problem.objective.num_variables == 7 * 2

    @pytest.mark.parametrize("backend", ["neal", "exact"])
    def test_tied_layers_choose_alike(self, tiny: Tiny, backend: str) -> None:
        free = tiny.compress("4bits", granularity="layer", **QUICK)
        assert options_of(free, "0") != options_of(free, "5")
        settings: dict[str, Any] = {
            "granularity": "layer",
            "rules": Rules(ties=(("0", "5"),)),
            "rounds": 1,
            "backend_options": {},
        }
        tied = tiny.compress("4bits", "12%bops", backend=backend, **settings)
        (both,) = options_of(tied, "0") | options_of(tied, "5")
        assert tied.found.problem.objective.num_variables == 6
        assert stored_bits(tied) <= 480
        size, bops = (budget.used(tied.found.task.choice(tied.found.applied.plan)) for budget in tied.budgets)
        assert stored_bits(tied) <= size <= stored_bits(tied) + 14
        assert bops == 1200 * 32 * both.bits


class TestOptions:
    def test_with_sparsity_mask_weights_inside_channels(self, tiny: Tiny) -> None:
        options = parse_options("4@50%,8@75%")
        done = tiny.compress("6bits", options=options, **QUICK)
        assert stored_bits(done) <= 720
        for name, weights in (("0", 18), ("5", 16)):
            rows = done.model.get_parameter(f"{name}.weight").detach().flatten(1)
            for row, option in zip(rows, done.found.applied.plan.layers[name].options, strict=True):
                assert 0 < row.count_nonzero() <= option.kept(weights) < weights

    def test_in_any_order(self, tiny: Tiny) -> None:
        assert tiny.compress(options=bit_widths(4, 0, 2), **QUICK).found.task.options == bit_widths(0, 2, 4)

    @pytest.mark.parametrize("compensation", ["none", "gptq"])
    def test_weights_are_the_candidates_measured(self, tiny: Tiny, compensation: str) -> None:
        done = tiny.compress(compensation=compensation, recovery="none", seed=7, **QUICK)
        measured_on = tiny.images().split(9, 7)[0]
        inventory = find_layers(tiny.network())
        candidates = make_candidates(inventory, done.found.task.options, compensation=compensation, data=measured_on)
        again, other = tiny.network(), tiny.network()
        apply_plan_(again, done.found.applied.plan, candidates)
        apply_plan_(other, done.found.applied.plan)
        weights = ("0.weight", "5.weight")
        for weight in weights:
            assert torch.equal(done.model.get_parameter(weight), again.get_parameter(weight))
        plain = all(torch.equal(done.model.get_parameter(weight), other.get_parameter(weight)) for weight in weights)
        assert plain == (compensation == "none")


class TestRegression:
    def test_is_compressed_by_squared_error(self, tiny: Tiny) -> None:
        pixels = torch.randn(40, 2, 6, 6, generator=torch.Generator().manual_seed(4))
        data = Data.from_tensors(pixels, logits(tiny.network(), Data.from_tensors(pixels, torch.zeros(40, 3))))
        done = tiny.compress(calibration=data, test=data, loss=SquaredError(), **QUICK)
        assert done.test is not None
        for before, after in (done.calibration, done.test):
            assert (before.accuracy, after.accuracy) == (None, None)
            assert before.loss == pytest.approx(0.0, abs=1e-12)
            # The targets are the outputs of the network as given.
            assert data.targets is not None
            apart = SquaredError().divergence(data.targets, logits(done.model, data), data.targets)
            assert after.loss == pytest.approx(apart)
            assert after.divergence == pytest.approx(apart)
        assert 0.0 < done.found.applied.held_out.divergence < 1.0


def test_exact_finds_the_best_of_all_plans(tiny: Tiny) -> None:
    done = tiny.compress(
        "4bits", backend="exact", granularity="layer", parameters={"shrinkage": 0.0}, rounds=1, backend_options={}
    )
    task = done.found.task
    formulated = PruningQuantization.from_task(task, shrinkage=0.0)
    plans = [task.plan(np.array(choice)) for choice in itertools.product(range(6), repeat=2)]
    best = min(formulated.cost(plan) for plan in plans if task.meets(plan))
    assert done.found.solution.best.objective == pytest.approx(best, rel=1e-5)
    assert sum(task.meets(plan) for plan in plans) < 36


def test_exact_is_not_refused_where_groups_leave_few_states(tiny: Tiny) -> None:
    """42 variables exceed what it takes as a BQM; 7 groups of 6 options are 6^7 states."""
    done = tiny.compress(backend="exact", rounds=1, rerank=1)
    assert done.found.problem.objective.num_variables == 42
    assert stored_bits(done) <= 600


class TestResult:
    def test_is_a_copy_rewritten_by_its_plan(self, tiny: Tiny) -> None:
        model = tiny.network().train()
        before = {key: value.clone() for key, value in model.state_dict().items()}
        done = tiny.compress(model=model, recovery="none")
        assert model.training
        assert all(parameter.grad is None for parameter in model.parameters())
        assert not any(module._forward_hooks for module in model.modules())
        assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
        again = tiny.network()
        apply_plan_(again, done.found.applied.plan)
        for key, value in done.model.state_dict().items():
            assert torch.equal(value, again.state_dict()[key])
        assert not torch.equal(done.model.state_dict()["0.weight"], before["0.weight"])

    def test_is_judged_by_images_that_nothing_was_measured_on(
        self, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calibration, measured = tiny.images(30), []

        def spy(model: Any, candidates: Any, data: Data, *rest: Any) -> Any:
            measured.append(data)
            return PlanEvaluator(model, candidates, data, *rest)

        monkeypatch.setattr(pipeline, "PlanEvaluator", spy)
        done = tiny.compress(calibration=calibration, held_out=0.4, seed=5, **QUICK)
        first, second = calibration.split(18, 5)
        assert torch.equal(measured[0].indices, first.indices)
        assert [entry for entry in tiny.listener.heard if entry[0] == "measure"][-1] == ("measure", 18, 18)
        kl = [kl_divergence(logits(tiny.network(), part), logits(done.model, part)) for part in (second, first)]
        # Twelve images are judged as twelve parts.
        assert done.found.applied.held_out.divergence == pytest.approx(kl[0], rel=1e-4)
        assert done.found.applied.held_out.divergence != pytest.approx(kl[1], rel=1e-4)

    def test_has_evaluations_of_both_networks(self, tiny: Tiny) -> None:
        test = tiny.images(9, seed=2)
        done = tiny.compress(test=test, **QUICK)
        assert done.test is not None
        for (before, after), data in ((done.calibration, tiny.images()), (done.test, test)):
            assert before == evaluate(tiny.network(), data)
            assert after == evaluate(done.model, data, reference=tiny.network())
            assert after.divergence is not None
            assert after.divergence > 0.0
            assert before.accuracy == 1.0

    def test_without_test_images(self, tiny: Tiny) -> None:
        assert tiny.compress(**QUICK).test is None

    def test_seconds_and_progress_of_all_stages(self, tiny: Tiny) -> None:
        done = tiny.compress(test=tiny.images(9))
        planned = ["solve", "apply"]
        first = ["examine", "quantize", "measure", "measure large changes", *planned]
        # Every round compares final plans without pairs and with them.
        compared = [*first, *planned, "measure", *planned, *planned]
        assert tiny.listener.stages == [*compared, "measure layers", "evaluate"]
        assert list(done.seconds) == [*first, "measure layers", "evaluate"]
        assert min(done.seconds.values()) >= 0
        assert [entry for entry in tiny.listener.heard if entry[0] == "measure"] == [("measure", 9, 9)] * 2
        evaluated = [entry[1:] for entry in tiny.listener.heard if entry[0] == "evaluate"]
        assert evaluated == [(12, 42), (24, 42), (33, 42), (42, 42)]
        assert tiny.listener.search_rounds == list(done.found.rounds)
        assert len(tiny.listener.rounds) >= len(done.found.solution.calls) > 0

    def test_every_stage_with_steps_ends_at_all_of_them(self, tiny: Tiny) -> None:
        tiny.compress(compensation="gptq", target_accuracy_drop=0.3)
        last = {stage: (done, total) for stage, done, total in tiny.listener.heard}
        assert {"quantize", "measure", "measure large changes", "tune", "bracket the size", "apply"} < set(last)
        assert all(done == total for done, total in last.values())


class TestSeeds:
    @pytest.mark.parametrize("backend", HEURISTICS)
    def test_equal_seeds_give_equal_plans(self, tiny: Tiny, backend: str) -> None:
        first, again = (tiny.compress(**QUICK | {"backend": backend}) for _ in range(2))
        assert first.found.applied.plan == again.found.applied.plan
        assert first.found.solution.seed == again.found.solution.seed == 3
        assert first.found.applied.held_out.divergence == again.found.applied.held_out.divergence

    def test_seed_of_drawn_probes(self, tiny: Tiny) -> None:
        found = [tiny.compress(probes=2, seed=seed, **QUICK).found.task.sensitivity for seed in (1, 1, 2)]
        first, again, other = (np.asarray(each.matrix) for each in found if each is not None)
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)


def test_a_bare_layer_is_compressed(tiny: Tiny) -> None:
    torch.manual_seed(0)
    data = Data.from_tensors(torch.randn(12, 5), torch.arange(12) % 4)
    done = tiny.compress("8bits", model=nn.Linear(5, 4), calibration=data, **QUICK)
    assert done.found.task.meets(done.found.applied.plan)


class Functional(nn.Module):
    """A convolution without a gradient, and a head that does not run in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.body = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3)
        self.head, self.aux = nn.Linear(16, 3), nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> Any:
        x = torch.relu(F.conv2d(x, self.stem.weight.detach(), self.stem.bias))
        x = torch.relu(self.body(x)).flatten(1)
        return (self.head(x), self.aux(x)) if self.training else self.head(x)


class TestLayersThatCannotBeMeasured:
    REASONS: ClassVar = {
        "stem": NO_GRADIENT,
        "aux": NOT_USED,
    }

    def test_are_left_alone_named_and_counted(self, tiny: Tiny) -> None:
        model = Functional()
        done = tiny.compress("14bits", model=model, **QUICK)
        assert {left.name: left.reason for left in done.inventory.left_alone} == self.REASONS
        assert list(done.found.applied.plan.layers) == ["body", "head"]
        assert torch.equal(done.model.get_parameter("stem.weight"), model.stem.weight)
        assert torch.equal(done.model.get_parameter("aux.weight"), model.aux.weight)
        assert done.warnings == (
            f"left alone: stem (Conv2d): {self.REASONS['stem']}",
            f"left alone: aux (Linear): {self.REASONS['aux']}",
        )
        assert tiny.listener.warnings == list(done.warnings)
        kept = {entry.name: entry.bytes for entry in done.contents.kept}
        assert kept["stem"] >= 4 * 72
        assert kept["aux"] >= 4 * 48
        (only,) = done.budgets
        assert only.scale == 4 * 4 * 9 + 3 * 16

    def test_can_be_skipped_by_name_too(self, tiny: Tiny) -> None:
        done = tiny.compress("20bits", model=Functional(), rules=Rules(skip=("stem", "head")), **QUICK)
        reasons = {left.name: left.reason for left in done.inventory.left_alone}
        assert reasons == self.REASONS | {"stem": "skipped, as asked", "head": "skipped, as asked"}
        assert len(done.warnings) == 1

    def test_without_any_other_layer_is_refused(self, tiny: Tiny) -> None:
        with pytest.raises(ModelError, match=r"compressed: stem .*; body .*: skipped, as asked; head .*; and 1 more$"):
            tiny.compress(model=Functional(), rules=Rules(skip=("body", "head")))


class Recurrent(nn.Module):
    """Attention over the rows of an image, an LSTM, and a weight of two modules."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.lstm, self.attention = nn.LSTM(12, 8, batch_first=True), nn.MultiheadAttention(8, 2, batch_first=True)
        self.first, self.second, self.head = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.second.weight = self.first.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.lstm(x.transpose(1, 2).flatten(2))[0]
        x = self.attention(x, x, x)[0].mean(1)
        logits: torch.Tensor = self.head(self.second(torch.tanh(self.first(x))))
        return logits


@pytest.mark.parametrize("granularity", ["channel", "layer"])
def test_recurrent_layers_attention_and_shared_weights(tiny: Tiny, tmp_path: Path, granularity: str) -> None:
    model = Recurrent()
    done = tiny.compress("4bits", model=model, granularity=granularity, **QUICK)
    plan = done.found.applied.plan
    names = [
        "lstm.weight_ih_l0",
        "lstm.weight_hh_l0",
        "attention.in_proj_weight",
        "attention.out_proj",
        "first",
        "head",
    ]
    assert list(plan.layers) == names
    assert not done.inventory.left_alone
    if granularity == "layer":
        assert [len(each.options) for each in plan.layers.values()] == [4, 4, 3, 1, 1, 1]
    assert done.model.get_submodule("second").weight is done.model.get_submodule("first").weight
    write_run(tmp_path / "run", model, done, tiny.images(), {})
    again = Recurrent()
    load_compressed_(again, tmp_path / "run" / MODEL)
    images = next(tiny.images().batches(8))[0].only
    assert torch.equal(again.eval()(images), done.model.eval()(images))


def test_bops_of_recurrent_layers(tiny: Tiny) -> None:
    done = tiny.compress("10%bops", model=Recurrent(), **QUICK)
    assert done.budgets[0].met(done.found.task.choice(done.found.applied.plan))


class Cut(nn.Module):
    """Passes everything on, and a thousandth of the gradient back."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 0.001 * x + (0.999 * x).detach()


@pytest.mark.parametrize("cut", [False, True])
def test_divergence_that_was_not_predicted_is_a_warning(tiny: Tiny, cut: bool) -> None:
    model = tiny.network()
    model.get_parameter("5.weight").data *= 20
    if cut:
        model.insert(5, Cut())
    done = tiny.compress("3bits", model=model, calibration=tiny.images(60), parameters={"shrinkage": 0.5}, **QUICK)
    assert done.found.trial.diverged == cut
    assert [text[:51] for text in done.warnings] == ["the compressed network is not what was predicted: i"] * cut


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_a_network_of_another_type_is_written_in_its_type(tiny: Tiny, tmp_path: Path, dtype: torch.dtype) -> None:
    model = tiny.network().to(dtype)
    if dtype == torch.float64:
        model.get_parameter("0.bias").data += 1e-12  # digits that float32 lacks
    done = tiny.compress(model=model, recovery="none", **QUICK)
    assert {each.dtype for each in done.model.state_dict().values() if each.is_floating_point()} == {dtype}
    assert torch.equal(done.model.get_parameter("0.bias"), model.get_parameter("0.bias"))
    assert "float32" in done.warnings[0]
    write_run(tmp_path / "run", model, done, tiny.images(), {})
    again = tiny.network().to(dtype)
    load_compressed_(again, tmp_path / "run" / MODEL)
    for key, value in done.model.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key


@pytest.mark.parametrize(
    ("wrap", "kind"),
    [
        (nn.utils.parametrizations.weight_norm, "weight norm"),
        (nn.utils.parametrizations.spectral_norm, "spectral norm"),
        (nn.utils.weight_norm, "weight norm"),
        (nn.utils.spectral_norm, "spectral norm"),
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_norms_of_weights_are_folded_and_reported(tiny: Tiny, tmp_path: Path, wrap: Any, kind: str) -> None:
    def network() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(72, 4), nn.ReLU(), wrap(nn.Linear(4, 3)))

    model = network().eval()
    names, before = list(model.state_dict()), model(torch.ones(1, 2, 6, 6))
    done = tiny.compress("4bits", model=model, **QUICK)
    assert done.warnings[0] == f"the {kind} of 3.weight is folded into the weight"
    assert list(done.found.applied.plan.layers) == ["1", "3"]
    assert list(model.state_dict()) == names
    assert torch.equal(model(torch.ones(1, 2, 6, 6)), before)
    write_run(tmp_path / "run", model, done, tiny.images(), {})
    again = network()
    load_compressed_(again, tmp_path / "run" / MODEL)
    assert sorted(again.state_dict()) == ["1.bias", "1.weight", "3.bias", "3.weight"]
    images = next(tiny.images().batches(8))[0].only
    assert torch.equal(again.eval()(images), done.model.eval()(images))
