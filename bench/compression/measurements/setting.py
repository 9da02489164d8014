"""One network with one draw of calibration images, and what is measured there once for all methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.compression.measurements.pairwise import PairLosses, pair_losses
from bench.compression.measurements.traces import curvature_traces
from bench.networks.subject import LAYER_OPTIONS, PAPER_OPTIONS, UNIT_OPTIONS, Subject
from bench.processes import Timed, timed
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
from qubo_dnn.compression.network.inference import Progress, logits
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.rewriting.held_out import HeldOutDivergence
from qubo_dnn.compression.search.plan_evaluator import PlanEvaluator
from qubo_dnn.compression.search.progress import SearchRound
from qubo_dnn.compression.search.search import Search
from qubo_dnn.compression.search.settings import SearchSettings
from qubo_dnn.compression.search.task_builder import measured_task
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton
from qubo_dnn.compression.sensitivity.large_changes import measure_nonlinearity
from qubo_dnn.compression.task.options import Option
from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel
from qubo_dnn.compression.task.task import CompressionTask, check_compression
from qubo_dnn.registry import get_backend, get_formulation
from qubo_dnn.solving.solution import BackendCall


@dataclass(frozen=True)
class Conditions:
    """What all settings of a run have in common.

    Attributes:
        calibration_size: images that methods measure on.
        judge_size: further images that methods may choose by; the rest is held out from all of them.
        compensation: of the rounding errors in every method's candidates, "none" or "gptq".
        rounds: most rounds of linearising, of the searches of this project.
        random_plans: that random search tries.
        trace_probes: random vectors of HAWQ-V3's traces.
        clado_images: of the calibration images, on which CLADO measures its pairs.
        reads: of parallel tempering for CLADO.
    """

    calibration_size: int = 768
    judge_size: int = 256
    compensation: str = "none"
    rounds: int = 2
    random_plans: int = 200
    trace_probes: int = 32
    clado_images: int = 128
    reads: int = 8

    @classmethod
    def fitting(cls, images: int, held_out: int = 1) -> Conditions:
        """The usual sizes, or a half and a quarter of `images` where these leave less than `held_out`."""
        usual = cls()
        fits = usual.calibration_size + usual.judge_size + held_out <= images
        return usual if fits else cls(calibration_size=images // 2, judge_size=images // 4)


class Silent:
    """Receives progress events and says nothing."""

    def stage(self, name: str) -> None: ...

    def progress(self, done: int, total: int) -> None: ...

    def backend_call(self, done: BackendCall) -> None: ...

    def search_round(self, done: SearchRound) -> None: ...

    def warning(self, text: str) -> None: ...


class Setting:
    """A network and a seed; everything is measured when it is first asked for.

    Args:
        model: the network; left as it is.
        calibration: images, of which the seed draws those to measure on.
        seed: of every random choice.
        conditions: see there.
        cache: folder where measurements of many minutes are kept as they go; None keeps nothing.
        progress: hears of the pairs CLADO has measured.
    """

    def __init__(
        self,
        model: nn.Module,
        calibration: Data,
        seed: int,
        conditions: Conditions,
        cache: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.model, self.seed, self.conditions = model, seed, conditions
        self.measured_on, rest = calibration.split(conditions.calibration_size, seed)
        self.judged_on, self.held_out = rest.split(conditions.judge_size, seed)
        self._cache, self._progress = cache, progress

    @cached_property
    def channels(self) -> Subject:
        """One unit per output channel."""
        return self._subject("channel", UNIT_OPTIONS)

    @cached_property
    def widths(self) -> Subject:
        """`channels` without the options that remove a whole unit, as most published methods have it."""
        return self.channels.without_pruning()

    def subject(self, pruning: bool) -> Subject:
        """`channels` or `widths`."""
        return self.channels if pruning else self.widths

    @cached_property
    def layers(self) -> Subject:
        """One unit per layer."""
        return self._subject("layer", LAYER_OPTIONS)

    @cached_property
    def filters(self) -> Subject:
        """What the paper's Hamiltonian decides."""
        return self._subject("channel", PAPER_OPTIONS)

    def _subject(self, granularity: str, options: Sequence[Option]) -> Subject:
        return Subject.of(self.model, granularity, options, self.conditions.compensation, self.measured_on)

    @cached_property
    def judge(self) -> HeldOutDivergence:
        """Of `judged_on`."""
        return HeldOutDivergence(self.model, self.judged_on, CROSS_ENTROPY)

    @cached_property
    def measured(self) -> Timed[CompressionTask]:
        """The task of `channels` as searches measure it, without a limit; the seconds include the sensitivity's."""
        subject, sensitivity = self.channels, self.sensitivity
        large = timed(
            measure_nonlinearity,
            *(self.model, subject.changes, subject.task.options, sensitivity.value, self.measured_on),
            loss=CROSS_ENTROPY,
            seed=self.seed,
        )
        task = measured_task(subject.task, subject.changes, sensitivity.value, large.value)
        return Timed(task, sensitivity.seconds + large.seconds)

    def search(self, objective: str, recovery: str) -> Search:
        """The search that `compress` makes, measured around the network as given; its task has no limit yet."""
        evaluator = PlanEvaluator(self.model, self.channels.candidates, self.measured_on, self.judge, recovery)
        settings = SearchSettings(
            parameters={"objective": objective},
            backend_options={"seed": self.seed},
            rounds=self.conditions.rounds,
            seed=self.seed,
        )
        return Search(
            self.channels.task,
            find_layers(self.model),
            evaluator,
            CROSS_ENTROPY,
            check_compression(get_formulation("pruning-quantization")),
            get_backend("pt"),
            settings,
            Silent(),
            self.measured.value,
        )

    @cached_property
    def held_out_logits(self) -> Tensor:
        """The network's own logits of the held-out images."""
        return logits(self.model, self.held_out)

    @cached_property
    def sensitivity(self) -> Timed[QuadraticLossModel]:
        """Gauss-Newton matrix of `channels`."""
        return timed(gauss_newton, self.model, self.channels.changes, self.measured_on, seed=self.seed)

    def diagonal(self, subject: Subject) -> NDArray[np.float64]:
        """[U, K] diagonal of the sensitivity, at the options of `channels` or of `widths`."""
        task = self.channels.task
        columns = [task.options.index(option) for option in subject.task.options]
        return self.sensitivity.value.diagonal().reshape(task.cost.shape)[:, columns]

    @cached_property
    def traces(self) -> Timed[NDArray[np.float64]]:
        """[layers] trace of the curvature."""
        return timed(curvature_traces, self.model, self.measured_on, self.conditions.trace_probes, self.seed)

    @cached_property
    def pairs(self) -> PairLosses:
        """Losses of all pairs of `layers`."""
        images = self.measured_on.subset(self.conditions.clado_images, self.seed)
        weights = [self.layers.candidates.weights(layer.name) for layer in self.layers.task.layers]
        return pair_losses(self.model, weights, images, self._cache, self._progress)
