"""What the file of a compressed network holds, tensor by tensor, in bytes. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.task.budgets import TaskBudget
from qubo_dnn.errors import BudgetError

_NAMED = 4  # entries spelled out in a message


@dataclass(frozen=True)
class StoredEntry:
    """The tensors of one module that stay as they are.

    Attributes:
        name: name of the module; "" for the network itself; or what several modules have in common.
        type: name of its class; "" for several modules.
        numbers: number of numbers in them.
        bytes: their size in the file.
        reason: why they are not compressed, as a phrase.

    Example:
        >>> print(StoredEntry("norm", "BatchNorm2d", numbers=16, bytes=64, reason="few numbers per channel"))
        norm (BatchNorm2d), 64 bytes: few numbers per channel
    """

    name: str
    type: str
    numbers: int
    bytes: int
    reason: str

    def __str__(self) -> str:
        type_ = f" ({self.type})" if self.type else ""
        return f"{self.name or 'the model'}{type_}, {self.bytes:,} bytes: {self.reason}"


@dataclass(frozen=True)
class FileContents:
    """The file of a compressed network, apart from the weights that are compressed.

    Attributes:
        compressed: number of weights that are compressed.
        kept: tensors that stay as they are, by module.
        header_bytes: largest size of the header of the file: names, shapes and the description of the weights.
        reference_bytes: size of the file of the uncompressed network in float32.

    Example:
        >>> norm = StoredEntry("norm", "BatchNorm2d", numbers=16, bytes=64, reason="few numbers per channel")
        >>> contents = FileContents(compressed=84, kept=(norm,), header_bytes=200, reference_bytes=600)
        >>> contents.numbers, contents.coverage, contents.kept_bits
        (100, 0.84, 512)
    """

    compressed: int
    kept: tuple[StoredEntry, ...]
    header_bytes: int
    reference_bytes: int

    @cached_property
    def numbers(self) -> int:
        """Number of all numbers in the file."""
        return self.compressed + sum(entry.numbers for entry in self.kept)

    @property
    def coverage(self) -> float:
        """Share of the numbers that are compressed."""
        return self.compressed / self.numbers

    @cached_property
    def kept_bits(self) -> int:
        """Bits of what stays as it is."""
        return 8 * sum(entry.bytes for entry in self.kept)

    def largest(self) -> str:
        """Name the largest entries that stay as they are, in words; empty if there are none."""
        entries: Sequence[StoredEntry] = sorted(self.kept, key=lambda entry: -entry.bytes)
        named = [str(entry) for entry in entries[:_NAMED]]
        if len(entries) > _NAMED:
            rest = entries[_NAMED:]
            named.append(f"{len(rest)} more with {sum(entry.bytes for entry in rest):,} bytes")
        return "; ".join(named)


def check_file_size(budget: TaskBudget, allowed: NDArray[np.bool_], contents: FileContents) -> None:
    """Refuse a budget of the whole file that no choice meets, and name what prevents it.

    Args:
        budget: the budget over all decisions.
        allowed: [U, K] True for options that may be taken.
        contents: what the file holds besides the compressed weights.

    Raises:
        BudgetError: no choice meets the budget; the message states the reachable range, and what stays as it is.

    Example:
        >>> names = {"name": "size", "kind": "bits", "text": "3bits", "unit": "bits per weight"}
        >>> budget = TaskBudget(**names, cost=np.array([[100, 400]]), overhead=512, limit=300.0, scale=100)
        >>> norm = StoredEntry("norm", "BatchNorm2d", numbers=16, bytes=64, reason="few numbers per channel")
        >>> contents = FileContents(compressed=84, kept=(norm,), header_bytes=200, reference_bytes=600)
        >>> try:
        ...     check_file_size(budget, np.ones((1, 2), bool), contents)
        ... except BudgetError as cause:
        ...     print(str(cause).partition(". ")[0])
        the budget 3bits cannot be met with these options: they reach 6.12 bits per weight to 9.12 bits per weight
    """
    try:
        budget.check_reachable(allowed)
    except BudgetError as cause:
        share = contents.kept_bits / (8 * contents.reference_bytes)
        header = "" if budget.kind == "bits" else f"; the header of the file takes {contents.header_bytes:,} bytes"
        raise BudgetError(
            f"{cause}. Of the {contents.reference_bytes:,} bytes of the fp32 file, {100 * share:.3g} % stay as they "
            f"are: {contents.largest()}{header}. Give a larger budget, narrower options, or {budget.text}:weights, "
            "which counts only the weights of layers that can be compressed"
        ) from cause
