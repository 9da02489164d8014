"""A tiny network with data, and its compression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from torch import nn

from qubo_dnn.compression.compress import Compressor
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.outcome import Compression
from qubo_dnn.compression.quantization.candidates import make_candidates
from qubo_dnn.compression.rewriting.held_out import Divergence, HeldOutDivergence
from qubo_dnn.compression.search.plan_evaluator import AppliedPlan, PlanEvaluator
from qubo_dnn.compression.search.progress import SearchRound
from qubo_dnn.compression.search.search import Search
from qubo_dnn.compression.search.settings import SearchSettings
from qubo_dnn.compression.search.task_builder import layer_changes, unmeasured_task
from qubo_dnn.compression.settings import CompressionSettings
from qubo_dnn.compression.task.budgets import TaskBudget, parse_budget
from qubo_dnn.compression.task.options import Option, bit_widths
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.compression.task.task import check_compression
from qubo_dnn.registry import get_backend, get_formulation
from qubo_dnn.solving.solution import BackendCall

DEFAULT_OPTIONS = bit_widths(0, 2, 3, 4, 6, 8)


def of_weights(budget: str) -> str:
    """A budget of size for the weights alone: in so small a network, the rest would take all of it."""
    return f"{budget}:weights" if budget.endswith(("bits", "%", "B")) and "=" not in budget else budget


class Listener:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.heard: list[tuple[str, int, int]] = []
        self.rounds: list[BackendCall] = []
        self.search_rounds: list[SearchRound] = []
        self.warnings: list[str] = []

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def progress(self, done: int, total: int) -> None:
        self.heard.append((self.stages[-1], done, total))

    def backend_call(self, done: BackendCall) -> None:
        self.rounds.append(done)

    def search_round(self, done: SearchRound) -> None:
        self.search_rounds.append(done)

    def warning(self, text: str) -> None:
        self.warnings.append(text)


class Tiny:
    """4 + 3 channels of 18 and 16 weights, 120 in all."""

    def __init__(self) -> None:
        self.listener = Listener()

    def network(self) -> nn.Sequential:
        torch.manual_seed(0)
        layers = (nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 3))
        return nn.Sequential(nn.Conv2d(2, 4, 3), *layers).eval()

    def images(self, count: int = 12, seed: int = 1) -> Data:
        """Labelled by the network itself."""
        pixels = torch.randn(count, 2, 6, 6, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            return Data.from_tensors(pixels, self.network()(pixels).argmax(1))

    def compress(
        self,
        *budgets: str,
        model: nn.Module | None = None,
        calibration: Data | None = None,
        test: Data | None = None,
        **settings: Any,
    ) -> Compression:
        """Within 5 bits per weight unless told otherwise; settings of the search and others side by side."""
        compressor = self.compressor(*budgets, **settings)
        return compressor.compress(model or self.network(), calibration or self.images(), test, self.listener)

    def compressor(
        self,
        *budgets: str,
        backend: Any = "pt",
        formulation: Any = "pruning-quantization",
        backend_options: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> Compressor:
        """See `compress`."""
        of_search = {field.name for field in fields(SearchSettings)}
        search = {name: settings.pop(name) for name in of_search & settings.keys()}
        if not budgets and "target_accuracy_drop" not in settings:
            budgets = ("5bits",)
        options = {"seed": 3} if backend_options is None else backend_options
        return Compressor(
            check_compression(get_formulation(formulation)) if isinstance(formulation, str) else formulation,
            get_backend(backend) if isinstance(backend, str) else backend,
            CompressionSettings(
                budgets=tuple(parse_budget(of_weights(text)) for text in budgets),
                search=SearchSettings(backend_options=options, **search),
                **settings,
            ),
        )

    def search(
        self,
        *,
        limit: float = 600.0,
        options: tuple[Option, ...] = DEFAULT_OPTIONS,
        formulation: str = "pruning-quantization",
        backend: Any = "neal",
        recovery: str = "none",
        script: Callable[[Plan], Divergence] | None = None,
        budgets: tuple[TaskBudget, ...] = (),
        start: Plan | None = None,
        **settings: Any,
    ) -> Search:
        """A search; `script` says what held-out images shall have said of a plan."""
        model = self.network()
        inventory = find_layers(model)
        candidates = make_candidates(inventory, options)
        task = unmeasured_task(layer_changes(inventory, "channel", candidates), options, limit)
        task = replace(task, budgets=budgets)
        judge = HeldOutDivergence(model, self.images(20, seed=5), CROSS_ENTROPY)
        evaluator = PlanEvaluator(model, candidates, self.images(), judge, recovery)
        chosen = get_backend(backend) if isinstance(backend, str) else backend
        settings = {"backend_options": {"seed": 3, "num_reads": 4}} | settings
        if script:
            evaluator = Scripted(evaluator, script)
        return Search(
            task,
            inventory,
            evaluator,
            CROSS_ENTROPY,
            check_compression(get_formulation(formulation)),
            chosen,
            SearchSettings(**settings),
            self.listener,
            start=start,
        )


class Scripted(PlanEvaluator):
    """Carries plans out, and judges them by a script."""

    def __init__(self, evaluator: PlanEvaluator, script: Callable[[Plan], Divergence]) -> None:
        super().__init__(evaluator.model, evaluator.candidates, evaluator.data, evaluator.judge, evaluator.recovery)
        self.script = script
        self.plans: list[Plan] = []

    def __call__(self, plan: Plan) -> AppliedPlan:
        self.plans.append(plan)
        return replace(super().__call__(plan), held_out=self.script(plan))


@pytest.fixture
def tiny() -> Tiny:
    return Tiny()
