"""Inputs of any kind and number: from tensors, dicts, files, datasets and loaders, to the call of the network."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from qubo_dnn.compression.data.dataset import Data, as_data, load_data
from qubo_dnn.compression.data.inputs import Interface
from qubo_dnn.compression.losses.losses import SquaredError
from qubo_dnn.compression.network.inference import evaluate, forward, logits
from qubo_dnn.errors import DataError, OptionError

IMAGES, VECTORS, IDS = torch.randn(6, 3, 4, 4), torch.randn(6, 5), torch.arange(24).view(6, 4)
MASK = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]] * 3)


class Both(nn.Module):
    """Sums of an image and of a vector."""

    def forward(self, image: Tensor, vector: Tensor) -> Tensor:
        return torch.stack([image.flatten(1).sum(1), vector.sum(1)], 1)


class Texts(nn.Module):
    """Logits [N, T, 3] per token; says how it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(24, 3)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        assert input_ids.dtype == torch.int64
        assert attention_mask.shape == input_ids.shape
        return {"logits": self.embed(input_ids)}


EXPECTED = torch.stack([IMAGES.flatten(1).sum(1), VECTORS.sum(1)], 1)
NAMED = {"image": IMAGES, "vector": VECTORS}


class Items(Dataset[Any]):
    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


