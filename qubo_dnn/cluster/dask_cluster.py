"""Workers of Dask: a local cluster, a scheduler's, or those of a client of the user."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from qubo_dnn.cluster import local_worker
from qubo_dnn.cluster.cluster import Future
from qubo_dnn.cluster.worker import Shared, interrupt_run
from qubo_dnn.errors import ClusterError, OptionError
from qubo_dnn.support.extras import require

LOCAL = "local"
# Seconds to wait for a scheduler or its first worker, and for a worker to be restarted.
_PATIENCE = 60.0
# Times that local workers are started if one dies meanwhile.
_STARTS = 3
# Seconds for interrupts to reach all workers.
_BRIEFLY = 5.0
_ADDRESS = re.compile(r"[a-z]+://\S+")


class DaskCluster:
    """Workers of a client of Dask.

    Args:
        client: `distributed.Client`, connected with the security that its scheduler needs.

    Raises:
        ClusterError: it has no worker within a minute.

    Example:
        >>> def slots(client: object) -> int:
        ...     return DaskCluster(client).slots
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self._sent: dict[str, Any] = {}
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except Exception as cause:
            raise ClusterError(f"no worker of {_address(client)} answers: {_words(cause)}") from cause
        self.slots = max(1, sum(client.nthreads().values()))

    def dumps(self, value: object) -> bytes:
        """Pickle what is sent to the workers as Dask does: code of scripts and notebooks is sent too."""
        content: bytes = require("distributed.protocol.pickle", "dask").dumps(value)
        return content

    def submit(self, function: Callable[..., Any], shared: Shared | None, *arguments: Any) -> Future:
        """Start `function(*arguments, shared)`; what is shared goes to every worker once."""
        sent = None if shared is None else self._scattered(shared)
        future: Future = self.client.submit(function, *arguments, sent, pure=False)
        return future

    def lost(self, future: Future | None, *, hangs: bool) -> None:
        """Forget what was scattered, which may be lost too, and restart the worker if it hangs."""
        self._sent.clear()
        if not hangs or future is None:
            return
        with suppress(Exception):
            key = getattr(future, "key", None)
            # A worker that hangs may work on the task, or keep its result.
            keys = (*self.client.processing().items(), *self.client.has_what().items())
            hanging = {worker for worker, known in keys if key in known}
            self.client.restart_workers(list(hanging), timeout=_PATIENCE, raise_for_error=False)
        future.cancel()

    def cancel(self, future: Future) -> bool:  # noqa: ARG002 - the contract has it
        """Leave it alone: Dask would forget the result of a task at work, too; `interrupt` ends those in line."""
        return False

    def interrupt(self, run: str) -> None:
        """Interrupt the tasks of a run on all workers; those that have not begun end at once."""
        # Waited for only so long: the scheduler may be out of reach.
        thread = threading.Thread(target=self._interrupt, args=(run,), daemon=True)
        thread.start()
        thread.join(_BRIEFLY)

    def _interrupt(self, run: str) -> None:
        with suppress(Exception):
            self.client.run(interrupt_run, run, on_error="ignore")

    def _scattered(self, shared: Shared) -> Any:
        """Return a future of what is shared, at every worker that is there now."""
        if shared.key not in self._sent:
            self._sent.clear()
            self._sent[shared.key] = self.client.scatter(shared, broadcast=True, hash=False)
        return self._sent[shared.key]


@contextmanager
def connected(text: str | None) -> Iterator[DaskCluster | None]:
    """Give the workers that `--cluster` names, until the block ends.

    Args:
        text: "local:N", N processes on this machine that end with the block; or the address of a scheduler, such as
            "tcp://host:8786" or "tls://host:8786", with the certificates of Dask's configuration; None: no workers.

    Raises:
        OptionError: the text is neither.
        MissingExtraError: the extra `dask` is not installed.
        ClusterError: the scheduler cannot be reached, or has no worker.

    Example:
        >>> with connected(None) as cluster:
        ...     cluster is None
        True
    """
    if text is None:
        yield None
        return
    count = _local(text)
    distributed = require("distributed", "dask")
    if count is not None:
        with _local_cluster(distributed, count) as workers, distributed.Client(workers) as client:
            yield DaskCluster(client)
        return
    try:
        client = distributed.Client(text, timeout=_PATIENCE)
    except Exception as cause:
        raise ClusterError(f"the scheduler {text} cannot be reached: {_words(cause)}") from cause
    with client:
        yield DaskCluster(client)


def _local_cluster(distributed: Any, count: int) -> Any:
    """Start workers on this machine, again if one dies before it answers."""
    # One thread each: tasks compute for themselves, and results must not depend on the number of cores.
    made: dict[str, Any] = {"n_workers": count, "threads_per_worker": 1, "preload": local_worker.__name__}
    # A free port of this machine, instead of one that another run may have.
    made |= {"dashboard_address": None, "scheduler_kwargs": {"dashboard_address": "127.0.0.1:0"}}
    # Workers need not look a hundred times a second what they do.
    with require("dask.config", "dask").set({"distributed.worker.profile.enabled": False}):
        for _ in range(_STARTS - 1):
            with suppress(RuntimeError):
                return distributed.LocalCluster(**made, silence_logs=logging.CRITICAL)
        try:
            return distributed.LocalCluster(**made, silence_logs=logging.CRITICAL)
        except RuntimeError as cause:
            raise ClusterError(f"the workers of local:{count} do not start: {_words(cause)}") from cause


def check_cluster(text: str | None) -> None:
    """Refuse a text that `connected` cannot take, without connecting.

    Raises:
        OptionError, MissingExtraError: see `connected`.

    Example:
        >>> check_cluster("local:0")
        Traceback (most recent call last):
        qubo_dnn.errors.OptionError: a cluster is local:N, ... not 'local:0'
    """
    if text is not None:
        _local(text)
        require("distributed", "dask")


def _local(text: str) -> int | None:
    """Return the number of workers on this machine; None for the address of a scheduler."""
    kind, _, number = text.partition(":")
    if kind == LOCAL and number.isdecimal() and int(number) >= 1:
        return int(number)
    if kind == LOCAL or not _ADDRESS.fullmatch(text):
        raise OptionError(
            f"a cluster is local:N, with N processes on this machine, or the address of a scheduler of Dask, such as "
            f"tcp://host:8786, not {text!r}"
        )
    return None


def _address(client: Any) -> str:
    return str(getattr(getattr(client, "scheduler", None), "address", "the scheduler"))


def _words(cause: BaseException) -> str:
    return " ".join(f"{type(cause).__name__}: {cause}".split())
