"""The words of the command line that is run, for pages that say how they were made."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar

_WORDS: ContextVar[tuple[str, ...]] = ContextVar("words", default=())


def remember_words(words: Sequence[str]) -> None:
    """Remember the words after the program's name."""
    _WORDS.set(tuple(words))


def command_words() -> tuple[str, ...]:
    """Return the words after the program's name; none outside of a command."""
    return _WORDS.get()
