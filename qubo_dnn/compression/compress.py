"""Compress a network: quantize, measure, formulate, solve, apply and evaluate."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from qubo_dnn.backend import Backend, make_options
from qubo_dnn.cluster.cluster import Cluster
from qubo_dnn.cluster.portfolio import on_workers
from qubo_dnn.compression.budgeted_task import network_task
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.fitting import fit
from qubo_dnn.compression.network.layer_usage import usage
from qubo_dnn.compression.network.layers import Inventory, find_layers
from qubo_dnn.compression.network.loading import as_float32, check_fit, check_network, copied, folded
from qubo_dnn.compression.network.norm_folding import normed_weights
from qubo_dnn.compression.outcome import Compression
from qubo_dnn.compression.preparation import PreparedNetwork
from qubo_dnn.compression.quantization.activations import observe_activations
from qubo_dnn.compression.quantization.candidates import Candidates, compensated, make_candidates
from qubo_dnn.compression.rewriting.held_out import HeldOutDivergence
from qubo_dnn.compression.rewriting.reconstruction import Reconstruction
from qubo_dnn.compression.search.accuracy_target import AccuracyTarget, SizesOf, smallest_within
from qubo_dnn.compression.search.plan_evaluator import PlanEvaluator
from qubo_dnn.compression.search.progress import CompressionReporter, StageClock
from qubo_dnn.compression.search.removable import (
    groups_of,
)
from qubo_dnn.compression.search.search import Search, SearchResult
from qubo_dnn.compression.search.settings import MEASURED
from qubo_dnn.compression.settings import CompressionSettings
from qubo_dnn.compression.task.options import Option
from qubo_dnn.compression.task.task import CompressionFormulation, check_compression
from qubo_dnn.errors import DataError, OptionError
from qubo_dnn.solving.black_box import check_black_box
from qubo_dnn.support.allocation import keeping_freed_memory

# Each layer is measured by itself on so many held-out images at most.
_EFFECT_IMAGES = 32


class Compressor:
    """Compress networks with one formulation, one backend and one set of settings.

    Args:
        formulation: class of a formulation that compresses networks.
        backend: any backend.
        settings: settings of the compression.

    Raises:
        OptionError: an argument has the wrong type, the formulation does not compress networks, or an option of the
            backend is invalid.
        UnsupportedProblemError: the backend does not support the reward of the settings.

    Example:
        >>> from qubo_dnn.compression.task.budgets import parse_budget
        >>> from qubo_dnn.registry import get_backend, get_formulation
        >>> settings = CompressionSettings(budgets=(parse_budget("3bits"),))
        >>> compressor = Compressor(get_formulation("pruning-quantization"), get_backend("pt"), settings)
        >>> def compressed(network: nn.Module, images: Data, reporter: CompressionReporter) -> nn.Module:
        ...     return compressor.compress(network, images, None, reporter).model
    """

    def __init__(
        self, formulation: type[CompressionFormulation], backend: Backend, settings: CompressionSettings
    ) -> None:
        _check_kinds(formulation, backend, settings)
        self.formulation, self.backend, self.settings = check_compression(formulation), backend, settings
        self._measures = settings.search.reward == MEASURED
        if self._measures:
            check_black_box(backend)
        make_options(backend, settings.search.backend_options)
        self._options = formulation.default_options if settings.options is None else settings.options

    def on(self, cluster: Cluster | None) -> Compressor:
        """Return a compressor whose measurements, and the runs of whose portfolio, take place on workers.

        Args:
            cluster: the workers; None: all takes place in this process.
        """
        search = replace(self.settings.search, cluster=cluster)
        backend = on_workers(self.backend, cluster)
        return Compressor(self.formulation, backend, replace(self.settings, search=search))

    def compress(
        self, model: nn.Module, calibration: Data, test: Data | None, reporter: CompressionReporter
    ) -> Compression:
        """Compress a network within its budgets; the given network is not changed.

        Args:
            model: the network; see `qubo_dnn.compression.network.layers.find_layers` for what is compressed.
            calibration: images to measure on; a part is held out to choose between plans. Targets are used only for
                reported losses, a target accuracy drop and a user's loss.
            test: images for the final evaluation only, or None.
            reporter: receives progress events.

        Raises:
            ModelError: the model is not a network, or cannot be compressed.
            DataError: the images are not `Data`, or the network does not accept them.
            BudgetError: no choice of options meets the budgets.
            UnsupportedProblemError: the problem is too large for the backend.
            QuboDnnError: measuring, solving or evaluating fails.
        """
        with keeping_freed_memory():
            return self._compress(model, calibration, test, reporter)

    def prepare(self, model: nn.Module, calibration: Data, test: Data | None, clock: StageClock) -> PreparedNetwork:
        """Do what comes before the measurement, and does not depend on the limits of the budgets.

        Args:
            model: see `compress`, also for the images.
            calibration: images to measure on.
            test: images for the final evaluation, or None.
            clock: receives progress events.

        Raises:
            QuboDnnError: see `compress`.
        """
        check_inputs(model, calibration, test)
        settings = self.settings
        given = folded(model)
        norms, model = normed_weights(model), as_float32(given)
        interface, loss = fit(given, calibration, settings.outputs, settings.loss)
        calibration = calibration.with_interface(interface)
        test = None if test is None else test.with_interface(interface)
        for data in filter(None, (calibration, test)):
            check_fit(given, data, loss)
        everything = find_layers(model)
        measured_on, held_out = self._split(calibration)
        if model is not given:
            clock.warning("the network is measured in float32, and written in its own types")
        for kind in sorted(set(norms.values())):
            names = [key for key in norms if norms[key] == kind]
            clock.warning(f"the {kind} of {', '.join(names)} is folded into the weight")
        inventory, refittable = self._examine(everything, measured_on, clock)
        candidates = self._candidates(inventory, measured_on, clock)
        removes = settings.remove != "none" and any(not option.bits for option in candidates.options)
        traced = groups_of(model, measured_on) if removes else []
        network = network_task(
            *(settings, self._options, candidates, (everything, inventory), given, measured_on, traced, clock)
        )
        judge = HeldOutDivergence(model, held_out, loss)
        reconstruction = Reconstruction(
            refittable,
            measured_on,
            compensated=settings.compensation != "none",
            memory=settings.search.memory,
            seed=settings.search.seed,
        )
        return PreparedNetwork(
            settings=settings,
            formulation=self.formulation,
            backend=self.backend,
            given=given,
            interface=interface,
            loss=loss,
            calibration=calibration,
            test=test,
            measured_on=measured_on,
            held_out=held_out,
            everything=everything,
            inventory=inventory,
            refittable=refittable,
            evaluator=PlanEvaluator(model, candidates, measured_on, judge, settings.recovery, reconstruction),
            network=network,
            removes=removes,
            traced=traced,
        )

    def _compress(
        self, model: nn.Module, calibration: Data, test: Data | None, reporter: CompressionReporter
    ) -> Compression:
        clock = StageClock(reporter)
        prepared = self.prepare(model, calibration, test, clock)
        made = prepared.network.within(self.settings.budgets)
        prepared.rehearse(made.task)
        search = prepared.search(made, clock)
        return prepared.finished(made, search, self._search(search, prepared.held_out, clock), clock)

    @property
    def _by_gradients(self) -> bool:
        """True if the network is measured by gradients."""
        return self.formulation.needs_sensitivity and not self._measures

    def _split(self, calibration: Data) -> tuple[Data, Data]:
        """Split the images into those to measure on and those held out."""
        count = len(calibration) - max(1, round(self.settings.held_out * len(calibration)))
        if count < 1:
            raise OptionError(
                f"{calibration.name}: one image cannot be both measured on and held out; give at least two"
            )
        return calibration.split(count, self.settings.search.seed)

    def _examine(self, everything: Inventory, measured_on: Data, clock: StageClock) -> tuple[Inventory, Inventory]:
        """Return the layers to compress, which can be measured and are not skipped, and those that may be refitted."""
        skipped = self.settings.rules.skipped([layer.name for layer in everything.layers])
        clock.stage("examine")
        used = usage(everything, measured_on, gradients=self._by_gradients, progress=clock.progress)
        copied(everything.model)
        reasons = used.unmeasurable
        inventory = everything.without({**reasons, **dict.fromkeys(skipped, "skipped, as asked")})
        for layer in inventory.left_alone:
            if layer.name in reasons.keys() - skipped:
                clock.warning(f"left alone: {layer}")
        inventory = used.of(inventory)
        if self.settings.compensation != "none":
            names = [layer.name for layer in inventory.layers if not compensated(layer)]
            if names:
                clock.warning(f"rounding errors are not compensated in {', '.join(names)}")
        by_calls = tuple(each for each in used.of(everything).layers if each.by_calls and each.name not in reasons)
        return inventory, replace(everything, layers=by_calls)

    def _candidates(self, inventory: Inventory, measured_on: Data, clock: StageClock) -> Candidates:
        """Return the weights at every option, and the grids of what the layers read."""
        settings, rules = self.settings, self.settings.rules
        clock.stage("quantize")
        own = [option for options in rules.options.values() for option in options]
        widths = {bits for chosen in (settings.activations, *rules.activations.values()) for bits in chosen}
        candidates = make_candidates(
            inventory,
            tuple(sorted({*self._options, *own, *map(Option, widths)})),
            compensation=settings.compensation,
            data=measured_on,
            progress=clock.progress,
        )
        if not settings.quantizes_activations:
            return candidates
        clock.stage("observe activations")
        read = observe_activations(inventory, measured_on, settings.activation_ranges, clock.progress)
        for reason in sorted(set(read.left_alone.values())):
            names = [name for name, each in read.left_alone.items() if each == reason]
            clock.warning(f"what {', '.join(names)} reads is not quantized: {reason}")
        read = read.with_widths(rules.layer_activations(read.names, settings.activations))
        return replace(candidates, activations=read)

    def _search(self, search: Search, held_out: Data, clock: StageClock) -> SearchResult:
        """Return the plan within the budgets, or that of the smallest network that keeps its accuracy."""
        drop = self.settings.target_accuracy_drop
        if drop is None:
            return search.run()
        target = AccuracyTarget(search.evaluator.model, drop, held_out, search.loss, self.settings.metric)
        sized = SizesOf(search)
        clock.stage("bracket the size")
        return smallest_within(sized, target, clock.progress)


def _check_kinds(formulation: object, backend: object, settings: object) -> None:
    """Refuse arguments of the wrong type for `Compressor`."""
    if not isinstance(formulation, type):
        raise OptionError(f"the formulation is {type(formulation).__name__}, not a class; see get_formulation")
    if isinstance(backend, type) or not isinstance(backend, Backend):
        raise OptionError(f"the backend is {_described(backend)}, not an instance of one; see get_backend")
    if not isinstance(settings, CompressionSettings):
        raise OptionError(
            f"the settings are {_described(settings)}, not qubo_dnn.compression.settings.CompressionSettings"
        )


def check_inputs(model: object, calibration: object, test: object) -> None:
    """Refuse a model that is not a network, and images that are not `Data`.

    Raises:
        ModelError: the model is not a network.
        DataError: the images are not `Data`.

    Example:
        >>> import torch
        >>> check_inputs(nn.Identity(), Data.from_tensors(torch.eye(3)), None)
    """
    check_network(model)
    for name, data in (("calibration", calibration), ("test", test)):
        if not isinstance(data, Data) and (name == "calibration" or data is not None):
            raise DataError(
                f"the {name} images are {type(data).__name__}, not qubo_dnn.compression.data.dataset.Data; see its "
                "from_tensors, and load_data"
            )


def _described(given: object) -> str:
    return f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
