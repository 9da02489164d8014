import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import SquaredError
from qubo_dnn.compression.network.loading import as_float32, check_fit, check_network, copied, load_network
from qubo_dnn.errors import DataError, ModelError

Give = Callable[[object], str]
HERE = "user_networks_for_tests"


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Give:
    """Puts an object where `load_network` finds it, and names it."""

    def put(thing: object) -> str:
        module = type(sys)(HERE)
        module.__dict__["thing"] = thing
        monkeypatch.setitem(sys.modules, HERE, module)
        return f"{HERE}:thing"

    return put


def _convolutional() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


def _images(labels: list[int], *shape: int) -> Data:
    return Data.from_tensors(torch.ones(len(labels), *shape), torch.tensor(labels), name="toy")


def test_factory_is_called_and_put_in_eval_mode(give: Give) -> None:
    network = load_network(give(_convolutional))
    assert isinstance(network.get_submodule("1"), nn.BatchNorm2d)
    assert not any(module.training for module in network.modules())


def test_instance_is_copied(give: Give) -> None:
    original = _convolutional()
    network = load_network(give(original))
    with torch.no_grad():
        network.get_parameter("3.weight").zero_()
    assert original.get_parameter("3.weight").abs().sum() > 0
    assert original.training


def test_weights_are_loaded(give: Give, tmp_path: Path) -> None:
    torch.manual_seed(1)
    state = {
        name: torch.randn_like(t) if t.is_floating_point() else t for name, t in _convolutional().state_dict().items()
    }
    save_file(state, tmp_path / "weights.safetensors")
    network = load_network(give(_convolutional), tmp_path / "weights.safetensors")
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


def test_weights_that_do_not_fit(give: Give, tmp_path: Path) -> None:
    save_file({"other": torch.zeros(1)}, tmp_path / "weights.safetensors")
    with pytest.raises(ModelError, match=r"weights\.safetensors"):
        load_network(give(_convolutional), tmp_path / "weights.safetensors")


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (lambda: "net", "gives str, not a torch nn.Module"),
        (5, "gives int, not a torch nn.Module"),
        (lambda size: size, "the factory fails: TypeError"),
        (nn.Linear, "the factory fails: TypeError"),
        (lambda: dict[str, int]()["x"], "the factory fails: KeyError: 'x'"),
    ],
)
def test_bad_factories_are_named_in_one_line(give: Give, thing: object, text: str) -> None:
    spec = give(thing)
    with pytest.raises(ModelError, match=f"^{HERE}:thing: {text}") as caught:
        load_network(spec)
    assert "\n" not in str(caught.value)


def test_missing_network_names_the_near_match() -> None:
    with pytest.raises(ModelError, match=r"module 'torch\.nn' has no 'Lineer'; did you mean 'Linear'\?"):
        load_network("torch.nn:Lineer")


def test_fitting_data_pass_and_leave_the_network_alone() -> None:
    network = _convolutional().train()
    check_fit(network, _images([0, 1, 2], 1, 4, 4))
    assert network.training
    assert int(network.get_buffer("1.num_batches_tracked")) == 0


@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 5, 5), (16,)])
def test_images_of_the_wrong_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError) as caught:
        check_fit(_convolutional(), _images([0, 1, 2], *shape))
    text = str(caught.value)
    assert text.startswith(f"toy: the network does not take images of {shape}: RuntimeError: ")
    assert "\n" not in text


def test_labels_out_of_range_beyond_the_first_batch() -> None:
    with pytest.raises(DataError, match="labels out of range: label 12, the network has 3 outputs"):
        check_fit(_convolutional(), _images([0, 1, 2, 1, 12, 0], 1, 4, 4))


class _Gives(nn.Module):
    def __init__(self, outputs: object) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, _: Tensor) -> object:
        return self.outputs


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        (torch.zeros(2), r"gives torch\.float32 of shape \(2,\) for 2 images, not logits"),
        (torch.zeros(1, 3), r"of shape \(1, 3\) for 2 images"),
        (torch.zeros(2, 3).long(), r"gives torch\.int64"),
        ((torch.zeros(2, 3), torch.zeros(2, 3)), r"gives 2 outputs: 0 \(2, 3\), 1 \(2, 3\); state which one"),
        (torch.full((2, 3), float("inf")), "gives outputs that are not finite"),
    ],
)
def test_outputs_that_are_not_logits(outputs: object, text: str) -> None:
    with pytest.raises(ModelError, match=text):
        check_fit(_Gives(outputs), _images([0, 1], 1, 4, 4))


