"""Records of arrays that kernels take by reference."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numba import typeof
from numpy.typing import NDArray

from qubo_backends._shared.jit import compiled
from qubo_backends._shared.struct import Struct


@dataclass(frozen=True, eq=False)
class Inner(Struct):
    """A part of another one."""

    weights: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Outer(Struct):
    """With a field of every kind."""

    matrix: NDArray[Any]
    flags: NDArray[np.bool_]
    count: int
    inner: Inner
    absent: Inner | None


def outer(**changes: Any) -> Outer:
    """An instance."""
    rng = np.random.default_rng(0)
    whole = Outer(rng.normal(size=(3, 4)), np.array([True, False, True]), -5, Inner(np.arange(6.0)), None)
    return replace(whole, **changes)


@compiled
def total(record: Outer) -> float:
    """Of everything in it."""
    result = float(record.count) + float(record.inner.weights.sum())
    for i in range(record.matrix.shape[0]):
        if record.flags[i]:
            for j in range(record.matrix.shape[1]):
                result += record.matrix[i, j] * (1 + j)
    if record.absent is not None:
        # What None has not would not compile.
        result += 100.0 * record.absent.weights[0]
    return result


def expected(record: Outer) -> float:
    absent = 0.0 if record.absent is None else 100.0 * float(record.absent.weights[0])
    rows = record.matrix[record.flags] @ (1 + np.arange(record.matrix.shape[1]))
    return float(record.count + record.inner.weights.sum() + rows.sum() + absent)


def test_kernels_read_fields_of_every_kind() -> None:
    several = (
        outer(),
        outer(absent=Inner(np.ones(1))),
        outer(matrix=np.arange(24.0).reshape(4, 6)[:3, ::2]),
        outer(matrix=np.asfortranarray(np.arange(12.0).reshape(3, 4))),
        outer(matrix=np.arange(12, dtype=np.float32).reshape(3, 4)),
    )
    for record in several:
        np.testing.assert_allclose(total(record), expected(record))


def test_one_type_serves_all_records_of_the_same_arrays() -> None:
    record, other = outer(), outer(count=9, inner=Inner(np.ones(2)))
    assert typeof(record) == typeof(other)
    assert typeof(record) != typeof(outer(absent=Inner(np.ones(1))))


def test_entries_are_changed_in_place() -> None:
    @compiled
    def fill(record: Inner) -> None:
        for i in range(record.weights.size):
            record.weights[i] = i

    record = Inner(np.zeros(3))
    fill(record)
    assert record.weights.tolist() == [0.0, 1.0, 2.0]


def test_copies_have_addresses_of_their_own() -> None:
    record = outer()
    np.testing.assert_allclose(total(record), expected(record))
    copy = pickle.loads(pickle.dumps(record))
    copy.matrix[:] = 0.0
    np.testing.assert_allclose(total(copy), expected(copy))
    np.testing.assert_allclose(total(record), expected(record))
