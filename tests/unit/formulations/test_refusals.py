"""Bad data of every formulation end in one error that says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qubo_dnn.errors import FormulationError
from qubo_dnn.formulation import Formulation
from qubo_dnn.registry import get_formulation

EDGES = [(0, 1), (1, 2)]
EYE = np.eye(3)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("minimum-vertex-cover", {"graph": [(0, 0)]}, "node 0 has an edge to itself"),
        ("maximum-clique", {"graph": []}, "no node"),
        ("graph-coloring", {"graph": EDGES, "colors": 0}, "cannot be coloured with 0 colours"),
        ("graph-partitioning", {"graph": [(0, 1, "heavy")]}, "'heavy', not a number"),
        ("number-partitioning", {"numbers": []}, "shape (0,), not n"),
        ("number-partitioning", {"numbers": [1, np.inf]}, "not a finite number"),
        ("set-cover", {"sets": []}, "the list of sets is empty"),
        ("set-cover", {"sets": [[1]], "costs": [-1]}, "costs has the negative entry -1"),
        ("exact-cover", {"sets": [[[1]]]}, "not lists of elements"),
        ("set-packing", {"sets": [[1], [2]], "values": [1]}, "values has the shape (1,), not 2"),
        ("max-sat", {"clauses": [[1, 0]]}, "0 is not a literal"),
        ("max-sat", {"clauses": [[3]], "variables": 2}, "a literal is 3, but there are 2 variables"),
        ("max-sat", {"clauses": [[1]], "weights": [0]}, "not greater than 0"),
        ("max-sat", {"clauses": [[1]], "weights": [1, 2]}, "1 clauses, but 2 weights"),
        ("max-sat", {"clauses": []}, "but there are 0 variables"),
        ("feature-selection", {"relevance": [1, 2], "redundancy": EYE, "features": 1}, "(3, 3), not 2 x 2"),
        ("feature-selection", {"relevance": [1] * 3, "redundancy": EYE, "features": 4}, "4 features cannot be taken"),
        (
            "feature-selection",
            {"relevance": [1, 2], "redundancy": [[0, 1], [2, 0]], "features": 1},
            "redundancy is not symmetric",
        ),
        ("knapsack", {"values": [1], "weights": [1.5], "capacity": 2}, "weights are not integers"),
        ("knapsack", {"values": [1], "weights": [1], "capacity": -2}, "capacity is -2, not an integer >= 0"),
        ("knapsack", {"values": [1, 2], "weights": [1], "capacity": 2}, "weights has the shape (1,), not 2"),
        ("quadratic-knapsack", {"profits": [[0, 1], [2, 0]], "weights": [1, 1], "capacity": 1}, "not symmetric"),
        ("multi-knapsack", {"values": [1], "weights": [1], "capacities": []}, "capacities has the shape"),
        ("bin-packing", {"sizes": [5], "capacity": 4}, "an item of size 5 fits into no bin of 4"),
        ("bin-packing", {"sizes": [5], "capacity": 5, "bins": 0}, "0 bins"),
        ("job-shop-scheduling", {"jobs": [[(0, 2)]], "horizon": 1}, "a job takes 2, longer than the horizon of 1"),
        ("job-shop-scheduling", {"jobs": [[(0, 2.5)]]}, "an operation is (machine, duration)"),
        ("job-shop-scheduling", {"jobs": [[]]}, "there are no operations"),
        ("portfolio-selection", {"returns": [1] * 3, "covariance": EYE, "assets": 0}, "0 assets cannot be taken"),
        (
            "portfolio-selection",
            {"returns": [1] * 3, "covariance": EYE, "assets": 1, "risk_aversion": -1},
            "the risk aversion is -1",
        ),
        ("binary-least-squares", {"matrix": [[1, 2]], "target": [1, 2]}, "target has the shape (2,), not 1"),
        ("binary-least-squares", {"matrix": [[1, "a"]], "target": [1]}, "matrix is not an array of numbers"),
    ],
)
def test_bad_data_are_refused(name: str, arguments: dict[str, Any], words: str) -> None:
    formulation: Callable[..., Formulation[Any]] = get_formulation(name)
    with pytest.raises(FormulationError) as caught:
        formulation(**arguments)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
