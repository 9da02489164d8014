"""The file of any network, at any plan, takes what its budget counted: within a few bytes of the header."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.quantization.activation_grid import ActivationGrid, set_activation_grids_
from qubo_dnn.compression.rewriting.apply_plan import apply_plan_
from qubo_dnn.compression.rewriting.compressed_file import compressed_bytes
from qubo_dnn.compression.rewriting.stored_entries import file_contents, reference_bytes
from qubo_dnn.compression.search.task_builder import layer_shape
from qubo_dnn.compression.task.budget_costs import task_budget
from qubo_dnn.compression.task.budgets import parse_budget
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.compression.task.plan import LayerPlan, Plan
from tests.drawn import drawn

pytestmark = pytest.mark.slow

OPTIONS = bit_widths(*range(9))


@st.composite
def networks(draw: st.DrawFn) -> nn.Module:
    """Up to four layers with norms, embeddings and a recurrent layer among them, some of them shared."""
    torch.manual_seed(draw(st.integers(0, 1000)))
    modules: list[nn.Module] = [nn.Linear(draw(st.integers(1, 9)), draw(st.integers(1, 9)))]
    for _ in range(draw(st.integers(0, 3))):
        groups, size = draw(st.integers(1, 2)), draw(st.integers(1, 3))
        makers: list[Callable[[], nn.Module]] = [
            partial(nn.Conv2d, 2 * groups, 4 * groups, size, stride=2, groups=groups, bias=size > 1),
            partial(nn.ConvTranspose1d, 2 * groups, 4 * groups, size, groups=groups),
            partial(nn.BatchNorm2d, size),
            partial(nn.Embedding, 7, size),
            partial(nn.GRU, 3, size),
        ]
        modules.append(draw(st.sampled_from(makers))())
    network = nn.Module()
    for index, module in enumerate(modules):
        network.add_module(f"part{index}", module)
    if len(modules) > 1 and draw(st.booleans()):
        network.add_module("again", modules[-1])
    return network


@settings(max_examples=drawn(40), deadline=None, derandomize=True)
@given(networks(), st.sampled_from(["layer", "channel", "group:3"]), st.integers(0, 2**32 - 1))
def test_a_file_takes_what_its_budget_counted(network: nn.Module, granularity: str, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    inventory = find_layers(network)
    layers, shapes, choice = {}, [], []
    for layer in inventory.layers:
        group = layer.group(granularity)
        shapes.append(layer_shape(layer, group))
        drawn_options = torch.randint(len(OPTIONS), (shapes[-1].units,), generator=generator).tolist()
        layers[layer.name] = LayerPlan(group, tuple(OPTIONS[k] for k in drawn_options))
        choice += drawn_options
    plan = Plan(layers)
    rewritten = copy.deepcopy(network)
    codes = apply_plan_(rewritten, plan)
    quantizable = [layer.name for layer in inventory.layers if layer.key.endswith("weight") and not layer.is_table]
    set_activation_grids_(rewritten, _grids(quantizable, generator))
    content = compressed_bytes(rewritten, plan, codes)

    contents = file_contents(inventory, granularity, activations=quantizable)
    header = 8 + int.from_bytes(content[:8], "little")
    # Offsets of the largest file have more digits, and headers end at a multiple of 8; so have scales of activations.
    longer = sum(len(name) + len(',\\"\\":[8,-1.2345678901234567e-38,255]') for name in quantizable) + 24
    assert header <= contents.header_bytes <= header + 8 * (2 + len(network.state_dict())) + longer
    assert contents.numbers == sum(value.numel() for value in _distinct(network))
    assert contents.reference_bytes == reference_bytes(network)
    counted = {
        text: task_budget(parse_budget(text), shapes, OPTIONS, contents=contents) for text in ("1B", "1bits", "1%")
    }
    size, bits, share = (budget.amount(budget.used(torch.tensor(choice).numpy())) for budget in counted.values())
    # Padding to whole bytes is counted in full for every layer.
    assert len(content) <= size <= len(content) + contents.header_bytes - header + len(shapes)
    assert 8 * (len(content) - header) <= bits * contents.numbers <= 8 * (len(content) - header + len(shapes))
    assert abs(share * contents.reference_bytes - size) < 1e-6


def _grids(names: list[str], generator: torch.Generator) -> dict[str, ActivationGrid]:
    """Grids for about half of the layers, with scales of all magnitudes."""
    grids = {}
    for name in names:
        if torch.rand(1, generator=generator) < 0.5:
            low, high = (
                torch.rand(2, generator=generator) * 10.0 ** torch.randint(-30, 30, (1,), generator=generator)
            ).tolist()
            grids[name] = ActivationGrid.over(-low, high, int(torch.randint(2, 9, (1,), generator=generator)))
    return grids


def _distinct(network: nn.Module) -> list[torch.Tensor]:
    return list({value.data_ptr(): value for value in network.state_dict().values()}.values())
