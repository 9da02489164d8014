"""Errors for the user, each with the exit code of the command line.

The other exit codes are 0 for success, 1 for an unexpected fault (a bug), 2 for a malformed command line and 130 for an
interrupt.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class QuboDnnError(Exception):
    """Base class of all deliberate errors; its text is one readable line.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> try:
        ...     get_backend("tabo")
        ... except QuboDnnError as error:
        ...     print(f"exit code {error.exit_code}: {error}")
        exit code 4: unknown backend 'tabo'; did you mean 'tabu'?
    """

    exit_code: ClassVar[int] = 1


class OptionError(QuboDnnError, ValueError):
    """An option is unknown, out of range, or not supported by the chosen plugin.

    Example:
        >>> from qubo_dnn.backend import make_options
        >>> from qubo_dnn.registry import get_backend
        >>> make_options(get_backend("tabu"), {"num_reads": 0})
        Traceback (most recent call last):
        qubo_dnn.errors.OptionError: backend 'tabu', option num_reads: Input should be greater than or equal to 1
    """

    exit_code = 3


class UnknownNameError(QuboDnnError, LookupError):
    """No plugin of that name is installed.

    Args:
        kind: kind of plugin, e.g. "backend".
        name: the unknown name.
        known: all installed names.

    Example:
        >>> raise UnknownNameError("backend", "exat", ["exact", "pt"])
        Traceback (most recent call last):
        qubo_dnn.errors.UnknownNameError: unknown backend 'exat'; did you mean 'exact'?
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, tuple(sorted(known))
        # An error is pickled as its class and these arguments, so they must be those of `__init__`.
        super().__init__(kind, name, self.known)

    def __str__(self) -> str:
        return f"unknown {self.kind} {self.name!r}{suggestion(self.name, self.known)}"


class UnknownBackendError(UnknownNameError):
    """No backend of that name is installed.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> get_backend("tabo")
        Traceback (most recent call last):
        qubo_dnn.errors.UnknownBackendError: unknown backend 'tabo'; did you mean 'tabu'?
    """

    exit_code = 4


class UnknownFormulationError(UnknownNameError):
    """No formulation of that name is installed.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> get_formulation("maxcut")
        Traceback (most recent call last):
        qubo_dnn.errors.UnknownFormulationError: unknown formulation 'maxcut'; did you mean 'max-cut'?
    """

    exit_code = 5


class MissingExtraError(QuboDnnError, ImportError):
    """An optional dependency is not installed; the text names the extra that installs it.

    Example:
        >>> from qubo_dnn.support.extras import require
        >>> require("no_such_module", "plot")
        Traceback (most recent call last):
        qubo_dnn.errors.MissingExtraError: no_such_module is not installed; run: pip install 'qubo-dnn[plot]'
    """

    exit_code = 6


class BackendUnavailableError(MissingExtraError):
    """A dependency of a backend is missing or cannot be imported.

    Example:
        >>> from qubo_dnn.support.extras import require
        >>> require("no_such_module", "qpu", BackendUnavailableError)
        Traceback (most recent call last):
        qubo_dnn.errors.BackendUnavailableError: no_such_module is not installed; run: pip install 'qubo-dnn[qpu]'
    """


class UnsupportedProblemError(QuboDnnError, ValueError):
    """The backend cannot take this problem; the text names the limit and the value.

    Example:
        >>> raise UnsupportedProblemError("backend 'exact' takes at most 26 variables, the problem has 40")
        Traceback (most recent call last):
        qubo_dnn.errors.UnsupportedProblemError: backend 'exact' takes at most 26 variables, the problem has 40
    """

    exit_code = 7


class BackendFailedError(QuboDnnError, RuntimeError):
    """The backend started but failed without a result.

    Example:
        >>> raise BackendFailedError("backend 'pt' returned no sample")
        Traceback (most recent call last):
        qubo_dnn.errors.BackendFailedError: backend 'pt' returned no sample
    """

    exit_code = 8


class FormulationError(QuboDnnError, ValueError):
    """The model is not well formed: a bias is not finite, a constraint names an unknown variable, ...

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> get_formulation("max-cut")([(0, 1, float("nan"))])
        Traceback (most recent call last):
        qubo_dnn.errors.FormulationError: ...not a finite number...
    """

    exit_code = 9


class FileFormatError(QuboDnnError, ValueError):
    """The content of a file does not match its format; the text names the file.

    Args:
        message: one line.
        line: number of the faulty line, from 1; None if the fault is not in one line.

    Example:
        >>> FileFormatError("G.txt:3: an edge needs two vertices and a weight", line=3).line
        3
    """

    exit_code = 10

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class ModelError(QuboDnnError, ValueError):
    """The network or its weights cannot be used as given.

    Example:
        >>> raise ModelError("the network has no layers with weights")
        Traceback (most recent call last):
        qubo_dnn.errors.ModelError: the network has no layers with weights
    """

    exit_code = 11


class DataError(QuboDnnError, ValueError):
    """Images or labels cannot be used as given.

    Example:
        >>> raise DataError("the data have 100 images and 99 labels")
        Traceback (most recent call last):
        qubo_dnn.errors.DataError: the data have 100 images and 99 labels
    """

    exit_code = 12


