"""From a tiny network to a compressed one, through every backend and both formulations."""

from __future__ import annotations

import itertools
from typing import Any

import dimod
import numpy as np
import pytest
import torch
from torch import nn

from qubo_dnn.backend import Capabilities, SolveOptions
from qubo_dnn.compression.evaluate import evaluate
from qubo_dnn.compression.options import bit_widths, parse_options
from qubo_dnn.compression.rewrite import apply_plan_, bits_per_weight
from qubo_dnn.errors import BudgetError, FormulationError, ModelError, OptionError, UnsupportedProblemError
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend

HEURISTICS = ("pt", "neal", "tabu", "path-integral", "steepest-descent")
QUICK = {"seed": 3, "num_reads": 4}


def stored_bits(done: Any) -> int:
    return round(bits_per_weight(done.model, done.plan) * done.task.weights)


class TestBudget:
    @pytest.mark.parametrize(
        ("budget", "kind", "bits"), [("5bits", "bits", 600), ("16%", "fraction", 614), ("70B", "bytes", 560)]
    )
    @pytest.mark.parametrize("formulation", ["pruning-quantization", "aqc-pruning-quantization"])
    def test_is_met_in_each_of_its_forms(self, tiny: Any, budget: str, kind: str, bits: int, formulation: str) -> None:
        done = tiny.compress(budget, formulation=formulation)
        assert (done.budget.kind, done.budget.limit) == (kind, bits)
        assert 0.5 * bits < stored_bits(done) <= bits

    @pytest.mark.parametrize("backend", HEURISTICS)
    @pytest.mark.parametrize("formulation", ["pruning-quantization", "aqc-pruning-quantization"])
    def test_is_met_by_every_backend(self, tiny: Any, backend: str, formulation: str) -> None:
        done = tiny.compress(backend=backend, formulation=formulation, backend_options=QUICK)
        assert stored_bits(done) <= 600
        assert done.solution.best.feasible
        assert done.solution.backend == backend

    def test_below_any_choice_names_the_range_before_measuring(self, tiny: Any) -> None:
        with pytest.raises(BudgetError, match=r"they reach 0\.9417 to 9\.642 bits per weight \(15 to 145 bytes\)"):
            tiny.compress("0.5bits", options=bit_widths(0, 8))
        assert tiny.listener.heard == []

    def test_above_every_choice_gives_the_best_one(self, tiny: Any) -> None:
        done = tiny.compress("32bits", options=bit_widths(0, 8))
        assert {option for layer in done.plan.layers.values() for option in layer.options} == set(bit_widths(8))

    def test_a_formulation_that_misses_it_is_told(self, tiny: Any) -> None:
        """With a gamma of its own the paper's Hamiltonian has no constraint."""
        with pytest.raises(BudgetError, match=r"'pt' with .*'aqc-pruning-quantization' found no plan within 3bits"):
            tiny.compress("3bits", formulation="aqc-pruning-quantization", parameters={"gamma": 0.0})


def test_exact_finds_the_best_of_all_plans(tiny: Any) -> None:
    done = tiny.compress("4bits", backend="exact", granularity="layer", parameters={"shrinkage": 0.0})
    matrix = done.task.sensitivity.astype(float)
    options = len(done.task.options)
    best = min(
        0.5 * matrix[np.ix_([a, options + b], [a, options + b])].sum()
        for a, b in itertools.product(range(options), repeat=2)
        if done.task.overhead + done.task.cost[0, a] + done.task.cost[1, b] <= done.task.limit
    )
    assert done.solution.best.objective == pytest.approx(best, rel=1e-5)
    assert done.predicted_loss_increase == pytest.approx(best, rel=1e-5)


def test_exact_is_not_refused_where_groups_leave_few_states(tiny: Any) -> None:
    """42 variables exceed what it takes as a BQM; 7 groups of 6 options are 6^7 states."""
    done = tiny.compress(backend="exact")
    assert done.problem.objective.num_variables == 42
    assert stored_bits(done) <= 600


def test_backend_that_cannot_take_the_size_is_refused_before_measuring(tiny: Any) -> None:
    class Small(type(get_backend("neal"))):
        capabilities = Capabilities(max_variables=10)

    with pytest.raises(UnsupportedProblemError, match="at most 10 variables, the problem has 42"):
        tiny.compress(backend=Small())
    assert tiny.listener.heard == []


