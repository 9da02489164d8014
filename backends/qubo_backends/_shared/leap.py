"""Common parts of the backends of D-Wave's cloud service: credentials, waiting, cancelling, and error classes.

The credentials are those of the service's client: `dwave.conf` and `DWAVE_API_*` only.
"""

from __future__ import annotations

import concurrent.futures
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, ClassVar

from pydantic import Field

from qubo_backends._shared import sampling
from qubo_dnn.backend import SolveOptions
from qubo_dnn.errors import (
    AnswerError,
    AuthenticationError,
    BackendFailedError,
    BackendUnavailableError,
    CancelledError,
    OptionError,
    QuboDnnError,
    QuotaError,
    ServiceError,
    TimeLimitError,
    UnknownSolverError,
    UnreachableError,
)
from qubo_dnn.support.extras import require

# How often a waiting call looks at Ctrl-C and the clock, and how long it waits for the service to confirm a goodbye.
_GLANCE, _FAREWELL = 0.05, 5.0
_ONGOING = ("PENDING", "IN_PROGRESS")


class ServiceOptions(SolveOptions):
    """Options of backends that use the service."""

    solver: str | None = Field(default=None, description="name of the solver (default: the client's choice)")
    profile: str | None = Field(default=None, description="section of dwave.conf (default: the client's choice)")
    label: str | None = Field(default=None, description="label of the problem in the service's list")
    queue_limit: float = Field(
        default=600.0,
        gt=0,
        description="largest waiting time at the service, in wall-clock seconds, in addition to the solver's time",
    )


class LeapBackend:
    """A backend of the service; `NAME:SOLVER` selects a solver by name.

    Attributes:
        kind: class of dwave-system.
    """

    kind: ClassVar[str]

    def __init__(self, variant: str | None = None) -> None:
        self.variant = variant

    def check_ready(self, live: bool) -> str:
        """Check that the backend can be used; see `qubo_dnn.backend.Checkable`."""
        config = configuration(None)
        require("dwave.system", "dwave", BackendUnavailableError)
        if not live:
            named = os.environ.get("DWAVE_CONFIG_FILE")
            files = [named] if named else require("dwave.cloud.config.loaders", "dwave").get_configfile_paths()
            place = f"configuration {', '.join(files)}" if files else "no configuration file"
            return f"ok: a token, {place}, endpoint {config.get('endpoint') or 'by default'} (not asked; see --live)"
        with connected(self.kind, self.variant, ServiceOptions()) as sampler:
            return f"ok: {sampler.solver.name} answers"


def configuration(profile: str | None) -> dict[str, Any]:
    """The client's configuration, from its files and the environment.

    Raises:
        BackendUnavailableError: the extra `dwave` is not installed.
        AuthenticationError: there is no token.
        OptionError: a file cannot be read, or has no such profile.
    """
    config = require("dwave.cloud.config", "dwave", BackendUnavailableError)
    try:
        found: dict[str, Any] = config.load_config(profile=profile)
    except (ValueError, config.exceptions.ConfigFileError) as cause:
        raise OptionError(f"the configuration of D-Wave's client cannot be used: {cause}") from cause
    if not found.get("token"):
        raise AuthenticationError("there is no API token: set DWAVE_API_TOKEN, or run `dwave config create`")
    return found


@contextmanager
def connected(kind: str, variant: str | None, options: ServiceOptions) -> Iterator[Any]:
    """A sampler of dwave-system, closed at the end without waiting for anything.

    Args:
        kind: its class.
        variant: solver that the backend was made for; the option goes before it.
        options: of the call.

    Raises:
        BackendFailedError: one of its kinds, see `qubo_dnn.errors`.
    """
    token = configuration(options.profile)["token"]
    system = require("dwave.system", "dwave", BackendUnavailableError)
    name = options.solver or variant
    # Without the cache on disk: a list of solvers from there hides that a token has become invalid.
    settings = {"cache_home": "off", "profile": options.profile, "solver": name}
    with _translated(token):
        sampler = getattr(system, kind)(**{key: value for key, value in settings.items() if value is not None})
    try:
        yield sampler
    finally:
        # In a thread, since closing waits for requests that may be hanging.
        closing = threading.Thread(target=sampler.client.close, kwargs={"wait": False}, daemon=True)
        closing.start()
        closing.join(_FAREWELL)


def uploaded(sampler: Any, upload: concurrent.futures.Future[str], watch: sampling.InterruptGuard, limit: float) -> str:
    """Id of what is being uploaded, once it is.

    Raises:
        BackendFailedError: one of its kinds.
        KeyboardInterrupt: at Ctrl-C.
        TimeLimitError: `limit` seconds on the watch are over.
    """
    _wait(lambda: bool(concurrent.futures.wait([upload], _GLANCE).done), watch, limit)
    with _translated(sampler.client.config.token):
        return upload.result()