class Rows:
    """As of Hugging Face: a length and items by number, dicts of plain lists, and no base class of torch's."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not isinstance(index, int):
            raise TypeError
        return {"input_ids": IDS[index].tolist(), "attention_mask": MASK[index].tolist(), "label": index % 3}


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return (dict(zip(NAMED, pair, strict=True)) for pair in zip(IMAGES, VECTORS, strict=True))


def batches() -> Any:
    for first in range(0, 6, 4):
        yield {name: value[first : first + 4] for name, value in NAMED.items()}


PAIRS = [((image, vector), n) for n, (image, vector) in enumerate(zip(IMAGES, VECTORS, strict=True))]


@pytest.mark.parametrize(
    ("given", "labelled"),
    [
        ((IMAGES, VECTORS), False),
        ((IMAGES.numpy(), VECTORS.double().numpy()), False),
        (NAMED, False),
        ({"vector": VECTORS, "image": IMAGES}, False),
        (collections.UserDict(NAMED), False),
        (NAMED | {"labels": torch.arange(6)}, True),
        (Items(PAIRS), True),
        (Items([dict(zip(NAMED, inputs, strict=True)) for inputs, _ in PAIRS]), False),
        (Items([(dict(zip(NAMED, inputs, strict=True)), n) for inputs, n in PAIRS]), True),
        (DataLoader(Items(PAIRS), batch_size=4), True),
        (Stream(), False),
        (batches(), False),
        (list(batches()), False),
        ([((IMAGES[:2], VECTORS[:2]), None), ((IMAGES[2:], VECTORS[2:]), None)], False),
    ],
)
def test_two_inputs_from_everything(given: Any, labelled: bool) -> None:
    data = as_data(given)
    assert len(data) == 6
    assert data.has_targets == labelled
    assert torch.allclose(logits(Both(), data), EXPECTED)
    part, _ = data.split(4, seed=1)
    assert torch.allclose(logits(Both(), part.subset(4, seed=0)), EXPECTED[part.indices])
    assert (data.targets is not None) == labelled


def test_inputs_alone_of_a_dataset_of_tensors() -> None:
    assert torch.equal(logits(nn.Identity(), as_data(TensorDataset(VECTORS))), VECTORS)
    assert as_data(TensorDataset(VECTORS)).targets is None
    assert as_data(DataLoader(TensorDataset(VECTORS), batch_size=4)).targets is None
    assert as_data([VECTORS[:2], VECTORS[2:]]).targets is None


def test_subsets_keep_inputs_and_targets_together() -> None:
    data = as_data((torch.arange(8.0).view(8, 1), torch.arange(8).view(8, 1)), torch.arange(8))
    inputs, targets = next(data.subset(5, seed=2).batches())
    assert targets is not None
    for _, value in inputs.tensors():
        assert value.flatten().long().tolist() == targets.tolist()


def test_rows_of_plain_lists_with_their_label() -> None:
    data = as_data(Rows())
    assert data.targets is not None
    assert data.targets.tolist() == [0, 1, 2, 0, 1, 2]
    assert logits(Texts(), data).shape == (6, 4, 3)


def test_files_with_named_and_with_numbered_arrays(tmp_path: Path) -> None:
    arrays = {name: value.numpy() for name, value in NAMED.items()}
    np.savez(tmp_path / "named.npz", **arrays)  # type: ignore[arg-type]  # numpy takes the names for its own options
    np.savez(tmp_path / "numbered.npz", *arrays.values())
    np.savez(tmp_path / "labelled.npz", **arrays, y=np.arange(6))  # type: ignore[arg-type]  # as above
    for name in ("named", "numbered", "labelled"):
        data = load_data(str(tmp_path / f"{name}.npz"))
        assert torch.allclose(logits(Both(), data), EXPECTED)
        assert data.has_targets == (name == "labelled")


@pytest.mark.parametrize(
    ("dtype", "ready"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float64, torch.float32),
        (torch.complex128, torch.complex64),
        (torch.bool, torch.bool),
        (torch.int16, torch.int16),
        (torch.int32, torch.int32),
        (torch.int64, torch.int64),
        (torch.uint16, torch.int32),
        (torch.uint8, torch.float32),
    ],
)
def test_types_that_reach_the_network(dtype: torch.dtype, ready: torch.dtype) -> None:
    inputs, _ = next(as_data(torch.ones(4, 3).to(dtype)).batches())
    assert inputs.only.dtype == ready
    expected = torch.ones(4, 3).to(ready)
    assert torch.equal(inputs.only, expected / 255 if dtype == torch.uint8 else expected)


def test_additive_masks_may_hold_minus_infinity_beside_other_inputs() -> None:
    mask = torch.zeros(6, 4).masked_fill(MASK == 0, -torch.inf)
    inputs, _ = next(as_data((IDS, mask)).batches())
    assert torch.equal(dict(inputs.tensors())["1"], mask)
    with pytest.raises(DataError, match="image 0 holds NaN or infinity"):
        as_data(mask)
    with pytest.raises(DataError, match="input 1, sample 0 holds NaN"):
        as_data((IDS, mask * 0 + torch.nan))


def test_mean_and_deviation_are_for_the_image_among_several_inputs() -> None:
    data = Data.from_tensors({"ids": IDS, "image": IMAGES}, mean=[1.0, 2.0, 3.0])
    inputs = dict(next(data.batches())[0].tensors())
    assert torch.equal(inputs["ids"], IDS)
    assert torch.allclose(inputs["image"], IMAGES - torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1))


@pytest.mark.parametrize(("axis", "given"), [(1, 1), ({"0": 1}, 1), (2, 2)])
def test_samples_on_a_stated_axis_reach_the_network_there(axis: Any, given: int) -> None:
    class Recurrent(nn.Module):
        def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
            assert x.shape[given] == len(lengths)
            return x.movedim(given, 0) * lengths.view(-1, 1, 1)

    sequences, lengths = torch.randn(6, 7, 5), torch.arange(6)
    interface = Interface(batch_axis=axis)
    data = as_data((sequences.movedim(0, given), lengths), interface=interface)
    assert len(data) == 6
    assert torch.equal(logits(Recurrent(), data), sequences * lengths.view(-1, 1, 1))
    loaded = as_data(
        [(((sequences[part].movedim(0, given), lengths[part])), None) for part in (slice(4), slice(4, 6))],
        interface=interface,
    )
    assert torch.equal(logits(Recurrent(), loaded), logits(Recurrent(), data))
    items = as_data(Items([((one, n), None) for one, n in zip(sequences, lengths, strict=True)]), interface=interface)
    assert torch.equal(logits(Recurrent(), items), logits(Recurrent(), data))


def test_padding_counts_neither_in_outputs_nor_in_labels() -> None:
    torch.manual_seed(0)
    network = Texts()
    labels = torch.randint(3, (6, 4))
    interface = Interface(outputs=("logits",), mask="attention_mask")
    data = as_data({"input_ids": IDS, "attention_mask": MASK, "labels": labels}, interface=interface)
    with torch.no_grad():
        plain = network(IDS, MASK)["logits"]
        found = forward(network, next(data.batches())[0])
    assert torch.equal(found[MASK == 1], plain[MASK == 1])
    assert found[MASK == 0].max() == found[MASK == 0].min()
    assert data.targets is not None
    assert torch.equal(data.targets == -100, MASK == 0)
    right = (plain.argmax(2) == labels)[MASK == 1].float().mean()

    class Labelled(SquaredError):  # noqa: N818 (no exception)
        classification = True

        def check(self, *_: Any) -> None: ...

        def __call__(self, *_: Any) -> Tensor:
            return torch.tensor(0.0)

    assert evaluate(network, data, loss=Labelled()).accuracy == pytest.approx(float(right))


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: as_data((IMAGES, VECTORS[:5])), DataError, "unlike numbers of samples: 0 has 6, 1 has 5"),
        (lambda: as_data(NAMED | {"labels": torch.arange(6)}, torch.arange(6)), DataError, "hold `labels` too"),
        (lambda: as_data({}), DataError, "there are no inputs"),
        (lambda: as_data([(IMAGES, 1), IMAGES]), DataError, "1 of 2 items or batches have no target"),
        (lambda: as_data([IDS, IDS[:, :3]]), DataError, "unlike shapes .*pad them"),
        (lambda: Interface(batch_axis=-1), OptionError, "batch axis must be at least 0, not -1"),
        (
            lambda: as_data(NAMED).with_interface(Interface(mask="attention")),
            DataError,
            "there is no input 'attention', only image, vector",
        ),
    ],
)
def test_what_is_refused(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()
