"""Workers for the tests: threads, and a local cluster of Dask."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from qubo_dnn.cluster.cluster import Cluster, ExecutorCluster
from qubo_dnn.cluster.dask_cluster import DaskCluster, connected


@pytest.fixture
def threads() -> Iterator[Cluster]:
    with ThreadPoolExecutor(2) as pool:
        yield ExecutorCluster(pool)


@pytest.fixture(scope="session")
def dask() -> Iterator[DaskCluster]:
    """Two worker processes."""
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    with connected("local:2") as cluster:
        assert cluster is not None
        yield cluster
