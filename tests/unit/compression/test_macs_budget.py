"""Compressions to a budget of multiply-accumulates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from qubo_backends.parallel_tempering import ParallelTemperingBackend
from qubo_dnn.backend import Capabilities
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.network.macs import count_macs
from qubo_dnn.compression.outcome import Compression
from qubo_dnn.compression.rewriting.held_out import Divergence
from qubo_dnn.compression.search import removable
from qubo_dnn.compression.search.plan_evaluator import AppliedPlan, PlanEvaluator
from qubo_dnn.compression.task.layer_rules import Rules
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.constraint import ConstraintKind
from qubo_dnn.errors import BudgetError, ModelError, OptionError, UnsupportedProblemError
from tests.unit.compression.conftest import Tiny
from tests.unit.compression.removal.test_number_channels import NETWORKS, Stream
from tests.unit.compression.removal.test_remove_pruned import pruned

REMOVE: dict[str, Any] = {"backend": "tabu", "rounds": 1, "rerank": 1, "options": bit_widths(0, 32)}


def images(count: int = 40) -> Data:
    return Data.from_tensors(torch.randn(count, 3, 6, 6, generator=torch.Generator().manual_seed(1)))


def stream() -> nn.Module:
    torch.manual_seed(0)
    return Stream().eval()


def macs_left(done: Compression) -> tuple[float, float, float]:
    """What the budget counts, what the smaller network takes, and the limit."""
    (budget,) = (each for each in done.budgets if each.name == "macs")
    used = budget.used(done.found.task.choice(done.found.applied.plan))
    return used, sum(count_macs(find_layers(done.smaller), images()).values()), budget.limit


@pytest.mark.parametrize("backend", ["pt", "neal", "tabu", "genetic", "reinforcement", "exact-milp"])
def test_residual_streams_and_depthwise_layers_get_smaller(tiny: Tiny, backend: str) -> None:
    options = {"seed": 1, **({} if backend in ("tabu", "exact-milp") else {"num_reads": 8})}
    settings = {**REMOVE, "backend": backend, "backend_options": options}
    done = tiny.compress("60%macs", model=stream(), calibration=images(), **settings)
    used, counted, limit = macs_left(done)
    assert used == counted <= limit
    assert used > 0.9 * limit
    assert done.removal is not None
    assert {"stem", "b"} <= done.removal.channels.keys() or {"widen", "spatial"} <= done.removal.channels.keys()
    assert torch.allclose(logits(done.smaller, images()), logits(done.model, images()), atol=1e-4)
    assert not tiny.listener.warnings


@pytest.mark.parametrize("name", ["vgg", "residual", "concat", "depthwise"])
def test_smaller_networks_have_the_outputs_of_the_masked_ones(tiny: Tiny, name: str) -> None:
    torch.manual_seed(0)
    done = tiny.compress("60%macs", model=pruned(NETWORKS[name][0](), {}), calibration=images(), **REMOVE)
    used, counted, limit = macs_left(done)
    assert used == counted <= limit
    expected = logits(done.model, images())
    assert torch.allclose(logits(done.smaller, images()), expected, atol=1e-4 * float(expected.abs().max()))
    assert not tiny.listener.warnings


def test_widths_and_removal_together(tiny: Tiny) -> None:
    settings = {**REMOVE, "options": bit_widths(0, 4, 8)}
    done = tiny.compress("70%macs", "6bits", model=stream(), calibration=images(), **settings)
    used, counted, limit = macs_left(done)
    assert used == counted <= limit
    assert done.found.task.meets(done.found.applied.plan)
    # The budget of stored size counts every unit of a decision.
    assert len(done.found.task.choices) < len(done.found.task.units)


def test_the_smallest_network_within_a_drop_and_a_budget(tiny: Tiny) -> None:
    given, pixels = stream(), next(images().batches(40))[0].only
    labelled = Data.from_tensors(pixels, logits(given, images()).argmax(1))
    settings = {**REMOVE, "options": bit_widths(0, 4, 8), "target_accuracy_drop": 0.9}
    done = tiny.compress("70%macs", model=given, calibration=labelled, **settings)
    used, counted, limit = macs_left(done)
    assert counted <= used <= limit


def test_what_cannot_leave_is_named(tiny: Tiny) -> None:
    done = tiny.compress("90%macs", model=stream(), calibration=images(), rules=Rules(skip=("stem",)), **REMOVE)
    used, counted, _ = macs_left(done)
    assert used == counted
    assert tiny.listener.warnings == ["channels that cannot be removed: those of stem, b: stem is not compressed"]


def test_single_channels_on_request(tiny: Tiny) -> None:
    """Then a channel of a residual stream counts always, and those of one layer alone leave."""
    done = tiny.compress("80%macs", model=stream(), calibration=images(), granularity="channel", **REMOVE)
    used, counted, limit = macs_left(done)
    assert counted <= used <= limit
    assert len(done.found.task.choices) == len(done.found.task.units)


def test_coupled_channels_without_a_budget_of_macs(tiny: Tiny) -> None:
    settings = {**REMOVE, "granularity": "coupled-channel"}
    done = tiny.compress("75%", model=stream(), calibration=images(), **settings)
    assert len(done.found.task.choices) == 26
    assert done.removal is not None
    assert all("a layer needs one" in reason for reason in done.removal.left.values())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"remove": "none"}, "a budget of multiply-accumulates removes channels: leave out the removal 'none'"),
        ({"options": bit_widths(4, 8)}, "a budget of multiply-accumulates removes pruned channels: the options need 0"),
    ],
)
def test_settings_that_remove_nothing_are_refused(tiny: Tiny, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        tiny.compress("60%macs", model=stream(), calibration=images(), **{**REMOVE, **settings})


def test_a_budget_out_of_reach_is_refused_with_what_can_be_reached(tiny: Tiny) -> None:
    with pytest.raises(BudgetError, match=r"the budget 1%macs cannot be met .* % of the multiply-accumulates to 100 %"):
        tiny.compress("1%macs", model=stream(), calibration=images(), **REMOVE)


def test_channels_are_silenced_even_if_that_costs_accuracy(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """The budget counts them as removed."""
    silenced = PlanEvaluator.silenced

    def worse(*given: Any) -> AppliedPlan:
        applied = silenced(*given)
        return replace(applied, held_out=Divergence(np.full_like(applied.held_out.blocks, 99.0)))

    monkeypatch.setattr(PlanEvaluator, "silenced", worse)
    done = tiny.compress("70%macs", model=stream(), calibration=images(), **REMOVE)
    used, counted, _ = macs_left(done)
    assert used == counted
    assert done.found.applied.held_out.divergence == 99.0


def test_a_network_that_stays_too_large_is_warned_of(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the trial, constants that meet padding by zeros are seen too late."""
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 6, 3), nn.Sigmoid(), nn.Conv2d(6, 5, 3, padding=1), nn.Flatten(), nn.Linear(80, 3))
    given = nn.Sequential(*layers).eval()
    with pytest.raises(BudgetError, match=r"the budget 40%macs cannot be met .* reach 48.99 % of"):
        tiny.compress("40%macs", model=given, calibration=images(), **REMOVE)
    reason = "they are constant, and 2 pads with zeros"
    assert tiny.listener.warnings == [f"channels that cannot be removed: those of 0: {reason}"]
    monkeypatch.setattr(removable, "try_removal", lambda _, groups, *__: groups)
    tiny.compress("40%macs", model=given, calibration=images(), **REMOVE)
    assert "and the budget is 40%macs (0: " in tiny.listener.warnings[-1]


