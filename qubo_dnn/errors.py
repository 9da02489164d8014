"""Errors a user can meet, each with the exit code the command line ends with.

Exit code 0 is success, 1 an unexpected fault (a bug), 2 a malformed command line, 130 an interrupt.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class QuboDnnError(Exception):
    """Base of every error raised on purpose; its text is one readable line."""

    exit_code: ClassVar[int] = 1


class OptionError(QuboDnnError, ValueError):
    """An option is unknown, out of range, or not supported by the chosen plugin."""

    exit_code = 3


class ArgumentError(OptionError, TypeError):
    """A function was called with something of another kind than it takes; the text says what that is."""


class UnknownNameError(QuboDnnError, LookupError):
    """No plugin of that name is installed.

    Args:
        kind: what was asked for, e.g. "backend".
        name: the unknown name.
        known: the names there are.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, tuple(sorted(known))
        # An error is pickled as its class and these, so they have to be what `__init__` takes.
        super().__init__(kind, name, self.known)

    def __str__(self) -> str:
        return f"unknown {self.kind} {self.name!r}{suggestion(self.name, self.known)}"


class UnknownBackendError(UnknownNameError):
    """No backend of that name is installed."""

    exit_code = 4


class UnknownFormulationError(UnknownNameError):
    """No formulation of that name is installed."""

    exit_code = 5


class MissingExtraError(QuboDnnError, ImportError):
    """An optional dependency is not installed; the text says which extra brings it."""

    exit_code = 6


class BackendUnavailableError(MissingExtraError):
    """A backend's own dependency is missing or cannot be imported."""


class UnsupportedProblemError(QuboDnnError, ValueError):
    """The backend cannot take this problem; the text names the limit and the value."""

    exit_code = 7


class BackendFailedError(QuboDnnError, RuntimeError):
    """The backend started and broke off without an answer."""

    exit_code = 8


class FormulationError(QuboDnnError, ValueError):
    """The model is not well formed: a bias is not finite, a constraint names an unknown variable, ..."""

    exit_code = 9


class FileFormatError(QuboDnnError, ValueError):
    """A file does not hold what its format promises; the text names the file."""

    exit_code = 10


class ModelError(QuboDnnError, ValueError):
    """The network or its weights cannot be used as given."""

    exit_code = 11


class DataError(QuboDnnError, ValueError):
    """Images or labels cannot be used as given."""

    exit_code = 12


class BudgetError(QuboDnnError, ValueError):
    """No choice meets the budget; the text says which range can be reached."""

    exit_code = 13


class OutputExistsError(QuboDnnError, FileExistsError):
    """The output folder exists and overwriting was not asked for."""

    exit_code = 14


class OutputError(QuboDnnError, OSError):
    """A result cannot be written."""

    exit_code = 15


class EmbeddingError(UnsupportedProblemError):
    """The problem does not fit the hardware graph, or no embedding of it was found; the text names the limit."""

    exit_code = 16


class AuthenticationError(BackendFailedError):
    """A service knows no user by the credentials given, or none were given."""

    exit_code = 17


class UnknownSolverError(BackendFailedError):
    """A service has no solver of that name that suits the backend."""

    exit_code = 18


class UnreachableError(BackendFailedError):
    """A service cannot be reached, or a connection broke."""

    exit_code = 19


class QuotaError(BackendFailedError):
    """A service refuses more work: the account's time is spent, or requests come too fast."""

    exit_code = 20


class ServiceError(BackendFailedError):
    """A service reports a fault of its own."""

    exit_code = 21


class AnswerError(BackendFailedError):
    """A service answered with something that is not an answer."""

    exit_code = 22


class TimeLimitError(BackendFailedError):
    """A service did not answer within the time limit; the problem was cancelled."""

    exit_code = 23


class CancelledError(BackendFailedError):
    """A problem was cancelled by someone else while the service had it."""

    exit_code = 24


def suggestion(name: str, known: Iterable[str]) -> str:
    """The tail of an "unknown name" message: the near match, or else all known names."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(names)}" if names else "; none is installed"
