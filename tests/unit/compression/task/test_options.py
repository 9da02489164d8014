import pytest
from hypothesis import given
from hypothesis import strategies as st

from qubo_dnn.compression.task.options import Option, bit_widths, parse_options
from qubo_dnn.errors import OptionError


@pytest.mark.parametrize(
    ("text", "option"),
    [("0", Option(0)), ("4", Option(4)), ("4@50%", Option(4, 0.5)), ("8@12.5%", Option(8, 0.125)), (" 2 ", Option(2))],
)
def test_text_and_option_stand_for_each_other(text: str, option: Option) -> None:
    assert Option.parse(text) == option
    assert str(option) == text.strip()


@given(st.integers(1, 8), st.floats(0.0, 0.9999))
def test_an_option_survives_its_text(bits: int, sparsity: float) -> None:
    option = Option(bits, sparsity)
    assert Option.parse(str(option)) == option
    assert option.sparsity == pytest.approx(sparsity, abs=1e-6)


def test_no_sparsity_is_plain_and_whatever_is_pruned_is_one_option() -> None:
    assert Option.parse("4@0%") == Option(4)
    assert len({Option(0), Option.parse("0@0%"), Option(0, 0.0)}) == 1


def test_options_ascend_by_width_and_then_by_what_they_keep() -> None:
    options = parse_options("0,2@75%,2@50%,2,4@50%,4")
    assert sorted(parse_options("4,4@50%,2,2@50%,2@75%,0")) == list(options)


@pytest.mark.parametrize(
    ("option", "weights", "kept"),
    [("0", 9, 0), ("4", 9, 9), ("4@50%", 8, 4), ("4@50%", 9, 4), ("4@99%", 9, 1), ("4@30%", 1, 1), ("4@10%", 9, 8)],
)
def test_kept_weights_are_rounded_and_at_least_one(option: str, weights: int, kept: int) -> None:
    assert Option.parse(option).kept(weights) == kept


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not an option"),
        ("four", "'four' is not an option such as 4"),
        ("4@50", "'4@50' is not an option"),
        ("-1", "'-1' is not an option"),
        ("9", "bit width 9 is neither in 0 to 8 nor 32"),
        ("4@100%", "is not within 0 and 1"),
        ("4@99.99999%", "is not within 0 and 1"),
        ("0@50%", "take no sparsity"),
    ],
)
def test_what_is_no_option_is_refused(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        parse_options(f"2,{text}")


@pytest.mark.parametrize("bits", [True, 2.0, -1])
def test_widths_are_whole_numbers(bits: int) -> None:
    with pytest.raises(OptionError, match="bit width"):
        Option(bits)


def test_bit_widths_are_options_without_sparsity() -> None:
    assert bit_widths(0, 2, 8) == (Option(0), Option(2), Option(8))
