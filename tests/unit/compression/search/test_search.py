"""Rounds of linearising, solving, applying and judging."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dimod
import numpy as np
import pytest
import torch
from torch import nn

from qubo_backends.neal import NealBackend
from qubo_backends.steepest_descent import SteepestDescentBackend
from qubo_dnn.backend import SolveOptions
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.quantization.quantize import Quantized
from qubo_dnn.compression.rewriting.held_out import Divergence
from qubo_dnn.compression.rewriting.recovery import recover
from qubo_dnn.compression.search import loss_modeller, plan_evaluator, tuning
from qubo_dnn.compression.search import search as search_module
from qubo_dnn.compression.search.plan_evaluator import AppliedPlan, PlanEvaluator
from qubo_dnn.compression.search.search import Search
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.compression.task.plan import LayerPlan, Plan
from qubo_dnn.compression.task.task import Alternatives, CompressionTask
from qubo_dnn.errors import BackendFailedError, BudgetError, ModelError, OutputError
from qubo_dnn.solving.solve import solve
from qubo_formulations.pruning_quantization import PruningQuantization
from tests.unit.compression.conftest import Scripted, Tiny

FIXED: dict[str, Any] = {"parameters": {"shrinkage": 0.5}}
DIAGONAL: dict[str, Any] = {"objective": "separable"}
PAIRS: dict[str, Any] = {"shrinkage": 0.7}
SEPARABLE: dict[str, Any] = {"parameters": DIAGONAL}
SOME = Plan({"0": LayerPlan(1, bit_widths(2, 3, 4, 0)), "5": LayerPlan(1, bit_widths(3, 2, 4))})


def scripted(blocks: Iterable[tuple[float, ...]]) -> Callable[[Plan], Divergence]:
    """Judgements in this order and in millionths of a nat, whatever the plans."""
    rest = iter(blocks)
    return lambda _: Divergence(np.array(next(rest)) / 1e6)


def different_plans(
    search: Search, task: CompressionTask, monkeypatch: pytest.MonkeyPatch, first: Plan | None = None
) -> None:
    """Let quick plans be small and different ones, but perhaps the first."""
    plans = [first or SOME, *(task.plan(np.eye(1, 7, n, dtype=np.intp)[0]) for n in range(2))]
    rest = iter(plans)
    monkeypatch.setattr(search.tuner, "quick_plan", lambda _: next(rest))


def compared(monkeypatch: pytest.MonkeyPatch, *, clearly: bool) -> None:
    """Let pairs have to be clearly better than the diagonal, or just better."""
    alternatives = Alternatives((DIAGONAL, PAIRS), clearly)
    monkeypatch.setattr(PruningQuantization, "tunable", lambda *_: alternatives)


def replace_data(evaluator: PlanEvaluator, data: Data) -> PlanEvaluator:
    """The same with other images for repairs."""
    return PlanEvaluator(evaluator.model, evaluator.candidates, data, evaluator.judge, evaluator.recovery)


def plans_of(search: Search) -> list[Plan]:
    """What was applied, in order."""
    assert isinstance(search.evaluator, Scripted)
    return search.evaluator.plans


class TestRounds:
    def test_go_on_while_one_is_clearly_better_than_all_before(self, tiny: Tiny) -> None:
        """The third gains 0 and 0.1, its mean no more than its standard error."""
        divergences = [(10.0, 10.0), (9.0, 7.0), (9.0, 6.9), (0.0, 0.0)]
        search = tiny.search(script=scripted(divergences), rounds=9, rerank=1, **FIXED)
        found = search.run()
        assert [(each.number, each.accepted) for each in found.rounds] == [(1, True), (2, True), (3, False)]
        assert [each.divergence for each in found.rounds] == pytest.approx([10e-6, 8e-6, 7.95e-6])
        assert [each.best for each in found.rounds] == [10e-6, 8e-6, 8e-6]
        assert found.applied.plan == plans_of(search)[1]
        assert found.applied.held_out.divergence == 8e-6
        assert found.solution.best.value == found.applied.plan
        assert found.predicted == found.rounds[1].predicted
        assert tiny.listener.search_rounds == list(found.rounds)
        assert (found.interrupted, found.failed) == (False, None)

    @pytest.mark.parametrize("rounds", [1, 2, 3])
    def test_are_as_many_as_asked_for_at_most(self, tiny: Tiny, rounds: int) -> None:
        falling = ((float(10 - n),) for n in itertools.count())
        found = tiny.search(script=scripted(falling), rounds=rounds, rerank=1, **FIXED).run()
        assert len(found.rounds) == rounds
        assert found.applied.held_out.divergence == (11 - rounds) / 1e6
        assert tiny.listener.stages.count("measure") == rounds
        assert tiny.listener.stages.count("measure large changes") == 1

    def test_later_ones_are_measured_around_the_best_network(self, tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
        """The model of the loss, taken at the best plan, gives its distance from the network as given."""
        seen = []

        def spy(model: Any, changes: Any, data: Any, **rest: Any) -> Any:
            seen.append((model, changes, rest["reference"], gauss_newton(model, changes, data, **rest)))
            return seen[-1][-1]

        monkeypatch.setattr(loss_modeller, "gauss_newton", spy)
        search = tiny.search(script=scripted([(10.0,), (9.0,)]), rerank=1, recovery="auto", **FIXED)
        found = search.run()
        (given, _, reference, first), (around, changes, outputs, second) = seen
        assert given is search.evaluator.model
        assert reference is None
        assert torch.equal(outputs, logits(given, search.evaluator.data))
        first_plan = plans_of(search)[0]
        repaired = tiny.search(recovery="auto").evaluator(first_plan).network.state_dict()
        assert all(torch.equal(value, repaired[key]) for key, value in around.state_dict().items())
        choice = search.task.choice(first_plan)
        there = np.eye(len(search.task.options))[choice].ravel()
        assert first.offset == 0.0
        assert second.offset > 0.0
        assert second.increase(there) == pytest.approx(second.offset)
        # What the first plan has, the second round calls no change.
        assert changes[0].layer.module is around[0]
        assert found.task.squared_error[np.arange(7), choice].tolist() == [0.0] * 7

    def test_later_ones_are_measured_around_the_weights_of_the_candidates(
        self, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Refitted weights are not what the model takes for the options."""
        around = []

        def spy(model: Any, *given: Any, **rest: Any) -> Any:
            around.append(model.state_dict())
            return gauss_newton(model, *given, **rest)

        def reconstruct(_: nn.Module, __: Plan, codes: dict[str, Quantized], ___: Any) -> tuple[nn.Module, Any]:
            return tiny.network(), codes

        monkeypatch.setattr(loss_modeller, "gauss_newton", spy)
        search = tiny.search(rerank=1, recovery="auto", rounds=2, **FIXED)
        search.evaluator.reconstruction = reconstruct  # type: ignore[assignment]  # the best one that there can be
        applied = search.run().rounds
        assert [each.divergence for each in applied] == [0.0, 0.0]
        plain = tiny.search(recovery="auto", rerank=1, rounds=1, **FIXED).run().applied.network.state_dict()
        assert all(torch.equal(value, plain[key]) for key, value in around[1].items())

    def test_of_a_formulation_that_measures_nothing_is_one(self, tiny: Tiny) -> None:
        found = tiny.search(
            formulation="aqc-pruning-quantization",
            options=bit_widths(*range(9)),
            script=lambda _: Divergence(np.ones(1)),
        ).run()
        assert len(found.rounds) == 1
        assert found.predicted is None
        assert tiny.listener.stages == ["tune", "solve", "apply"]


