"""Patterns of layer names, and what rules make of them."""

from __future__ import annotations

import pytest

from qubo_dnn.compression.task.layer_rules import Rules, matching
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.errors import OptionError

NAMES = ["stem", "layer1.0.conv1", "layer1.0.conv2", "layer1.1.conv1", "fc"]
COMMON = bit_widths(4, 0, 2)


class TestMatching:
    @pytest.mark.parametrize(
        ("pattern", "found"),
        [
            ("fc", ["fc"]),
            ("layer1.*", NAMES[1:4]),
            ("layer1.?.conv1", ["layer1.0.conv1", "layer1.1.conv1"]),
            ("*", NAMES),
            ("first", ["stem"]),
            ("last", ["fc"]),
        ],
    )
    def test_finds_names_in_module_order(self, pattern: str, found: list[str]) -> None:
        assert matching(pattern, NAMES) == found

    def test_a_layer_named_first_is_itself(self) -> None:
        assert matching("first", ["stem", "first"]) == ["first"]
        assert matching("last", ["last", "stem"]) == ["last"]

    def test_case_counts(self) -> None:
        with pytest.raises(OptionError):
            matching("FC", NAMES)

    def test_nothing_found_names_a_near_match(self) -> None:
        with pytest.raises(
            OptionError, match=r"no layer that can be compressed is named 'layer1\.0\.conv'.*did you mea"
        ):
            matching("layer1.0.conv", NAMES)


class TestSkipped:
    def test_are_those_of_any_pattern(self) -> None:
        assert Rules(skip=("first", "*.conv1", "stem")).skipped(NAMES) == {"stem", NAMES[1], NAMES[3]}
        assert Rules().skipped(NAMES) == set()

    def test_all_of_them_are_too_many(self) -> None:
        with pytest.raises(OptionError, match="every layer is to be skipped: stem, layer1"):
            Rules(skip=("*",)).skipped(NAMES)

    def test_unknown(self) -> None:
        with pytest.raises(OptionError, match="is named 'head'"):
            Rules(skip=("head",)).skipped(NAMES)


class TestLayerOptions:
    def test_a_later_pattern_wins_and_options_ascend(self) -> None:
        rules = Rules(options={"layer1.*": bit_widths(8, 3), "*.conv2": bit_widths(6)})
        assert rules.layer_options(NAMES, COMMON) == {
            "stem": bit_widths(0, 2, 4),
            "layer1.0.conv1": bit_widths(3, 8),
            "layer1.0.conv2": bit_widths(6),
            "layer1.1.conv1": bit_widths(3, 8),
            "fc": bit_widths(0, 2, 4),
        }

    @pytest.mark.parametrize("options", [(), bit_widths(2, 2)])
    def test_none_or_one_twice_is_refused(self, options: tuple[()]) -> None:
        with pytest.raises(OptionError, match="options of 'fc' must be different ones, at least one"):
            Rules(options={"fc": options}).layer_options(NAMES, COMMON)

    def test_unknown(self) -> None:
        with pytest.raises(OptionError, match="is named 'head'"):
            Rules(options={"head": COMMON}).layer_options(NAMES, COMMON)


class TestTied:
    names, units = ["a", "b", "c", "d"], [2, 1, 2, 2]

    def test_units_of_tied_layers_share_decisions_numbered_by_their_first_units(self) -> None:
        tied = Rules(ties=(("a", "d"),)).tied(self.names, self.units)
        assert tied is not None
        assert tied.tolist() == [0, 1, 2, 3, 4, 0, 1]

    def test_the_order_of_patterns_does_not_count_and_patterns_may_overlap(self) -> None:
        tied = Rules(ties=(("d", "[cd]"),)).tied(self.names, self.units)
        assert tied is not None
        assert tied.tolist() == [0, 1, 2, 3, 4, 3, 4]

    def test_several_ties(self) -> None:
        tied = Rules(ties=(("c", "d"), ("a", "e"))).tied([*self.names, "e"], [*self.units, 2])
        assert tied is not None
        assert tied.tolist() == [0, 1, 2, 3, 4, 3, 4, 0, 1]

    def test_no_ties(self) -> None:
        assert Rules().tied(self.names, self.units) is None

    @pytest.mark.parametrize(
        ("ties", "message"),
        [
            ((("a",),), "at least two layers, and a is a"),
            ((("a", "c"), ("c", "d")), "the layer 'c' is in two ties"),
            ((("a", "b"),), "equally many units: a has 2, b has 1"),
            ((("a", "x"),), "is named 'x'"),
        ],
    )
    def test_refused(self, ties: tuple[tuple[str, ...], ...], message: str) -> None:
        with pytest.raises(OptionError, match=message):
            Rules(ties=ties).tied(self.names, self.units)
