"""The channels of a network that can be removed one by one, and networks without some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
from qubo_dnn.compression.network.layers import Inventory, find_layers
from qubo_dnn.compression.network.macs import count_macs
from qubo_dnn.compression.quantization.candidates import Candidates, make_candidates
from qubo_dnn.compression.removal.channel_groups import ChannelGroup, Use, find_channel_groups
from qubo_dnn.compression.removal.readers import find_readers
from qubo_dnn.compression.rewriting.held_out import HeldOutDivergence
from qubo_dnn.compression.rewriting.reconstruction import Reconstruction
from qubo_dnn.compression.search.plan_evaluator import AppliedPlan, PlanEvaluator
from qubo_dnn.compression.search.task_builder import layer_changes
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges
from qubo_dnn.compression.task.cost_tables import CostTable
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.compression.task.plan import LayerPlan, Plan

OPTIONS = bit_widths(0, 32)

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Channels:
    """Channels that one layer makes and one other layer reads.

    Attributes:
        model: the network.
        measured_on: images that methods measure on, and that repairs use.
        judged_on: further images, on which repairs are judged.
        seed: of every random choice.
    """

    model: nn.Module
    measured_on: Data
    judged_on: Data
    seed: int

    @classmethod
    def of(cls, model: nn.Module, calibration: Data, size: int, held_out: float, seed: int) -> Channels:
        """Draw `size` images, and split them as `compress` does."""
        drawn = calibration.subset(size, seed)
        return cls(model, *drawn.split(size - max(1, round(held_out * size)), seed), seed)

    @cached_property
    def every_layer(self) -> Inventory:
        """All layers of the network."""
        return find_layers(self.model)

    @cached_property
    def groups(self) -> list[ChannelGroup]:
        """The groups of the channels."""
        found = find_channel_groups(self.model, next(self.measured_on.batches(2))[0])
        measured = {layer.name for layer in self.every_layer.layers if layer.by_calls}
        names = [name for name, uses in find_readers(self.model, found, measured).items() if len(uses) == 1]
        return [group for group in found if group.name in names]

    @cached_property
    def readers(self) -> dict[str, list[Use]]:
        """Name of a layer that makes channels -> where they are read."""
        return {group.name: [use for use in group.uses if use.reads] for group in self.groups}

    @cached_property
    def inventory(self) -> Inventory:
        """The layers that make the channels."""
        names = {group.name for group in self.groups}
        others = {layer.name: "no channel can be removed" for layer in self.every_layer.layers}
        return self.every_layer.without({name: why for name, why in others.items() if name not in names})

    @cached_property
    def macs(self) -> dict[str, int]:
        """Multiply-accumulates of all layers."""
        return count_macs(self.every_layer, self.measured_on)

    @cached_property
    def saved(self) -> NDArray[np.float64]:
        """[channels] share of the multiply-accumulates of the network that leave with a channel, if no other leaves."""
        total = sum(self.macs.values())
        each = [
            sum(self.macs[name] for name in (group.name, *(use.name for use in self.readers[group.name])))
            / (group.channels * total)
            for group in self.groups
        ]
        return np.repeat(each, [group.channels for group in self.groups])

    @cached_property
    def block(self) -> NDArray[np.intp]:
        """[channels] the group of every channel."""
        return np.repeat(np.arange(len(self.groups)), [group.channels for group in self.groups])

    @cached_property
    def candidates(self) -> Candidates:
        """The weights with and without every channel."""
        return make_candidates(self.inventory, OPTIONS)

    def changes(self) -> list[LayerChanges]:
        """What removal changes in the weights that make the channels."""
        return layer_changes(self.inventory, "channel", self.candidates)

    def table(self) -> tuple[CostTable, float]:
        """A table of multiply-accumulates that leave with single channels, and what is left without any, as a share.

        Their sum is exact where no layer both makes and reads channels that can leave; elsewhere it counts the pairs of
        an output and an input twice that leave together.
        """
        costs = {
            (group.name, option): float(self.saved[self.block == place].sum() * (option.bits > 0))
            for place, group in enumerate(self.groups)
            for option in OPTIONS
        }
        return CostTable("macs", costs), 1.0 - float(self.saved.sum())

    def share(self, removed: Flags) -> float:
        """Share of the multiply-accumulates of the network that stay: in a layer, outputs kept times inputs kept."""
        stays = np.bincount(self.block[~removed], minlength=len(self.groups)) / np.bincount(self.block)
        macs: dict[str, float] = dict(self.macs)
        for group, share in zip(self.groups, stays.tolist(), strict=True):
            for name in (group.name, *(use.name for use in self.readers[group.name])):
                macs[name] *= share
        return sum(macs.values()) / sum(self.macs.values())

    def kept(self, removed: Flags) -> tuple[int, ...]:
        """Channels that stay in every group."""
        return tuple(np.bincount(self.block[~removed], minlength=len(self.groups)).tolist())

    def cheapest(self, order: Sequence[int] | NDArray[np.intp], share: float) -> Flags:
        """Remove channels in an order until at most a share of the multiply-accumulates stays.

        Those that need not leave in the end come back, the last one first.
        """
        removed = np.zeros(len(self.saved), bool)
        for channel in order:
            if self.share(removed) <= share:
                break
            # One channel of every group stays.
            removed[channel] = (self.block[~removed] == self.block[channel]).sum() > 1
        for channel in reversed(list(order)):
            if removed[channel]:
                removed[channel] = False
                removed[channel] = self.share(removed) > share
        return removed

    def plan(self, removed: Flags) -> Plan:
        """The plan that removes some channels."""
        return Plan(
            {
                group.name: LayerPlan(1, tuple(OPTIONS[int(not gone)] for gone in removed[self.block == place]))
                for place, group in enumerate(self.groups)
            }
        )

    def removed(self, plan: Plan) -> Flags:
        """The channels that a plan removes."""
        return np.array([not option.bits for group in self.groups for option in plan.layers[group.name].options])

    @cached_property
    def evaluator(self) -> PlanEvaluator:
        """Applies plans, with the same repairs for all."""
        judge = HeldOutDivergence(self.model, self.judged_on, CROSS_ENTROPY)
        refit = Reconstruction(self.every_layer, self.measured_on, seed=self.seed)
        return PlanEvaluator(self.model, self.candidates, self.measured_on, judge, "auto", refit)

    def without(self, removed: Flags) -> AppliedPlan:
        """The network without some channels, refitted and repaired."""
        quick = self.evaluator.quicker(len(self.measured_on), self.seed)
        return quick.silenced(self.plan(removed), self.groups)