class TestStart:
    """A plan that is known before the search."""

    @pytest.mark.parametrize(("limit", "begins"), [(600.0, True), (300.0, False)])
    def test_is_known_to_the_solver_if_it_is_within_the_limits(
        self, tiny: Tiny, monkeypatch: pytest.MonkeyPatch, limit: float, begins: bool
    ) -> None:
        starts: list[Any] = []

        def spy(problem: Any, *args: Any, **more: Any) -> Any:
            starts.append(problem.start)
            return solve(problem, *args, **more)

        monkeypatch.setattr(search_module, "solve", spy)
        search = tiny.search(limit=limit, rounds=1, **SEPARABLE, start=SOME)
        search.run()
        formulated = PruningQuantization.from_task(search.measured(), **DIAGONAL)
        assert starts == ([formulated.encode(SOME)] if begins else [None])

    def test_is_found_where_the_solver_finds_nothing_better(self, tiny: Tiny) -> None:
        """One read of no length, which knows nothing of the budget."""
        best = tiny.search(limit=600.0, rounds=1, **SEPARABLE, backend="exact").run().applied.plan
        hardly: dict[str, Any] = {"backend_options": {"seed": 3, "num_reads": 1, "num_sweeps": 1}}
        found = tiny.search(limit=600.0, rounds=1, rerank=1, **SEPARABLE, **hardly, start=best).run()
        assert found.applied.plan == best


