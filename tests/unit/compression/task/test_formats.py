from __future__ import annotations

import pytest

from qubo_dnn.compression.task.formats import Formats, check_activations, parse_activations
from qubo_dnn.compression.task.layer_rules import Rules
from qubo_dnn.compression.task.options import Option, bit_widths
from qubo_dnn.errors import OptionError


def test_options_without_widths_of_activations() -> None:
    assert Formats.parse("4,0,2@50%") == Formats((Option(4), Option(0), Option(2, 0.5)))


@pytest.mark.parametrize(
    ("text", "options", "activations", "excluded"),
    [
        ("4a8", (4,), (8,), set()),
        ("0,4a8,4a4,8a8,8a4", (0, 4, 8), (8, 4), set()),
        ("4a8,8a8,4a4", (4, 8), (8, 4), {(8, 4)}),
        ("4,8a8", (4, 8), (32, 8), {(4, 8), (8, 32)}),
        ("0,2a4,8a8", (0, 2, 8), (4, 8), {(2, 8), (8, 4)}),
    ],
)
def test_formats(
    text: str, options: tuple[int, ...], activations: tuple[int, ...], excluded: set[tuple[int, int]]
) -> None:
    pairs = frozenset((Option(weights), bits) for weights, bits in excluded)
    assert Formats.parse(text) == Formats(bit_widths(*options), activations, pairs)


def test_activations_beside_options() -> None:
    assert Formats.parse("4,8", "4,8") == Formats(bit_widths(4, 8), (4, 8))
    assert Formats.parse(None, "8") == Formats(None, (8,))
    assert Formats.parse(None) == Formats(None)
    with pytest.raises(OptionError, match="have widths of activations, and so no others can be given"):
        Formats.parse("4a8", "8")


@pytest.mark.parametrize("text", ["4a1", "4a9", "4a16", "a8", "4a", "4b8", "4a8,4a8", "9a8", "4a8a8", ""])
def test_what_is_no_format_is_refused(text: str) -> None:
    with pytest.raises(OptionError):
        Formats.parse(text)


@pytest.mark.parametrize("text", ["", "8,", "1", "16", "8,8", "eight", "-8", "8.0"])
def test_what_is_no_width_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="activations"):
        parse_activations(text)


def test_widths_are_whole_numbers() -> None:
    with pytest.raises(OptionError, match="2 to 8 bits, or 32"):
        check_activations([8.0])  # type: ignore[list-item]


def test_formats_of_single_layers() -> None:
    rules = Rules.parse(layer_options={"conv*": "4,8", "first": "8a8", "fc": "8a4,8a8"})
    names = ["conv1", "conv2", "fc"]
    assert rules.layer_activations(names, (4,)) == {"conv1": (8,), "conv2": (4,), "fc": (4, 8)}
    assert rules.layer_options(names, bit_widths(2))["fc"] == (Option(8),)
    with pytest.raises(OptionError, match="the formats of 'fc' leave out 8a4"):
        Rules.parse(layer_options={"fc": "4a8,8a8,4a4"})
