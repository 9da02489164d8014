"""`BackendSampler` takes what Ocean code passes to samplers, and refuses or ignores the rest as they do."""

from __future__ import annotations

import json
import warnings
from typing import Any

import dimod
import numpy as np
import pytest
from dimod.exceptions import SamplerUnknownArgWarning
from dwave.samplers import (
    PathIntegralAnnealingSampler,
    SimulatedAnnealingSampler,
    SteepestDescentSampler,
    TabuSampler,
)

from qubo_backends.neal import NealOptions
from qubo_dnn.backend import make_options
from qubo_dnn.errors import ArgumentError, OptionError, UnsupportedProblemError
from qubo_dnn.models.dimod_models import problem_from_bqm
from qubo_dnn.models.ocean_sampler import BackendSampler
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve

WRAPPED: dict[str, dimod.Sampler] = {
    "neal": SimulatedAnnealingSampler(),
    "tabu": TabuSampler(),
    "steepest-descent": SteepestDescentSampler(),
    "path-integral": PathIntegralAnnealingSampler(),
}
TRIANGLE = dimod.BinaryQuadraticModel({}, {"ab": 1.0, "bc": 1.0, "ac": 1.0}, 0.0, "SPIN")


def frustrated(n: int = 40) -> dimod.BinaryQuadraticModel:
    return dimod.generators.randint(n, "SPIN", low=-9, high=9, seed=3)


@pytest.mark.parametrize("name", WRAPPED)
def test_every_parameter_of_the_original_is_one_of_the_backend(name: str) -> None:
    assert set(WRAPPED[name].parameters) <= set(BackendSampler(name).parameters)


def test_labels_and_unknown_arguments() -> None:
    sampler = BackendSampler("neal")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sampler.sample(TRIANGLE, label="mine").info["problem_label"] == "mine"
        assert "problem_label" not in sampler.sample_ising({}, {("a", "b"): 1.0}, label=None).info
    with pytest.warns(SamplerUnknownArgWarning, match="'chain_strength'") as caught:
        assert sampler.sample(TRIANGLE, chain_strength=8, num_reads=3).record.sample.shape == (3, 3)
    assert caught[0].filename == __file__
    with pytest.raises(OptionError, match="no option 'chain_strength'"):
        BackendSampler("neal", strict=True).sample(TRIANGLE, chain_strength=8.0)
    with pytest.raises(OptionError, match="no option 'chain_strength'"):
        solve(problem_from_bqm(TRIANGLE), get_backend("neal"), {"chain_strength": 8})


def test_options_that_a_backend_cannot_honour_are_unknown() -> None:
    for name in ("exact", "neal"):
        sampler = BackendSampler(name)
        able = sampler.backend.capabilities
        assert ("seed" in sampler.parameters, "time_limit" in sampler.parameters) == (able.seeded, able.timed)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"num_reads": 0}, ValueError),
        ({"num_reads": 10.0}, TypeError),
        ({"num_reads": 2.5}, TypeError),
        ({"num_reads": "many"}, TypeError),
        ({"num_reads": []}, TypeError),
        ({"seed": -1}, ValueError),
        ({"seed": float("inf")}, TypeError),
        ({"initial_states": []}, ValueError),
        ({"initial_states": [1, 1]}, ValueError),
        ({"initial_states": {"a": 1, "b": 1}}, ValueError),
        ({"initial_states_generator": "others"}, ValueError),
        ({"initial_states_generator": "tile"}, ValueError),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", WRAPPED)
