"""Plans measured on the network in place of a model: what is told, how often, and what comes of it."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.quantization.candidates import Candidates, make_candidates
from qubo_dnn.compression.result import certificate, reward
from qubo_dnn.compression.rewriting.apply_plan import apply_plan_
from qubo_dnn.compression.rewriting.held_out import HeldOutDivergence
from qubo_dnn.compression.search.loss_modeller import with_zero_sensitivity
from qubo_dnn.compression.search.measured_reward import MeasuredReward
from qubo_dnn.compression.search.task_builder import layer_changes, unmeasured_task
from qubo_dnn.compression.task.formats import Formats
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.compression.task.task import CompressionTask
from qubo_dnn.errors import OptionError, UnsupportedProblemError
from qubo_dnn.problem import Problem
from qubo_formulations.pruning_quantization import PruningQuantization
from tests.unit.compression.conftest import Tiny

OPTIONS = bit_widths(0, 2, 4)
FEW = {"seed": 1, "generations": 20, "population_size": 20}


Setting = Callable[[str], tuple[nn.Module, Candidates, Data, Problem[Plan], CompressionTask]]


@pytest.fixture
def setting(tiny: Tiny) -> Setting:
    """Network, candidates, images, and the problem of choosing an option per layer or channel."""

    def make(granularity: str) -> tuple[nn.Module, Candidates, Data, Problem[Plan], CompressionTask]:
        network = tiny.network()
        inventory = find_layers(network)
        candidates = make_candidates(inventory, OPTIONS)
        task = unmeasured_task(layer_changes(inventory, granularity, candidates), OPTIONS, 480.0)
        problem = PruningQuantization(with_zero_sensitivity(task, 8.0)).compile()
        return network, candidates, tiny.images(), problem, task

    return make


def row_of(problem: Any, choice: Any) -> np.ndarray:
    chosen = {f"x[{u}][{k}]" for u, k in enumerate(choice)}
    return np.array([variable in chosen for variable in problem.variables], np.int8)


@pytest.mark.parametrize("granularity", ["layer", "channel"])
def test_energies_are_divergences_of_the_rewritten_networks(setting: Setting, granularity: str) -> None:
    """In an order in which layers change one by one, both, and not at all."""
    network, candidates, data, problem, task = setting(granularity)
    before = copy.deepcopy(network.state_dict())
    measured = MeasuredReward(network, candidates, data, CROSS_ENTROPY, problem)
    rng = np.random.default_rng(0)
    choices = [rng.integers(0, 3, len(task.cost)) for _ in range(6)]
    choices += [np.concatenate([choices[0][:1], choices[-1][1:]]), choices[0]]
    told = measured(np.array([row_of(problem, choice) for choice in choices]))
    judge = HeldOutDivergence(network, data, CROSS_ENTROPY)
    for choice, energy in zip(choices, told, strict=True):
        rewritten = copy.deepcopy(network)
        apply_plan_(rewritten, task.plan(np.asarray(choice, np.intp)), candidates)
        assert energy == judge(rewritten).divergence
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_equal_plans_are_measured_once(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    network, candidates, data, problem, _ = setting("layer")
    heard: list[tuple[int, int]] = []
    measured = MeasuredReward(network, candidates, data, CROSS_ENTROPY, problem, lambda *done: heard.append(done))
    quantized: list[Any] = []
    monkeypatch.setattr(Candidates, "weights", lambda *given: quantized.append(given))
    rows = np.array([row_of(problem, choice) for choice in ((0, 1), (2, 1), (0, 1))])
    first, again = measured(rows), measured(rows[::-1])
    assert first.tolist() == again[::-1].tolist()
    assert first[0] == first[2] != first[1]
    assert (measured.evaluations, measured.repeated) == (2, 4)
    assert heard == [(1, 1), (2, 2)]
    assert measured.seconds > 0.0
    # Nothing is quantized or looked up anew after the start.
    assert not quantized


@pytest.mark.parametrize(
    ("backend", "options"),
    [("genetic", FEW), ("reinforcement", {"seed": 1, "episodes": 320, "batch_size": 16})],
)
def test_the_best_plan_of_all_is_found_by_measuring(tiny: Tiny, backend: str, options: dict[str, Any]) -> None:
    pytest.importorskip({"genetic": "pymoo", "reinforcement": "torch"}[backend], reason="needs the extra")
    done = tiny.compress(
        "3bits",
        backend=backend,
        backend_options=options,
        granularity="layer",
        options=OPTIONS,
        recovery="none",
        reward="measured",
    )
    task, network = done.found.task, tiny.network()
    measured_on, _ = tiny.images().split(9, 0)
    judge = HeldOutDivergence(network, measured_on, CROSS_ENTROPY)
    candidates = make_candidates(find_layers(network), OPTIONS)
    divergences = []
    for choice in itertools.product(range(3), repeat=2):
        plan = task.plan(np.array(choice, np.intp))
        if task.meets(plan):
            rewritten: nn.Module = copy.deepcopy(network)
            apply_plan_(rewritten, plan, candidates)
            divergences.append(judge(rewritten).divergence)
    assert done.found.solution.best.objective == min(divergences)
    told = reward(done.found)
    assert told["kind"] == "measured"
    assert told["evaluations"] == len(divergences)
    assert told["repeated"] == done.found.solution.sampleset.info["evaluations"] - len(divergences)
    assert told["divergence"] == min(divergences)
    assert 0.0 < told["seconds"] < done.seconds["solve"]


def test_nothing_is_modelled(tiny: Tiny) -> None:
    """No sensitivity is measured, nothing is tuned, predicted or certified, and there is one round."""
    done = tiny.compress(backend="genetic", backend_options=FEW | {"generations": 2}, reward="measured", rounds=3)
    assert not {"measure", "measure large changes", "tune"} & set(tiny.listener.stages)
    assert len(done.found.rounds) == 1
    assert done.found.predicted is None
    assert done.certificate is None
    assert certificate(done) is None
    assert done.found.rounds[0].divergence == done.found.applied.held_out.divergence


def test_constraints_that_the_backend_does_not_keep_are_refused(tiny: Tiny) -> None:
    """A function has no penalties; formats that are excluded are products which must be 0."""
    formats = Formats.parse("2a8,8a8,2a4")
    excluded: dict[str, Any] = {
        "options": formats.options,
        "activations": formats.activations,
        "excluded_formats": formats.excluded,
    }
    with pytest.raises(UnsupportedProblemError, match="does not keep constraints of the kind quadratic-equality"):
        tiny.compress(backend="genetic", backend_options=FEW, reward="measured", **excluded)


def test_the_hamiltonian_of_the_paper_takes_measured_rewards(tiny: Tiny) -> None:
    """The reduction that it asks for is a quadratic inequality, which the search keeps."""
    done = tiny.compress(
        "5bits", backend="genetic", backend_options=FEW, formulation="aqc-pruning-quantization", reward="measured"
    )
    assert done.found.task.meets(done.found.applied.plan)


def test_rewards_that_cannot_be_are_refused(tiny: Tiny) -> None:
    with pytest.raises(OptionError, match="unknown reward 'mesured'; did you mean 'measured'"):
        tiny.compress(backend="genetic", backend_options=FEW, reward="mesured")
    with pytest.raises(UnsupportedProblemError, match="'pt' minimises models only"):
        tiny.compress(backend="pt", reward="measured")
    with pytest.raises(OptionError, match=r"target accuracy drop .* takes no measured reward"):
        tiny.compress(backend="genetic", backend_options=FEW, reward="measured", target_accuracy_drop=0.1)
    with pytest.raises(OptionError, match="a certificate needs the model of the loss"):
        tiny.compress(backend="genetic", backend_options=FEW, reward="measured", certify=1.0)
