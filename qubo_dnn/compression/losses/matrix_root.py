"""The square root of large matrices times a vector, from products with the matrix alone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_STEPS = 48
# A Krylov space that is this much smaller than the matrix is exhausted.
_EXHAUSTED = 1e-10


def root_times(times: Callable[[Tensor], Tensor], vectors: Tensor, steps: int = _STEPS) -> Tensor:
    """Multiply vectors by the square roots of symmetric matrices; negative eigenvalues count as zero.

    Lanczos' method with full orthogonalisation: with the orthonormal basis V of the Krylov space of a vector b and the
    tridiagonal T = V' A V, sqrt(A) b is close to |b| V sqrt(T) e_1. It is exact as soon as the steps reach the number
    of distinct eigenvalues.

    Args:
        times: multiplies N vectors [N, D] by N matrices, one each.
        vectors: [N, D].
        steps: largest number of products.

    Returns:
        [N, D] float64.

    Source: Higham 2008, "Functions of Matrices", section 13.2.

    Example:
        >>> matrices = torch.tensor([[[4.0, 0.0], [0.0, 9.0]]]).double()
        >>> product = root_times(lambda v: (matrices @ v[..., None])[..., 0], torch.ones(1, 2).double())
        >>> product.round(decimals=6).tolist()
        [[2.0, 3.0]]
    """
    vectors = vectors.double()
    length = vectors.norm(dim=1, keepdim=True)
    basis = [vectors / length.clamp(min=torch.finfo(vectors.dtype).tiny)]
    diagonal: list[Tensor] = []
    beside: list[Tensor] = []
    scale = torch.zeros_like(length)
    for _ in range(min(steps, vectors.shape[1])):
        product = times(basis[-1])
        diagonal.append((product * basis[-1]).sum(1))
        scale = torch.maximum(scale, product.norm(dim=1, keepdim=True))
        known = torch.stack(basis, 1)
        # Twice is enough to keep the basis orthogonal.
        for _ in range(2):
            product = product - ((known @ product[..., None]).mT @ known)[:, 0]
        rest = product.norm(dim=1, keepdim=True)
        left = rest > _EXHAUSTED * scale
        if not left.any():
            break
        beside.append(torch.where(left, rest, 0.0)[:, 0])
        basis.append(torch.where(left, product / rest.clamp(min=torch.finfo(rest.dtype).tiny), 0.0))
    count = len(diagonal)
    tridiagonal = torch.diag_embed(torch.stack(diagonal, 1))
    if count > 1:
        other = torch.stack(beside[: count - 1], 1)
        tridiagonal = tridiagonal + torch.diag_embed(other, 1) + torch.diag_embed(other, -1)
    values, rotation = torch.linalg.eigh(tridiagonal)
    weights = (rotation * values.clamp(min=0).sqrt()[:, None]) @ rotation[:, :1].mT
    answer: Tensor = length * (weights.mT @ torch.stack(basis[:count], 1))[:, 0]
    return answer
