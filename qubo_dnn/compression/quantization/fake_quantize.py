"""Fake quantization: a weight on its grid in the forward pass, straight-through gradients in the backward pass.

The grids stay those of the plan; only the codes are trained. There are no observers.

Source: Bengio et al. 2013, "Estimating or propagating gradients through stochastic neurons" (straight-through
estimator); Jacob et al. 2018, "Quantization and training of neural networks for efficient integer-arithmetic-only
inference" (fake quantization).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from qubo_dnn.compression.quantization.quantize import Quantized, grids
from qubo_dnn.errors import ModelError


class FakeQuantize(nn.Module):
    """Parametrization (`torch.nn.utils.parametrize`) that rounds a weight to the grids of a quantized one.

    Every number goes to the nearest value of its channel's grid, numbers beyond the grid to its ends; weights that are
    pruned or masked are zero, and channels of 32 bits stay as they are. The gradient is that of the identity, but zero
    for numbers more than half a step beyond the ends of the grid, as in `torch.fake_quantize_per_channel_affine`, and
    for pruned and masked weights.

    Args:
        quantized: the weight; its codes are not used.

    Example:
        >>> from qubo_dnn.compression.quantization.quantize import dequantize, quantize
        >>> from qubo_dnn.compression.task.options import Option
        >>> quantized = quantize(torch.tensor([[1.5, -0.5, 0.5, -1.5]]), Option(2))
        >>> latent = (dequantize(quantized) * 1.2).requires_grad_()
        >>> weight = FakeQuantize(quantized)(latent)
        >>> torch.equal(weight, dequantize(quantized))
        True
        >>> weight.sum().backward()
        >>> latent.grad.tolist()
        [[1.0, 1.0, 1.0, 1.0]]
    """

    grid: Tensor
    kept: Tensor
    plain: Tensor

    def __init__(self, quantized: Quantized) -> None:
        super().__init__()
        self.layout = quantized.layout
        # As integers, so that `module.half()` and the like leave the grid alone.
        self.register_buffer("grid", grids(quantized).view(torch.int32))
        self.register_buffer("kept", quantized.kept.clone())
        self.register_buffer("plain", quantized.plain[:, None])

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight on the grid, in its own type."""
        if weight.requires_grad and not torch.is_grad_enabled():
            # How torch computes a matrix product, and so its last bits, depends on whether the weight is an ordinary
            # tensor that requires a gradient, like the parameter that it stands for, even if none is computed.
            with torch.inference_mode(mode=False), torch.no_grad():
                return self._rounded(weight).requires_grad_()
        return self._rounded(weight)

    def _rounded(self, weight: Tensor) -> Tensor:
        scale, offset, low, high = self.grid.view(torch.float32)
        rows = self.layout.rows(weight)
        fixed = rows.detach()
        codes = _codes(fixed, scale, offset)
        values = torch.where(self.plain, fixed, ((codes.clamp(low, high) + offset) * scale).to(rows.dtype))
        passes = self.plain | ((low <= codes) & (codes <= high))
        # The difference is zero, and carries the gradient.
        values = values + torch.where(passes, rows - fixed, 0.0)
        # With the strides of the parameter, such as those of `torch.channels_last`.
        return torch.empty_like(weight).copy_(self.layout.weight(torch.where(self.kept, values, 0.0)))

    def extra_repr(self) -> str:
        """Return the shape of the weight."""
        return str(self.layout.shape)


def on_grids_of(quantized: Quantized, weight: Tensor, name: str = "weight") -> Quantized:
    """Return another weight as codes on the grids of a quantized one; these are what `FakeQuantize` gives.

    Args:
        quantized: gives grids, masks and layout.
        weight: floating-point weight of the same shape.
        name: name of the weight, for messages.

    Raises:
        ModelError: a weight is not finite.

    Example:
        >>> from qubo_dnn.compression.quantization.quantize import dequantize, quantize
        >>> from qubo_dnn.compression.task.options import Option
        >>> quantized = quantize(torch.tensor([[1.5, -0.5, 0.5, -1.5]]), Option(2))
        >>> on_grids_of(quantized, torch.tensor([[-9.0, 9.0, 0.1, 0.2]])).codes.tolist()
        [[-2, 1, 0, 0]]
    """
    if not torch.isfinite(weight).all():
        raise ModelError(f"{name}: a weight is not finite (NaN or infinite)")
    rows = quantized.layout.rows(weight.detach().cpu())
    scale, offset, low, high = grids(quantized)
    codes = _codes(rows, scale, offset).clamp_(low, high).masked_fill_(~quantized.kept, 0.0).to(torch.int8)
    floats = (rows.float() * quantized.kept)[quantized.plain]
    return replace(quantized, codes=codes, floats=floats)


def _codes(rows: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
    """Return the nearest codes, which may be beyond the grid; a scale of 0 stands for zero weights alone."""
    return (rows.float() / torch.where(scale > 0.0, scale, 1.0)).sub_(offset).round_()