class TestResult:
    def test_is_a_copy_rewritten_by_its_plan(self, tiny: Any) -> None:
        model = tiny.network().train()
        before = {key: value.clone() for key, value in model.state_dict().items()}
        done = tiny.compress(model=model)
        assert model.training
        assert all(parameter.grad is None for parameter in model.parameters())
        assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
        again = tiny.network()
        apply_plan_(again, done.plan)
        for key, value in done.model.state_dict().items():
            assert torch.equal(value, again.state_dict()[key])
        assert not torch.equal(done.model.state_dict()["0.weight"], before["0.weight"])

    def test_has_evaluations_of_both_networks(self, tiny: Any) -> None:
        test = tiny.images(9, seed=2)
        done = tiny.compress(test=test)
        for (before, after), data in ((done.calibration, tiny.images()), (done.test, test)):
            assert before == evaluate(tiny.network(), data)
            assert after == evaluate(done.model, data)
            assert before.accuracy == 1.0

    def test_without_test_images(self, tiny: Any) -> None:
        assert tiny.compress().test is None

    def test_predicts_no_loss_where_the_formulation_does_not(self, tiny: Any) -> None:
        assert tiny.compress(formulation="aqc-pruning-quantization").predicted_loss_increase is None

    def test_seconds_and_progress_of_all_stages(self, tiny: Any) -> None:
        done = tiny.compress(test=tiny.images(9))
        stages = ["measure", "compile", "solve", "rewrite", "evaluate"]
        assert tiny.listener.stages == stages == list(done.seconds)
        assert min(done.seconds.values()) >= 0
        assert [entry for entry in tiny.listener.heard if entry[0] == "measure"] == [("measure", 12, 12)]
        evaluated = [entry[1:] for entry in tiny.listener.heard if entry[0] == "evaluate"]
        assert evaluated == [(12, 42), (24, 42), (33, 42), (42, 42)]
        assert len(tiny.listener.rounds) == len(done.solution.rounds) > 0


class TestSeeds:
    @pytest.mark.parametrize("backend", HEURISTICS)
    def test_equal_seeds_give_equal_plans(self, tiny: Any, backend: str) -> None:
        first, again = (tiny.compress(backend=backend, backend_options=QUICK) for _ in range(2))
        assert first.plan == again.plan
        assert first.solution.seed == again.solution.seed == 3

    def test_seed_of_drawn_probes(self, tiny: Any) -> None:
        first, again, other = (tiny.compress(probes=2, seed=seed).task.sensitivity for seed in (1, 1, 2))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)


def test_interrupted_solver_still_gives_a_valid_plan(tiny: Any) -> None:
    neal = get_backend("neal")

    class Interrupted(type(neal)):
        """Ctrl-C in the second round."""

        calls = 0

        def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
            type(self).calls += 1
            if self.calls == 2:
                raise KeyboardInterrupt
            return super().sample(bqm, options)

    done = tiny.compress(backend=Interrupted(), backend_options=QUICK)
    assert done.solution.interrupted
    assert Interrupted.calls == 2
    assert stored_bits(done) <= 600


class TestRefused:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ("2,4,2", "at least two different ones, not 2, 4, 2"),
            ("4@50%,4@50%", "at least two different ones, not 4@50%, 4@50%"),
            ("4", "at least two different ones, not 4"),
        ],
    )
    def test_options(self, tiny: Any, options: str, message: str) -> None:
        with pytest.raises(OptionError, match=message):
            tiny.compress(options=parse_options(options))

    def test_options_in_any_order_are_not(self, tiny: Any) -> None:
        assert tiny.compress(options=bit_widths(4, 0, 2)).task.options == bit_widths(0, 2, 4)

    def test_formulation_of_something_else(self, tiny: Any) -> None:
        class Other:
            name = "other"
            summary = "not of networks"

            def compile(self) -> Problem[Any]:
                raise NotImplementedError

        with pytest.raises(OptionError, match="'other' is not one of compressing networks"):
            tiny.compress(formulation=Other)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"budget": "lots"}, "budget 'lots'"),
            ({"granularity": "filter"}, "granularity 'filter'"),
            ({"parameters": {"shrinkage": -1.0}}, "shrinkage must be within 0 and 1"),
            ({"parameters": {"objective": "traces"}}, "did you mean 'trace'"),
            ({"parameters": {"shrinkag": 1.0}}, "did you mean 'shrinkage'"),
            ({"backend_options": {"num_reeds": 3}}, "did you mean 'num_reads'"),
            ({"backend_options": {"num_reads": 0}}, "option num_reads"),
            ({"probes": 0}, "probes must be at least 1"),
            ({"formulation": "aqc-pruning-quantization", "granularity": "layer"}, "its granularity is 'channel'"),
        ],
    )
    def test_before_anything_is_measured(self, tiny: Any, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(OptionError, match=message):
            tiny.compress(**settings)
        assert tiny.listener.heard == []

    def test_network_without_weights(self, tiny: Any) -> None:
        with pytest.raises(ModelError, match="no Linear, Conv or ConvTranspose layer"):
            tiny.compress(model=nn.Flatten())

    def test_broken_formulation_is_not_covered_up(self, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        from qubo_formulations.pruning_quantization import PruningQuantization

        def fail(_: Any) -> Problem[Any]:
            raise FormulationError("not well formed")

        monkeypatch.setattr(PruningQuantization, "compile", fail)
        with pytest.raises(FormulationError, match="not well formed"):
            tiny.compress()
