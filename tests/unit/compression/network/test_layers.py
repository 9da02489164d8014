import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.errors import ModelError


def reasons(model: nn.Module) -> dict[str, str]:
    return {skipped.name: skipped.reason for skipped in find_layers(model).left_alone}


def test_layers_are_listed_in_module_order_with_their_sizes() -> None:
    model = nn.Sequential(
        nn.Conv2d(4, 8, 3, groups=2, dilation=2),
        nn.BatchNorm2d(8),
        nn.Sequential(nn.Conv2d(8, 8, 3, groups=8), nn.LayerNorm((8, 5, 5)), nn.PReLU(8)),
        nn.Conv1d(8, 6, 5, bias=False),
        nn.Linear(6, 3),
    )
    inventory = find_layers(model)
    sizes = [(layer.name, layer.channels, layer.weights_per_channel) for layer in inventory.layers]
    assert sizes == [("0", 8, 18), ("2.0", 8, 9), ("3", 6, 40), ("4", 3, 6)]
    assert inventory.weights == 8 * 18 + 8 * 9 + 6 * 40 + 3 * 6
    assert inventory.left_alone == ()
    state = model.state_dict(keep_vars=True)
    assert all(state[layer.key] is layer.weight for layer in inventory.layers)


def test_output_channels_of_transposed_convolutions_are_counted_through_their_groups() -> None:
    model = nn.Sequential(
        nn.ConvTranspose1d(6, 4, 5), nn.ConvTranspose2d(6, 8, 3, groups=2), nn.ConvTranspose3d(3, 3, 2, groups=3)
    )
    sizes = [(layer.channels, layer.weights_per_channel) for layer in find_layers(model).layers]
    assert sizes == [(4, 30), (8, 27), (3, 8)]


def test_rows_of_a_transposed_convolution_are_what_its_output_channels_read() -> None:
    module = nn.ConvTranspose2d(6, 4, (3, 2), groups=2, bias=False)
    (layer,) = find_layers(module).layers
    channel = layer.rows(torch.arange(module.weight.numel()).reshape(module.weight.shape))[3]
    with torch.no_grad():
        module.weight.view(-1)[channel] = 0.0
        output = module(torch.randn(1, 6, 5, 5))
    assert [bool(output[0, o].any()) for o in range(4)] == [True, True, True, False]


def test_a_bare_layer_is_a_model() -> None:
    (layer,) = find_layers(nn.Linear(3, 2)).layers
    assert (layer.name, layer.key) == ("", "weight")


def sizes(model: nn.Module) -> dict[str, tuple[int, int, bool]]:
    """Channels, weights per channel, and whether calls may measure them."""
    return {
        layer.name: (layer.channels, layer.weights_per_channel, layer.by_calls) for layer in find_layers(model).layers
    }


def test_tables_are_one_unit_whatever_the_granularity() -> None:
    assert sizes(nn.Embedding(5, 2)) == {"": (5, 2, True)}
    assert sizes(nn.EmbeddingBag(5, 2)) == {"": (5, 2, False)}
    (layer,) = find_layers(nn.Embedding(5, 2)).layers
    assert [layer.group(granularity) for granularity in ("channel", "group:2", "layer")] == [5, 5, 5]
    assert reasons(nn.ModuleList([nn.Linear(2, 2), nn.Embedding(5, 2, max_norm=1.0)])).keys() == {"1"}


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_units_of_recurrent_layers_lie_within_a_gate(kind: Callable[..., nn.RNNBase], gates: int) -> None:
    model = kind(3, 6, bidirectional=True)
    assert sizes(model) == {
        f"weight_{what}_l0{way}": (6 * gates, count, False)
        for way in ("", "_reverse")
        for what, count in (("ih", 3), ("hh", 6))
    }
    layer = find_layers(model).layers[0]
    # Four does not divide the six channels of a gate.
    expected = [1, 4 if gates == 1 else 3, 6]
    assert [layer.group(granularity) for granularity in ("channel", "group:4", "layer")] == expected


def test_attention_has_a_joint_projection_of_three_parts() -> None:
    found = sizes(nn.MultiheadAttention(4, 2, add_bias_kv=True))
    assert found == {"in_proj_weight": (12, 4, False), "out_proj": (4, 4, False)}
    assert find_layers(nn.MultiheadAttention(4, 2)).layers[0].group("layer") == 4
    assert list(sizes(nn.MultiheadAttention(4, 2, kdim=3, vdim=5))) == [
        "q_proj_weight",
        "k_proj_weight",
        "v_proj_weight",
        "out_proj",
    ]


def test_a_tied_weight_is_one_layer_with_all_its_modules() -> None:
    model = nn.ModuleDict({"embedding": nn.Embedding(6, 4), "head": nn.Linear(4, 6), "other": nn.Linear(4, 6)})
    model["head"].weight = model["embedding"].weight
    assert sizes(model) == {"embedding": (6, 4, True), "other": (6, 4, True)}
    assert find_layers(model).layers[0].modules == (model["embedding"], model["head"])
    model["embedding"].weight = model["other"].weight = nn.Parameter(torch.zeros(6, 4))
    assert sizes(model) == {"embedding": (6, 4, True), "head": (6, 4, True)}


