"""Compress a network: quantize, measure, formulate, solve, apply and evaluate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import nn

from qubo_dnn.backend import Backend, check_model, make_options
from qubo_dnn.bounds.certificate import Certificate, certify, enumerated, proven
from qubo_dnn.bounds.proof import REDUCED_COSTS
from qubo_dnn.compression.budgeted_task import budgeted_task
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.call_counts import count_calls
from qubo_dnn.compression.network.fitting import fit
from qubo_dnn.compression.network.layer_usage import usage
from qubo_dnn.compression.network.layers import Inventory, find_layers
from qubo_dnn.compression.network.loading import as_float32, check_fit, check_network, copied, folded, in_types_of
from qubo_dnn.compression.network.norm_folding import normed_weights
from qubo_dnn.compression.outcome import Compression, evaluations
from qubo_dnn.compression.quantization.activations import observe_activations
from qubo_dnn.compression.quantization.candidates import Candidates, compensated, make_candidates
from qubo_dnn.compression.rewriting.held_out import HeldOutDivergence
from qubo_dnn.compression.rewriting.layer_effects import layer_effects
from qubo_dnn.compression.rewriting.reconstruction import Reconstruction
from qubo_dnn.compression.search.accuracy_target import AccuracyTarget, SizesOf, smallest_within
from qubo_dnn.compression.search.loss_modeller import bytes_of_pairs, with_zero_sensitivity
from qubo_dnn.compression.search.plan_evaluator import PlanEvaluator
from qubo_dnn.compression.search.progress import CompressionReporter, StageClock
from qubo_dnn.compression.search.removable import (
    groups_of,
    prunes,
    removal_of,
    removal_readers,
    warn_of_macs,
    with_removable_channels,
)
from qubo_dnn.compression.search.search import Search, SearchResult
from qubo_dnn.compression.search.settings import MEASURED
from qubo_dnn.compression.sensitivity.accumulator import GIB
from qubo_dnn.compression.settings import CompressionSettings
from qubo_dnn.compression.task.options import FLOAT_BITS, Option
from qubo_dnn.compression.task.task import CompressionFormulation, CompressionTask, check_compression
from qubo_dnn.constraint import ConstraintKind
from qubo_dnn.errors import DataError, OptionError, UnsupportedProblemError
from qubo_dnn.solving.black_box import check_black_box
from qubo_dnn.solving.separable import DIRECT
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
        self._formulation, self._backend, self._settings = check_compression(formulation), backend, settings
        self._measures = settings.search.reward == MEASURED
        if self._measures:
            check_black_box(backend)
        make_options(backend, settings.search.backend_options)
        self._options = formulation.default_options if settings.options is None else settings.options

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
        _check_inputs(model, calibration, test)
        with keeping_freed_memory():
            return self._compress(model, calibration, test, reporter)

    def _compress(
        self, model: nn.Module, calibration: Data, test: Data | None, reporter: CompressionReporter
    ) -> Compression:
        settings, clock = self._settings, StageClock(reporter)
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
        made = budgeted_task(
            *(settings, self._options, candidates, (everything, inventory), given, measured_on, traced, clock)
        )
        if self._by_gradients:
            self._rehearse(made.task)
        judge = HeldOutDivergence(model, held_out, loss)
        reconstruction = Reconstruction(
            refittable,
            measured_on,
            compensated=settings.compensation != "none",
            memory=settings.search.memory,
            seed=settings.search.seed,
        )
        evaluator = PlanEvaluator(model, candidates, measured_on, judge, settings.recovery, reconstruction)
        # Whether this is better for plans that mix removal and widths was not measured.
        alone = self._by_gradients and all(option.bits in (0, FLOAT_BITS) for option in candidates.options)
        measured = traced if alone and not isinstance(traced, str) else []
        search = Search(
            *(made.task, inventory, evaluator, loss, self._formulation, self._backend, settings.search, clock),
            readers=removal_readers(evaluator, refittable, measured),
        )
        found = self._search(search, held_out, clock)
        groups = None
        if removes and prunes(found.applied.plan):
            if isinstance(traced, str):
                clock.warning(f"pruned channels stay in the network: {traced}")
            else:
                clock.stage("remove")
                groups, found = traced, with_removable_channels(found, evaluator, traced, required=settings.limits_macs)
        if warning := found.trial.warning():
            clock.warning(warning)
        certificate = self._certificate(found, clock)
        clock.stage("measure layers")
        few = held_out.subset(min(len(held_out), _EFFECT_IMAGES), settings.search.seed)
        effects = layer_effects(
            inventory,
            candidates.assemble(found.applied.plan),
            HeldOutDivergence(model, few, loss),
            candidates.activations.grids(found.applied.plan),
            progress=clock.progress,
        )
        clock.stage("evaluate")
        found = _typed(found, given, judge)
        removal = None if groups is None else removal_of(found.applied.network, measured_on, groups)
        if removal is not None:
            warn_of_macs(removal, made.budgets, measured_on, clock)
        compressed = as_float32(found.applied.network)
        of_calibration, of_test = evaluations((model, compressed), calibration, test, loss, settings.metric, clock)
        return Compression(
            found=found,
            inventory=inventory,
            budgets=made.budgets,
            contents=made.contents,
            calls=count_calls(inventory, measured_on),
            macs=made.macs,
            groups=groups,
            removal=removal,
            effects=effects,
            predicted=self._predicted(search, found),
            couplings=search.measured().layer_couplings(found.applied.plan) if search.models_loss else None,
            resumed=tuple(search.modeller.resumed),
            predicted_costs=self._predicted_costs(found, everything),
            interface=interface,
            loss=loss,
            metric=settings.metric,
            held_out=held_out,
            calibration=of_calibration,
            test=of_test,
            certificate=certificate,
            warnings=tuple(clock.warnings),
            seconds=clock.finish(),
        )

    @property
    def _by_gradients(self) -> bool:
        """True if the network is measured by gradients."""
        return self._formulation.needs_sensitivity and not self._measures

    def _split(self, calibration: Data) -> tuple[Data, Data]:
        """Split the images into those to measure on and those held out."""
        count = len(calibration) - max(1, round(self._settings.held_out * len(calibration)))
        if count < 1:
            raise OptionError(
                f"{calibration.name}: one image cannot be both measured on and held out; give at least two"
            )
        return calibration.split(count, self._settings.search.seed)

    def _examine(self, everything: Inventory, measured_on: Data, clock: StageClock) -> tuple[Inventory, Inventory]:
        """Return the layers to compress, which can be measured and are not skipped, and those that may be refitted."""
        skipped = self._settings.rules.skipped([layer.name for layer in everything.layers])
        clock.stage("examine")
        used = usage(everything, measured_on, gradients=self._by_gradients, progress=clock.progress)
        copied(everything.model)
        reasons = used.unmeasurable
        inventory = everything.without({**reasons, **dict.fromkeys(skipped, "skipped, as asked")})
        for layer in inventory.left_alone:
            if layer.name in reasons.keys() - skipped:
                clock.warning(f"left alone: {layer}")
        inventory = used.of(inventory)
        if self._settings.compensation != "none":
            names = [layer.name for layer in inventory.layers if not compensated(layer)]
            if names:
                clock.warning(f"rounding errors are not compensated in {', '.join(names)}")
        by_calls = tuple(each for each in used.of(everything).layers if each.by_calls and each.name not in reasons)
        return inventory, replace(everything, layers=by_calls)

    def _candidates(self, inventory: Inventory, measured_on: Data, clock: StageClock) -> Candidates:
        """Return the weights at every option, and the grids of what the layers read."""
        settings, rules = self._settings, self._settings.rules
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

    def _rehearse(self, task: CompressionTask) -> None:
        """Compile the task with zero sensitivity, so that errors appear before minutes of measuring."""
        search, backend, size = self._settings.search, self._backend, task.cost.size
        zero = with_zero_sensitivity(task, search.memory)
        problem = self._formulation.from_task(zero, **search.parameters).compile()
        if problem.low_rank is not None and not backend.capabilities.supports(problem):
            if backend.capabilities.low_rank and ConstraintKind.QUADRATIC_INEQUALITY in problem.constraint_kinds:
                lacks = "keep a quadratic budget beside their factor: choose"
            else:
                lacks = "take their factor: choose a backend with the capability low_rank,"
            raise UnsupportedProblemError(
                f"{size} densely coupled variables would take {bytes_of_pairs(size) / GIB:.3g} GiB as a binary "
                f"quadratic model, more than the {search.memory:.3g} GiB allowed, and backend {backend.name!r} does "
                f"not {lacks} a coarser granularity, such as group:8, fewer options, an objective without pairs, or a "
                "higher memory limit"
            )
        if not problem.constraint_kinds & backend.capabilities.native_constraints:
            check_model(backend, problem.objective)

    def _search(self, search: Search, held_out: Data, clock: StageClock) -> SearchResult:
        """Return the plan within the budgets, or that of the smallest network that keeps its accuracy."""
        drop = self._settings.target_accuracy_drop
        if drop is None:
            return search.run()
        target = AccuracyTarget(search.evaluator.model, drop, held_out, search.loss, self._settings.metric)
        sized = SizesOf(search)
        clock.stage("bracket the size")
        return smallest_within(sized, target, clock.progress)

    def _predicted(self, search: Search, found: SearchResult) -> Mapping[str, float] | None:
        """Return the loss increase that the model around the given network predicts for the plan, layer by layer."""
        return search.measured().layer_increases(found.applied.plan) if search.models_loss else None

    def _predicted_costs(self, found: SearchResult, everything: Inventory) -> dict[str, float]:
        """Return the cost relative to float32 that every table of a budget predicts for the plan, where it can."""
        channels = {layer.name: layer.channels for layer in everything.layers}
        shares = {
            name: self._settings.tables[name].share_of_float(found.applied.plan, channels)
            for name in (budget.name for budget in self._settings.budgets)
            if name in self._settings.tables
        }
        return {name: share for name, share in shares.items() if share is not None}

    def _certificate(self, found: SearchResult, clock: StageClock) -> Certificate | None:
        """Return a bound for the best answer to the model; None for a measured reward, which has no model."""
        if found.reward is not None:
            return None
        solution = found.solution
        energy = solution.best.objective if solution.best.feasible else None
        if solution.backend == DIRECT:
            return proven(found.problem, energy, solution.sampleset.info["bound"], REDUCED_COSTS, solution.seconds)
        if self._settings.certify is None:
            return enumerated(found.problem, energy)
        clock.stage("certify")
        return certify(found.problem, energy, self._settings.certify, self._settings.search.seed)


def _typed(found: SearchResult, given: nn.Module, judge: HeldOutDivergence) -> SearchResult:
    """Return the result with its network in the number types of the given one, and the divergence of that network."""
    applied = found.applied
    network = in_types_of(given, applied.network)
    if network is applied.network:
        return found
    applied = replace(applied, network=network, held_out=judge(as_float32(network)))
    return replace(found, trial=replace(found.trial, applied=applied))


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


def _check_inputs(model: object, calibration: object, test: object) -> None:
    """Refuse a model that is not a network, and images that are not `Data`."""
    check_network(model)
    for name, data in (("calibration", calibration), ("test", test)):
        if not isinstance(data, Data) and (name == "calibration" or data is not None):
            raise DataError(
                f"the {name} images are {type(data).__name__}, not qubo_dnn.compression.data.dataset.Data; see its "
                "from_tensors, and load_data"
            )


def _described(given: object) -> str:
    return f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