class BudgetError(QuboDnnError, ValueError):
    """No choice meets the budget; the text gives the range that can be reached.

    Example:
        >>> raise BudgetError("the budget of 0.1 bits is below the smallest reachable value, 1.5 bits")
        Traceback (most recent call last):
        qubo_dnn.errors.BudgetError: the budget of 0.1 bits is below the smallest reachable value, 1.5 bits
    """

    exit_code = 13


class OutputExistsError(QuboDnnError, FileExistsError):
    """The output folder exists, and overwriting it is not allowed.

    Example:
        >>> raise OutputExistsError("the folder out exists; add --overwrite")
        Traceback (most recent call last):
        qubo_dnn.errors.OutputExistsError: the folder out exists; add --overwrite
    """

    exit_code = 14


class OutputError(QuboDnnError, OSError):
    """A result cannot be written.

    Example:
        >>> raise OutputError("out cannot be written: no space left on device")
        Traceback (most recent call last):
        qubo_dnn.errors.OutputError: out cannot be written: no space left on device
    """

    exit_code = 15


class EmbeddingError(UnsupportedProblemError):
    """The problem does not fit the hardware graph, or the search finds no embedding; the text names the limit.

    Example:
        >>> raise EmbeddingError("no embedding into the graph pegasus:16 was found")
        Traceback (most recent call last):
        qubo_dnn.errors.EmbeddingError: no embedding into the graph pegasus:16 was found
    """

    exit_code = 16


class AuthenticationError(BackendFailedError):
    """A service rejects the credentials, or the user gave none.

    Example:
        >>> raise AuthenticationError("the service rejects the token")
        Traceback (most recent call last):
        qubo_dnn.errors.AuthenticationError: the service rejects the token
    """

    exit_code = 17


class UnknownSolverError(BackendFailedError):
    """A service has no solver of that name that suits the backend.

    Example:
        >>> raise UnknownSolverError("the service has no solver 'Advantage_system9.9'")
        Traceback (most recent call last):
        qubo_dnn.errors.UnknownSolverError: the service has no solver 'Advantage_system9.9'
    """

    exit_code = 18


class UnreachableError(BackendFailedError):
    """A service cannot be reached, or the connection was lost.

    Example:
        >>> raise UnreachableError("the service cannot be reached: connection refused")
        Traceback (most recent call last):
        qubo_dnn.errors.UnreachableError: the service cannot be reached: connection refused
    """

    exit_code = 19


class QuotaError(BackendFailedError):
    """A service refuses more work: the account has no time left, or requests come too fast.

    Example:
        >>> raise QuotaError("the account has no solver time left")
        Traceback (most recent call last):
        qubo_dnn.errors.QuotaError: the account has no solver time left
    """

    exit_code = 20


class ServiceError(BackendFailedError):
    """A service reports an internal fault.

    Example:
        >>> raise ServiceError("the service reports an internal error")
        Traceback (most recent call last):
        qubo_dnn.errors.ServiceError: the service reports an internal error
    """

    exit_code = 21


class AnswerError(BackendFailedError):
    """A service returned an invalid answer.

    Example:
        >>> raise AnswerError("the answer of the service has no samples")
        Traceback (most recent call last):
        qubo_dnn.errors.AnswerError: the answer of the service has no samples
    """

    exit_code = 22


class TimeLimitError(BackendFailedError):
    """A service did not answer within the time limit; the problem was cancelled.

    Example:
        >>> raise TimeLimitError("no answer within 5 s; the problem was cancelled")
        Traceback (most recent call last):
        qubo_dnn.errors.TimeLimitError: no answer within 5 s; the problem was cancelled
    """

    exit_code = 23


class CancelledError(BackendFailedError):
    """Another user or program cancelled the problem at the service.

    Example:
        >>> raise CancelledError("the problem was cancelled at the service")
        Traceback (most recent call last):
        qubo_dnn.errors.CancelledError: the problem was cancelled at the service
    """

    exit_code = 24


class DivergenceError(QuboDnnError, RuntimeError):
    """The compressed network is much further from the original than predicted. It is written nevertheless.

    Example:
        >>> raise DivergenceError("the loss rose by 0.5, but 0.01 was predicted")
        Traceback (most recent call last):
        qubo_dnn.errors.DivergenceError: the loss rose by 0.5, but 0.01 was predicted
    """

    exit_code = 25


class ArgumentError(QuboDnnError, TypeError):
    """An argument of a function has the wrong type; the text names the argument and both types.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> get_backend(3)
        Traceback (most recent call last):
        qubo_dnn.errors.ArgumentError: get_backend: name must be str, not int: 3
    """

    exit_code = 26


class ClusterError(QuboDnnError, RuntimeError):
    """Workers cannot be reached, cannot be sent a task, or lost it too often.

    Example:
        >>> raise ClusterError("no worker is left")
        Traceback (most recent call last):
        qubo_dnn.errors.ClusterError: no worker is left
    """

    exit_code = 27


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the end of an "unknown name" message: the most similar name, or else all known names.

    Example:
        >>> "unknown option 'red'" + suggestion("red", ["reads", "sweeps"])
        "unknown option 'red'; did you mean 'reads'?"
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(names)}" if names else "; none is installed"


class CallbackWarning(UserWarning):
    """A callback of the user's raised an exception; the run goes on.

    Example:
        >>> import warnings
        >>> warnings.simplefilter("ignore", CallbackWarning)
    """
