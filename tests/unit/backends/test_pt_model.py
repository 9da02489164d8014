"""The arrays of parallel tempering hold exactly the caller's model."""

from __future__ import annotations

import dimod
import numpy as np
import pytest

from qubo_backends._pt_model import tempering_model


@pytest.mark.parametrize("extra", [0, 40], ids=["dense", "sparse"])
def test_rows_hold_both_directions_and_leave_out_what_is_inside_a_group(extra: int) -> None:
    couplings = {("a", "b"): 1.0, ("a", "c"): 2.0, ("c", "b"): 3.0, ("c", "d"): 0.0}
    bqm = dimod.BinaryQuadraticModel({"d": 5.0} | {f"z{i}": 0.0 for i in range(extra)}, couplings, 1.0, "BINARY")
    model = tempering_model(bqm, ["a", "b", "c", "d", *(f"z{i}" for i in range(extra))], [["b", "a"]])
    matrix = np.zeros((4 + extra, 4 + extra))
    for row in range(4 + extra):
        entries = slice(model.starts[row], model.starts[row + 1])
        columns = model.columns[entries] if model.columns.size else slice(None)
        matrix[row, columns] = model.values[entries]
    expected = np.zeros_like(matrix)
    expected[0, 2] = expected[2, 0] = 2.0
    expected[1, 2] = expected[2, 1] = 3.0
    np.testing.assert_array_equal(matrix, expected)
    assert (model.columns.size > 0) == (extra > 0)
    assert model.linear[:4].tolist() == [0, 0, 0, 5]
    assert model.free[:2].tolist() == [2, 3]
    assert model.members.tolist() == [0, 1]
    assert model.group_starts.tolist() == [0, 2]


def test_groups_are_ordered_by_their_variables_whatever_the_caller_says() -> None:
    bqm = dimod.BinaryQuadraticModel(dict.fromkeys("abcd", 1.0), {}, 0.0, "BINARY")
    one, other = (tempering_model(bqm, "abcd", groups) for groups in (["ab", "cd"], ["dc", "ba"]))
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left, right)


def test_spins_are_converted() -> None:
    model = tempering_model(dimod.BinaryQuadraticModel({"a": 1.0}, {"ab": 3.0}, 0.0, "SPIN"), "ab")
    # s = 2x - 1: s_a + 3 s_a s_b = 2 x_a + 12 x_a x_b - 6 x_a - 6 x_b + const
    assert model.linear.tolist() == [-4, -6]
    assert model.values.tolist() == [0, 12, 12, 0]
