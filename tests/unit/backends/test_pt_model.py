"""The arrays of parallel tempering hold exactly the caller's model."""

from __future__ import annotations

import dimod
import numpy as np
import pytest

from qubo_backends._pt_model import tempering_model


@pytest.mark.parametrize("extra", [0, 40], ids=["dense", "sparse"])
def test_rows_hold_both_directions_and_leave_out_what_is_inside_a_group(extra: int) -> None:
    couplings = {(0, 1): 1.0, (0, 2): 2.0, (2, 1): 3.0, (2, 3): 0.0}
    bqm = dimod.BinaryQuadraticModel({v: 5.0 * (v == 3) for v in range(4 + extra)}, couplings, 1.0, "BINARY")
    model = tempering_model(bqm, [(1, 0)])
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
    bqm = dimod.BinaryQuadraticModel(dict.fromkeys(range(4), 1.0), {}, 0.0, "BINARY")
    one, other = (tempering_model(bqm, groups) for groups in ([(0, 1), (2, 3)], [(3, 2), (1, 0)]))
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left, right)
