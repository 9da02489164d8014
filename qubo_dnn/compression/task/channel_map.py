"""Which removable channels the layers of a network make and read, as plain numbers. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from qubo_dnn.compression.task.options import Option
from qubo_dnn.errors import OptionError

if TYPE_CHECKING:
    from qubo_dnn.compression.task.task import CompressionTask, LayerShape

STAYS = -1
"""In place of the number of a channel, or of a decision: it cannot be removed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerChannels:
    """The channels of one layer; channels that can be removed are numbered throughout the network.

    Attributes:
        name: name of the layer.
        macs: multiply-accumulates for one input.
        made: [outputs] channel of every output, or `STAYS`.
        read: [inputs] channel of every input, or `STAYS`; None where every output reads its own input alone, as in
            depthwise convolutions, or where the inputs are not known and stay.

    Example:
        >>> LayerChannels(name="conv", macs=360, made=np.array([0, 1]), read=np.array([STAYS] * 3)).macs_per_pair
        60.0
    """

    name: str
    macs: int
    made: NDArray[np.intp]
    read: NDArray[np.intp] | None

    @property
    def macs_per_pair(self) -> float:
        """Multiply-accumulates of an output with an input; of an output if every output has its own input."""
        return self.macs / (len(self.made) * (1 if self.read is None else len(self.read)))


@dataclass(frozen=True, eq=False)
class ChannelMap:
    """The removable channels of a network. A channel leaves if all layers that make it prune it.

    In the example, the outputs of two layers are added up.

    Attributes:
        layers: all layers of the network.
        group_of: [channels] group of every channel; of every group, one channel stays.
        groups: names of the layers that make the channels of every group.
        obstacles: names of other layers that make channels together -> why none of these can be removed.

    Example:
        >>> first = LayerChannels(name="1", macs=6, made=np.array([0, 1]), read=np.array([STAYS]))
        >>> second = LayerChannels(name="2", macs=12, made=np.array([0, 1]), read=np.array([0, 1]))
        >>> channels = ChannelMap((first, second), group_of=np.array([0, 0]), groups=("1",))
        >>> from qubo_dnn.compression.task.task import LayerShape
        >>> shapes = [LayerShape("1", 2, 9, 1), LayerShape("2", 2, 18, 1)]
        >>> channels.tied(shapes).tolist()
        [0, 1, 0, 1]
        >>> channels.decisions(shapes, channels.tied(shapes)).tolist()
        [0, 1]
    """

    layers: tuple[LayerChannels, ...]
    group_of: NDArray[np.intp]
    groups: tuple[str, ...]
    obstacles: Mapping[str, str] = field(default_factory=dict)

    def tied(self, shapes: Sequence[LayerShape], tied: NDArray[np.intp] | None = None) -> NDArray[np.intp]:
        """Return [units] the decision of every unit if all units that make a channel share one.

        Args:
            shapes: the layers to compress.
            tied: [units] decisions that units share besides; None: there are none.
        """
        units, channels = self._made(shapes)
        count, size = sum(shape.units for shape in shapes), len(self.group_of)
        given = np.arange(count) if tied is None else tied
        ends = np.concatenate([count + channels, count + size + given])
        starts = np.concatenate([units, np.arange(count)])
        nodes = count + size + int(given.max(initial=-1)) + 1
        edges = sparse.coo_array((np.ones(len(ends), np.int8), (starts, ends)), shape=(nodes, nodes))
        component = connected_components(edges, directed=False)[1][:count]
        _, first, index = np.unique(component, return_index=True, return_inverse=True)
        return np.asarray(np.unique(first[index], return_inverse=True)[1], np.intp)

    def decisions(self, shapes: Sequence[LayerShape], units: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return [channels] the decision that removes a channel; `STAYS` if a single one does not.

        Args:
            shapes: the layers to compress; what other layers make stays.
            units: [units] decision of every unit.
        """
        makers, channels = self._made(shapes)
        low, high = np.full(len(self.group_of), len(units)), np.full(len(self.group_of), STAYS)
        np.minimum.at(low, channels, units[makers])
        np.maximum.at(high, channels, units[makers])
        compressed = {shape.name for shape in shapes}
        for layer in self.layers:
            if layer.name not in compressed:
                high[layer.made[layer.made != STAYS]] = STAYS
        return np.where(low == high, low, STAYS)

    def _made(self, shapes: Sequence[LayerShape]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return [pairs] units, and the channels that they make."""
        starts = dict(zip((shape.name for shape in shapes), np.cumsum([0, *(s.units for s in shapes)]), strict=False))
        group = {shape.name: shape.group for shape in shapes}
        units, channels = [np.zeros(0, np.intp)], [np.zeros(0, np.intp)]
        for layer in self.layers:
            if layer.name in starts:
                outputs = np.flatnonzero(layer.made != STAYS)
                units.append(starts[layer.name] + outputs // group[layer.name])
                channels.append(layer.made[outputs])
        return np.concatenate(units), np.concatenate(channels)


def keep_one_channel(task: CompressionTask, channels: ChannelMap) -> CompressionTask:
    """Return a task in which no choice prunes all channels of a group: a layer without channels does not run.

    Where all could be pruned, the one with the largest weights must stay.

    Raises:
        OptionError: a layer may take no other option than 0.

    Example:
        >>> from qubo_formulations.example_task import example_task
        >>> task = example_task(seed=1)  # layers of 3 and 2 channels
        >>> layers = (LayerChannels(name="first", macs=1, made=np.arange(3), read=None),)
        >>> kept = keep_one_channel(task, ChannelMap(layers, group_of=np.zeros(3, int), groups=("first",)))
        >>> int(kept.choices[:, 0].sum())
        4
    """
    pruned = task.options.index(Option(0))
    decisions, allowed = channels.decisions(task.layers, task.units), task.choices.copy()
    for group, name in enumerate(channels.groups):
        removed = np.unique(decisions[channels.group_of == group])
        if removed[0] == STAYS or not allowed[removed, pruned].all():
            continue
        largest = removed[np.argmax(task.mean_magnitude[removed])]
        allowed[largest, pruned] = False
        if not allowed[largest].any():
            raise OptionError(f"{name} may take no other option than 0, and one channel must stay")
    return replace(task, allowed=None if allowed.all() else allowed)
