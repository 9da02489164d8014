"""Fit a BatchNorm, or the bias of a layer, so that channels follow those of the original network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

Part = Literal["bias", "batchnorm"]
PARTS: tuple[Part, ...] = get_args(Part)

# A pruned channel has slope 0, which only infinite statistics could express.
_LEAST_SLOPE = 1e-3


def repairable(network: nn.Module, parts: tuple[Part, ...]) -> dict[str, nn.Module]:
    """Return the modules with parameters that `parts` may set, in module order.

    Example:
        >>> list(repairable(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), ("batchnorm",)))
        ['1']
    """
    found = {}
    for name, module in network.named_modules():
        if isinstance(module, _BatchNorm):
            wanted = "batchnorm" in parts and module.running_mean is not None
        else:
            # Skip a bias that is computed from other tensors, such as a mask.
            own = dict(module.named_parameters(recurse=False))
            wanted = "bias" in parts and isinstance(module, _ConvNd | nn.Linear) and "bias" in own
        if wanted:
            found[name] = module
    return found


class ChannelMatch:
    """Fit one module to the original: batch by batch during the run, then with the statistics of all images.

    Args:
        module: one of `repairable`; x and y below are the inputs of a BatchNorm, or the outputs of another module, in
            the compressed and in the original network.
        silent: output channels of a layer whose bias must not change.

    Example:
        >>> layer, x = nn.Linear(3, 2), torch.zeros(5, 2)
        >>> match = ChannelMatch(layer)
        >>> match.observe(x, x + 1.0).mean().item()
        1.0
    """

    def __init__(self, module: nn.Module, silent: Sequence[int] = ()) -> None:
        self.module, self._silent = module, list(silent)
        self.norm = isinstance(module, _BatchNorm)
        self._eps = module.eps if isinstance(module, _BatchNorm) else 0.0
        # Sums over images of the means over positions of x, y and, for a BatchNorm, x x and x y, per channel.
        self._count = 0
        self._sums: Tensor | float = 0.0

    def observe(self, x: Tensor, y: Tensor) -> Tensor:
        """Record one call, and return the output of the module repaired with the statistics of this call alone."""
        means = self.means(x, y)
        self._count += len(x)
        self._sums = self._sums + len(x) * means
        return self.repaired(x, means)

    def means(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the means over samples and positions of x, y and, for a BatchNorm, x x and x y, per channel."""
        others = [place for place in range(x.dim()) if place != self._axis(x)]
        mean_x, mean_y = x.mean(others, keepdim=True), y.mean(others, keepdim=True)
        moments = [mean_x.flatten().double(), mean_y.flatten().double()]
        if self.norm:
            # Centre the values before the products, because float32 loses a small variance beside a large mean.
            centred = x - mean_x
            square, product = centred.square().mean(others), (centred * (y - mean_y)).mean(others)
            moments += [square + moments[0].square(), product + moments[0] * moments[1]]
        return torch.stack(moments)

    def settle(self) -> None:
        """Set the parameters of the module."""
        if isinstance(self._sums, float):
            return
        means = self._sums / self._count
        if isinstance(self.module, _BatchNorm):
            for name, values in zip(("running_mean", "running_var"), self._statistics(means), strict=True):
                self.module.get_buffer(name).copy_(values)
        else:
            with torch.no_grad():
                self.module.get_parameter("bias").add_(self._shift(means).to(self.module.get_parameter("bias").dtype))

    def repaired(self, x: Tensor, means: Tensor) -> Tensor:
        """Return the output of the module repaired with the statistics `means`."""
        shape = [-1 if place == self._axis(x) else 1 for place in range(x.dim())]
        if isinstance(self.module, _BatchNorm):
            mean, variance = self._statistics(means)
            weight = 1.0 if self.module.weight is None else self.module.weight.double()
            scale = weight / (variance + self._eps).sqrt()
            shift = -mean * scale + (0.0 if self.module.bias is None else self.module.bias.double())
            return x * scale.to(x.dtype).view(shape) + shift.to(x.dtype).view(shape)
        return x + self._shift(means).to(x.dtype).view(shape)

    def _shift(self, means: Tensor) -> Tensor:
        """Return the change of the bias: the mean difference of the outputs, and zero for silent channels."""
        return (means[1] - means[0]).index_fill(0, torch.tensor(self._silent, dtype=torch.int64).to(means.device), 0.0)

    def _axis(self, x: Tensor) -> int:
        return 1 if self.norm or isinstance(self.module, _ConvNd) else x.dim() - 1

    def _statistics(self, means: Tensor) -> tuple[Tensor, Tensor]:
        """Return the running mean and variance for which the BatchNorm acts on `a (x - mean x) + mean y`."""
        old_mean, old_variance = (self.module.get_buffer(name).double() for name in ("running_mean", "running_var"))
        spread = means[2] - means[0].square()
        # A channel without variance gets slope 0.
        slope = torch.where(spread > 1e-12 * old_variance, (means[3] - means[0] * means[1]) / spread, 0.0)
        slope = slope.clamp(min=_LEAST_SLOPE)
        variance = (old_variance + self._eps) / slope.square() - self._eps
        return means[0] - (means[1] - old_mean) / slope, variance.clamp(min=0.0)
