"""The inputs of a network: positional and named tensors of several samples, and how the network is called with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from qubo_dnn.errors import DataError, OptionError

Key = int | str
"""Position or name of an input."""

# torch computes little with the other unsigned integers.
_WIDER = {torch.uint16: torch.int32, torch.uint32: torch.int64, torch.uint64: torch.int64}


@dataclass(frozen=True)
class Interface:
    """How a network takes the samples of a batch, and which of its outputs are compared.

    Attributes:
        batch_axis: axis of the samples in the inputs of the network, or input -> axis (a positional input by its number
            as text; inputs that are not named have 0). An input with too few axes has its samples first.
        outputs: names of the compared outputs, see `qubo_dnn.compression.network.outputs`; empty: the only one.
        output_axes: axis of the samples in each of these; empty: 0.
        mask: name of the input that is False or 0 where the outputs are padding, [N, ...]; None: there is no padding.
        passes_mask: True if the network takes the mask as an input too.

    Raises:
        OptionError: an axis is negative.

    Example:
        >>> Interface(batch_axis={"src": 1}).axis_of("src", axes=3), Interface(batch_axis=1).axis_of("lengths", axes=1)
        (1, 0)
    """

    batch_axis: int | Mapping[str, int] = 0
    outputs: tuple[str, ...] = ()
    output_axes: tuple[int, ...] = ()
    mask: str | None = None
    passes_mask: bool = True

    def __post_init__(self) -> None:
        axes = self.batch_axis.values() if isinstance(self.batch_axis, Mapping) else [self.batch_axis]
        if bad := [axis for axis in axes if axis < 0]:
            raise OptionError(f"the batch axis must be at least 0, not {bad[0]}")

    def axis_of(self, key: Key, axes: int) -> int:
        """Return the axis of the samples in an input with so many axes."""
        axis = self.batch_axis.get(str(key), 0) if isinstance(self.batch_axis, Mapping) else self.batch_axis
        return axis if axis < axes else 0


@dataclass(frozen=True, eq=False)
class Inputs:
    """The inputs of one call of a network for N samples.

    Attributes:
        values: position or name -> tensor [N, ...]; samples come first here, whatever the network expects.
        interface: how the network takes them.

    Example:
        >>> inputs = Inputs({0: torch.zeros(5, 3, 8, 8), "mask": torch.ones(5, 8, dtype=torch.bool)})
        >>> len(inputs), inputs.described()
        (5, 'inputs 0 of (3, 8, 8) and mask of (8,)')
    """

    values: Mapping[Key, Tensor]
    interface: Interface = field(default_factory=Interface)

    @classmethod
    def of(cls, given: Tensor | Inputs) -> Inputs:
        """Return a tensor as the only positional input, and inputs as they are."""
        return given if isinstance(given, Inputs) else cls({0: given})

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    def __getitem__(self, part: slice) -> Inputs:
        """Return the inputs of some of the samples."""
        return replace(self, values={key: value[part] for key, value in self.values.items()})

    @property
    def only(self) -> Tensor:
        """The only input.

        Raises:
            DataError: there are several.
        """
        if len(self.values) > 1:
            raise DataError(f"there is more than one input: {', '.join(map(str, self.values))}")
        return next(iter(self.values.values()))

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Generate name and tensor of every input."""
        for key, value in self.values.items():
            yield str(key), value

    @property
    def mask(self) -> Tensor | None:
        """Mask of the outputs, bool [N, ...], False at padding; None: there is no padding."""
        name = self.interface.mask
        return None if name is None else next(value for key, value in self.tensors() if key == name).bool()

    def call(self, model: nn.Module) -> Any:
        """Run the network on its device, and return whatever it returns."""
        first = next(chain(model.parameters(), model.buffers()), None)
        device = torch.device("cpu") if first is None else first.device
        moved = {key: value.to(device) for key, value in self.arguments().items()}
        named = {key: value for key, value in moved.items() if isinstance(key, str)}
        return model(*(value for key, value in moved.items() if isinstance(key, int)), **named)

    def arguments(self) -> dict[Key, Tensor]:
        """Return the tensors that the network takes, each with its samples on the axis where the network has them."""
        interface = self.interface
        return {
            key: value.movedim(0, interface.axis_of(key, value.dim()))
            for key, value in self.values.items()
            if interface.passes_mask or str(key) != interface.mask
        }

    def described(self) -> str:
        """Return the shapes of one sample in words."""
        shapes = [f"{key} of {tuple(value.shape[1:])}" for key, value in self.values.items()]
        if list(self.values) == [0]:
            return f"images{shapes[0][1:]}"
        return f"input{'s' if len(shapes) > 1 else ''} {' and '.join(shapes)}"


def usable(tensor: Tensor, what: str, *, alone: bool) -> Tensor:
    """Return an input in a type that a float32 network takes: floating-point numbers as float32, integers unchanged.

    Args:
        tensor: the input.
        what: what it is, for error messages.
        alone: True if the network has no other input. Beside others, minus infinity is allowed: additive masks have it.

    Raises:
        DataError: the input holds NaN or infinity, or cannot be converted.

    Example:
        >>> usable(torch.zeros(2, 3, dtype=torch.float64), "image", alone=True).dtype
        torch.float32
    """
    if tensor.is_sparse or tensor.is_quantized or tensor.is_nested:
        raise DataError(f"{what} is sparse, nested or quantized, not an ordinary tensor")
    tensor = tensor.detach()
    if tensor.is_complex():
        ready = tensor.to(torch.complex64)
    elif tensor.is_floating_point():
        ready = tensor.float()
    else:
        ready = tensor.to(_WIDER.get(tensor.dtype, tensor.dtype))
    if ready.is_complex() or ready.is_floating_point():
        check_finite(ready if alone or ready.is_complex() else ready.masked_fill(ready == -torch.inf, 0.0), what)
    return ready


def check_finite(values: Tensor, what: str) -> None:
    """Refuse NaN and infinity in samples [N, ...]; the message names the first bad sample.

    Example:
        >>> check_finite(torch.tensor([[0.0], [torch.nan]]), "data: image")
        Traceback (most recent call last):
            ...
        qubo_dnn.errors.DataError: data: image 1 holds NaN or infinity
    """
    if not values.isfinite().all():
        bad = int(values.isfinite().reshape(len(values), -1).all(dim=1).int().argmin())
        raise DataError(f"{what} {bad} holds NaN or infinity")
