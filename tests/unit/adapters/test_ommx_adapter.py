from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qubo_dnn.errors import OptionError, UnsupportedProblemError

ommx = pytest.importorskip("ommx.v1", reason="OMMX is not installed")
testing = pytest.importorskip("ommx.testing", reason="OMMX is not installed")
adapter = pytest.importorskip("ommx.adapter", reason="OMMX is not installed")


def ours() -> Any:
    from qubo_dnn.adapters.ommx_adapter import OMMXQuboDnnAdapter

    return OMMXQuboDnnAdapter


def knapsack(capacity: float = 47.0) -> Any:
    """The example of OMMX's guide to adapters; its optimum is 42 with capacity 47."""
    values, weights = [10, 13, 18, 32, 7, 15], [11, 15, 20, 35, 10, 33]
    x = [ommx.DecisionVariable.binary(i, name="x", subscripts=[i]) for i in range(6)]
    return ommx.Instance.from_components(
        decision_variables=x,
        objective=sum(v * each for v, each in zip(values, x, strict=True)),
        constraints=[(sum(w * each for w, each in zip(weights, x, strict=True)) <= capacity).add_name("weight")],
        sense=ommx.Instance.MAXIMIZE,
    )


@pytest.mark.parametrize("backend", ["pt", "exact"])
def test_solves_the_example_of_the_guide(backend: str) -> None:
    instance = knapsack()
    found = ours().solve(instance, backend=backend, seed=1, certify=5.0)
    assert found.objective == 42.0
    assert found.feasible
    assert found.optimality == ommx.Solution.OPTIMAL
    assert sorted(i for i, value in found.state.entries.items() if value) == [0, 3]
    assert ours().solve(instance, backend=backend, seed=1).optimality != ommx.Solution.OPTIMAL


def test_samples() -> None:
    found = ours().sample(knapsack(), backend="pt", seed=1, num_reads=20)
    assert isinstance(found, ommx.SampleSet)
    assert len(found.sample_ids) > 3
    objectives = [found.get(number).objective for number in range(len(found.sample_ids))]
    assert objectives == sorted(objectives, reverse=True)
    assert objectives[0] == 42.0
    assert found.best_feasible.objective == 42.0
    assert all(found.feasible.values())


def test_the_interface() -> None:
    made = ours()(knapsack())
    assert isinstance(made, adapter.SamplerAdapter)
    assert isinstance(made, adapter.SolverAdapter)
    assert made.solver_input is made.sampler_input
    assert made.solver_input.sense == "max"


def test_proven_infeasibility() -> None:
    instance = knapsack(capacity=-1.0)
    with pytest.raises(adapter.InfeasibleDetected):
        ours().solve(instance, backend="exact", certify=5.0)
    # Without a proof, the answer itself says so.
    assert not ours().solve(instance, backend="exact").feasible


def test_a_system_of_equations_over_integers() -> None:
    """OMMX's generator of instances with one feasible state, at a size that a sampler finds."""
    np.random.seed(1)  # noqa: NPY002  # the generator draws from it

    class Small(testing.SingleFeasibleLPGenerator):  # type: ignore[misc,name-defined]
        INT_LOWER_BOUND, INT_UPPER_BOUND = -2, 2

    generator = Small(2, testing.DataType.INT)
    instance = generator.get_v1_instance()
    found = ours().solve(instance, backend="exact")
    assert found.feasible
    assert dict(found.state.entries) == dict(generator.get_v1_state().entries)


def test_continuous_instances_are_refused() -> None:
    instance = testing.SingleFeasibleLPGenerator(2, testing.DataType.FLOAT).get_v1_instance()
    with pytest.raises(UnsupportedProblemError, match="the variable 0 of the OMMX instance is continuous"):
        ours()(instance)


def test_unknown_options() -> None:
    with pytest.raises(OptionError, match="num_raeds"):
        ours().solve(knapsack(), num_raeds=1)
