"""Options: bit width and sparsity of a unit. Plain data; needs no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

from qubo_dnn.errors import OptionError

MAX_BITS = 8
"""Largest width of a quantized weight."""
FLOAT_BITS = 32
"""Width of a weight that is not quantized."""

MIN_ACTIVATION_BITS = 2
"""Least width of quantized activations."""

_TEXT = re.compile(r"(\d+)(?:@(\d+(?:\.\d+)?)%)?", re.ASCII)
_DECIMALS = 6


@total_ordering
@dataclass(frozen=True)
class Option:
    """A bit width, and the share of every channel's weights that are zero and masked.

    Options are ordered by width, and at equal width by the number of weights they keep. Files and the command line
    use the text form, "4" or "4@50%"; `parse` reads the output of `str`.

    Attributes:
        bits: 0 (the whole unit is pruned) to `MAX_BITS`, or `FLOAT_BITS`: the weights stay as they are.
        sparsity: 0 <= sparsity < 1, rounded to 1e-6; 0 if `bits` is 0.

    Raises:
        OptionError: a number is out of range.

    Example:
        >>> option = Option.parse("4@50%")
        >>> option.bits, option.sparsity, option.kept(9)
        (4, 0.5, 4)
    """

    bits: int
    sparsity: float = 0.0

    def __post_init__(self) -> None:
        # Compare the type, because True is an int.
        if type(self.bits) is not int or not (0 <= self.bits <= MAX_BITS or self.bits == FLOAT_BITS):
            raise OptionError(f"bit width {self.bits!r} is neither in 0 to {MAX_BITS} nor {FLOAT_BITS}")
        if not 0.0 <= (rounded := round(float(self.sparsity), _DECIMALS)) < 1.0:
            raise OptionError(f"sparsity {self.sparsity!r} is not within 0 and 1, 1 excluded")
        if rounded and not self.bits:
            raise OptionError("0 bits prune the whole unit and take no sparsity")
        object.__setattr__(self, "sparsity", rounded)

    def __lt__(self, other: Option) -> bool:
        return (self.bits, -self.sparsity) < (other.bits, -other.sparsity)

    def __str__(self) -> str:
        return f"{self.bits}@{100 * self.sparsity:g}%" if self.sparsity else str(self.bits)

    def kept(self, weights: int) -> int:
        """Return how many of the `weights` weights of a channel are stored: at least one, unless it is pruned."""
        return max(1, round(weights * (1.0 - self.sparsity))) if self.bits else 0

    @classmethod
    def parse(cls, text: str) -> Option:
        """Parse an option such as "4" or "4@50%".

        Raises:
            OptionError: the text is not an option.
        """
        match = _TEXT.fullmatch(text.strip())
        if match is None:
            raise OptionError(f"{text!r} is not an option such as 4 (bits) or 4@50% (half of the weights zero)")
        return cls(int(match[1]), float(match[2] or 0.0) / 100.0)


def parse_options(text: str) -> tuple[Option, ...]:
    """Parse options separated by commas, such as "0,2,3,4@50%"; their order is kept.

    Raises:
        OptionError: a part is not an option.

    Example:
        >>> [str(option) for option in parse_options("0,2,4@50%")]
        ['0', '2', '4@50%']
    """
    return tuple(map(Option.parse, text.split(",")))


def bit_widths(*bits: int) -> tuple[Option, ...]:
    """Return the options of these widths, without sparsity.

    Raises:
        OptionError: a width is out of range.

    Example:
        >>> [str(option) for option in bit_widths(0, 2, 4)]
        ['0', '2', '4']
    """
    return tuple(map(Option, bits))


def is_activation_width(bits: int) -> bool:
    """Return whether activations can have a width: 2 to 8 bits, or 32 for those that stay as they are.

    Example:
        >>> [bits for bits in (1, 2, 8, 16, 32) if is_activation_width(bits)]
        [2, 8, 32]
    """
    return MIN_ACTIVATION_BITS <= bits <= MAX_BITS or bits == FLOAT_BITS
