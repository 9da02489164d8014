import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.quantization.activation_grid import ActivationGrid, activation_grids, set_activation_grids_
from qubo_dnn.compression.quantization.quantize import Quantized
from qubo_dnn.compression.rewriting.apply_plan import apply_plan_, bits_per_weight
from qubo_dnn.compression.rewriting.compressed_file import load_compressed_, save_compressed
from qubo_dnn.compression.task.granularity import group_size
from qubo_dnn.compression.task.options import bit_widths, parse_options
from qubo_dnn.compression.task.plan import LayerPlan, Plan
from qubo_dnn.errors import FileFormatError, ModelError


class Residual(nn.Module):
    """Grouped, depthwise and dilated convolutions, BatchNorm, and a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.grouped = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=2)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.bn2 = nn.BatchNorm2d(8)
        self.pointwise = nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.stem(x)))
        x = x + self.pointwise(torch.relu(self.bn2(self.depthwise(self.grouped(x)))))
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


def sequence() -> nn.Module:
    return nn.Sequential(nn.Conv1d(3, 6, 5), nn.ReLU(), nn.Conv1d(6, 6, 3, groups=3), nn.Flatten(), nn.Linear(60, 4))


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 20), nn.ReLU(), nn.Linear(20, 3))


class Tied(nn.Module):
    """An embedding whose weight is the output layer's too."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.body = nn.Linear(4, 4)
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(self.embedding(x)))
        return logits


def decoder() -> nn.Module:
    return nn.Sequential(nn.ConvTranspose2d(6, 4, 3, stride=2, groups=2), nn.ReLU(), nn.ConvTranspose2d(4, 3, 2))


