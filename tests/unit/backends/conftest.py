"""Small models for the tests of the backends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import dimod
import numpy as np
import pytest

RandomBqm = Callable[..., dimod.BinaryQuadraticModel]
CtrlC = Callable[[float], AbstractContextManager[None]]


@pytest.fixture
def random_bqm() -> RandomBqm:
    """Makes a model with normally distributed biases of both signs."""

    def make(
        n: int, seed: int, vartype: str = "BINARY", scale: float = 1.0, density: float = 1.0
    ) -> dimod.BinaryQuadraticModel:
        rng = np.random.default_rng(seed)
        rows, columns = np.triu_indices(n, 1)
        kept = rng.random(len(rows)) < density
        couplings = (rows[kept], columns[kept], scale * rng.normal(size=kept.sum()))
        linear = scale * rng.normal(size=n)
        return dimod.BinaryQuadraticModel.from_numpy_vectors(linear, couplings, scale * rng.normal(), vartype)

    return make


@pytest.fixture
def ising() -> Callable[[int, int], tuple[np.ndarray, np.ndarray]]:
    """Makes fields and couplings with normally distributed biases, from the number of spins and a seed."""

    def make(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        upper = np.triu(rng.normal(size=(n, n)), 1)
        return rng.normal(size=n), upper + upper.T

    return make


@pytest.fixture
def ctrl_c() -> CtrlC:
    """A context in which Ctrl-C is pressed so many seconds after a run has begun to hold it back.

    However slow the machine is, it does not come before the run.
    """

    @contextmanager
    def pressed(after: float) -> Iterator[None]:
        usual, ended = signal.getsignal(signal.SIGINT), threading.Event()

        def press() -> None:
            while signal.getsignal(signal.SIGINT) is usual:
                if ended.wait(0.01):
                    return
            if not ended.wait(after):
                signal.raise_signal(signal.SIGINT)

        thread = threading.Thread(target=press)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    return pressed
