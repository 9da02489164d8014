"""The workers that a user passes to a function, as `client` or as `executor`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from qubo_dnn.cluster.cluster import Cluster, Executor, ExecutorCluster
from qubo_dnn.cluster.dask_cluster import DaskCluster
from qubo_dnn.errors import OptionError

AnyExecutor = Executor | Callable[[], Executor]


@contextmanager
def workers(client: Any = None, executor: AnyExecutor | None = None) -> Iterator[Cluster | None]:
    """Give the workers behind a client of Dask or an executor, until the block ends; None: there are none.

    Args:
        client: a `distributed.Client`.
        executor: an executor, or a function that makes one, see `qubo_dnn.cluster.cluster.ExecutorCluster`.

    Raises:
        OptionError: both are given, or one is of another kind.
        ClusterError: the client has no worker.

    Example:
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> with workers(executor=lambda: ThreadPoolExecutor(3)) as found:
        ...     found.slots
        3
    """
    if client is not None and executor is not None:
        raise OptionError("give a client of Dask or an executor, not both")
    if client is not None:
        if not hasattr(client, "scheduler_info"):
            raise OptionError(f"client is a {type(client).__name__}, not a distributed.Client; see executor for others")
        yield DaskCluster(client)
    elif executor is not None:
        cluster = ExecutorCluster(executor)
        try:
            yield cluster
        finally:
            cluster.close()
    else:
        yield None