def test_errors_are_of_the_kinds_of_ocean(name: str, values: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        BackendSampler(name).sample(TRIANGLE, **values)
    assert isinstance(caught.value, OptionError | ArgumentError)
    with pytest.raises(kind):
        WRAPPED[name].sample(TRIANGLE, **values)


def test_errors_of_tabu() -> None:
    for value, kind in ((2.0, TypeError), (100, ValueError)):
        with pytest.raises(kind):
            BackendSampler("tabu").sample(TRIANGLE, tenure=value)


@pytest.mark.parametrize(("name", "key"), [("neal", "beta_schedule"), ("path-integral", "Hp_field")])
def test_schedules_of_ones_own(name: str, key: str) -> None:
    sampler = BackendSampler(name)
    custom: dict[str, Any] = {
        "num_reads": 3,
        "seed": 5,
        "num_sweeps_per_beta": 2,
        "beta_schedule_type": "custom",
        key: [0.1, 0.5, 2.0],
    }
    plain: dict[str, Any] = {} if name == "neal" else {"Hd_field": [3.0, 1.0, 0.1]}
    ours, original = (
        sampler.sample(frustrated(), **custom, **plain),
        WRAPPED[name].sample(frustrated(), **custom, **plain),
    )
    np.testing.assert_array_equal(ours.record.sample, original.record.sample)
    assert (ours.info["beta_range"], ours.info["sweeps"]) == ((0.1, 2.0), 6)
    for bad in (
        {"beta_schedule_type": "custom"},
        {key: [0.1, 1.0]},
        custom | {key: [-1.0, 1.0]},
        custom | {key: ["hot", 1.0]},
        custom | {key: []},
        custom | {key: [float("nan")]},
        custom | {"num_sweeps": 7},
        custom | {"beta_range": (0.2, 2.0)},
        {"num_sweeps": 5, "num_sweeps_per_beta": 2},
    ):
        with pytest.raises(ValueError, match=f"{key}|num_sweeps|beta_range"):
            sampler.sample(TRIANGLE, **bad)


def test_a_custom_schedule_keeps_its_shape_where_time_is_short() -> None:
    hot_and_cold = [0.01] * 10**5 + [float("inf")] * 10**5
    options = NealOptions(beta_schedule_type="custom", beta_schedule=tuple(hot_and_cold), num_sweeps_per_beta=2)
    assert options.range_for(TRIANGLE) == (0.01, float("inf"))
    for steps in (1, 2, 5, 1000):
        shorter = options.arguments(steps, (0.01, float("inf")))["beta_schedule"]
        assert (len(shorter), shorter[-1]) == (steps, float("inf"))
        assert abs(np.isinf(shorter).mean() - 0.5) <= 0.5 / steps
    limited = BackendSampler("neal").sample(
        frustrated(), time_limit=0.05, beta_schedule_type="custom", beta_schedule=hot_and_cold, num_reads=1
    )
    assert limited.info["sweeps"] < len(hot_and_cold)


@pytest.mark.parametrize("name", WRAPPED)
def test_initial_states_in_any_form(name: str) -> None:
    bqm, sampler = frustrated(6), BackendSampler(name)
    up, down = dict.fromkeys(range(6), 1), dict.fromkeys(range(6), -1)
    both = dimod.SampleSet.from_samples_bqm([up, down], bqm)
    assert len(sampler.sample(bqm, initial_states=both)) == 2
    assert len(sampler.sample(bqm, initial_states=both, num_reads=1)) == 1
    assert len(sampler.sample(bqm, initial_states=up, num_reads=3)) == 3
    assert len(sampler.sample(bqm, initial_states=both, num_reads=5, initial_states_generator="tile")) == 5
    assert len(sampler.sample(bqm, initial_states=both, time_limit=5.0)) <= 2
    with pytest.raises(ValueError, match="insufficient number"):
        sampler.sample(bqm, initial_states=up, num_reads=3, initial_states_generator="none")
    binary = sampler.sample(bqm.change_vartype("BINARY", inplace=False), initial_states=up)
    assert binary.vartype is dimod.BINARY


def test_a_descent_starts_where_it_is_told() -> None:
    ground = TabuSampler().sample(frustrated(), num_reads=1, seed=1)
    before = ground.record.sample.copy()
    found = BackendSampler("steepest-descent").sample(frustrated(), initial_states=ground)
    np.testing.assert_array_equal(found.record.sample, before)
    np.testing.assert_array_equal(ground.record.sample, before)
    assert found.record.num_steps.tolist() == [0]
    # No sweep at all returns the start, whose columns may be in any order.
    labels = list(range(40))[::-1]
    state = np.random.default_rng(2).choice([-1, 1], (1, 40))
    kept = BackendSampler("neal").sample(frustrated(), initial_states=(state, labels), num_sweeps=0)
    assert [kept.first.sample[v] for v in labels] == state[0].tolist()


@pytest.mark.parametrize("name", ["neal", "steepest-descent"])
def test_initial_states_give_the_answers_of_the_original(name: str) -> None:
    bqm = frustrated()
    start = dict.fromkeys(bqm.variables, 1)
    given: dict[str, Any] = {"initial_states": start, "num_reads": 4, "seed": 9}
    ours, original = BackendSampler(name).sample(bqm, **given), WRAPPED[name].sample(bqm, **given)
    np.testing.assert_array_equal(ours.record.sample, original.record.sample)


@pytest.mark.parametrize("name", ["neal", "path-integral"])
@pytest.mark.parametrize("time_limit", [None, 60.0])
def test_a_function_ends_the_run(name: str, time_limit: float | None) -> None:
    calls: list[int] = []

    def eighth() -> bool:
        calls.append(1)
        return len(calls) >= 8

    options: dict[str, Any] = {
        "num_reads": 100_000,
        "num_sweeps": 2,
        "interrupt_function": eighth,
        "time_limit": time_limit,
    }
    found = BackendSampler(name).sample(frustrated(), **options)
    assert 1 <= len(found) <= 8
    assert found.info["interrupted"]
    with pytest.warns(UserWarning, match="interrupt_function failed"):
        found = BackendSampler(name).sample(frustrated(), **options | {"interrupt_function": lambda: 1 / 0})
    assert found.info["interrupted"]
    with pytest.raises(ValueError, match="interrupt_function"):
        BackendSampler(name).sample(frustrated(), interrupt_function=3)


@pytest.mark.parametrize("name", WRAPPED)
def test_timing_in_nanoseconds(name: str) -> None:
    for bqm in (frustrated(), dimod.BinaryQuadraticModel("SPIN")):
        for limit in (None, 0.2):
            found = BackendSampler(name).sample(bqm, num_reads=3, time_limit=limit)
            assert set(found.info["timing"]) == {"preprocessing_ns", "sampling_ns", "postprocessing_ns"}
            assert all(isinstance(value, int) and value > 0 for value in found.info["timing"].values())
            assert sum(found.info["timing"].values()) >= 0.9e9 * found.info["seconds"]
            json.dumps(found.info["timing"])


def test_tabu_by_the_clock() -> None:
    found = BackendSampler("tabu").sample(frustrated(), timeout=20, num_reads=2, seed=1)
    assert len(found) == 2
    assert (found.record.num_restarts < 1_000_000).all()
    assert found.info["restarts"] == found.record.num_restarts.tolist()
    assert make_options(get_backend("tabu"), {"timeout": "20"}).model_dump()["timeout"] == 20


def test_world_lines_of_the_path_integral() -> None:
    given: dict[str, Any] = {
        "num_sweeps": 10,
        "Hd_field": [2.0] * 10,
        "seed": 4,
        "num_reads": 2,
        "schedule_sample_interval": 1,
    }
    given |= {"project_states": (True, False), "make_info_json_serializable": True}
    ours = BackendSampler("path-integral").sample(frustrated(6), **given)
    original = WRAPPED["path-integral"].sample(frustrated(6), **given)
    for key in ("statistics", "num_breaks", "break_positions"):
        assert ours.info[key] == original.info[key]
    with pytest.raises(OptionError, match="project_states"):
        BackendSampler("path-integral").sample(frustrated(6), project_states=(False, False))
    for bad in ({"time_limit": 1.0}, {"Hd_field": [1.0]}, {"qubits_per_update": 2}, {"qubits_per_chain": 4}):
        with pytest.raises(OptionError, match=r"time limit|Hd_field|qubits_per_chain"):
            BackendSampler("path-integral").sample(frustrated(6), **given | bad)
    chains: dict[str, Any] = {
        "qubits_per_chain": 2,
        "qubits_per_update": 2,
        "chain_coupler_strength": 2.0,
        "Gamma": 0.5,
    }
    assert len(BackendSampler("path-integral").sample(frustrated(6), **chains)) == 1


def test_a_constrained_model() -> None:
    i, j = dimod.Integers(["i", "j"])
    x = dimod.Binary("x")
    cqm = dimod.ConstrainedQuadraticModel()
    cqm.set_objective(-2 * i - 3 * j + x)
    cqm.add_constraint(2 * i + 4 * j <= 11, label="capacity")
    cqm.add_constraint(i + x >= 2, label="least")
    for name in ("pt", "exact-milp", "neal"):
        found = BackendSampler(name).sample_cqm(cqm, label="small", seed=1, num_solutions=4)
        best = found.filter(lambda row: row.is_feasible).first
        assert best.energy == -10.0
        assert cqm.check_feasible(best.sample)
        assert found.info["constraint_labels"] == ["capacity", "least"]
        assert (found.info["problem_label"], found.info["backend"], found.info["seed"]) == ("small", name, 1)
        assert 1 <= len(found) <= 4
        assert len({tuple(row) for row in found.record.sample.tolist()}) == len(found)


def test_what_is_infeasible_says_so() -> None:
    x, y = dimod.Binaries("xy")
    cqm = dimod.ConstrainedQuadraticModel()
    cqm.set_objective(x - y)
    cqm.add_constraint(x + y == 3, label="impossible")
    found = BackendSampler("pt").sample_cqm(cqm, seed=1)
    assert found.record.is_feasible.tolist() == [False]
    assert found.record.is_satisfied.tolist() == [[False]]


def test_models_without_variables() -> None:
    assert len(BackendSampler("pt").sample_cqm(dimod.ConstrainedQuadraticModel()).variables) == 0
    assert len(BackendSampler("pt").sample_dqm(dimod.DiscreteQuadraticModel()).variables) == 0


def test_a_discrete_model() -> None:
    ring = range(5)
    dqm = dimod.DiscreteQuadraticModel()
    for node in ring:
        dqm.add_variable(3, label=node)
        dqm.set_linear(node, [0.0, 0.1, 0.3])
    for node in ring:
        dqm.set_quadratic(node, (node + 1) % 5, {(colour, colour): 5.0 for colour in range(3)})
    exact = dimod.ExactDQMSolver().sample_dqm(dqm)
    with pytest.warns(SamplerUnknownArgWarning, match="'compress'"):
        found = BackendSampler("pt").sample_dqm(dqm, seed=1, label="ring", compress=True)
    assert found.first.energy == pytest.approx(exact.first.energy)
    assert found.vartype is exact.vartype
    assert found.info["problem_label"] == "ring"
    np.testing.assert_allclose(dqm.energies((found.record.sample, found.variables)), found.record.energy)


def test_models_of_the_wrong_kind() -> None:
    sampler = BackendSampler("pt")
    with pytest.raises(ArgumentError, match="cqm must be ConstrainedQuadraticModel, not"):
        sampler.sample_cqm(TRIANGLE)
    with pytest.raises(ArgumentError, match="dqm must be DiscreteQuadraticModel, not"):
        sampler.sample_dqm(TRIANGLE)
    cqm = dimod.ConstrainedQuadraticModel()
    cqm.set_objective(dimod.Real("r", upper_bound=2.0))
    with pytest.raises(UnsupportedProblemError, match="'r' is REAL"):
        sampler.sample_cqm(cqm)