class TestRerank:
    def test_the_least_held_out_divergence_wins(self, tiny: Tiny) -> None:
        divergences = [(4.0,), (1.0,), (3.0,), (2.0,)]
        search = tiny.search(script=scripted(divergences), rounds=1, rerank=4, **FIXED)
        found = search.run()
        assert [candidate.value for candidate in found.solution.candidates][:4] == plans_of(search)
        assert len(plans_of(search)) == 4
        assert found.applied.plan == plans_of(search)[1] != found.solution.best.value
        assert found.predicted is not None
        assert found.predicted > found.solution.best.objective
        assert found.rounds[0].divergence == 1e-6

    def test_of_one_carries_out_the_best_alone(self, tiny: Tiny) -> None:
        search = tiny.search(script=scripted([(4.0,)]), rounds=1, rerank=1, **FIXED)
        assert search.run().applied.plan == plans_of(search)[0]
        assert len(plans_of(search)) == 1


class TestDivergence:
    """Divergences of whole nats are far beyond what is predicted of this network."""

    def test_beyond_the_limit_has_the_spare_answers_tried(self, tiny: Tiny) -> None:
        divergences = [(4e6,), (3e6,), (2.0,), (1.0,)]
        search = tiny.search(script=scripted(divergences), rounds=1, rerank=2, **FIXED)
        found = search.run()
        assert len(plans_of(search)) == 3
        assert found.applied.plan == plans_of(search)[2] == found.solution.candidates[2].value
        assert not found.trial.diverged
        assert found.trial.warning() is None
        assert [entry[1:] for entry in tiny.listener.heard if entry[0] == "apply"] == [(1, 2), (2, 2), (3, 3)]

    def test_of_all_answers_is_said_of_the_best(self, tiny: Tiny) -> None:
        divergences = [(4e6,), (3e6,), (5e6,), (6e6,)]
        found = tiny.search(script=scripted(divergences), rounds=1, rerank=2, **FIXED).run()
        assert found.applied.held_out.divergence == 3.0
        assert found.trial.diverged
        limit, warning = found.trial.limit, found.trial.warning()
        assert found.predicted is not None
        assert limit == found.rounds[0].limit == pytest.approx(20 * found.predicted)
        assert warning is not None
        assert f"held-out divergence is 3, the predicted one {found.predicted:.4g}" in warning

    def test_is_mended_by_a_later_round(self, tiny: Tiny) -> None:
        found = tiny.search(script=scripted([(4e6,), (3e6,), (2.0,), (3.0,)]), rerank=1, rounds=2, **FIXED).run()
        assert [each.accepted for each in found.rounds] == [True, True]
        assert not found.trial.diverged

    def test_needs_more_than_its_standard_error(self, tiny: Tiny) -> None:
        """A mean of 4 nats, three of them its standard error."""
        divergence = (1e6, 7e6)
        found = tiny.search(script=scripted([divergence] * 2), rounds=1, rerank=1, **FIXED).run()
        assert found.trial.limit is not None
        assert found.trial.limit < 1.0
        assert found.trial.diverged
        found = tiny.search(script=scripted([(0.0, 8e6)]), rounds=1, rerank=1, **FIXED).run()
        assert not found.trial.diverged

    def test_while_more_answers_are_tried_is_interrupted(self, tiny: Tiny) -> None:
        divergences = scripted([(4e6,)])

        def until_interrupted(plan: Plan) -> Divergence:
            try:
                return divergences(plan)
            except StopIteration:
                raise KeyboardInterrupt from None

        found = tiny.search(script=until_interrupted, rounds=1, rerank=1, **FIXED).run()
        assert found.interrupted
        assert found.trial.diverged

    def test_is_unknown_where_nothing_is_predicted(self, tiny: Tiny) -> None:
        found = tiny.search(
            formulation="aqc-pruning-quantization",
            options=bit_widths(*range(9)),
            script=lambda _: Divergence(np.full(2, 9.0)),
        ).run()
        assert found.trial.limit is None
        assert not found.trial.diverged


