from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from torch import nn

from bench.compression.comparison.roster import Method, MethodOutcome, methods
from bench.compression.comparison.rows import Rows
from bench.compression.comparison.run import run
from bench.compression.measurements.setting import Conditions, Setting
from bench.compression.measurements.situations import SITUATIONS, Situation, recovered
from bench.compression.rank import OBJECTIVES, Ranking, rank
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import kl_divergence
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.errors import OptionError

CONDITIONS = Conditions(
    calibration_size=14, judge_size=4, rounds=1, random_plans=5, trace_probes=2, clado_images=8, reads=2
)
BUDGETS = (5.0, 7.0)


def biased(model: nn.Module, _: Setting) -> nn.Module:
    """Something to tell a recovered network by."""
    copied = copy.deepcopy(model)
    with torch.no_grad():
        copied.get_parameter("linear.bias").add_(torch.tensor([5.0, 0.0, 0.0]))
    return copied


def table_of(
    network: nn.Module,
    images: Data,
    chosen: Mapping[str, Method],
    rows: Rows | None = None,
    situations: tuple[Situation, ...] = SITUATIONS,
) -> tuple[Rows, list[str]]:
    rows = Rows({}) if rows is None else rows
    said: list[str] = []
    run(
        network,
        images,
        images,
        chosen,
        rows,
        budgets=BUDGETS,
        seeds=[0],
        situations=situations,
        conditions=CONDITIONS,
        recover=biased,
        say=said.append,
    )
    return rows, said


@pytest.fixture
def all_methods() -> dict[str, Method]:
    """All that need a fraction of a second for a tiny network."""
    return {name: method for name, method in methods().items() if name != "paper"}


def test_every_method_keeps_every_budget(network: nn.Module, images: Data, all_methods: dict[str, Method]) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    rows, said = table_of(network, images, all_methods, situations=("as-given",))
    assert [row.key for row in rows.all] == [("as-given", b, name, 0) for name in all_methods for b in BUDGETS]
    for row in rows.all:
        allowed = 1.02 * row.budget if row.method == "uniform" else row.budget
        assert 0.0 < row.stored_bits <= allowed
        assert 0.0 <= row.accuracy <= 1.0
        assert row.held_out_divergence > 0.0
    assert len(said) >= len(rows.all)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_paper_is_one_of_them(network: nn.Module, images: Data) -> None:
    rows, _ = table_of(network, images, {"paper": methods()["paper"]}, situations=("as-given",))
    assert all(row.note.startswith("beta ") and row.stored_bits <= row.budget for row in rows.all)


def test_a_plan_is_made_once_for_both_states_of_a_network(network: nn.Module, images: Data) -> None:
    calls: list[tuple[nn.Module, float]] = []

    def method(setting: Setting, budget: float) -> MethodOutcome:
        calls.append((setting.model, budget))
        return MethodOutcome(copy.deepcopy(setting.model), budget, 1.0, 2.0, "noted")

    rows, _ = table_of(network, images, {"mine": Method(method)})
    assert [budget for _, budget in calls] == [5.0, 7.0, 5.0, 7.0]
    assert all(model is network for model, _ in calls[:2])
    assert not any(isinstance(module, nn.BatchNorm2d) for model, _ in calls[2:] for module in model.modules())
    by_key = {row.key[:2]: row for row in rows.all}
    assert by_key["as-given", 5.0].held_out_divergence == 0.0
    assert by_key["recovered", 5.0].held_out_divergence > 0.5
    assert by_key["folded", 5.0].held_out_divergence == 0.0
    # Rows that are there are not computed again.
    table_of(network, images, {"mine": Method(method)}, rows)
    assert len(calls) == 4
    rows.all.remove(by_key["recovered", 7.0])
    table_of(network, images, {"mine": Method(method)}, rows)
    assert len(calls) == 5
    assert rows.all[-1] == by_key["recovered", 7.0]


def test_a_method_with_a_recovery_of_its_own_is_asked_for_it(network: nn.Module, images: Data) -> None:
    asked: list[str] = []

    def choose(kind: str) -> Callable[[Setting, float], MethodOutcome]:
        def chosen(setting: Setting, budget: float) -> MethodOutcome:
            asked.append(kind)
            return MethodOutcome(copy.deepcopy(setting.model), budget, 1.0, 2.0, kind)

        return chosen

    method = Method(choose("bare"), choose("recovering"))
    rows, _ = table_of(network, images, {"mine": method}, situations=("as-given", "recovered"))
    assert asked == ["bare", "recovering"] * len(BUDGETS)
    assert {(row.situation, row.note) for row in rows.all} == {("as-given", "bare"), ("recovered", "recovering")}


def test_recovery_does_not_make_things_worse(network: nn.Module, images: Data) -> None:
    setting = Setting(network, images, 0, CONDITIONS)
    for choice in (np.full(11, 1), np.full(11, 2)):
        model = setting.channels.rewritten(choice)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        after = recovered(model, setting)
        found, was = (kl_divergence(setting.held_out_logits, logits(each, setting.held_out)) for each in (after, model))
        assert found < was
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_budget_out_of_reach_is_said_and_left_out(network: nn.Module, images: Data) -> None:
    rows = Rows({})
    said: list[str] = []
    run(
        network,
        images,
        images,
        {name: methods()[name] for name in ("clado", "uniform")},
        rows,
        budgets=[3.0],
        seeds=[0],
        situations=["as-given"],
        conditions=CONDITIONS,
        say=said.append,
    )
    assert any(line.startswith("clado, budget 3: left out") for line in said)
    assert {row.method for row in rows.all} <= {"uniform"}


def test_a_seed_draws_the_images(network: nn.Module, images: Data) -> None:
    first, again, other = (Setting(network, images, seed, CONDITIONS) for seed in (0, 0, 1))
    assert torch.equal(first.measured_on.indices, again.measured_on.indices)
    assert not torch.equal(first.measured_on.indices, other.measured_on.indices)
    parts = [set(part.indices.tolist()) for part in (first.measured_on, first.judged_on, first.held_out)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(images)


def test_ranking_covers_all_models_and_states(network: nn.Module, images: Data) -> None:
    ranking = rank(Setting(network, images, 0, CONDITIONS), 12, biased)
    assert len(ranking.stored_bits) == 12
    assert set(ranking.predicted) == set(OBJECTIVES)
    assert set(ranking.true) == {"as-given", "recovered"}
    assert ranking.true["as-given"] != ranking.true["recovered"]
    assert max(ranking.stored_bits) - min(ranking.stored_bits) > 1.0
    again = rank(Setting(network, images, 0, CONDITIONS), 12)
    assert again.true == {"as-given": ranking.true["as-given"]}
    assert again.predicted == ranking.predicted


def test_correlations_are_spearmans() -> None:
    true = [1.0, 2.0, 3.0, 40.0, 50.0, 60.0]
    ranking = Ranking(
        [0.0] * 6, {"good": np.exp(true).tolist(), "half": [3.0, 2.0, 1.0, 6.0, 7.0, 8.0]}, {"as-given": true}
    )
    found = ranking.correlations()["as-given"]
    assert found["good"] == {"all": pytest.approx(1.0), "smaller half": pytest.approx(1.0)}
    assert found["half"]["smaller half"] == pytest.approx(-1.0)
    assert 0.0 < found["half"]["all"] < 1.0


def test_too_few_plans_are_refused(network: nn.Module, images: Data) -> None:
    with pytest.raises(OptionError, match="at least 4 plans"):
        rank(Setting(network, images, 0, CONDITIONS), 3)
