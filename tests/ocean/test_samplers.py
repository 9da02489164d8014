"""Every local backend passes dimod's own tests of samplers, also inside composites."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from typing import Any

import dimod
import pytest
from dimod.testing import assert_composite_api, assert_sampler_api, load_sampler_bqm_tests
from dwave.preprocessing import (
    ClipComposite,
    ConnectedComponentsComposite,
    FixVariablesComposite,
    ScaleComposite,
    SpinReversalTransformComposite,
)
from dwave.samplers import SteepestDescentComposite

from qubo_dnn.errors import BackendUnavailableError
from qubo_dnn.models.ocean_sampler import BackendSampler
from qubo_dnn.registry import get_backend, list_backends

pytestmark = pytest.mark.slow

BQM = dimod.BinaryQuadraticModel({"a": 1.0, "b": -2.0, "c": 0.5}, {"ab": 1.5, "bc": -1.0}, 0.25, "SPIN")
GROUND = -4.75


def local(name: str) -> bool:
    try:
        return not get_backend(name).capabilities.remote
    except BackendUnavailableError:
        return False


LOCAL = [name for name in list_backends() if local(name)]
COMPOSITES: dict[str, Callable[[dimod.Sampler], dimod.Sampler]] = {
    "tracking": lambda child: dimod.TrackingComposite(child, copy=True),
    "spin-reversal": SpinReversalTransformComposite,
    "fixed variables": FixVariablesComposite,
    "components": ConnectedComponentsComposite,
    "scale": ScaleComposite,
    "clip": ClipComposite,
    "steepest descent": SteepestDescentComposite,
    "truncate": lambda child: dimod.TruncateComposite(child, 1),
}
SETTINGS: dict[str, dict[str, Any]] = {
    "spin-reversal": {"num_spin_reversal_transforms": 2},
    "fixed variables": {"fixed_variables": {"a": 1}},
    "scale": {"scalar": 0.5},
    "clip": {"lower_bound": -1.0, "upper_bound": 1.0},
}


@pytest.mark.parametrize("name", LOCAL)
def test_the_samplers_of_dimod(name: str) -> None:
    sampler = BackendSampler(name)
    assert_sampler_api(sampler)
    for values in sampler.parameters.values():
        assert all(sampler.properties[value] for value in values)

    @load_sampler_bqm_tests(sampler)
    class Case(unittest.TestCase):
        pass

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(result)
    assert result.testsRun > 20
    assert result.wasSuccessful(), [text for _, text in result.failures + result.errors]


@pytest.mark.parametrize("composite", COMPOSITES)
@pytest.mark.parametrize("name", LOCAL)
def test_composites(name: str, composite: str) -> None:
    composed = COMPOSITES[composite](BackendSampler(name))
    assert_sampler_api(composed)
    assert_composite_api(composed)
    found = composed.sample(BQM, num_reads=50, seed=1, label="composed", **SETTINGS.get(composite, {}))
    dimod.testing.assert_sampleset_energies(found, BQM)
    if composite != "fixed variables":
        assert found.first.energy == pytest.approx(GROUND) or composite == "clip"
    if composite == "tracking":
        assert composed.input["label"] == composed.output.info["problem_label"] == "composed"


@pytest.mark.parametrize("name", LOCAL)
def test_with_statements_and_higher_orders(name: str) -> None:
    poly = dimod.BinaryPolynomial({"abc": -3.0, "a": 1.0, "bc": 1.0}, "BINARY")
    with BackendSampler(name) as sampler:
        found = dimod.HigherOrderComposite(sampler).sample_poly(poly, penalty_strength=5.0, num_reads=50, seed=1)
    assert found.first.energy == -1.0
