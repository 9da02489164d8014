"""Options: what a unit of a layer can become. Plain data, no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

from qubo_dnn.errors import OptionError

MAX_BITS = 8

_TEXT = re.compile(r"(\d+)(?:@(\d+(?:\.\d+)?)%)?", re.ASCII)
_DECIMALS = 6


@total_ordering
@dataclass(frozen=True)
class Option:
    """A bit width, and the share of every channel's weights that are zero and masked.

    Options are in ascending order of width, and at one width in ascending order of the weights they keep. Text,
    as "4" or "4@50%", is the form in files and on the command line; `parse` reads what `str` writes.

    Attributes:
        bits: 0 (the whole unit is pruned) to `MAX_BITS`.
        sparsity: 0 <= sparsity < 1, rounded to a ten-thousandth of a percent; 0 where `bits` is 0.

    Raises:
        OptionError: a number is out of range.
    """

    bits: int
    sparsity: float = 0.0

    def __post_init__(self) -> None:
        # By `type`, for True is an int.
        if type(self.bits) is not int or not 0 <= self.bits <= MAX_BITS:
            raise OptionError(f"bit width {self.bits!r} is not in 0 to {MAX_BITS}")
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
        """How many of `weights` weights of a channel are stored: at least one, unless the channel is pruned."""
        return max(1, round(weights * (1.0 - self.sparsity))) if self.bits else 0

    @classmethod
    def parse(cls, text: str) -> Option:
        """The option that `text` stands for, as "4" or "4@50%".

        Raises:
            OptionError: it is no option.
        """
        match = _TEXT.fullmatch(text.strip())
        if match is None:
            raise OptionError(f"{text!r} is not an option such as 4 (bits) or 4@50% (half of the weights zero)")
        return cls(int(match[1]), float(match[2] or 0.0) / 100.0)


def parse_options(text: str) -> tuple[Option, ...]:
    """Options separated by commas, as "0,2,3,4@50%", in the order given.

    Raises:
        OptionError: a piece is no option.
    """
    return tuple(map(Option.parse, text.split(",")))


def bit_widths(*bits: int) -> tuple[Option, ...]:
    """The options of these widths, without sparsity.

    Raises:
        OptionError: a width is out of range.
    """
    return tuple(map(Option, bits))
