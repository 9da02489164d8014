"""Shared by all tests."""

from __future__ import annotations

import os

import pytest

# Spinning OpenMP threads make a loaded machine many times slower; read when torch is first imported.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
pytest.register_assert_rewrite("qubo_dnn.testing")
