import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from qubo_dnn.compression.data.dataset import Data, load_data
from qubo_dnn.errors import DataError, OptionError

Give = Callable[[object], str]
HERE = "user_data_for_tests"


def _numbered(n: int = 20) -> Data:
    """Image i is filled with the value i and has the label i."""
    labels = torch.arange(n)
    return Data.from_tensors(labels.float().view(n, 1, 1, 1).expand(n, 1, 2, 2), labels)


def _all(data: Data, batch_size: int = 7) -> tuple[Tensor, Tensor]:
    images, labels = zip(*data.batches(batch_size), strict=True)
    return torch.cat([each.only for each in images]), torch.cat(labels)


def _targets(data: Data) -> Tensor:
    assert data.targets is not None
    return data.targets


def _save(path: Path, **arrays: Any) -> str:
    np.savez(path / "set.npz", **arrays)
    return str(path / "set.npz")


# Files


def test_uint8_is_scaled_normalised_and_put_channels_first(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (5, 4, 3, 2), dtype=np.uint8)
    data = load_data(_save(tmp_path, x=x, y=np.arange(5, dtype=np.uint8)), mean=[0.5, 0.25], std=[0.2, 0.4])
    images, labels = _all(data, 2)
    expected = (x / 255.0 - [0.5, 0.25]) / [0.2, 0.4]
    assert data.shape == (2, 4, 3)
    assert images.dtype == torch.float32
    assert labels.dtype == torch.int64
    assert labels.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(images.numpy(), expected.transpose(0, 3, 1, 2), atol=1e-6)


def test_uint8_stays_uint8_in_memory(tmp_path: Path) -> None:
    data = load_data(_save(tmp_path, x=np.zeros((2, 4, 4, 1), np.uint8), y=np.arange(2)), mean=[0.5], std=[0.5])
    assert data.source.fetch(torch.arange(2))[0][0].dtype == torch.uint8


def test_float32_is_taken_as_it_is(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(5, 2, 4, 3)).astype(np.float32)
    images, _ = _all(load_data(_save(tmp_path, x=x, y=np.arange(5))))
    np.testing.assert_array_equal(images.numpy(), x)


X, Y = np.zeros((3, 4, 4, 2), np.uint8), np.arange(3)
F32 = np.zeros((3, 2, 4, 4), np.float32)
NAN = F32.copy()
NAN[1, 0, 2, 3] = np.nan


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"y": Y}, "holds no input, only y"),
        ({}, "holds no input, only nothing"),
        ({"x": X, "y": Y, "labels": Y}, "holds both 'y' and 'labels'"),
        ({"x": np.array(["a", "b", "c"]), "y": Y}, "x is <U1 of shape"),
        ({"image": X, "vector": F32[:2], "y": Y}, "unlike numbers of samples: image has 3, vector has 2"),
        ({"image": X, "vector": NAN}, "input vector, sample 1 holds NaN or infinity"),
        ({"x": X, "y": Y.astype(complex)}, "y is complex128"),
        ({"x": X, "y": np.int64(3)}, r"targets are torch.int64 of shape \(\)"),
        ({"x": X, "y": Y[:2]}, "3 images but 2 targets"),
        ({"x": X[:0], "y": Y[:0]}, "there are no images"),
        ({"x": X, "y": Y - 1}, "label -1 is negative"),
        ({"x": NAN, "y": Y}, "image 1 holds NaN or infinity"),
        ({"x": np.full_like(F32, np.inf), "y": Y}, "image 0 holds NaN or infinity"),
        ({"x": np.array([[{}]], dtype=object), "y": Y}, "Object arrays cannot be loaded"),
    ],
)
def test_bad_npz_names_the_file_in_one_line(tmp_path: Path, arrays: dict[str, Any], text: str) -> None:
    arrays = {
        name: a.astype(np.float32) if a.dtype == np.float64 and "NaN" in text else a for name, a in arrays.items()
    }
    with pytest.raises(DataError, match=rf"set\.npz: .*{text}") as caught:
        load_data(_save(tmp_path, **arrays))
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.npz: no such file"):
        load_data(str(tmp_path / "none.npz"))


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 broken"])
def test_damaged_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.npz: cannot be read as \.npz"):
        load_data(str(path))


