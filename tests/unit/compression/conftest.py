"""A tiny network with data, and its compression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from torch import nn

from qubo_dnn.compression.candidates import make_candidates
from qubo_dnn.compression.clock import Linearisation
from qubo_dnn.compression.data import Data
from qubo_dnn.compression.judge import Judge, Judgement
from qubo_dnn.compression.layers import find_layers
from qubo_dnn.compression.loss import CROSS_ENTROPY
from qubo_dnn.compression.measure import layer_changes, unmeasured_task
from qubo_dnn.compression.options import Option, bit_widths
from qubo_dnn.compression.pipeline import Compression, compress
from qubo_dnn.compression.plan import Plan
from qubo_dnn.compression.search import Search, SearchSettings
from qubo_dnn.compression.settings import Settings
from qubo_dnn.compression.task import check_compression
from qubo_dnn.compression.trial import Attempt, Workshop
from qubo_dnn.registry import get_backend, get_formulation
from qubo_dnn.solve import Round

# Networks here are so small that threads would wait for each other four fifths of the time.
torch.set_num_threads(1)

DEFAULT_OPTIONS = bit_widths(0, 2, 3, 4, 6, 8)


class Listener:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.heard: list[tuple[str, int, int]] = []
        self.rounds: list[Round] = []
        self.linearisations: list[Linearisation] = []
        self.warnings: list[str] = []

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def progress(self, done: int, total: int) -> None:
        self.heard.append((self.stages[-1], done, total))

    def round(self, done: Round) -> None:
        self.rounds.append(done)

    def linearisation(self, done: Linearisation) -> None:
        self.linearisations.append(done)

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
        backend: Any = "pt",
        formulation: Any = "pruning-quantization",
        model: nn.Module | None = None,
        calibration: Data | None = None,
        test: Data | None = None,
        backend_options: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> Compression:
        """Within 5 bits per weight unless told otherwise; settings of the search and others side by side."""
        of_search = {field.name for field in fields(SearchSettings)}
        search = {name: settings.pop(name) for name in of_search & settings.keys()}
        if not budgets and "target_accuracy_drop" not in settings:
            budgets = ("5bits",)
        options = {"seed": 3} if backend_options is None else backend_options
        return compress(
            model or self.network(),
            calibration or self.images(),
            test,
            get_formulation(formulation) if isinstance(formulation, str) else formulation,
            get_backend(backend) if isinstance(backend, str) else backend,
            Settings(budgets=budgets, search=SearchSettings(backend_options=options, **search), **settings),
            self.listener,
        )

    def search(
        self,
        *,
        limit: float = 600.0,
        options: tuple[Option, ...] = DEFAULT_OPTIONS,
        formulation: str = "pruning-quantization",
        backend: Any = "neal",
        recovery: str = "none",
        script: Callable[[Plan], Judgement] | None = None,
        **settings: Any,
    ) -> Search:
        """A search; `script` says what held-out images shall have said of a plan."""
        model = self.network()
        inventory = find_layers(model)
        candidates = make_candidates(inventory, options)
        task = unmeasured_task(layer_changes(inventory, "channel", candidates), options, limit)
        judge = Judge(model, self.images(20, seed=5), CROSS_ENTROPY)
        workshop = Workshop(model, candidates, self.images(), judge, recovery)
        chosen = get_backend(backend) if isinstance(backend, str) else backend
        settings = {"backend_options": {"seed": 3, "num_reads": 4}} | settings
        if script:
            workshop = Scripted(workshop, script)
        return Search(
            task,
            inventory,
            workshop,
            CROSS_ENTROPY,
            check_compression(get_formulation(formulation)),
            chosen,
            SearchSettings(**settings),
            self.listener,
        )


class Scripted(Workshop):
    """Carries plans out, and judges them by a script."""

    def __init__(self, workshop: Workshop, script: Callable[[Plan], Judgement]) -> None:
        super().__init__(workshop.model, workshop.candidates, workshop.data, workshop.judge, workshop.recovery)
        self.script = script
        self.plans: list[Plan] = []

    def __call__(self, plan: Plan) -> Attempt:
        self.plans.append(plan)
        return replace(super().__call__(plan), judgement=self.script(plan))


@pytest.fixture
def tiny() -> Tiny:
    return Tiny()