LENGTH = {"pt": "num_sweeps", "genetic": "generations"}


@pytest.mark.parametrize("backend", [pytest.param("pt", marks=pytest.mark.kernels), "genetic"])
def test_the_budget_is_kept_beside_a_factor(tiny: Tiny, backend: str) -> None:
    """There nothing can be priced: the backend has to keep the quadratic constraint."""
    pairs: dict[str, Any] = {
        "parameters": {"objective": "gauss-newton"},
        "backend_options": {"seed": 1, LENGTH[backend]: 20},
    }
    settings = {**REMOVE, **pairs, "backend": backend, "memory": 6e-5}
    done = tiny.compress("60%macs", model=stream(), calibration=images(), **settings)
    assert done.found.problem.low_rank is not None
    used, counted, limit = macs_left(done)
    assert used == counted <= limit


def test_backends_that_cannot_keep_the_budget_are_refused_by_name(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a factor nothing can be priced."""
    able = Capabilities(native_constraints=frozenset({ConstraintKind.ONE_HOT}), low_rank=True)
    monkeypatch.setattr(ParallelTemperingBackend, "capabilities", able)
    settings = {**REMOVE, "backend": "pt", "memory": 6e-5}
    with pytest.raises(UnsupportedProblemError, match="'pt' does not keep a quadratic budget beside their factor"):
        tiny.compress("60%macs", model=stream(), calibration=images(), **settings)


def test_a_network_that_cannot_be_traced_is_refused(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise ModelError("the network cannot be traced: no")

    monkeypatch.setattr(removable, "find_channel_groups", refuse)
    with pytest.raises(ModelError, match="no channel can be removed: the network cannot be traced: no"):
        tiny.compress("60%macs", model=stream(), calibration=images(), **REMOVE)
