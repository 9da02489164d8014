"""Rules for single layers: skipped layers, layers with special options, tied layers. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.task.formats import Formats
from qubo_dnn.compression.task.options import Option
from qubo_dnn.errors import OptionError, suggestion

FIRST, LAST = "first", "last"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Rules that treat some layers differently from the others.

    A pattern is a layer name with shell wildcards (`layer1.*`), or "first" or "last": the first or last layer that can
    be compressed, in module order; for options and ties, among the layers that are not skipped.

    Attributes:
        skip: patterns of layers whose weights stay float32; their size counts.
        options: pattern -> options of these layers, which replace the common ones; a later pattern wins.
        activations: pattern -> widths of what these layers read, which replace the common ones; a later pattern wins.
        ties: patterns of layers whose units take the same option, channel by channel, for example both ends of a
            residual connection.

    Example:
        >>> rules = Rules(skip=("first",), options={"layer1.*": (Option(4), Option(8))})
        >>> names = ["conv1", "layer1.conv", "fc"]
        >>> common = (Option(2), Option(3))
        >>> rules.skipped(names), [option.bits for option in rules.layer_options(names, common)["layer1.conv"]]
        ({'conv1'}, [4, 8])
    """

    skip: tuple[str, ...] = ()
    options: Mapping[str, tuple[Option, ...]] = field(default_factory=dict)
    activations: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    ties: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def parse(
        cls,
        skip: Sequence[str] = (),
        layer_options: Mapping[str, str] = MappingProxyType({}),
        ties: Sequence[Sequence[str]] = (),
    ) -> Self:
        """Make rules of texts.

        Args:
            skip: patterns.
            layer_options: pattern -> formats, such as "4,8" or "8a8".
            ties: patterns.

        Raises:
            OptionError: a text is not a list of formats, or the formats of a layer are not all pairs of their options
                and widths.
        """
        formats = {pattern: Formats.parse(text) for pattern, text in layer_options.items()}
        for pattern, each in formats.items():
            if each.excluded:
                option, bits = min(each.excluded)
                raise OptionError(
                    f"the formats of {pattern!r} leave out {option}a{bits}; give all pairs of their widths"
                )
        return cls(
            skip=tuple(skip),
            options={pattern: each.options or () for pattern, each in formats.items()},
            activations={pattern: each.activations for pattern, each in formats.items() if each.activations},
            ties=tuple(map(tuple, ties)),
        )

    def layer_activations(self, names: Sequence[str], common: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """Return layer -> the widths of what it reads.

        Args:
            names: names of the layers whose activations can be quantized.
            common: widths of layers without special ones; empty: their activations stay as they are.

        Raises:
            OptionError: a pattern matches none of these layers.
        """
        found = dict.fromkeys(names, common)
        for pattern, widths in self.activations.items():
            found.update(dict.fromkeys(matching(pattern, names), widths))
        return found

    def skipped(self, names: Sequence[str]) -> set[str]:
        """Return the names of the skipped layers.

        Raises:
            OptionError: a pattern matches no layer, or all layers are skipped.
        """
        chosen = {name for pattern in self.skip for name in matching(pattern, names)}
        if len(chosen) == len(names):
            raise OptionError(f"every layer is to be skipped: {', '.join(names)}")
        return chosen

    def layer_options(self, names: Sequence[str], common: tuple[Option, ...]) -> dict[str, tuple[Option, ...]]:
        """Return layer -> its options in ascending order.

        Raises:
            OptionError: a pattern matches no layer, or the options of a layer are empty or repeated.
        """
        found = dict.fromkeys(names, tuple(sorted(common)))
        for pattern, options in self.options.items():
            if not options or len(set(options)) != len(options):
                raise OptionError(f"the options of {pattern!r} must be different ones, at least one")
            found.update(dict.fromkeys(matching(pattern, names), tuple(sorted(options))))
        return found

    def tied(self, names: Sequence[str], units: Sequence[int]) -> NDArray[np.intp] | None:
        """Return [units] the decision of every unit, or None if no units are tied.

        Args:
            names: names of the layers.
            units: number of units of each layer.

        Raises:
            OptionError: a pattern matches no layer, a tie has fewer than two layers, a layer is in two ties, or tied
                layers differ in their number of units.
        """
        if not self.ties:
            return None
        start = dict(zip(names, np.cumsum([0, *units[:-1]]).tolist(), strict=True))
        count = dict(zip(names, units, strict=True))
        decision = np.arange(sum(units))
        seen: set[str] = set()
        for tie in self.ties:
            layers = list(dict.fromkeys(name for pattern in tie for name in matching(pattern, names)))
            if len(layers) < 2:
                raise OptionError(f"a tie takes at least two layers, and {', '.join(tie)} is {', '.join(layers)}")
            if twice := seen.intersection(layers):
                raise OptionError(f"the layer {min(twice)!r} is in two ties")
            if len({count[name] for name in layers}) > 1:
                sizes = ", ".join(f"{name} has {count[name]}" for name in layers)
                raise OptionError(f"tied layers need equally many units: {sizes}")
            seen.update(layers)
            lead = min(layers, key=lambda name: start[name])
            for name in layers:
                decision[start[name] : start[name] + count[name]] = start[lead] + np.arange(count[lead])
        return np.asarray(np.unique(decision, return_inverse=True)[1], np.intp)


def matching(pattern: str, names: Sequence[str]) -> list[str]:
    """Return the names that match a pattern.

    Raises:
        OptionError: no name matches.

    Example:
        >>> names = ["conv1", "layer1.conv", "fc"]
        >>> matching("layer1.*", names), matching("last", names)
        (['layer1.conv'], ['fc'])
    """
    if pattern in (FIRST, LAST) and pattern not in names:
        return [names[0] if pattern == FIRST else names[-1]]
    found = [name for name in names if fnmatchcase(name, pattern)]
    if not found:
        raise OptionError(f"no layer that can be compressed is named {pattern!r}{suggestion(pattern, names)}")
    return found
