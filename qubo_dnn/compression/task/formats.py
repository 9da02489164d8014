"""Formats: pairs of an option of weights and a bit width of activations, such as 4a8. Needs no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product
from typing import Self

from qubo_dnn.compression.task.options import FLOAT_BITS, MAX_BITS, MIN_ACTIVATION_BITS, Option, is_activation_width
from qubo_dnn.errors import OptionError

_TEXT = re.compile(r"([^a]+)(?:a(\d+))?", re.ASCII)


@dataclass(frozen=True)
class Formats:
    """The options of weights and the widths of the activations that they are multiplied by.

    Attributes:
        options: options of the weights of a layer, in the order of the text; None: none were given.
        activations: widths of what it reads; empty: activations are not quantized.
        excluded: pairs of both that must not meet in a layer.

    Example:
        >>> formats = Formats.parse("4a8,8a8,4a4")
        >>> list(map(str, formats.options)), formats.activations
        (['4', '8'], (8, 4))
        >>> [(str(option), bits) for option, bits in formats.excluded]
        [('8', 4)]
    """

    options: tuple[Option, ...] | None
    activations: tuple[int, ...] = ()
    excluded: frozenset[tuple[Option, int]] = frozenset()

    @classmethod
    def parse(cls, text: str | None, activations: str | None = None) -> Self:
        """Parse formats separated by commas, such as "0,2,4@50%" or "4a8,8a8,4a4".

        Where one of them has a width of activations, those without have activations of 32 bits; pruned channels read
        nothing, and are allowed with every width.

        Args:
            text: the formats; None: the options are not given.
            activations: widths of activations, such as "4,8", if the formats have none; None: not given.

        Raises:
            OptionError: a part is not a format, or both texts have widths of activations.
        """
        if text is None or activations is not None:
            formats = cls(None) if text is None else cls.parse(text)
            if formats.activations:
                raise OptionError(f"the options {text} have widths of activations, and so no others can be given")
            return replace(formats, activations=() if activations is None else parse_activations(activations))
        pairs = []
        for part in text.split(","):
            match = _TEXT.fullmatch(part.strip())
            bits = None if match is None or match[2] is None else int(match[2])
            if match is None or (bits is not None and not is_activation_width(bits)):
                raise OptionError(f"{part!r} is not a format such as 4, 4@50% or 4a8; {_WIDTHS}")
            pairs.append((Option.parse(match[1]), bits))
        options = tuple(dict.fromkeys(option for option, _ in pairs))
        if all(bits is None for _, bits in pairs):
            return cls(tuple(option for option, _ in pairs))
        whole = {(option, FLOAT_BITS if bits is None else bits) for option, bits in pairs if option.bits}
        widths = tuple(dict.fromkeys(FLOAT_BITS if bits is None else bits for option, bits in pairs if option.bits))
        if len(whole) < sum(bool(option.bits) for option, _ in pairs):
            raise OptionError(f"options must be different ones, not {text}")
        every = {pair for pair in product(options, widths) if pair[0].bits}
        return cls(options, widths, frozenset(every - whole))


_WIDTHS = f"activations take {MIN_ACTIVATION_BITS} to {MAX_BITS} bits, or {FLOAT_BITS} to stay as they are"


def parse_activations(text: str) -> tuple[int, ...]:
    """Parse widths of activations separated by commas, such as "8" or "4,8".

    Raises:
        OptionError: a part is not a width, or they are not different ones.

    Example:
        >>> parse_activations("4,8")
        (4, 8)
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() for part in parts):
        raise OptionError(f"{text!r} is not a list of widths such as 8 or 4,8; {_WIDTHS}")
    return check_activations(map(int, parts))


def check_activations(widths: Iterable[int]) -> tuple[int, ...]:
    """Return widths of activations, which must be different ones.

    Raises:
        OptionError: one of them cannot be a width, or is there twice.

    Example:
        >>> check_activations([8])
        (8,)
    """
    found = tuple(widths)
    if not all(type(bits) is int and is_activation_width(bits) for bits in found):
        raise OptionError(f"{', '.join(map(str, found))}: {_WIDTHS}")
    if len(set(found)) < len(found):
        raise OptionError(f"the widths of activations must be different ones, not {', '.join(map(str, found))}")
    return found
