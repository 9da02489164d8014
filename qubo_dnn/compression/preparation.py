"""A network that is ready to be compressed: to any limits of its budgets, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from torch import nn

from qubo_dnn.backend import Backend, check_model
from qubo_dnn.bounds.certificate import Certificate, certify, enumerated, proven
from qubo_dnn.bounds.proof import REDUCED_COSTS
from qubo_dnn.compression.budgeted_task import BudgetedTask, NetworkTask
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.data.inputs import Interface
from qubo_dnn.compression.losses.losses import Loss
from qubo_dnn.compression.network.call_counts import count_calls
from qubo_dnn.compression.network.layers import Inventory
from qubo_dnn.compression.network.loading import as_float32, in_types_of
from qubo_dnn.compression.network.paired_evaluation import PairedEvaluation
from qubo_dnn.compression.outcome import Compression
from qubo_dnn.compression.removal.channel_groups import ChannelGroup
from qubo_dnn.compression.rewriting.held_out import HeldOutDivergence
from qubo_dnn.compression.rewriting.layer_effects import layer_effects
from qubo_dnn.compression.search.loss_modeller import bytes_of_pairs, with_zero_sensitivity
from qubo_dnn.compression.search.plan_evaluator import PlanEvaluator
from qubo_dnn.compression.search.progress import StageClock
from qubo_dnn.compression.search.removable import (
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
from qubo_dnn.compression.task.options import FLOAT_BITS
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.compression.task.task import CompressionFormulation, CompressionTask
from qubo_dnn.constraint import ConstraintKind
from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.solving.separable import DIRECT

# Each layer is measured by itself on so many held-out images at most.
_EFFECT_IMAGES = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedNetwork:
    """A network with its candidates, before its measurement.

    Attributes:
        settings, formulation, backend: what it is to be compressed with; the limits of the budgets do not matter here.
        given: the network, with norms of weights folded in.
        interface: how it takes its inputs, and which outputs are compared.
        loss: loss of these outputs.
        calibration, test: the images.
        measured_on, held_out: the two parts of the calibration images.
        everything: all layers.
        inventory: layers to compress.
        refittable: layers whose weights may be refitted.
        evaluator: applies plans; it holds the network in float32, and the candidates.
        network: the task, to which budgets can be added.
        removes: True if pruned channels are to be removed.
        traced: the channel groups of the network, or why they cannot be found.

    Example:
        >>> def compressed(prepared: PreparedNetwork, clock: StageClock) -> Compression:
        ...     made = prepared.network.within(prepared.settings.budgets)
        ...     search = prepared.search(made, clock)
        ...     return prepared.finished(made, search, search.run(), clock)
    """

    settings: CompressionSettings
    formulation: type[CompressionFormulation]
    backend: Backend
    given: nn.Module
    interface: Interface
    loss: Loss
    calibration: Data
    test: Data | None
    measured_on: Data
    held_out: Data
    everything: Inventory
    inventory: Inventory
    refittable: Inventory
    evaluator: PlanEvaluator
    network: NetworkTask
    removes: bool
    traced: Sequence[ChannelGroup] | str

    @cached_property
    def _beside(self) -> PairedEvaluation:
        """Evaluates compressed networks; the given one runs once for all of them."""
        model = self.evaluator.model
        return PairedEvaluation(model, self.calibration, self.test, self.loss, self.settings.metric)

    @property
    def by_gradients(self) -> bool:
        """True if the network is measured by gradients."""
        return self.formulation.needs_sensitivity and self.settings.search.reward != MEASURED

    def rehearse(self, task: CompressionTask) -> None:
        """Compile a task with zero sensitivity, so that errors appear before minutes of measuring.

        Raises:
            UnsupportedProblemError: the backend cannot take the problem.
            QuboDnnError: the formulation refuses the task or its parameters.
        """
        if not self.by_gradients:
            return
        search, backend, size = self.settings.search, self.backend, task.cost.size
        zero = with_zero_sensitivity(task, search.memory)
        problem = self.formulation.from_task(zero, **search.parameters).compile()
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

    def search(
        self,
        made: BudgetedTask,
        clock: StageClock,
        measured: CompressionTask | None = None,
        start: Plan | None = None,
    ) -> Search:
        """Return the search within budgets.

        Args:
            made: the task within the budgets.
            clock: receives progress events.
            measured: the task measured within other limits of the same budgets, see `Search.measured`; None: it is
                measured when needed.
            start: a plan near which a good one is expected.
        """
        # Whether this is better for plans that mix removal and widths was not measured.
        alone = self.by_gradients and all(
            option.bits in (0, FLOAT_BITS) for option in self.evaluator.candidates.options
        )
        groups = self.traced if alone and not isinstance(self.traced, str) else []
        if measured is not None:
            measured = replace(
                made.task,
                sensitivity=measured.sensitivity,
                squared_error=measured.squared_error,
                nonlinearity=measured.nonlinearity,
            )
        return Search(
            *(made.task, self.inventory, self.evaluator, self.loss),
            *(self.formulation, self.backend, self.settings.search, clock),
            measured=measured,
            readers=removal_readers(self.evaluator, self.refittable, groups),
            start=start,
        )

    def finished(self, made: BudgetedTask, search: Search, found: SearchResult, clock: StageClock) -> Compression:
        """Remove pruned channels, prove a bound, and evaluate.

        Args:
            made: the task within the budgets.
            search: the search.
            found: its result.
            clock: receives progress events.

        Raises:
            QuboDnnError: removing or evaluating fails.
        """
        settings, evaluator = self.settings, self.evaluator
        groups = None
        if self.removes and prunes(found.applied.plan):
            if isinstance(self.traced, str):
                clock.warning(f"pruned channels stay in the network: {self.traced}")
            else:
                clock.stage("remove")
                groups = self.traced
                found = with_removable_channels(found, evaluator, groups, required=settings.limits_macs)
        if warning := found.trial.warning():
            clock.warning(warning)
        certificate = self._certificate(found, clock)
        clock.stage("measure layers")
        few = self.held_out.subset(min(len(self.held_out), _EFFECT_IMAGES), settings.search.seed)
        effects = layer_effects(
            self.inventory,
            evaluator.candidates.assemble(found.applied.plan),
            HeldOutDivergence(evaluator.model, few, self.loss),
            evaluator.candidates.activations.grids(found.applied.plan),
            progress=clock.progress,
        )
        clock.stage("evaluate")
        found = _typed(found, self.given, evaluator.judge)
        removal = None if groups is None else removal_of(found.applied.network, self.measured_on, groups)
        if removal is not None:
            warn_of_macs(removal, made.budgets, self.measured_on, clock)
        of_calibration, of_test = self._beside(as_float32(found.applied.network), clock.progress)
        return Compression(
            found=found,
            inventory=self.inventory,
            budgets=made.budgets,
            contents=made.contents,
            calls=count_calls(self.inventory, self.measured_on),
            macs=made.macs,
            groups=groups,
            removal=removal,
            effects=effects,
            predicted=self._predicted(search, found),
            couplings=search.measured().layer_couplings(found.applied.plan) if search.models_loss else None,
            resumed=tuple(search.modeller.resumed),
            predicted_costs=self._predicted_costs(found),
            interface=self.interface,
            loss=self.loss,
            metric=settings.metric,
            held_out=self.held_out,
            calibration=of_calibration,
            test=of_test,
            certificate=certificate,
            warnings=tuple(clock.warnings),
            seconds=clock.finish(),
        )

    def _predicted(self, search: Search, found: SearchResult) -> Mapping[str, float] | None:
        """Return the loss increase that the model around the given network predicts for the plan, layer by layer."""
        return search.measured().layer_increases(found.applied.plan) if search.models_loss else None

    def _predicted_costs(self, found: SearchResult) -> dict[str, float]:
        """Return the cost relative to float32 that every table of a budget predicts for the plan, where it can."""
        channels, tables = {layer.name: layer.channels for layer in self.everything.layers}, self.settings.tables
        shares = {
            name: tables[name].share_of_float(found.applied.plan, channels)
            for name in (budget.name for budget in self.settings.budgets)
            if name in tables
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
        if self.settings.certify is None:
            return enumerated(found.problem, energy)
        clock.stage("certify")
        return certify(found.problem, energy, self.settings.certify, self.settings.search.seed)


def _typed(found: SearchResult, given: nn.Module, judge: HeldOutDivergence) -> SearchResult:
    """Return the result with its network in the number types of the given one, and the divergence of that network."""
    applied = found.applied
    network = in_types_of(given, applied.network)
    if network is applied.network:
        return found
    applied = replace(applied, network=network, held_out=judge(as_float32(network)))
    return replace(found, trial=replace(found.trial, applied=applied))
