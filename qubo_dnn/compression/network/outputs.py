"""The outputs of a network: find them in whatever it returns, choose those that are compared, and their batch axis."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from qubo_dnn.compression.data.inputs import Inputs
from qubo_dnn.errors import ModelError, OptionError, suggestion

# A probability, a logit and an embedding alike, so that every loss accepts it at padding.
_PADDING = 0.5


def named_outputs(returned: object) -> dict[str, Tensor]:
    """Return the floating-point tensors in what a network returns, by name.

    Items of tuples, lists, dicts and dataclasses are named by position, key or field; names of nested ones are joined
    by dots, such as "0.hidden". A tensor that is returned alone has the name "".

    Example:
        >>> sorted(named_outputs({"logits": torch.zeros(2, 3), "hidden": (torch.zeros(2, 4), None)}))
        ['hidden.0', 'logits']
    """
    return {name: value for name, value in all_outputs(returned).items() if value.is_floating_point()}


def all_outputs(returned: object) -> dict[str, Tensor]:
    """Return the tensors of any type in what a network returns, by name; see `named_outputs`.

    Example:
        >>> list(all_outputs((torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64))))
        ['0', '1']
    """
    return dict(_leaves(returned, ""))


def _leaves(value: object, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value
        return
    for key, item in _items(value):
        yield from _leaves(item, f"{name}.{key}" if name else str(key))


def _items(value: Any) -> Iterator[tuple[object, object]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        yield from zip(value._fields, value, strict=True)
    elif isinstance(value, tuple | list):
        yield from enumerate(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))


def chosen(returned: object, names: Sequence[str]) -> list[Tensor]:
    """Return the named outputs, or the only one if no name is given.

    Raises:
        ModelError: the network returns no floating-point tensor, or several and no name is given.
        OptionError: a name is unknown; the message names a close match.

    Example:
        >>> chosen({"logits": torch.zeros(2, 3), "boxes": torch.zeros(2, 4)}, ["boxes"])[0].shape
        torch.Size([2, 4])
    """
    found = named_outputs(returned)
    if not found:
        what = f"{returned.dtype}, not floating-point" if isinstance(returned, Tensor) else type(returned).__name__
        raise ModelError(f"the network gives {what}, which holds no floating-point tensor")
    if not names:
        if len(found) > 1:
            shapes = ", ".join(f"{name} {tuple(value.shape)}" for name, value in list(found.items())[:8])
            raise ModelError(
                f"the network gives {len(found)} outputs: {shapes}; state which one is compared, such as --output "
                f"{next(iter(found))} (output= in Python), several of them, or all: --output all"
            )
        return list(found.values())
    if missing := [name for name in names if name not in found]:
        known = ", ".join(name or "a tensor without a name" for name in list(found)[:8])
        raise OptionError(f"the network has no output {missing[0]!r}{suggestion(missing[0], found)}; it gives {known}")
    return [found[name] for name in names]


def compared(returned: object, inputs: Inputs) -> Tensor:
    """Return the compared outputs as one tensor [N, ...], samples first; several outputs as [N, D], one after another.

    Positions of padding are constant, see `qubo_dnn.compression.data.inputs.Interface.mask`.

    Raises:
        ModelError: an output has no samples on its axis, is not finite, or does not have the positions of the mask.
        OptionError: an output is unknown.

    Example:
        >>> from qubo_dnn.compression.data.inputs import Interface
        >>> compared((torch.zeros(2, 3), torch.ones(2, 4)), Inputs({0: torch.zeros(2, 5)}, Interface(outputs=("1",))))
        tensor([[1., 1., 1., 1.],
                [1., 1., 1., 1.]])
    """
    interface, count = inputs.interface, len(inputs)
    outputs = chosen(returned, interface.outputs)
    axes = interface.output_axes or (0,) * len(outputs)
    found = []
    for output, axis in zip(outputs, axes, strict=True):
        if output.dim() <= axis or output.shape[axis] != count:
            raise ModelError(
                f"the network gives {output.dtype} of shape {tuple(output.shape)} for {count} images, "
                "not floating-point outputs of shape (images, ...)"
            )
        if not output.isfinite().all():
            raise ModelError("the network gives outputs that are not finite")
        found.append(output.movedim(axis, 0))
    if (mask := inputs.mask) is not None:
        found = _unpadded(found, mask.to(found[0].device))
    return found[0] if len(found) == 1 else torch.cat([output.reshape(count, -1) for output in found], 1)


def _unpadded(outputs: Sequence[Tensor], mask: Tensor) -> list[Tensor]:
    """Return the outputs with a constant at padding, which no weight changes; those without these positions as is."""
    shaped = [_positions(mask, output.shape) for output in outputs]
    if all(each is None for each in shaped):
        shapes = ", ".join(str(tuple(output.shape)) for output in outputs)
        raise ModelError(
            f"the mask of shape {tuple(mask.shape)} does not fit outputs of shape {shapes}: it has to have one entry "
            "per position, (images, ...)"
        )
    return [
        output if each is None else output.masked_fill(~each, _PADDING)
        for output, each in zip(outputs, shaped, strict=True)
    ]


def _positions(mask: Tensor, shape: torch.Size) -> Tensor | None:
    """Return the mask in a shape that fits outputs of a shape, or None if these have other positions."""
    if shape[: mask.dim()] == mask.shape:
        return mask.reshape(*mask.shape, *[1] * (len(shape) - mask.dim()))
    # The positions of classes [N, C, ...], such as pixels, come after the classes.
    if len(shape) == mask.dim() + 1 and (shape[0], *shape[2:]) == tuple(mask.shape):
        return mask[:, None]
    return None


def axes_of_samples(small: Sequence[Tensor], large: Sequence[Tensor], sizes: tuple[int, int]) -> tuple[int, ...]:
    """Find the axis of the samples in each output from two runs: the first axis whose length is their number in both.

    Args:
        small: outputs for `sizes[0]` samples.
        large: outputs for `sizes[1]` samples.
        sizes: numbers of samples, which differ.

    Raises:
        ModelError: an output has no such axis.

    Example:
        >>> axes_of_samples([torch.zeros(2, 2, 7)], [torch.zeros(2, 3, 7)], (2, 3))
        (1,)
    """
    axes = []
    for one, other in zip(small, large, strict=True):
        shared = min(one.dim(), other.dim())
        fitting = [axis for axis in range(shared) if (one.shape[axis], other.shape[axis]) == sizes]
        if not fitting:
            raise ModelError(
                f"the network gives outputs of shape {tuple(one.shape)} for {sizes[0]} images and "
                f"{tuple(other.shape)} for {sizes[1]}: no axis is that of the images"
            )
        axes.append(fitting[0])
    return tuple(axes)