def test_truncated_file_and_folder_and_single_array(tmp_path: Path) -> None:
    whole = Path(_save(tmp_path, x=X, y=Y)).read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "folder.npz").mkdir()
    with (tmp_path / "array.npz").open("wb") as file:
        np.save(file, X)
    for name, text in (("cut", "cannot be read"), ("folder", "cannot be read"), ("array", "is a single array")):
        with pytest.raises(DataError, match=rf"{name}\.npz: {text}"):
            load_data(str(tmp_path / f"{name}.npz"))


def test_neither_file_nor_factory() -> None:
    with pytest.raises(DataError, match=r"'images\.csv' is neither a \.npz file nor package\.module:factory"):
        load_data("images.csv")


@pytest.mark.parametrize(
    ("mean", "std", "text"),
    [
        ([0.5], None, "mean has 1 values, the images have 2 channels"),
        (None, [1.0, 1.0, 1.0], "std has 3 values, the images have 2 channels"),
        ([], None, "mean has 0 values"),
        (None, [1.0, 0.0], "std must be > 0, not 0"),
        (None, [1.0, -2.0], "std must be > 0, not -2"),
        ([float("nan"), 0.0], None, "mean is not finite"),
        (None, [float("inf"), 1.0], "std is not finite"),
    ],
)
def test_bad_normalisation(tmp_path: Path, mean: list[float] | None, std: list[float] | None, text: str) -> None:
    with pytest.raises(DataError, match=rf"set\.npz: {text}"):
        load_data(_save(tmp_path, x=X, y=Y), mean, std)


# Tensors, batches, subsets


def test_mean_alone_and_std_alone() -> None:
    images, labels = torch.full((2, 1, 2, 2), 3.0), torch.tensor([0, 1])
    assert _all(Data.from_tensors(images, labels, mean=[1]))[0].unique().tolist() == [2.0]  # type: ignore[no-untyped-call]  # torch has no types here
    assert _all(Data.from_tensors(images, labels, std=[2]))[0].unique().tolist() == [1.5]  # type: ignore[no-untyped-call]  # torch has no types here


def test_feature_vectors_are_images_too() -> None:
    data = Data.from_tensors(torch.ones(4, 3), torch.tensor([0, 2, 1, 2]), mean=[0, 1, 2])
    assert data.shape == (3,)
    assert next(data.batches())[0].only[0].tolist() == [1.0, 0.0, -1.0]


@pytest.mark.parametrize(
    ("images", "labels", "text"),
    [
        (torch.zeros(3, 2).to_sparse(), torch.zeros(3).long(), "sparse"),
        (torch.zeros(3), torch.zeros(3).long(), "no axis other than the batch axis"),
        (torch.zeros(3, 2), torch.zeros(3, dtype=torch.cfloat), "targets are torch.complex64"),
        (torch.zeros(3, 2), torch.tensor(3), r"targets are torch.int64 of shape \(\)"),
        (torch.zeros(3, 2), torch.tensor([[0.0, 1.0], [2.0, torch.inf], [0.0, 0.0]]), "target 1 holds NaN or infinity"),
    ],
)
def test_bad_tensors(images: Tensor, labels: Tensor, text: str) -> None:
    with pytest.raises(DataError, match=f"mine: .*{text}"):
        Data.from_tensors(images, labels, name="mine")


def test_batches_cover_everything_once_in_order() -> None:
    data = _numbered(20)
    assert [len(inputs) for inputs, _ in data.batches(7)] == [7, 7, 6]
    images, labels = _all(data)
    assert labels.tolist() == list(range(20)) == images[:, 0, 0, 0].tolist()
    assert _targets(data).tolist() == labels.tolist()
    with pytest.raises(OptionError, match="batch size must be at least 1, not 0"):
        next(data.batches(0))


