"""Things of the wrong kind, for tests of what public functions and commands do with them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import dimod
import networkx as nx
import numpy as np
from hypothesis import note
from hypothesis import strategies as st

from qubo_dnn.models.dimod_models import problem_from_bqm

_BQM = dimod.BinaryQuadraticModel({"a": 1.0, "b": -1.0}, {("a", "b"): 1.0}, 0.0, dimod.BINARY)

THINGS: dict[str, Any] = {
    "none": None,
    "zero": 0,
    "negative": -1,
    "half": 0.5,
    "nan": math.nan,
    "infinity": math.inf,
    "huge": 10**30,
    "true": True,
    "complex": 1j,
    "empty text": "",
    "text": "x",
    "digits": "3",
    "text with NUL": "a\0b",
    "long text": "é" * 300,
    "bytes": b"x",
    "empty list": [],
    "list of none": [None],
    "ragged": [[1, 2], [3]],
    "matrix": [[1, 2], [3, 4]],
    "texts": ["a", "b"],
    "near the largest": [1e308, 1e308],
    "nested": [[[]]],
    "edges": [(0, 1, "w")],
    "empty mapping": {},
    "mapping": {"a": 1},
    "mapping of numbers": {1: 2},
    "nested mapping": {"a": {"b": 1}},
    "set": {1, 2},
    "tuple": (1, 2),
    "range": range(3),
    "object": object(),
    "function": len,
    "class": int,
    "ellipsis": ...,
    "exception": ValueError("x"),
    "empty array": np.zeros(0),
    "array": np.zeros((2, 3)),
    "array of texts": np.array(["x"]),
    "array of nan": np.array([[math.nan]]),
    "array of objects": np.array([None, 1], object),
    "no such file": Path("nowhere") / "x",
    "folder": Path(),
    "model": _BQM,
    "constrained model": dimod.ConstrainedQuadraticModel(),
    "problem": problem_from_bqm(_BQM),
    "graph": nx.path_graph(3),
    "directed graph": nx.DiGraph([(0, 1)]),
}
"""Name -> thing."""

seeds = st.integers(0, 2**63 - 1)


def some_wrong(names: Sequence[str], seed: int) -> dict[str, Any]:
    """One to four of the names, each with a thing; drawn by a seed, since hypothesis takes longer than most calls."""
    rng, found = Random(seed), list(THINGS)
    chosen = {name: rng.choice(found) for name in rng.sample(names, rng.randint(1, min(4, len(names))))}
    note(f"wrong: {chosen}")
    return {name: THINGS[thing] for name, thing in chosen.items()}
