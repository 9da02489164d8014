import copy

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


@pytest.mark.parametrize(
    "module",
    [
        nn.Embedding(5, 2),
        nn.LSTM(2, 2),
        nn.Bilinear(2, 2, 2),
    ],
)
def test_other_modules_with_weights_are_left_alone(module: nn.Module) -> None:
    inventory = find_layers(nn.ModuleDict({"keep": nn.Linear(2, 2), "other": module}))
    assert [layer.name for layer in inventory.layers] == ["keep"]
    (skipped,) = inventory.left_alone
    assert (skipped.name, skipped.type) == ("other", type(module).__name__)
    assert skipped.reason == "not a Linear, Conv or ConvTranspose layer"


def test_attention_is_left_alone_whole() -> None:
    found = reasons(nn.ModuleDict({"keep": nn.Linear(4, 4), "attention": nn.MultiheadAttention(4, 2)}))
    assert found == {
        "attention": "not a Linear, Conv or ConvTranspose layer",
        "attention.out_proj": "its attention module reads the weight without calling it",
    }


def test_tied_weights_are_left_alone_on_both_sides() -> None:
    model = nn.ModuleDict({"keep": nn.Linear(4, 4), "embedding": nn.Embedding(6, 4), "head": nn.Linear(4, 6)})
    model["head"].weight = model["embedding"].weight
    assert reasons(model)["head"] == "its weight is shared with embedding.weight"
    assert "embedding" in reasons(model)


def test_a_module_under_two_names_is_left_alone() -> None:
    shared = nn.Linear(4, 4)
    assert reasons(nn.Sequential(shared, nn.Linear(4, 4), shared)) == {"0": "its weight is shared with 2.weight"}


@pytest.mark.parametrize("wrap", [parametrizations.weight_norm, parametrizations.orthogonal])
def test_parametrized_weights_are_left_alone_and_reported_once(wrap: object) -> None:
    assert callable(wrap)
    found = reasons(nn.Sequential(nn.Linear(4, 4), wrap(nn.Linear(4, 4))))
    assert list(found) == ["1"]
    assert "parametrized" in found["1"]


def test_masked_weights_are_left_alone() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    prune.random_unstructured(model[1], "weight", amount=0.5)  # type: ignore[no-untyped-call]  # torch has no types here
    assert "masked" in reasons(model)["1"]


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


def test_a_model_without_compressible_layers_is_refused() -> None:
    with pytest.raises(ModelError, match=r"no Linear, Conv or ConvTranspose layer can be compressed$"):
        find_layers(nn.ReLU())
    with pytest.raises(ModelError, match=r"0 \(Embedding\): not a Linear, Conv"):
        find_layers(nn.Sequential(nn.Embedding(3, 3)))


class TestInventory:
    def network(self) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Embedding(3, 3), nn.Linear(2, 4), nn.Linear(4, 5))

    def test_without_layers_says_why(self) -> None:
        everything = find_layers(self.network())
        kept = everything.without({"0": "skipped, as asked", "3": "not called", "never heard of": ""})
        assert [layer.name for layer in kept.layers] == ["2"]
        assert kept.weights == 8
        assert [(left.name, left.type, left.reason) for left in kept.left_alone] == [
            ("1", "Embedding", "not a Linear, Conv or ConvTranspose layer"),
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
