"""What a measurement has added up so far: a matrix where it fits into memory, else a factor of it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel
from qubo_dnn.errors import UnsupportedProblemError

GIB = 2**30
_BLOCK = 512
# Products of few columns spend their time on reading and writing the matrix.
_COLUMNS_AT_ONCE = 512


class Sums:
    """Sums over images of the quadratic model's terms.

    Attributes:
        storage: [UK, UK] float32 sum of V V' in its lower blocks, or [UK, images*P] all columns V, done ones first.
        linear: [UK] float64 sum of V s.
        squares: sum of s's.
        images: how many were added.
        is_matrix: which form it is.
    """

    def __init__(
        self, size: int, images: int, probes: int, memory: float, working: int, as_factor: bool = False
    ) -> None:
        """Empty sums of the form that fits.

        Args:
            size: U*K unit-option pairs.
            images: in all.
            probes: P, columns of an image.
            memory: GiB for storage and work.
            working: bytes of the work on a batch.
            as_factor: take the factor wherever it fits.

        Raises:
            UnsupportedProblemError: neither form fits; the text says how large they are and what makes them smaller.
        """
        columns = images * probes
        # Columns that wait to be multiplied stand in memory twice at the end of their waiting.
        as_matrix = 4 * size * (size + 2 * min(columns, _COLUMNS_AT_ONCE)) + working
        factored = 4 * size * columns + working
        factor_fits = factored <= memory * GIB
        self.is_matrix = as_matrix <= memory * GIB and not (as_factor and factor_fits)
        if not self.is_matrix and not factor_fits:
            raise UnsupportedProblemError(
                f"measuring {size} unit-option pairs on {images} images with {probes} probes each would take "
                f"{as_matrix / GIB:.3g} GiB as a matrix and {factored / GIB:.3g} GiB as a factor; the limit is "
                f"{memory:.3g} GiB: take fewer images or probes, a coarser granularity such as group:8, fewer options, "
                "or a higher limit"
            )
        self.storage = torch.zeros(size, size if self.is_matrix else columns)
        self.linear = torch.zeros(size, dtype=torch.float64)
        self.squares = 0.0
        self.images = 0
        self._probes = probes
        self._waiting: list[Tensor] = []

    def clear(self) -> None:
        """Make them empty again."""
        self.storage.zero_()
        self.linear.zero_()
        self.squares, self.images, self._waiting = 0.0, 0, []

    def columns(self, images: int) -> int:
        """Columns of the storage that hold something after `images` images."""
        return self.storage.shape[1] if self.is_matrix else images * self._probes

    @property
    def settled(self) -> bool:
        """Return whether the storage holds all images that were added."""
        return not self._waiting

    def add(self, columns: Tensor, residuals: Tensor | None) -> None:
        """Add a batch.

        Args:
            columns: [UK, N*P] derivative of every probe of every image along every change.
            residuals: [N*P] how far the outputs are from the reference along these probes; None where they are it.
        """
        if self.is_matrix:
            self._waiting.append(columns)
            if sum(batch.shape[1] for batch in self._waiting) >= _COLUMNS_AT_ONCE:
                self.settle()
        else:
            done = self.columns(self.images)
            self.storage[:, done : done + columns.shape[1]] = columns
        if residuals is not None:
            self.linear += torch.mv(columns, residuals.to(columns.dtype)).double()
            self.squares += float(residuals.double().square().sum())
        self.images += columns.shape[1] // self._probes

    def settle(self) -> None:
        """Bring into the storage what waits for enough company."""
        if not self._waiting:
            return
        columns = torch.cat(self._waiting, 1)
        self._waiting = []
        for rows in range(0, len(columns), _BLOCK):
            # The lower triangle only, block by block: half the work.
            part = columns[: rows + _BLOCK]
            self.storage[rows : rows + _BLOCK, : rows + _BLOCK].addmm_(part[rows:], part.T)

    def sensitivity(self) -> QuadraticLossModel:
        """The mean over the images; the sums are used up."""
        self.settle()
        linear, offset = self.linear / self.images, self.squares / (2 * self.images)
        if not self.is_matrix:
            factor = self.storage.mul_(1 / math.sqrt(self.images))
            return QuadraticLossModel(factor=factor.numpy(), linear=linear.numpy(), offset=offset)
        matrix = self.storage.div_(self.images)
        for rows in range(0, len(matrix), _BLOCK):
            matrix[:rows, rows : rows + _BLOCK] = matrix[rows : rows + _BLOCK, :rows].T
        return QuadraticLossModel(matrix=matrix.numpy(), linear=linear.numpy(), offset=offset)
