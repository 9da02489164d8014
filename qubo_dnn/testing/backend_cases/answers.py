"""Calls of the backend kit, and checks that every sample set must pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dimod
import numpy as np

from qubo_dnn.backend import Backend, SolveOptions, make_options
from qubo_dnn.problem import LowRank
from qubo_dnn.testing.backend_cases.models import BQM
from qubo_dnn.testing.common import NotApplicable, expect


def fitting(backend: Backend, most: int) -> int:
    """Return `most`, or the largest number of variables that the backend takes if that is less.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> fitting(get_backend("exact"), 1000)
        26
    """
    limit = backend.capabilities.max_variables
    return most if limit is None else min(most, limit)


def seeded_options(backend: Backend, values: Mapping[str, Any]) -> SolveOptions:
    """Make options, with the seed 1 if the values have no seed and the backend takes one.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> seeded_options(get_backend("steepest-descent"), {"num_reads": 3}).seed
        1
    """
    seed = {"seed": 1} if backend.capabilities.seeded else {}
    return make_options(backend, seed | dict(values))


def require_size(backend: Backend, variables: int) -> None:
    """Skip a case that needs more variables than the backend takes.

    Raises:
        NotApplicable: the model is too large for the backend.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> require_size(get_backend("steepest-descent"), 1000)
    """
    limit = backend.capabilities.max_variables
    if limit is not None and variables > limit:
        raise NotApplicable(f"capabilities.max_variables is {limit}, the case needs {variables}")


def ask(backend: Backend, bqm: BQM, **values: Any) -> dimod.SampleSet:
    """Sample with a seed if possible; check the sample set, and that the model is unchanged.

    Raises:
        NotApplicable: the model is too large for the backend.
        AssertionError: the sample set breaks the contract.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> len(ask(get_backend("steepest-descent"), BQM({"a": -1.0}, {}, 0.0, "BINARY"), num_reads=3))
        3
    """
    require_size(backend, bqm.num_variables)
    before, order = bqm.copy(), list(bqm.variables)
    found = backend.sample(bqm, seeded_options(backend, values))
    expect(list(bqm.variables) == order and bqm == before, "the caller's model was changed")
    require_well_formed(found, before)
    return found


def require_well_formed(found: Any, bqm: BQM, form: LowRank | None = None) -> None:
    """Fail unless `found` has rows over exactly the variables of `bqm`, in its vartype, with its energies.

    Args:
        found: return value of the backend.
        bqm: the sampled model.
        form: low-rank form, added to the energies.

    Raises:
        AssertionError: the text names the fault.

    Example:
        >>> bqm = BQM({"a": -1.0}, {}, 0.0, "BINARY")
        >>> require_well_formed(dimod.SampleSet.from_samples([{"a": 1}], "BINARY", energy=[0.0]), bqm)
        Traceback (most recent call last):
        AssertionError: energies [0.] of rows whose energies are [-1.]
    """
    expect(isinstance(found, dimod.SampleSet), f"the answer is a {type(found).__name__}, not a dimod.SampleSet")
    expect(len(found) >= 1, "the answer has no row")
    expect(found.vartype is bqm.vartype, f"the answer is {found.vartype}, the model {bqm.vartype}")
    given, known = set(found.variables), set(bqm.variables)
    expect(given == known, f"variables lacking: {known - given}, unknown: {given - known}")
    allowed = sorted(bqm.vartype.value)
    expect(bool(np.isin(found.record.sample, allowed).all()), f"a value is not one of {allowed}")
    true = bqm.energies((found.record.sample, list(found.variables)), dtype=np.float64)
    if form is not None:
        true = true + [form.energy(row) for row in rows_of(found)]
    wrong = np.abs(found.record.energy - true) > rounding(bqm) + (0.0 if form is None else 1e-9)
    expect(not wrong.any(), f"energies {found.record.energy[wrong][:3]} of rows whose energies are {true[wrong][:3]}")


def rounding(bqm: BQM) -> float:
    """Return the largest rounding error that float64 energies of `bqm` may have.

    Example:
        >>> rounding(BQM({"a": -1.0}, {}, 3.0, "BINARY"))
        4e-12
    """
    vectors = bqm.to_numpy_vectors()
    total = np.abs(vectors.linear_biases).sum() + np.abs(vectors.quadratic.biases).sum() + abs(float(bqm.offset))
    return 1e-12 * float(total)


def rows_of(found: dimod.SampleSet) -> list[dict[Any, int]]:
    """Return the samples in their order; unlike `==` of sample sets, they have no timings and no order of labels.

    Example:
        >>> rows_of(dimod.SampleSet.from_samples([{"a": 1, "b": 0}], "BINARY", energy=[0.0]))
        [{'a': 1, 'b': 0}]
    """
    return [{v: int(value) for v, value in row.sample.items()} for row in found.data(sorted_by=None)]
