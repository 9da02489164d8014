"""Sources of samples: tensors in memory, or a dataset read item by item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from qubo_dnn.compression.data.inputs import check_finite, usable
from qubo_dnn.compression.data.samples import Sample, Values, sample
from qubo_dnn.compression.user_code import foreign_code, reason
from qubo_dnn.errors import DataError

IGNORED = -100
"""Label of padding, as torch has it."""


class Source(Protocol):
    """Access to samples by index; `name` appears in error messages.

    Example:
        >>> source = TensorSource({0: torch.zeros(5, 1, 8, 8)}, torch.arange(5), "data")
        >>> values, targets = source.fetch(torch.tensor([3, 1]))
        >>> targets.tolist()
        [3, 1]
    """

    @property
    def name(self) -> str: ...

    @property
    def has_targets(self) -> bool: ...

    def __len__(self) -> int: ...

    def fetch(self, indices: Tensor) -> tuple[Values, Tensor | None]:
        """Return inputs [B, ...], and targets, int64 or float32 [B, ...], or None, at int64 indices [B]."""
        ...


@dataclass(frozen=True, eq=False)
class TensorSource:
    """Samples held in memory: floating-point inputs as float32, labels as int64, other targets as float32.

    Raises:
        DataError: there is no input, an input is not a tensor of finite numbers [N, ...], targets are neither integers
            (>= 0, or -100 for padding) nor finite floating-point numbers [N, ...], lengths differ, or N is 0.

    Example:
        >>> source = TensorSource({0: torch.zeros(5, 1, 8, 8)}, torch.arange(5), "data")
        >>> len(source), source.targets.dtype
        (5, torch.int64)
    """

    values: Values
    targets: Tensor | None
    name: str

    def __post_init__(self) -> None:
        if not self.values:
            raise DataError(f"{self.name}: there are no inputs")
        alone, values = len(self.values) == 1, {}
        for key, value in self.values.items():
            what = f"{self.name}: {'image' if key == 0 and alone else f'input {key}, sample'}"
            if value.dim() == 0 or (alone and value.dim() < 2 and (value.is_floating_point() or value.is_complex())):
                raise DataError(f"{what} of shape {tuple(value.shape)} has no axis other than the batch axis")
            values[key] = usable(value, what, alone=alone)
        object.__setattr__(self, "values", values)
        lengths = {key: len(value) for key, value in values.items()}
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{key} has {n}" for key, n in lengths.items())
            raise DataError(f"{self.name}: inputs with unlike numbers of samples: {counts}")
        if self.targets is not None:
            object.__setattr__(self, "targets", self._checked(self.targets))
        if len(self) == 0:
            raise DataError(f"{self.name}: there are no images")

    @property
    def has_targets(self) -> bool:
        return self.targets is not None

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    def fetch(self, indices: Tensor) -> tuple[Values, Tensor | None]:
        """See `Source.fetch`."""
        values = {key: value[indices] for key, value in self.values.items()}
        return values, None if self.targets is None else self.targets[indices]

    def _checked(self, targets: Tensor) -> Tensor:
        if targets.is_complex() or targets.dim() == 0:
            raise DataError(
                f"{self.name}: targets are {targets.dtype} of shape {tuple(targets.shape)}, not labels (integers) "
                "or floating-point numbers of shape (N, ...)"
            )
        if len(self) != len(targets):
            raise DataError(f"{self.name}: {len(self)} images but {len(targets)} targets")
        if targets.is_floating_point() or targets.dtype == torch.bool:
            targets = targets.float()
            check_finite(targets, f"{self.name}: target")
        else:
            targets = targets.long()
            if (targets[targets != IGNORED] < 0).any():
                raise DataError(f"{self.name}: label {int(targets[targets != IGNORED].min())} is negative")
        return targets.detach()


class DatasetSource:
    """A dataset with a length; its items are read one by one, each time samples are requested.

    Args:
        dataset: torch dataset, or anything else with `len` and items by number, as of Hugging Face.
        name: its name, for error messages.

    Raises:
        DataError: the first item cannot be used.

    Example:
        >>> from torch.utils.data import TensorDataset
        >>> source = DatasetSource(TensorDataset(torch.zeros(5, 1, 8, 8), torch.arange(5)), "data")
        >>> values, targets = source.fetch(torch.tensor([3, 1]))
        >>> targets.tolist()
        [3, 1]
    """

    def __init__(self, dataset: Any, name: str) -> None:
        self._dataset, self.name = dataset, name
        self._labelled: bool | None = None

    @property
    def has_targets(self) -> bool:
        if self._labelled is None:
            self._labelled = self._item(0)[1] is not None
        return self._labelled

    def __len__(self) -> int:
        return len(self._dataset)

    def fetch(self, indices: Tensor) -> tuple[Values, Tensor | None]:
        """See `Source.fetch`.

        Raises:
            DataError: an item fails, is neither inputs nor (inputs, target), or does not meet the conditions of
                `TensorSource`.
        """
        items = [self._item(index) for index in indices.tolist()]
        batch = joined(torch.stack, items, f"{self.name}: batch from item {int(indices[0])} on")
        return batch.values, batch.targets

    def _item(self, index: int) -> Sample:
        what = f"{self.name}: item {index}"
        with foreign_code(DataError, what):
            return sample(self._dataset[index], what)


def collect(source: Source, indices: Tensor) -> TensorSource:
    """Read the samples at `indices`, int64 [N], into memory.

    Example:
        >>> source = TensorSource({0: torch.zeros(5, 1, 8, 8)}, torch.arange(5), "data")
        >>> collect(source, torch.tensor([3, 1])).targets.tolist()
        [3, 1]
    """
    return TensorSource(*source.fetch(indices), source.name)


def joined(join: Callable[[list[Tensor]], Tensor], samples: Sequence[Sample], name: str) -> TensorSource:
    """Join single samples (`torch.stack`) or batches (`torch.cat`) in memory.

    Raises:
        DataError: there are none, or they differ in their inputs or shapes.

    Example:
        >>> len(joined(torch.cat, [({0: torch.zeros(2, 3)}, None), ({0: torch.zeros(4, 3)}, None)], "data"))
        6
    """
    if not samples:
        raise DataError(f"{name}: there are no images")
    keys = list(samples[0][0])
    for index, (found, _) in enumerate(samples):
        if set(found) != set(keys):
            raise DataError(f"{name}: sample or batch {index} has the inputs {list(found)}, the first has {keys}")
    given = [target for _, target in samples if target is not None]
    if given and len(given) < len(samples):
        raise DataError(f"{name}: {len(samples) - len(given)} of {len(samples)} items or batches have no target")
    try:
        values = {key: join([found[key] for found, _ in samples]) for key in keys}
        targets = join(given) if given else None
    except RuntimeError as cause:
        raise DataError(
            f"{name}: inputs or targets of unlike shapes ({reason(cause)}); pad them to the same length"
        ) from cause
    return TensorSource(values, targets, name)