def test_subset_is_random_sorted_without_repeats_and_keeps_pairs_together() -> None:
    images, labels = _all(_numbered(50).subset(20, seed=1))
    drawn = labels.tolist()
    assert images[:, 0, 0, 0].tolist() == drawn
    assert drawn == sorted(set(drawn)) != list(range(20))
    assert _targets(_numbered(50).subset(20, seed=1)).tolist() == drawn
    assert _targets(_numbered(50).subset(20, seed=2)).tolist() != drawn


def test_subset_is_equal_in_every_process() -> None:
    """As it was in the one that these were written down from."""
    assert _targets(_numbered(50).subset(9, seed=3)).tolist() == [1, 2, 3, 4, 6, 27, 32, 35, 36]


def test_split_parts_are_disjoint_and_whole() -> None:
    first, second = _numbered(30).split(12, seed=0)
    assert (len(first), len(second)) == (12, 18)
    assert sorted(_targets(first).tolist() + _targets(second).tolist()) == list(range(30))
    assert _targets(first).tolist() == sorted(_targets(first).tolist()) != list(range(12))


def test_split_of_a_subset_stays_within_it() -> None:
    subset = _numbered(30).subset(10, seed=0)
    first, second = subset.split(4, seed=1)
    assert sorted(_targets(first).tolist() + _targets(second).tolist()) == _targets(subset).tolist()


@pytest.mark.parametrize("size", [0, -1, 21])
def test_impossible_sizes_are_refused(size: int) -> None:
    with pytest.raises(OptionError, match=f"cannot draw {size} of 20 images"):
        _numbered(20).subset(size, seed=0)
    with pytest.raises(OptionError, match="cannot split 20 images"):
        _numbered(20).split(size, seed=0)


def test_batches_from_a_later_image_on() -> None:
    numbers = [inputs.only[:, 0, 0, 0].tolist() for inputs, _ in _numbered(8).batches(3, start=3)]
    assert numbers == [[3, 4, 5], [6, 7]]
    assert list(_numbered(8).batches(3, start=8)) == []


# Targets of a regression


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_float_targets_of_a_file_become_float32(tmp_path: Path, dtype: type[np.floating]) -> None:
    y = np.array([[0.5, -1], [0, 2], [3, 4]], dtype)
    targets = _targets(load_data(_save(tmp_path, x=X, y=y)))
    assert targets.dtype == torch.float32
    assert targets.tolist() == y.tolist()


def test_float_targets_of_datasets_and_loaders(give: Give) -> None:
    images, targets = torch.zeros(5, 1, 2, 2), torch.linspace(0, 1, 15).view(5, 3)
    for thing in (TensorDataset(images, targets), DataLoader(TensorDataset(images, targets), batch_size=2)):
        data = load_data(give(thing))
        assert torch.equal(_targets(data), targets)
        assert torch.equal(_targets(data.subset(5, seed=0)), targets)
    assert _targets(load_data(give(_Items((IMAGE, 0.5), (IMAGE, 1.5))))).tolist() == [0.5, 1.5]


# Factories


