"""Decisions of channels that several layers make, and their multiply-accumulates."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from qubo_dnn.compression.task.budgets import parse_budget
from qubo_dnn.compression.task.channel_map import STAYS, ChannelMap, LayerChannels, keep_one_channel
from qubo_dnn.compression.task.macs_budget import macs_budget
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.compression.task.task import CompressionTask, LayerShape
from qubo_dnn.errors import OptionError

# The stem and the end of a block are added up; the block reads the stem, and so does the head, at two positions each.
STREAM, INNER = np.arange(4), np.arange(4, 7)
LAYERS = (
    LayerChannels(name="stem", macs=400, made=STREAM, read=np.full(1, STAYS)),
    LayerChannels(name="in", macs=1200, made=INNER, read=STREAM),
    LayerChannels(name="deep", macs=30, made=INNER, read=None),
    LayerChannels(name="out", macs=1200, made=STREAM, read=INNER),
    LayerChannels(name="head", macs=16, made=np.full(2, STAYS), read=np.repeat(STREAM, 2)),
)
CHANNELS = ChannelMap(LAYERS, group_of=np.repeat([0, 1], [4, 3]), groups=("stem, out", "in, deep"))


def shapes(group: int = 1) -> tuple[LayerShape, ...]:
    return tuple(LayerShape(layer.name, len(layer.made), 9, min(group, len(layer.made))) for layer in LAYERS)


def made(layers: tuple[LayerShape, ...], tied: bool = True) -> CompressionTask:
    units = CHANNELS.tied(layers) if tied else np.arange(sum(layer.units for layer in layers))
    count = int(units.max()) + 1
    return CompressionTask(
        layers=layers,
        options=bit_widths(0, 4, 8),
        cost=np.ones((count, 3), np.int64),
        overhead=0,
        limit=np.inf,
        mean_magnitude=np.arange(count, 0.0, -1.0),
        squared_error=np.ones((count, 3)),
        sensitivity=None,
        tied=units,
    )


def test_units_that_make_a_channel_share_a_decision() -> None:
    tied = CHANNELS.tied(shapes())
    assert tied.tolist() == [0, 1, 2, 3, 4, 5, 6, 4, 5, 6, 0, 1, 2, 3, 7, 8]
    assert CHANNELS.decisions(shapes(), tied).tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_ties_of_the_user_are_kept_besides() -> None:
    alone = np.arange(16)
    alone[15] = 14
    alone[4] = 0  # the first channel inside the block, and the first one of the stem
    tied = CHANNELS.tied(shapes(), alone)
    assert tied.tolist() == [0, 1, 2, 3, 0, 4, 5, 0, 4, 5, 0, 1, 2, 3, 6, 6]


def test_groups_of_channels_are_removed_as_a_whole() -> None:
    layers = shapes(group=2)
    tied = CHANNELS.tied(layers)
    assert tied.tolist() == [0, 1, 2, 3, 2, 3, 0, 1, 4]
    task = keep_one_channel(made(layers), CHANNELS)
    assert task.choices[:, 0].tolist() == [False, True, False, True, True]
    budget = macs_budget(parse_budget("50%macs"), task, CHANNELS)
    # Two channels of the stream, and the single channel of the second unit inside.
    assert budget.used(np.array([1, 0, 1, 0, 1])) == 400 / 2 + 1200 / 2 * 2 / 3 + 30 * 2 / 3 + 1200 / 2 * 2 / 3 + 16 / 2


def test_what_several_decisions_make_stays() -> None:
    untied = np.arange(16)
    assert CHANNELS.decisions(shapes(), untied).tolist() == [STAYS] * 7
    with pytest.raises(OptionError, match=r"60%macs': no channel can be removed \(every channel is made by several"):
        macs_budget(parse_budget("60%macs"), made(shapes(), tied=False), CHANNELS)


def test_what_layers_that_are_not_compressed_make_stays() -> None:
    layers = tuple(shape for shape in shapes() if shape.name != "stem")
    tied = CHANNELS.tied(layers)
    assert CHANNELS.decisions(layers, tied).tolist() == [STAYS] * 4 + [0, 1, 2]


def test_costs_are_those_of_all_layers_by_hand() -> None:
    task = keep_one_channel(made(shapes()), CHANNELS)
    budget = macs_budget(parse_budget("1kmacs"), task, CHANNELS)
    assert (budget.limit, budget.words(budget.limit)) == (1000.0, "1,000 multiply-accumulates")
    rng = np.random.default_rng(1)
    for choice in rng.integers(0, 3, (50, 9)):
        stream, inner = 4 - int((choice[:4] == 0).sum()), 3 - int((choice[4:7] == 0).sum())
        # One channel of each must stay, and counts.
        stream, inner = stream + int(choice[0] == 0), inner + int(choice[4] == 0)
        expected = 100 * stream + 100 * stream * inner + 10 * inner + 100 * inner * stream + 4 * stream
        assert budget.used(choice) == expected
    budget.check_reachable(task.choices)
    reachable = [budget.used(np.array([1, *rest, 1, 1])) for rest in product((0, 1), repeat=6)]
    assert min(reachable) == 100 + 100 + 10 + 100 + 4


def test_one_channel_stays_of_every_group() -> None:
    task = keep_one_channel(made(shapes()), CHANNELS)
    assert np.flatnonzero(~task.choices[:, 0]).tolist() == [0, 4]  # those of the largest weights
    some = np.ones((9, 3), bool)
    some[5, 0] = False
    limited = keep_one_channel(replace(made(shapes()), allowed=some), CHANNELS)
    assert np.flatnonzero(~limited.choices[:, 0]).tolist() == [0, 5]


def test_a_layer_that_can_only_be_pruned_is_refused() -> None:
    nothing = np.ones((9, 3), bool)
    nothing[:4, 1:] = False
    with pytest.raises(OptionError, match="stem, out may take no other option than 0, and one channel must stay"):
        keep_one_channel(replace(made(shapes()), allowed=nothing), CHANNELS)


def test_pruning_must_be_an_option() -> None:
    task = replace(made(shapes()), options=bit_widths(2, 4, 8))
    with pytest.raises(
        OptionError, match="60%macs': multiply-accumulates leave with pruned channels; give the option 0"
    ):
        macs_budget(parse_budget("60%macs"), task, CHANNELS)