class TestFinalPlans:
    """Final plans with and without pairs are compared, quick ones before where pairs have to be clearly better."""

    @pytest.mark.parametrize(
        ("clearly", "pairs", "taken"),
        [
            (False, (1.0, 1.0), PAIRS),
            (True, (1.0, 1.0), PAIRS),
            (False, (5.0, 5.0), DIAGONAL),
            # The mean gain of the pairs is no more than its standard error.
            (False, (4.1, 3.8), PAIRS),
            (True, (4.1, 3.8), DIAGONAL),
        ],
    )
    def test_decide(
        self,
        tiny: Tiny,
        monkeypatch: pytest.MonkeyPatch,
        clearly: bool,
        pairs: tuple[float, ...],
        taken: dict[str, Any],
    ) -> None:
        compared(monkeypatch, clearly=clearly)
        quick, diagonal = [(2.0, 2.0), (1.0, 1.0)] if clearly else [], (4.0, 4.0)
        search = tiny.search(script=scripted([*quick, diagonal, pairs]), rounds=1, rerank=1)
        different_plans(search, search.measured(), monkeypatch)
        found = search.run()
        assert found.rounds[0].parameters == taken
        best = pairs if taken == PAIRS else diagonal
        assert found.trial.divergence == pytest.approx(np.mean(best) / 1e6)
        assert found.rounds[0].divergence == found.trial.divergence

    def test_an_interrupt_before_the_last_keeps_the_first(self, tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
        rest = iter([(1.0,)])

        def until_interrupted(_: Plan) -> Divergence:
            try:
                return Divergence(np.array(next(rest)) / 1e6)
            except StopIteration:
                raise KeyboardInterrupt from None

        search = tiny.search(script=until_interrupted, rounds=1, rerank=1)
        different_plans(search, search.measured(), monkeypatch)
        found = search.run()
        assert found.interrupted
        assert found.rounds[0].parameters == DIAGONAL


class TestTune:
    def test_takes_what_goes_least_far_on_held_out_images(self, tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
        search = tiny.search(script=scripted([(3.0,), (1.0,)]))
        task = search.measured()
        different_plans(search, task, monkeypatch)
        assert search.tuner.tune(task) == PAIRS
        assert [entry[1:] for entry in tiny.listener.heard if entry[0] == "tune"] == [(1, 2), (2, 2)]

    @pytest.mark.parametrize(("clearly", "taken"), [(True, DIAGONAL), (False, PAIRS)])
    def test_takes_the_first_unless_others_are_as_much_better_as_they_have_to_be(
        self, tiny: Tiny, monkeypatch: pytest.MonkeyPatch, clearly: bool, taken: dict[str, Any]
    ) -> None:
        """The mean gain of the pairs is no more than its standard error."""
        compared(monkeypatch, clearly=clearly)
        search = tiny.search(script=scripted([(3.0, 3.0), (3.1, 2.8)]))
        task = search.measured()
        different_plans(search, task, monkeypatch)
        assert search.tuner.tune(task) == taken

    def test_compares_pairs_and_the_diagonal_with_refitted_weights(
        self, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        search = tiny.search(script=scripted([(3.0,), (1.0,)]))
        task = search.measured()
        different_plans(search, task, monkeypatch)
        seen: list[float] = []

        def refitted(applied: AppliedPlan) -> AppliedPlan:
            seen.append(applied.held_out.divergence)
            return replace(applied, held_out=Divergence(np.array([2e-6 / len(seen)])))

        monkeypatch.setattr(search.tuner._evaluator, "refitted", refitted)
        assert search.tuner.tune(task) == DIAGONAL
        assert seen == [1e-6, 3e-6]

    def test_plans_beyond_the_limits_come_last(self, tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
        search = tiny.search(script=scripted([(1.0,), (2.0,)]))
        task = search.measured()
        different_plans(search, task, monkeypatch, first=task.plan(np.full(7, 5)))
        assert search.tuner.tune(task) == PAIRS

    def test_evaluates_equal_plans_once(self, tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
        search = tiny.search(script=scripted([(3.0,)]))
        task = search.measured()
        monkeypatch.setattr(search.tuner, "quick_plan", lambda _: SOME)
        assert search.tuner.tune(task) == DIAGONAL
        assert plans_of(search) == [SOME]
        assert [entry[1:] for entry in tiny.listener.heard if entry[0] == "tune"] == [(1, 2), (2, 2)]

    def test_repairs_with_256_images_and_all_at_once(self, tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
        search = tiny.search(recovery="auto")
        evaluator = replace_data(search.evaluator, tiny.images(300))
        tuner = tuning.ParameterTuner(search.formulation, search.backend, evaluator, search.settings, search.reporter)
        seen = []

        def repaired(network: Any, reference: Any, data: Data, judge: Any, silent: Any, *, apart: bool) -> Any:
            seen.append((len(data), apart))
            return recover(network, reference, data, judge, silent, apart=apart)

        monkeypatch.setattr(plan_evaluator, "recover", repaired)
        tuner.tune(search.measured())
        evaluator(SOME)
        assert set(seen[:-1]) == {(256, False)}
        assert seen[-1] == (300, True)

    def test_solves_the_problem_of_a_formulation_without_quick_plans(self, tiny: Tiny) -> None:
        """Locally, or with the backend if the objective is a factor."""

        class Plain:
            """A stranger's formulation, that knows nothing of quick plans."""

            def __init__(self, formulation: PruningQuantization) -> None:
                self.compile = formulation.compile

        search = tiny.search(backend="pt", backend_options={"seed": 3})
        task = search.measured()
        assert task.sensitivity is not None
        assert task.sensitivity.matrix is not None
        values, vectors = np.linalg.eigh(task.sensitivity.matrix.astype(float))
        factor = (vectors * np.sqrt(np.maximum(values, 0.0))).astype(np.float32)
        as_factor = replace(task, sensitivity=replace(task.sensitivity, matrix=None, factor=factor))
        quick = PruningQuantization(task)
        for given in (task, as_factor):
            plan = search.tuner.quick_plan(Plain(PruningQuantization(given)))  # type: ignore[arg-type]  # as above
            assert task.meets(plan)
            assert quick.cost(plan) <= 1.2 * quick.cost(search.tuner.quick_plan(quick))

    def test_leaves_what_the_user_has_set(self, tiny: Tiny) -> None:
        search = tiny.search(parameters={"objective": "separable"})
        assert search.tuner.tune(search.measured()) == {"objective": "separable"}
        assert "tune" not in tiny.listener.stages


class TestNoChoice:
    """Units with one option each."""

    def test_is_not_measured_nor_tuned(self, tiny: Tiny) -> None:
        search = tiny.search(limit=1000.0, options=bit_widths(4), script=scripted([(2.0,)]))
        found = search.run()
        assert found.applied.plan == search.task.plan(np.zeros(7, np.intp))
        assert tiny.listener.stages == ["solve", "apply"]
        assert len(found.rounds) == 1
        assert (found.predicted, found.trial.limit) == (None, None)

    def test_of_one_unit_is_measured(self, tiny: Tiny) -> None:
        search = tiny.search(limit=1000.0, options=bit_widths(3, 4), script=lambda _: Divergence(np.ones(1)), rounds=1)
        allowed = np.tile([False, True], (7, 1))
        allowed[3] = True
        search.modeller._task = search.task = replace(search.task, allowed=allowed)
        found = search.run()
        assert "measure" in tiny.listener.stages
        assert found.predicted is not None


class TestInterrupted:
    def test_later_round_keeps_the_best(self, tiny: Tiny) -> None:
        def script(_: Plan) -> Divergence:
            if len(tiny.listener.search_rounds) == 1:
                raise KeyboardInterrupt
            return Divergence(np.ones(1))

        found = tiny.search(script=script, rounds=5, rerank=1, **FIXED).run()
        assert found.interrupted
        assert len(found.rounds) == 1
        assert found.applied.held_out.divergence == 1.0

    def test_solver_in_the_first_round_ends_the_search_with_what_there_is(self, tiny: Tiny) -> None:
        class Interrupted(NealBackend):
            calls = 0

            def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
                type(self).calls += 1
                if self.calls == 2:
                    raise KeyboardInterrupt
                return super().sample(bqm, options)

        found = tiny.search(backend=Interrupted(), rounds=5, **FIXED).run()
        assert found.interrupted
        assert Interrupted.calls == 2
        assert len(found.rounds) == 1
        assert found.task.meets(found.applied.plan)

    def test_while_candidates_are_carried_out_keeps_those_that_were(self, tiny: Tiny) -> None:
        divergences = scripted([(4.0,), (1.0,)])

        def until_interrupted(plan: Plan) -> Divergence:
            try:
                return divergences(plan)
            except StopIteration:
                raise KeyboardInterrupt from None

        found = tiny.search(script=until_interrupted, rounds=5, rerank=4, **FIXED).run()
        assert found.interrupted
        assert len(found.rounds) == 1
        assert found.applied.held_out.divergence == 1e-6

    def test_before_any_candidate_is_carried_out(self, tiny: Tiny) -> None:
        def interrupt(_: Plan) -> Divergence:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            tiny.search(script=interrupt, **FIXED).run()

    def test_before_anything_is_found(self, tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(loss_modeller, "gauss_newton", interrupt)
        with pytest.raises(KeyboardInterrupt):
            tiny.search().run()


class TestFailing:
    """What fails after the first round does not take the first round's network away."""

    def broken(self, after: int) -> Any:
        class Broken(SteepestDescentBackend):
            calls = 0

            def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
                type(self).calls += 1
                if self.calls > after:
                    raise BackendFailedError("no more")
                return super().sample(bqm, options)

        return Broken()

    def test_backend_in_a_later_round(self, tiny: Tiny) -> None:
        counting = self.broken(10**6)
        settings: dict[str, Any] = {
            "script": lambda _: Divergence(np.ones(1)),
            "rounds": 1,
            "backend_options": {"seed": 3},
            **FIXED,
        }
        tiny.search(backend=counting, **settings).run()
        falling = scripted((float(10 - n),) for n in itertools.count())
        settings |= {"script": falling, "rounds": 5, "rerank": 1}
        found = tiny.search(backend=self.broken(type(counting).calls), **settings).run()
        assert found.failed == "no more"
        assert not found.interrupted
        assert len(found.rounds) == 1
        assert found.applied.held_out.divergence == 10e-6

    def test_measuring_in_a_later_round(self, tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
        def once(*given: Any, **rest: Any) -> Any:
            if rest["reference"] is not None:
                raise ModelError("it gives no gradients")
            return gauss_newton(*given, **rest)

        monkeypatch.setattr(loss_modeller, "gauss_newton", once)
        found = tiny.search(script=scripted([(10.0,)]), rounds=5, rerank=1, **FIXED).run()
        assert found.failed == "it gives no gradients"
        assert found.applied.held_out.divergence == 10e-6

    def test_the_first_round_is_told(self, tiny: Tiny) -> None:
        with pytest.raises(BackendFailedError, match="no more"):
            tiny.search(backend=self.broken(0), backend_options={"seed": 3}).run()

    def test_nothing_within_the_budgets_is_told(self, tiny: Tiny) -> None:
        """With a gamma of its own the paper's Hamiltonian has no constraint: it keeps all of 8 bits."""
        search = tiny.search(
            formulation="aqc-pruning-quantization",
            options=bit_widths(*range(9)),
            parameters={"gamma": 0.0, "beta": 1.0},
            limit=360.0,
        )
        message = r"'neal' with .*'aqc-pru.*' found no plan within 3 stored bits per weight: its best takes 9\.642 bits"
        with pytest.raises(BudgetError, match=message):
            search.run()


class TestPlanEvaluator:
    def test_without_recovery_the_rewritten_network_is_judged(self, tiny: Tiny) -> None:
        evaluator = tiny.search().evaluator
        applied = evaluator(SOME)
        state, before = applied.network.state_dict(), tiny.network().state_dict()
        assert {key for key in state if not torch.equal(state[key], before[key])} == {"0.weight", "5.weight"}
        for name, key in (("0", "0.weight"), ("5", "5.weight")):
            index = [list(evaluator.candidates.options).index(option) for option in SOME.layers[name].options]
            candidates = evaluator.candidates.weights(name)
            assert all(torch.equal(state[key][c], candidates[k, c]) for c, k in enumerate(index))
        assert applied.repaired == ()
        assert applied.bare is applied.held_out
        assert applied.held_out.divergence == evaluator.judge(applied.network).divergence

    def test_with_recovery_statistics_and_biases_follow(self, tiny: Tiny) -> None:
        bare, evaluator = tiny.search().evaluator(SOME), tiny.search(recovery="auto").evaluator
        applied = evaluator(SOME)
        assert applied.repaired == ("bias", "batchnorm")
        assert applied.bare.divergence == bare.held_out.divergence > applied.held_out.divergence
        assert applied.held_out.divergence == evaluator.judge(applied.network).divergence
        state, before = applied.network.state_dict(), bare.network.state_dict()
        changed = {key for key in state if not torch.equal(state[key], before[key])}
        assert changed == {"0.bias", "1.running_mean", "1.running_var", "5.bias"}

    def test_leaves_the_given_network(self, tiny: Tiny) -> None:
        evaluator = tiny.search(recovery="auto").evaluator
        evaluator(SOME)
        for key, value in tiny.network().state_dict().items():
            assert torch.equal(evaluator.model.state_dict()[key], value)


class TestWithin:
    def test_another_limit_takes_the_first_measurement_along(self, tiny: Tiny) -> None:
        search = tiny.search(rounds=1, script=lambda _: Divergence(np.ones(1)), **FIXED)
        first = search.measured()
        found = search.run(400.0)
        assert found.task.sensitivity is first.sensitivity
        assert found.task.limit == 400.0
        assert found.task.stored_bits(found.applied.plan) <= 400 < first.limit == search.task.limit
        assert tiny.listener.stages.count("measure") == 1


class TestCheckpoints:
    def run(self, tiny: Tiny, folder: Path, recovery: str = "auto") -> tuple[Any, int]:
        """A search, and how many batches it measured."""
        tiny.listener.heard.clear()
        falling = scripted((float(10 - n),) for n in itertools.count())
        found = tiny.search(checkpoints=folder, script=falling, rerank=1, recovery=recovery, **FIXED).run()
        return found, sum(stage == "measure" for stage, *_ in tiny.listener.heard)

    def test_are_reused_in_every_round(self, tiny: Tiny, tmp_path: Path) -> None:
        folder = tmp_path / "deep" / "checkpoints"
        found, measured = self.run(tiny, folder)
        assert measured == 2
        files = sorted(path.name for path in folder.iterdir())
        assert len(files) == 2
        assert files[1] == "given.safetensors"
        assert files[0].startswith("around-")
        again, measured = self.run(tiny, folder)
        assert measured == 0
        assert again.applied.plan == found.applied.plan
        assert again.predicted == found.predicted

    def test_of_networks_repaired_otherwise_are_others(self, tiny: Tiny, tmp_path: Path) -> None:
        """The plan of the first round is the same."""
        repaired, _ = self.run(tiny, tmp_path, "auto")
        found, measured = self.run(tiny, tmp_path, "none")
        assert (repaired.failed, found.failed) == (None, None)
        assert measured == 1
        assert len(list(tmp_path.iterdir())) == 3

    def test_that_cannot_be_kept_are_refused(self, tiny: Tiny, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError, match="file cannot be made: File exists"):
            self.run(tiny, tmp_path / "file")


class TestDirect:
    """Separable problems, solved without the backend."""

    def test_finds_at_least_what_the_backend_finds(self, tiny: Tiny) -> None:
        by_backend = tiny.search(backend="pt", backend_options={"seed": 3}, rounds=1, **SEPARABLE).run()
        direct = tiny.search(backend="pt", direct=True, rounds=1, **SEPARABLE).run()
        assert (by_backend.solution.backend, direct.solution.backend) == ("pt", "direct")
        assert direct.solution.best.objective <= by_backend.solution.best.objective + 1e-12
        assert direct.solution.sampleset.info["optimal"]
        assert len(direct.solution.candidates) == 8

    def test_leaves_pairs_to_the_backend(self, tiny: Tiny) -> None:
        found = tiny.search(backend="pt", backend_options={"seed": 3}, direct=True, **FIXED).run()
        assert found.solution.backend == "pt"
