import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from qubo_dnn.compression.network.state_dicts import load_weights_
from qubo_dnn.errors import FileFormatError, ModelError


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


def assert_loads(path: Path) -> None:
    model = network(seed=1)
    load_weights_(model, path)
    for key, value in network(seed=0).state_dict().items():
        assert torch.equal(model.state_dict()[key], value), key


def test_safetensors(tmp_path: Path) -> None:
    save_file(network().state_dict(), tmp_path / "net.safetensors")
    assert_loads(tmp_path / "net.safetensors")


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_checkpoints(tmp_path: Path, suffix: str, key: str | None, prefix: str) -> None:
    state = {prefix + name: value for name, value in network().state_dict().items()}
    torch.save({key: state, "epoch": 3, "lr": 0.1} if key else state, tmp_path / f"net{suffix}")
    assert_loads(tmp_path / f"net{suffix}")


def test_a_model_with_a_child_called_module_keeps_its_names(tmp_path: Path) -> None:
    wrapped = nn.ModuleDict({"module": network()})
    save_file(wrapped.state_dict(), tmp_path / "net.safetensors")
    load_weights_(nn.ModuleDict({"module": network(1)}), tmp_path / "net.safetensors")


def test_an_old_checkpoint_without_batch_counters(tmp_path: Path) -> None:
    state = {key: value for key, value in network().state_dict().items() if "num_batches" not in key}
    save_file(state, tmp_path / "net.safetensors")
    assert_loads(tmp_path / "net.safetensors")


def refusal(tmp_path: Path, state: dict[str, Any]) -> str:
    """The message of the error for a file with this state; the model is not changed."""
    torch.save(state, tmp_path / "net.pt")
    model, before = network(), network().state_dict()
    with pytest.raises(ModelError) as caught:
        load_weights_(model, tmp_path / "net.pt")
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    return str(caught.value).removeprefix(f"{tmp_path / 'net.pt'}: ")


def test_missing_and_unexpected_keys_are_counted_and_named(tmp_path: Path) -> None:
    state = {f"body.{key}": value for key, value in network().state_dict().items()}
    assert refusal(tmp_path, state) == (
        "the keys are not the model's: 8 missing (0.weight, 0.bias, 1.weight and 5 more), "
        "9 unexpected (body.0.weight, body.0.bias, body.1.weight and 6 more)"
    )


def test_differing_shapes_are_named(tmp_path: Path) -> None:
    state = network().state_dict() | {"3.weight": torch.zeros(10, 4), "3.bias": torch.zeros(10)}
    assert refusal(tmp_path, state) == (
        "2 shapes differ: 3.weight is (10, 4), the model has (2, 4); 3.bias is (10,), the model has (2,)"
    )


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_named(tmp_path: Path, bad: float) -> None:
    state = network().state_dict() | {"3.bias": torch.tensor([0.0, bad])}
    assert refusal(tmp_path, state) == "'3.bias' is not finite (NaN or infinite)"


def test_a_pickled_module_is_not_executed(tmp_path: Path) -> None:
    torch.save(network(), tmp_path / "net.pt")
    with pytest.raises(FileFormatError, match="holds more than tensors"):
        load_weights_(network(), tmp_path / "net.pt")


@pytest.mark.parametrize(
    ("content", "message"),
    [(torch.zeros(3), "holds Tensor, not a state_dict"), ({"epoch": 3}, "its entry 'epoch' is int")],
)
def test_files_without_a_state_dict_are_refused(tmp_path: Path, content: Any, message: str) -> None:
    torch.save(content, tmp_path / "net.pt")
    with pytest.raises(FileFormatError, match=message):
        load_weights_(network(), tmp_path / "net.pt")


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\x80\x02}q\x00(X", b"\xff" * 100])
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileFormatError, match=r"net\.\w+: ") as caught:
        load_weights_(network(), tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="no such file"):
        load_weights_(network(), tmp_path / "net.pt")


def test_archives_of_torch_that_hold_no_weights(tmp_path: Path) -> None:
    """Refused by the names in them; nothing is unpickled."""
    torch.jit.save(torch.jit.trace(network().eval(), torch.ones(1, 3, 3, 3)), tmp_path / "net.pt")  # type: ignore[no-untyped-call]  # torch has no types here
    with pytest.raises(FileFormatError, match=r"net\.pt: is TorchScript, not a state_dict; write it with") as caught:
        load_weights_(network(), tmp_path / "net.pt")
    assert len(str(caught.value).removeprefix(str(tmp_path))) < 150
    with zipfile.ZipFile(tmp_path / "other.pt2", "w") as archive:
        archive.writestr("models/model.json", "{}")
    with pytest.raises(FileFormatError, match=r"other\.pt2: is an archive of another kind, as torch\.export writes"):
        load_weights_(network(), tmp_path / "other.pt2")
