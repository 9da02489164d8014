"""Hardware graphs and models for the tests of embedding."""

from __future__ import annotations

import dimod
import numpy as np
import pytest

from qubo_dnn.embedding.target import Target, target


@pytest.fixture(scope="session")
def chip() -> Target:
    """A small Pegasus graph."""
    return target("pegasus:4")


@pytest.fixture
def clique() -> dimod.BinaryQuadraticModel:
    """A complete graph of 12 spins with couplings of -1 and 1 and small fields."""
    rng = np.random.default_rng(5)
    couplings = {(f"s[{u}]", f"s[{v}]"): float(rng.choice([-1, 1])) for u in range(12) for v in range(u)}
    fields = {f"s[{u}]": float(rng.normal(0, 0.3)) for u in range(12)}
    return dimod.BinaryQuadraticModel(fields, couplings, 0.5, dimod.SPIN)