class Counting(Dataset[tuple[Tensor, int]]):
    """Item i is an image filled with i; remembers which items were read."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def __len__(self) -> int:
        return 30

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        self.read.append(index)
        return torch.full((1, 2, 2), float(index)), index


class Endless(IterableDataset[tuple[Tensor, int]]):
    def __iter__(self) -> Any:
        return iter(())


def _pairs(n: int = 5) -> TensorDataset:
    return TensorDataset(torch.arange(n).float().view(n, 1, 1, 1).expand(n, 1, 2, 2), torch.arange(n))


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Give:
    """Puts an object where `load_data` finds it, and names it."""

    def put(thing: object) -> str:
        module = type(sys)(HERE)
        module.__dict__["thing"] = thing
        monkeypatch.setitem(sys.modules, HERE, module)
        return f"{HERE}:thing"

    return put


def test_dataset_is_read_by_index_and_only_as_far_as_needed(give: Give) -> None:
    dataset = Counting()
    data = load_data(give(lambda: dataset))
    assert len(data) == 30
    assert dataset.read == []
    chosen = data.subset(4, seed=0)
    assert sorted(set(dataset.read)) == _targets(chosen).tolist()
    before = list(dataset.read)
    images, labels = _all(chosen)
    assert images[:, 0, 0, 0].tolist() == labels.tolist()
    assert dataset.read == before


def test_dataset_is_normalised_too(give: Give) -> None:
    images, _ = _all(load_data(give(Counting), mean=[1.0], std=[2.0]))
    assert images[:3, 0, 0, 0].tolist() == [-0.5, 0.0, 0.5]


def test_loader_is_read_once_and_held(give: Give) -> None:
    data = load_data(give(lambda: DataLoader(_pairs(5), batch_size=2)))
    assert _all(data, 3)[1].tolist() == [0, 1, 2, 3, 4]
    assert isinstance(data.source.fetch(torch.tensor([1]))[0][0], Tensor)


def test_dataset_and_loader_themselves_are_taken(give: Give) -> None:
    assert len(load_data(give(_pairs(5)))) == 5
    assert len(load_data(give(DataLoader(_pairs(5), batch_size=2)))) == 5


class _Items(Dataset[Any]):
    def __init__(self, *items: object) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


IMAGE = torch.zeros(1, 2, 2)


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (lambda: ["cat"], "batch 0: the image is str, not a tensor"),
        (lambda: "cat", "gives str, not tensors, a Dataset with a length, or a DataLoader"),
        (3, "gives int, not tensors"),
        (lambda: 1 / 0, "the factory fails: ZeroDivisionError: division by zero"),
        (Endless, "there are no images"),
        (_Items, "there are no images"),
        (lambda: DataLoader(Endless()), "there are no images"),
        (lambda: _Items((IMAGE, IMAGE, 1)), "item 0 is tuple of 3 things, neither inputs nor"),
        (lambda: _Items(({1: IMAGE}, 1)), "item 0: the name 1 of an input is int"),
        (lambda: _Items((IMAGE, 1), IMAGE), "1 of 2 items or batches have no target"),
        (
            lambda: _Items({"a": IMAGE}, {"b": IMAGE}),
            r"sample or batch 1 has the inputs \['b'\], the first has \['a'\]",
        ),
        (lambda: _Items({"text": "hello"}), "item 0: the input text is str, not a tensor"),
        (lambda: _Items((object(), 1)), "item 0: the image is object, not a tensor"),
        (lambda: _Items((IMAGE, "cat")), "item 0: the target is str, not a number or tensor"),
        (lambda: _Items((IMAGE, -1)), "label -1 is negative"),
        (lambda: _Items((IMAGE, 0), (torch.zeros(1, 3, 3), 0)), "of unlike shapes"),
        (lambda: _Items((IMAGE * float("nan"), 0)), "batch from item 0 on: image 0 holds NaN or infinity"),
        (lambda: DataLoader(_Items((IMAGE, 0), (torch.zeros(1, 3, 3), 0)), batch_size=1), "of unlike shapes"),
        (lambda: DataLoader(_Items((IMAGE, object()))), "the loader fails: TypeError"),
    ],
)
def test_bad_factories_are_named_in_one_line(give: Give, thing: object, text: str) -> None:
    spec = give(thing)
    with pytest.raises(DataError, match=f"{HERE}:thing.*{text}") as caught:
        list(load_data(spec).batches())
    assert "\n" not in str(caught.value)


def test_failing_item_is_named(give: Give) -> None:
    class Failing(Counting):
        def __getitem__(self, index: int) -> tuple[Tensor, int]:
            raise KeyError(index)

    with pytest.raises(DataError, match="item 0: KeyError: 0"):
        next(load_data(give(Failing)).batches())


def test_missing_factory_module_is_a_data_error() -> None:
    with pytest.raises(DataError, match="module 'no_such_package' not found"):
        load_data("no_such_package:images")