def answered(sampler: Any, futures: list[Any], watch: sampling.InterruptGuard, limit: float) -> list[Any]:
    """Sample sets of submitted problems; if that ends in any other way, the problems are cancelled.

    Args:
        sampler: of dwave-system, see `connected`.
        futures: of its solver.
        watch: entered.
        limit: seconds on it.

    Raises:
        BackendFailedError: one of its kinds.
        KeyboardInterrupt: at Ctrl-C.
    """
    try:
        for future in futures:
            _wait(partial(future.wait, _GLANCE), watch, limit)
        with _translated(sampler.client.config.token):
            found = [_sampleset_of(future) for future in futures]
    except BaseException:
        _cancel(sampler, futures)
        raise
    return found


def _sampleset_of(future: Any) -> Any:
    """The answer of a problem that is solved.

    Not by `future.sampleset` alone: while another thread of the client has decoded a hybrid solver's answer, but not
    stored it yet, that looks for the active variables of a QPU's.
    """
    result = future.result()
    sampleset = result["sampleset"] if "sampleset" in result else future.sampleset  # noqa: SIM401  # else it is made
    sampleset.resolve()
    return sampleset


def _wait(done: Callable[[], bool], watch: sampling.InterruptGuard, limit: float) -> None:
    while not done():
        if watch.interrupted:
            raise KeyboardInterrupt
        if watch.seconds > limit:
            raise TimeLimitError(f"the service did not answer within {limit:g} s, and was told to cancel")


def _cancel(sampler: Any, futures: list[Any]) -> None:
    """Tell the service to cancel all problems that it may still have.

    Not by `Future.cancel`, which forgets the request where a poll has failed or the id has just come.
    """

    def tell() -> None:
        api = require("dwave.cloud.api", "dwave")
        with suppress(Exception), api.Problems.from_config(sampler.client.config) as problems:
            ongoing = []
            for future in futures:
                with suppress(Exception):  # it was never accepted
                    future.wait_id(max(0.0, until - time.monotonic()))
                    if future.remote_status in _ONGOING:
                        ongoing.append(future.id)
            if ongoing:
                problems.cancel_problems(ongoing)

    until = time.monotonic() + _FAREWELL
    telling = threading.Thread(target=tell, daemon=True)
    telling.start()
    telling.join(_FAREWELL)


@contextmanager
def _translated(token: str) -> Iterator[None]:
    """Turn what the client raises into one of our errors, whose text never has the token."""
    try:
        yield
    except QuboDnnError:
        raise
    except Exception as cause:  # the client has several trees of errors, and what an odd answer raises is in none
        kind, text = _kind(cause)
        text = " ".join(text.split()).replace(token, "***")
        raise kind(text) from cause


def _kind(cause: BaseException) -> tuple[type[BackendFailedError], str]:
    """Our error for one of the client's, by its class and the status it carries."""
    names = {each.__name__ for each in type(cause).__mro__}
    code = getattr(cause, "error_code", None)
    said = str(cause) or type(cause).__name__
    if "ProblemUploadError" in names:
        kind, text = (ServiceError, said) if cause.__cause__ is None else _kind(cause.__cause__)
        return kind, f"the problem could not be uploaded: {text}"
    if names & {"ResourceAuthenticationError", "ResourceAccessForbiddenError"} or code in (401, 403):
        return AuthenticationError, f"the service does not accept the API token: {said}"
    if names & {"ResourceNotFoundError"} or code == 404:
        return UnknownSolverError, f"the service has no such solver: {said}"
    if names & {"ResourceLimitsExceededError"} or code in (402, 429):
        return QuotaError, f"the service refuses more work: {said}"
    if names & {"InternalServerError", "SolverOfflineError"} or (isinstance(code, int) and code >= 500):
        return ServiceError, f"the service has a fault of its own: {said}"
    if "SolverFailureError" in names:
        return BackendFailedError, f"the service could not solve the problem: {said}"
    if "CanceledFutureError" in names:
        return CancelledError, "the problem was cancelled at the service"
    if names & {"PollingTimeout"}:
        return TimeLimitError, "the service did not answer within the client's polling_timeout"
    if names & {"InvalidAPIResponseError", "ResourceBadResponseError"}:
        return AnswerError, f"the service gave no answer that can be read: {said}"
    if names & {"RequestTimeout", "ConnectionError", "Timeout"}:
        return UnreachableError, f"the service cannot be reached: {said}"
    if "RequestError" in names:
        return ServiceError, f"the service refused the request: {said}"
    return AnswerError, f"the service gave no answer that can be read: {type(cause).__name__}: {said}"
