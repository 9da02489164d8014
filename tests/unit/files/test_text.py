"""Lines, limits and errors of problem files."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from qubo_dnn.errors import FileFormatError
from qubo_dnn.files.common.text import LONGEST_LINE, TextFile


def written(folder: Path, content: bytes) -> TextFile:
    path = folder / "problem"
    path.write_bytes(content)
    return TextFile(path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_lines_are_numbered_and_stripped_whether_gzipped_or_not(tmp_path: Path, pack: type[bytes]) -> None:
    file = written(tmp_path, pack("\ufeffa b\r\n\n ä \nlast".encode()))
    assert list(file.lines()) == [(1, "a b"), (2, ""), (3, " ä "), (4, "last")]
    assert list(file.lines()) == list(file.lines())
    assert file.content().endswith(b"last")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"fine\n\xff\xfe\n", ":2: is not a text in UTF-8"),
        (gzip.compress(b"abc" * 1000)[:-20], "cannot be read: "),
        (b"\x1f\x8b\x08 and no more of gzip", "cannot be read: "),
        (gzip.compress(b"1 2\n")[:-6] + b"\0" * 6, "cannot be read: "),
    ],
    ids=["latin-1", "cut off", "no gzip", "wrong checksum"],
)
def test_undecodable_bytes_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    file = written(tmp_path, content)
    with pytest.raises(FileFormatError) as caught:
        list(file.lines())
    assert str(caught.value).startswith(str(file.path))
    assert words in str(caught.value)


def test_a_gzip_bomb_is_refused_at_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(b"0\n" * 500_000))
    assert sum(1 for _ in TextFile(path, most_bytes=1_000_000).lines()) == 500_000
    with pytest.raises(FileFormatError, match="more than 999,999 bytes"):
        list(TextFile(path, most_bytes=999_999).lines())
    with pytest.raises(FileFormatError, match="more than 999,999 bytes"):
        TextFile(path, most_bytes=999_999).content()


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="problem:2: the line has more than"):
        list(written(tmp_path, gzip.compress(b"\n" + b"0" * (LONGEST_LINE + 1), 1)).lines())


def test_what_is_no_readable_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, words in [
        (tmp_path, "is a folder"),
        (tmp_path / "missing", "cannot be read: No such file"),
        (tmp_path / "pipe", "is not a regular file"),
        (Path("with\0zero"), "cannot be read: "),
        (Path("x" * 5000), "cannot be read: "),
    ]:
        with pytest.raises(FileFormatError, match=words):
            list(TextFile(path).lines())


def test_an_error_is_one_line_with_its_place_and_long_words_cut() -> None:
    file = TextFile(Path("a\nb.txt"))
    assert str(file.error("is empty")) == "a\\nb.txt: is empty"
    text = str(file.error(f"odd \0 {'9' * 1000} here", 7))
    assert text == f"a\\nb.txt:7: odd \\x00 {'9' * 40}... here"
    assert len(str(file.error("ab " * 1000))) < 500


@pytest.mark.parametrize("token", ["1_000", "0x10", "1.0", "", "٣", "1e3", "--1", "9" * 31, " 1", "nan"])
def test_integers_are_plain_decimal(token: str) -> None:
    with pytest.raises(FileFormatError, match=r"p:3: count: .* is not an integer"):
        TextFile(Path("p")).integer(token, 3, "count", 0, 10)


def test_integers_are_within_their_range() -> None:
    file = TextFile(Path("p"))
    assert [file.integer(token, 1, "count", -5, 5) for token in ("-5", "+5", "003")] == [-5, 5, 3]
    for token in ("6", "-6", "1" + "0" * 29):
        with pytest.raises(FileFormatError, match=f"p:1: count: {token} is not within -5 to 5"):
            file.integer(token, 1, "count", -5, 5)


@pytest.mark.parametrize(
    "token", ["1_000", "nan", "inf", "-Infinity", "", ".", "e5", "1e", "0x1p3", "1" * 401, "1e999"]
)
def test_numbers_are_finite_decimals(token: str) -> None:
    with pytest.raises(FileFormatError, match="p:2: weight: "):
        TextFile(Path("p")).number(token, 2, "weight")


@pytest.mark.parametrize("value", [0.1, -1e308, 5e-324, 2.0**60, -0.0, 123456789.123456789])
def test_numbers_keep_every_bit(value: float) -> None:
    assert TextFile(Path("p")).number(repr(value), 1, "weight") == value
