"""The running sums of a measurement: a matrix if it fits into memory, else a factor of it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor

from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel
from qubo_dnn.errors import UnsupportedProblemError

GIB = 2**30
MATRIX: Final = "matrix"
FACTOR: Final = "factor"
_BLOCK = 512
# Multiply many columns at once: with few, most time goes to reading and writing the matrix.
_COLUMNS_AT_ONCE = 512
_PARTS, _MOST_BATCHES = 16, 8


@dataclass(frozen=True)
class SumsSize:
    """The memory that the sums of a measurement take.

    Attributes:
        size: number of unit-option pairs, U*K.
        columns: number of columns of a factor: probes of all images.
        working: bytes for the work on a batch.

    Example:
        >>> needed = SumsSize(size=1000, columns=100_000, working=0)
        >>> needed.as_matrix, needed.as_factor, needed.form(memory=0.1, prefer_factor=False)
        (8096000, 400000000, 'matrix')
    """

    size: int
    columns: int
    working: int

    @property
    def as_matrix(self) -> int:
        """Bytes of a matrix, and of the columns of a part."""
        # Columns of a part are in memory twice when they are concatenated.
        return 4 * self.size * (self.size + 2 * min(self.columns, _COLUMNS_AT_ONCE)) + self.working

    @property
    def as_factor(self) -> int:
        """Bytes of a factor."""
        return 4 * self.size * self.columns + self.working

    def form(self, memory: float, prefer_factor: bool) -> Literal["matrix", "factor"] | None:
        """Return the form that fits into `memory` GiB; None if neither does.

        Args:
            memory: limit in GiB.
            prefer_factor: take the factor whenever it fits.
        """
        factor_fits = self.as_factor <= memory * GIB
        if self.as_matrix <= memory * GIB and not (prefer_factor and factor_fits):
            return MATRIX
        return FACTOR if factor_fits else None


@dataclass(frozen=True, eq=False)
class Part:
    """What some images add to the sums.

    Attributes:
        images: number of images.
        residuals: for every batch [UK] float64 its sum of V s, and its sum of s's; empty if the outputs are the
            reference.
        products: for a matrix, the blocks of rows of the sum of V V', up to its diagonal.
        columns: for a factor, [UK, images*P] the columns V.

    Example:
        >>> Part.of([(torch.tensor([[1.0], [2.0]]), None)], probes=1, as_matrix=True).products[0].tolist()
        [[1.0, 2.0], [2.0, 4.0]]
    """

    images: int
    residuals: Sequence[tuple[Tensor, float]]
    products: Sequence[Tensor] = ()
    columns: Tensor | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # Arrays of NumPy are sent to other processes without a copy, which PyTorch's tensors are not.
        columns = None if self.columns is None else self.columns.cpu().numpy()
        return _unpickled, (self.images, self.residuals, [each.cpu().numpy() for each in self.products], columns)

    @classmethod
    def of(cls, batches: Sequence[tuple[Tensor, Tensor | None]], probes: int, as_matrix: bool) -> Part:
        """Sum over batches.

        Args:
            batches: columns [UK, N*P], the derivative of every probe of every image along every change, and residuals
                [N*P], outputs minus reference along the probes; None if the outputs are the reference.
            probes: P, columns per image.
            as_matrix: True for a matrix, False for a factor.
        """
        residuals = [
            (torch.mv(columns, each.to(columns.dtype)).double(), float(each.double().square().sum()))
            for columns, each in batches
            if each is not None
        ]
        columns = torch.cat([columns for columns, _ in batches], 1)
        images = columns.shape[1] // probes
        if not as_matrix:
            return cls(images, residuals, columns=columns)
        # Only the lower triangle, block by block: half the work.
        rows = range(0, len(columns), _BLOCK)
        products = [columns[row : row + _BLOCK] @ columns[: row + _BLOCK].T for row in rows]
        return cls(images, residuals, products=products)


def _unpickled(
    images: int,
    residuals: Sequence[tuple[Tensor, float]],
    products: Sequence[NDArray[Any]],
    columns: NDArray[Any] | None,
) -> Part:
    with warnings.catch_warnings():
        # They may lie in a buffer that cannot be written to, and are only read.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        tensors = [torch.from_numpy(each) for each in products]
        return Part(images, residuals, tensors, None if columns is None else torch.from_numpy(columns))


class Sums:
    """Sums over images of the terms of the quadratic model.

    Attributes:
        storage: [UK, UK] float32 sum of V V' in its lower blocks, or [UK, images*P] the columns V.
        linear: [UK] float64 sum of V s.
        squares: sum of s's.
        images: number of images added.
        is_matrix: True if the storage is the matrix, False if it is the factor.

    Example:
        >>> sums = Sums(size=2, images=1, probes=1, memory=1.0, working=0)
        >>> sums.add(Part.of([(torch.tensor([[1.0], [2.0]]), None)], probes=1, as_matrix=True))
        >>> sums.sensitivity().matrix.tolist()
        [[1.0, 2.0], [2.0, 4.0]]
    """

    def __init__(
        self, size: int, images: int, probes: int, memory: float, working: int, as_factor: bool = False
    ) -> None:
        """Make empty sums in the form that fits into memory.

        Args:
            size: number of unit-option pairs, U*K.
            images: total number of images.
            probes: P, columns per image.
            memory: limit for storage and work, in GiB.
            working: bytes for the work on a batch.
            as_factor: use the factor whenever it fits.

        Raises:
            UnsupportedProblemError: neither form fits; the message states their sizes and how to reduce them.
        """
        columns = images * probes
        needed = SumsSize(size, columns, working)
        form = needed.form(memory, as_factor)
        if form is None:
            raise UnsupportedProblemError(
                f"measuring {size} unit-option pairs on {images} images with {probes} probes each would take "
                f"{needed.as_matrix / GIB:.3g} GiB as a matrix and {needed.as_factor / GIB:.3g} GiB as a factor; the "
                f"limit is {memory:.3g} GiB: take fewer images or probes, a coarser granularity such as group:8, fewer "
                "options, or a higher limit"
            )
        self.is_matrix = form == MATRIX
        self.storage = torch.zeros(size, size if self.is_matrix else columns)
        self.linear = torch.zeros(size, dtype=torch.float64)
        self.squares = 0.0
        self.images = 0
        self._probes, self._total = probes, images

    def clear(self) -> None:
        """Reset all sums to zero."""
        self.storage.zero_()
        self.linear.zero_()
        self.squares, self.images = 0.0, 0

    def columns(self, images: int) -> int:
        """Return the number of storage columns in use after `images` images."""
        return self.storage.shape[1] if self.is_matrix else images * self._probes

    def batches_at_once(self, batch_size: int) -> int:
        """Return the number of batches in a part; it depends on the measurement alone, and not on who measures.

        Args:
            batch_size: images in a batch.
        """
        if not self.is_matrix:
            return 1
        enough = -(-_COLUMNS_AT_ONCE // (batch_size * self._probes))
        # Enough parts for many workers, and few enough images to hold.
        return max(1, min(enough, self._total // (_PARTS * batch_size), _MOST_BATCHES))

    def add(self, part: Part) -> None:
        """Add the next images."""
        if part.columns is not None:
            done = self.columns(self.images)
            self.storage[:, done : done + part.columns.shape[1]] = part.columns
        for rows, product in zip(range(0, len(self.storage), _BLOCK), part.products, strict=False):
            self.storage[rows : rows + _BLOCK, : rows + _BLOCK] += product
        for linear, squares in part.residuals:
            self.linear += linear
            self.squares += squares
        self.images += part.images

    def sensitivity(self) -> QuadraticLossModel:
        """Return the mean over the images as a loss model; the sums cannot be used afterwards."""
        linear, offset = self.linear / self.images, self.squares / (2 * self.images)
        if not self.is_matrix:
            factor = self.storage.mul_(1 / math.sqrt(self.images))
            return QuadraticLossModel(factor=factor.numpy(), linear=linear.numpy(), offset=offset)
        matrix = self.storage.div_(self.images)
        for rows in range(0, len(matrix), _BLOCK):
            matrix[:rows, rows : rows + _BLOCK] = matrix[rows : rows + _BLOCK, :rows].T
        return QuadraticLossModel(matrix=matrix.numpy(), linear=linear.numpy(), offset=offset)