def network(factory: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Random weights and, where there is BatchNorm, statistics that are not the initial ones."""
    torch.manual_seed(seed)
    model = factory().eval()
    for buffer in model.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return model


def mixed_plan(model: nn.Module, granularity: str) -> Plan:
    """Every width from 0 to 8, every third one of them masked, in turn over all units of the network."""
    layers, turn, turns = {}, 3, parse_options("0,1,2,3@50%,4,5,6@20%,7,8")
    for layer in find_layers(model).layers:
        group = group_size(granularity, layer.channels)
        units = -(-layer.channels // group)
        layers[layer.name] = LayerPlan(group, tuple(turns[(turn + unit) % 9] for unit in range(units)))
        turn += units
    return Plan(layers)


def compressed(
    factory: Callable[[], nn.Module], granularity: str = "channel"
) -> tuple[nn.Module, Plan, dict[str, Quantized]]:
    model = network(factory, seed=0)
    plan = mixed_plan(model, granularity)
    return model, plan, apply_plan_(model, plan)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "net.safetensors"
    save_compressed(path, *compressed(Residual))
    return path


@pytest.mark.parametrize("granularity", ["layer", "channel", "group:3"])
@pytest.mark.parametrize(
    ("factory", "inputs"),
    [
        (Residual, torch.linspace(-2, 2, 2 * 3 * 8 * 8).reshape(2, 3, 8, 8)),
        (sequence, torch.linspace(-2, 2, 2 * 3 * 16).reshape(2, 3, 16)),
        (decoder, torch.linspace(-2, 2, 2 * 6 * 4 * 4).reshape(2, 6, 4, 4)),
        (mlp, torch.linspace(-2, 2, 2 * 48).reshape(2, 48)),
        (Tied, torch.arange(7)),
    ],
)
def test_the_network_loaded_gives_the_same_logits_bit_for_bit(
    factory: Callable[[], nn.Module], inputs: Tensor, granularity: str, tmp_path: Path
) -> None:
    model, plan, quantized = compressed(factory, granularity)
    save_compressed(tmp_path / "model.safetensors", model, plan, quantized)
    fresh = network(factory, seed=1)
    assert not torch.equal(fresh(inputs), model(inputs))
    load_compressed_(fresh, tmp_path / "model.safetensors")
    assert torch.equal(fresh(inputs), model(inputs))
    of_folder = network(factory, seed=1)
    load_compressed_(of_folder, tmp_path)
    assert torch.equal(of_folder(inputs), model(inputs))
    for key, value in model.state_dict().items():
        assert torch.equal(fresh.state_dict()[key], value), key


GRIDS = {
    "stem": ActivationGrid.over(-2.0, 2.0, 8),
    "pointwise": ActivationGrid.over(0.0, 0.7, 3),
    "head": ActivationGrid.over(0.0, 1 / 3, 5),
}


@pytest.fixture
def saved_with_grids(tmp_path: Path) -> Path:
    path = tmp_path / "grids.safetensors"
    model, plan, quantized = compressed(Residual)
    set_activation_grids_(model, GRIDS)
    save_compressed(path, model, plan, quantized)
    return path


def test_grids_of_activations_are_loaded_and_outputs_are_the_same_bit_for_bit(saved_with_grids: Path) -> None:
    model, _, _ = compressed(Residual)
    images = torch.linspace(-2, 2, 2 * 3 * 8 * 8).reshape(2, 3, 8, 8)
    unrounded = model(images)
    set_activation_grids_(model, GRIDS)
    fresh = network(Residual, seed=1)
    # The file says which activations are quantized, whatever the model had.
    set_activation_grids_(fresh, {"depthwise": ActivationGrid(2, 1.0, 0)})
    load_compressed_(fresh, saved_with_grids)
    assert activation_grids(fresh) == GRIDS
    assert torch.equal(fresh(images), model(images))
    assert not torch.equal(fresh(images), unrounded)


def test_a_file_without_grids_removes_those_of_the_model(saved: Path) -> None:
    fresh = network(Residual, seed=1)
    set_activation_grids_(fresh, GRIDS)
    load_compressed_(fresh, saved)
    assert activation_grids(fresh) == {}


def test_the_version_tells_whether_there_are_grids(saved: Path, saved_with_grids: Path) -> None:
    headers = []
    for path in (saved, saved_with_grids):
        with safe_open(path, framework="pt") as file:
            headers.append(json.loads(file.metadata()["qubo-dnn"]))
    assert (headers[0]["version"], headers[1]["version"]) == (2, 3)
    assert headers[0].keys() == {"version", "layers", "tied"}
    assert headers[1]["activations"]["pointwise"] == [3, GRIDS["pointwise"].scale, 0]
    assert {key: headers[1][key] for key in ("layers", "tied")} == {key: headers[0][key] for key in ("layers", "tied")}


def test_modules_that_share_a_weight_share_the_grid_of_the_file(tmp_path: Path) -> None:
    def shared() -> nn.Module:
        made = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
        made[2].weight = made[0].weight
        return made

    model, plan, quantized = compressed(shared)
    set_activation_grids_(model, {"0": ActivationGrid.over(-1.0, 1.0, 4)})
    save_compressed(tmp_path / "net.safetensors", model, plan, quantized)
    fresh = network(shared, seed=1)
    load_compressed_(fresh, tmp_path / "net.safetensors")
    inputs = torch.linspace(-2, 2, 20).reshape(5, 4)
    assert torch.equal(fresh(inputs), model(inputs))


def test_the_file_holds_bytes_for_planned_weights_and_the_rest_as_it_is(saved: Path) -> None:
    model, plan, _ = compressed(Residual)
    stored, planned = load_file(saved), {f"{name}.weight" for name in plan.layers}
    assert stored.keys() == model.state_dict().keys()
    for key, value in model.state_dict().items():
        if key not in planned:
            assert torch.equal(stored[key], value), key
            assert stored[key].dtype == value.dtype
    payload = sum(stored[key].nbytes for key in planned)
    assert all(stored[key].dtype == torch.uint8 for key in planned)
    assert payload * 8 == pytest.approx(bits_per_weight(model, plan) * find_layers(model).weights)


def test_tied_tensors_are_stored_once(tmp_path: Path) -> None:
    save_compressed(tmp_path / "net.safetensors", *compressed(Tied))
    assert len({"embedding.weight", "head.weight"} & load_file(tmp_path / "net.safetensors").keys()) == 1


def test_layers_that_are_not_planned_stay_float32(tmp_path: Path) -> None:
    model = network(Residual, seed=0)
    plan = Plan({"stem": LayerPlan(8, bit_widths(2))})
    save_compressed(tmp_path / "net.safetensors", model, plan, apply_plan_(model, plan))
    fresh = network(Residual, seed=1)
    load_compressed_(fresh, tmp_path / "net.safetensors")
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in fresh.state_dict().items())


def test_half_precision_networks_are_restored_bit_for_bit(tmp_path: Path) -> None:
    model = network(mlp, seed=0).to(torch.bfloat16)
    plan = mixed_plan(model, "channel")
    save_compressed(tmp_path / "net.safetensors", model, plan, apply_plan_(model, plan))
    fresh = network(mlp, seed=1).to(torch.bfloat16)
    load_compressed_(fresh, tmp_path / "net.safetensors")
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in fresh.state_dict().items())


def test_saving_replaces_a_file_and_leaves_nothing_else_behind(saved: Path) -> None:
    before = saved.read_bytes()
    saved.write_bytes(b"old")
    save_compressed(saved, *compressed(Residual))
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_a_failed_write_keeps_the_old_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError("no space left on device")

    before = saved.read_bytes()
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space left"):
        save_compressed(saved, *compressed(Residual))
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_saving_refuses_what_does_not_belong_together(tmp_path: Path) -> None:
    model, plan, quantized = compressed(Residual)
    path = tmp_path / "net.safetensors"
    other = Plan({**plan.layers, "head": LayerPlan(1, bit_widths(7, 7, 7, 7, 7))})
    with pytest.raises(ModelError, match="'head' was not quantized by this plan"):
        save_compressed(path, model, other, quantized)
    with pytest.raises(ModelError, match="'stem' was not quantized by this plan"):
        save_compressed(path, model, plan, {})
    with pytest.raises(ModelError, match=r"weights of the layer '\w+' were changed after the plan was applied"):
        save_compressed(path, network(Residual, seed=0), plan, quantized)
    assert not path.exists()


class WithExtraState(nn.Linear):
    def get_extra_state(self) -> str:
        return "settings"

    def set_extra_state(self, state: object) -> None:
        raise NotImplementedError


def test_state_that_is_not_a_tensor_is_refused(tmp_path: Path) -> None:
    model = WithExtraState(2, 2)
    plan = Plan({"": LayerPlan(1, bit_widths(4, 4))})
    with pytest.raises(ModelError, match="'_extra_state' of the state_dict is not a tensor"):
        save_compressed(tmp_path / "net.safetensors", model, plan, apply_plan_(model, plan))


def assert_refused(path: Path, model: nn.Module, error: type[Exception], message: str) -> None:
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(error, match=message) as caught:
        load_compressed_(model, path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_another_network_is_refused(saved: Path) -> None:
    assert_refused(saved, network(mlp, 1), ModelError, r"missing \(1\.weight.* unexpected \(")


def test_a_compressed_weight_of_another_shape_is_refused(saved: Path) -> None:
    model = network(Residual, 1)
    model.head = nn.Linear(8, 6)
    assert_refused(saved, model, ModelError, r"2 shapes differ: .*head\.weight is \(5, 8\), the model has \(6, 8\)")


@pytest.mark.parametrize("keep", [0.0, 0.001, 0.3, 0.999])
def test_a_truncated_file_is_refused(saved: Path, keep: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * keep)])
    assert_refused(saved, network(Residual, 1), FileFormatError, "cannot be read as safetensors")


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path / "none.safetensors", network(mlp, 1), FileFormatError, "cannot be read")
    assert_refused(tmp_path, network(mlp, 1), FileFormatError, "cannot be read")


def test_a_plain_safetensors_file_is_refused(tmp_path: Path) -> None:
    save_file(network(mlp, 0).state_dict(), tmp_path / "net.safetensors", {"format": "pt"})
    assert_refused(
        tmp_path / "net.safetensors", network(mlp, 1), FileFormatError, "not a network compressed by qubo-dnn"
    )


GOOD = {"version": 2, "layers": {"weight": [1, 0, 2, 2]}, "tied": {}}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("{", "header cannot be read"),
        ("[]", "header cannot be read"),
        (json.dumps({"version": 2}), "header cannot be read"),
        (json.dumps(GOOD | {"version": 1}), "version 1 of the format; this release reads 2"),
        (json.dumps(GOOD | {"layers": {"weight": [0, 0, 2, 2]}}), "header cannot be read"),
        (json.dumps(GOOD | {"layers": {"weight": [1, 0, 2, -2]}}), "header cannot be read"),
        (json.dumps(GOOD | {"layers": {"weight": [1, 3, 2, 2]}}), "header cannot be read"),
        (json.dumps(GOOD | {"layers": {"weight": [1, 1, 4]}}), "header cannot be read"),
        (json.dumps(GOOD | {"layers": {"weight": [1, 0]}}), "header cannot be read"),
        (json.dumps(GOOD | {"layers": {"weight": "1"}}), "header cannot be read"),
        (json.dumps(GOOD | {"layers": [1]}), "header cannot be read"),
        (json.dumps(GOOD | {"tied": {"a": 1}}), "header cannot be read"),
        (json.dumps(GOOD | {"tied": {"a": "b"}}), "'b', which is not in the file"),
        (json.dumps(GOOD | {"layers": {"gone": [1, 0, 2, 2]}}), "'gone', which is not in the file"),
        (json.dumps(GOOD), "'weight' is not a row of bytes"),
    ],
)
def test_damaged_headers_are_refused(tmp_path: Path, header: str, message: str) -> None:
    model = nn.Linear(2, 2, bias=False)
    save_file(model.state_dict(), tmp_path / "net.safetensors", {"qubo-dnn": header})
    assert_refused(tmp_path / "net.safetensors", model, FileFormatError, message)


@pytest.mark.parametrize(
    ("activations", "message"),
    [
        (None, "header cannot be read"),
        ([1], "header cannot be read"),
        ("ab", "header cannot be read"),
        ({"": 8}, "header cannot be read"),
        ({"": [8, 0.5]}, "header cannot be read"),
        ({"": [8.0, 0.5, 0]}, "header cannot be read"),
        ({"": [True, 0.5, 0]}, "header cannot be read"),
        ({"": [1, 0.5, 0]}, "header cannot be read"),
        ({"": [9, 0.5, 0]}, "header cannot be read"),
        ({"": [4, 0.5, 16]}, "header cannot be read"),
        ({"": [4, 0.5, -1]}, "header cannot be read"),
        ({"": [4, 0.0, 0]}, "header cannot be read"),
        ({"": [4, -0.5, 0]}, "header cannot be read"),
        ({"": [4, float("nan"), 0]}, "header cannot be read"),
        ({"": [4, float("inf"), 0]}, "header cannot be read"),
        ({"": [4, 10**400, 0]}, "header cannot be read"),
        ({"": [4, 0.1, 0]}, "header cannot be read"),  # no float32 number
        ({"": [4, 1e-60, 0]}, "header cannot be read"),
        ({"head": [4, 0.5, 0]}, "no layer 'head', whose activations it quantizes"),
    ],
)
def test_damaged_grids_are_refused(tmp_path: Path, activations: object, message: str) -> None:
    model, path = nn.Linear(2, 2, bias=False), tmp_path / "net.safetensors"
    set_activation_grids_(model, {"": ActivationGrid(8, 0.5, 0)})
    header = {"version": 3, "layers": {}, "tied": {}, "activations": activations}
    save_file(model.state_dict(), path, {"qubo-dnn": json.dumps(header)})
    assert_refused(path, model, FileFormatError, message)
    assert activation_grids(model) == {"": ActivationGrid(8, 0.5, 0)}


def test_a_header_of_version_3_without_grids_is_refused(tmp_path: Path) -> None:
    model = nn.Linear(2, 2, bias=False)
    save_file(model.state_dict(), tmp_path / "net.safetensors", {"qubo-dnn": json.dumps(GOOD | {"version": 3})})
    assert_refused(tmp_path / "net.safetensors", model, FileFormatError, "header cannot be read")


def test_a_payload_of_the_wrong_length_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_file({"weight": torch.zeros(3, dtype=torch.uint8)}, path, {"qubo-dnn": json.dumps(GOOD)})
    assert_refused(path, nn.Linear(2, 2, bias=False), FileFormatError, "'weight': the data end too early")