def test_outputs_and_targets_of_a_regression() -> None:
    data = Data.from_tensors(torch.ones(3, 4), torch.zeros(3, 2), name="toy")
    check_fit(nn.Linear(4, 2), data, SquaredError())
    with pytest.raises(DataError, match=r"^toy: targets of shape \(3, 2\) do not fit outputs of shape \(images, 3\)"):
        check_fit(nn.Linear(4, 3), data, SquaredError())


class Casting(nn.Module):
    """Computes in half precision whatever it is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = _convolutional().half()

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.inner(x.half())
        return outputs.float()


class TestOtherTypes:
    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
    def test_become_float32_in_a_copy(self, dtype: torch.dtype) -> None:
        network = _convolutional().to(dtype)
        single = as_float32(network)
        weight = network.get_parameter("0.weight")
        assert weight.dtype == dtype
        assert all(value.dtype != dtype for value in single.state_dict().values())
        assert torch.equal(single.get_parameter("0.weight"), weight.float())
        check_fit(network, _images([0, 1, 2], 1, 4, 4))

    def test_float32_is_not_copied(self) -> None:
        network = _convolutional()
        network.register_buffer("constant", torch.ones(1, dtype=torch.float64))
        assert as_float32(network) is network

    def test_that_the_network_casts_to_by_itself_are_refused(self) -> None:
        text = r"is float16 and does not run in float32 .*: give it .*\.float\(\)"
        with pytest.raises(ModelError, match=text) as caught:
            check_fit(Casting(), _images([0, 1], 1, 4, 4))
        assert "\n" not in str(caught.value)


def _lazy() -> nn.Module:
    return nn.Sequential(nn.LazyLinear(3))


def _made_in_inference_mode() -> nn.Module:
    with torch.inference_mode():
        return nn.Linear(4, 3)


def _compiled_inside() -> nn.Module:
    """As torch.compile wraps a module, without loading the compiler."""
    wrapper = type("OptimizedModule", (nn.Sequential,), {})
    return nn.Sequential(wrapper(nn.Linear(4, 3)))


class Exported(nn.Linear):
    """What modules of torch.export have in place of `train`."""

    def train(self, _: bool = True) -> Any:
        raise NotImplementedError("Calling train() is not supported yet.")


NO_NETWORKS: dict[str, tuple[Callable[[], Any], str]] = {
    "nothing": (lambda: None, "the network is NoneType, not a torch nn.Module"),
    "text": (lambda: "net", "the network is str, not a torch"),
    "a class": (lambda: nn.Linear, "the network is type, not a torch"),
    "TorchScript": (lambda: torch.jit.trace(nn.Linear(4, 3), torch.ones(2, 4)), "the network is TorchScript: give"),  # type: ignore[no-untyped-call]  # torch has no types here
    "torch.export": (lambda: Exported(4, 3), r"the network is a module of torch\.export: give the nn\.Module that was"),
    "torch.compile": (_compiled_inside, r"the module '0' is compiled by torch\.compile: give .* `_orig_mod`"),
    "lazy": (_lazy, "the module '0' is lazy and has no weights yet: run a batch"),
    "meta": (lambda: nn.Linear(4, 3, device="meta"), r"the network has weights without data \(meta device\)"),
    "inference mode": (_made_in_inference_mode, r"the network has weights made in torch\.inference_mode"),
}


@pytest.mark.parametrize("name", NO_NETWORKS)
def test_what_is_no_network_of_ordinary_modules_is_refused_in_one_line(name: str) -> None:
    make, text = NO_NETWORKS[name]
    with pytest.raises(ModelError, match=f"^{text}") as caught:
        check_network(make())
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 150


def test_a_file_in_place_of_code() -> None:
    with pytest.raises(ModelError, match=r"'runs/net\.pt' is a file: name the code of the network"):
        load_network("runs/net.pt")


def test_a_network_that_cannot_be_copied() -> None:
    network = nn.Linear(4, 3)
    network.last = network(torch.ones(2, 4))
    with pytest.raises(ModelError, match=r"cannot be copied .*: RuntimeError"):
        copied(network)