def test_a_weight_of_modules_of_different_kinds_is_not_measured_by_calls() -> None:
    model = nn.ModuleList([nn.Conv1d(4, 6, 3), nn.ConvTranspose1d(6, 4, 3)])
    model[1].weight = model[0].weight
    assert sizes(model) == {"0": (6, 12, False)}


def test_a_module_under_two_names_is_one_layer() -> None:
    shared = nn.Linear(4, 4)
    assert list(sizes(nn.Sequential(shared, nn.Linear(4, 4), shared))) == ["0", "1"]


@pytest.mark.parametrize("wrap", [parametrizations.spectral_norm, parametrizations.orthogonal])
def test_what_a_weight_is_computed_from_is_a_layer(wrap: object) -> None:
    assert callable(wrap)
    found = sizes(nn.Sequential(nn.Linear(4, 4), wrap(nn.Linear(4, 4))))
    assert found == {"0": (4, 4, True), "1.parametrizations.weight.original": (4, 4, False)}


def test_weights_under_a_mask_are_a_layer() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    prune.random_unstructured(model[1], "weight", amount=0.5)  # type: ignore[no-untyped-call]  # torch has no types here
    assert sizes(model) == {"0": (4, 4, True), "1.weight_orig": (4, 4, False)}


def test_parameters_without_a_module_of_torch() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.matrix, self.scale = nn.Parameter(torch.ones(3, 4)), nn.Parameter(torch.ones(4, 1, 1))
            self.positions = nn.Parameter(torch.ones(1, 5, 4))

    model = nn.Sequential(Own())
    assert sizes(model) == {"0.matrix": (3, 4, False)}
    assert reasons(model) == {"0.positions": "its first axis has length 1, so that it has no rows"}


def test_weights_that_are_not_floating_point_lazy_on_meta_or_empty_are_left_alone() -> None:
    integer = nn.Linear(4, 4)
    integer.weight = nn.Parameter(torch.ones(4, 4, dtype=torch.int8), requires_grad=False)
    model = nn.Sequential(nn.Linear(4, 4), integer, nn.LazyLinear(4), nn.Linear(4, 4, device="meta"), nn.Linear(4, 4))
    model[4].weight = nn.Parameter(torch.zeros(4, 0))
    found = reasons(model)
    assert found["1"] == "its weight is int8"
    assert "run one batch first" in found["2"]
    assert "meta device" in found["3"]
    assert found["4"] == "its weight is empty"


def test_a_model_without_weights_is_refused() -> None:
    with pytest.raises(ModelError, match=r"no weight can be compressed$"):
        find_layers(nn.ReLU())
    with pytest.raises(ModelError, match=r"no weight can be compressed: 0 \(Embedding\): its rows are changed"):
        find_layers(nn.Sequential(nn.Embedding(3, 3, max_norm=1.0)))


class TestInventory:
    def network(self) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Embedding(3, 3, max_norm=1.0), nn.Linear(2, 4), nn.Linear(4, 5))

    def test_without_layers_says_why(self) -> None:
        everything = find_layers(self.network())
        kept = everything.without({"0": "skipped, as asked", "3": "not called", "never heard of": ""})
        assert [layer.name for layer in kept.layers] == ["2"]
        assert kept.weights == 8
        assert [(left.name, left.type, left.reason) for left in kept.left_alone] == [
            ("1", "Embedding", "its rows are changed whenever they are read (max_norm)"),
            ("0", "Conv2d", "skipped, as asked"),
            ("3", "Linear", "not called"),
        ]
        assert len(everything.layers) == 3
        assert everything.without({}).layers == everything.layers

    def test_without_all_layers_is_refused_and_names_three(self) -> None:
        model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(5)))
        everything = find_layers(model)
        with pytest.raises(ModelError, match=r"can be compressed: 0 \(Linear\): unused; 1 .*; 2 .*; and 2 more$"):
            everything.without({layer.name: "unused" for layer in everything.layers})

    def test_of_a_copy_has_the_same_layers_with_the_weights_of_the_copy(self) -> None:
        model = self.network()
        inventory = find_layers(model).without({"3": "skipped"})
        copied = copy.deepcopy(model)
        found = inventory.of(copied)
        assert found.model is copied
        assert found.left_alone == inventory.left_alone
        assert [layer.name for layer in found.layers] == ["0", "2"]
        for layer in found.layers:
            assert layer.module is copied.get_submodule(layer.name)
            assert layer.weight is copied.get_parameter(f"{layer.name}.weight")

    def test_of_a_copy_of_a_bare_layer(self) -> None:
        copied = nn.Linear(3, 2)
        (layer,) = find_layers(nn.Linear(3, 2)).of(copied).layers
        assert layer.module is copied
        assert layer.weight is copied.weight
