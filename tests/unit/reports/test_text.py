"""Labels and values in pages."""

from __future__ import annotations

import pytest

from qubo_dnn.reports.text import label, percent, shown, visible
from tests.pages import NASTY


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("conv1", "conv1"),
        ("größe λ 你好", "größe λ 你好"),
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\x00\x7f\x9b", r"\x00\x7f\x9b"),
        ("\u202edlrow", r"\u202edlrow"),
        ("\udcff", r"\udcff"),
        ("\u2028", r"\u2028"),
    ],
)
def test_what_has_no_glyph_is_spelled_out(text: str, said: str) -> None:
    assert visible(text) == said
    assert visible(text).encode()


def test_values_are_short_texts() -> None:
    assert [shown(value) for value in (True, 12345, 0.5, float("nan"), None, [1, "a"], {"b": None})] == [
        *("yes", "12,345", "0.5", "nan", "-", "1, a", "b -")
    ]
    assert shown("y" * 500, 10) == f"{'y' * 10}… (500 characters)"
    assert percent(0.12345, 1) == "12.3 %"


def test_labels_of_charts_are_neither_tags_nor_entities() -> None:
    text = label(NASTY)
    assert "<" not in text
    assert text.startswith("&lt;script&gt;")
    assert "&amp;lt;i&amp;gt;" in text
    assert "\x1b" not in text
    assert label("a" * 90 + "z", 20) == f"{'a' * 10}…{'a' * 8}z"
    assert label("two\nlines") == "two lines"
