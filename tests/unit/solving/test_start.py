"""A start that the problem knows: never lost, and begun at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest

from qubo_dnn.backend import SolveOptions
from qubo_dnn.constraint import ConstraintKind
from qubo_dnn.errors import FormulationError
from qubo_dnn.problem import Problem, Sample
from qubo_dnn.registry import get_backend, get_formulation
from qubo_dnn.solving.local_answer import solve_locally
from qubo_dnn.solving.solve import solve
from tests.unit.solving.scripted import Rows, Scripted, as_it_is, example, one_hot_samples, optimum, row, zeros


def started(problem: Problem[Any], start: Sample | None = None) -> Problem[Any]:
    """The problem with a start, by default its optimum."""
    feasible = [sample for sample in one_hot_samples(problem) if not problem.violations(sample)]
    return replace(problem, start=start or min(feasible, key=lambda sample: float(problem.objective.energy(sample))))


def compiled(name: str, *data: Any) -> Problem[Any]:
    kind: Any = get_formulation(name)
    return kind(*data).compile()  # type: ignore[no-any-return]  # a formulation by its name


def worst(_call: int, _bqm: Any) -> Rows:
    return [row(0, 0, 0, 0)]


@pytest.mark.parametrize("native", [frozenset(), frozenset(ConstraintKind)])
@pytest.mark.parametrize("script", [worst, zeros])
def test_a_start_is_never_lost(native: frozenset[ConstraintKind], script: Any) -> None:
    problem = started(example())
    solution = solve(problem, Scripted(script, native), presolve=False)
    assert solution.best.objective == pytest.approx(optimum(problem))
    assert solution.best.feasible
    assert solution.sampleset.record.sample.shape[1] == len(problem.variables)


def test_a_bad_start_does_no_harm() -> None:
    problem = example()
    known = started(problem).start
    assert known is not None
    best = [known[variable] for variable in problem.variables]
    begun = started(problem, dict(zip(problem.variables, row(0, 0, 0, 0), strict=True)))
    solution = as_it_is(begun, Scripted(lambda _call, _bqm: [best], frozenset(ConstraintKind)))
    assert solution.best.objective == pytest.approx(optimum(problem))
    assert not solution.repaired


def test_a_start_that_the_backend_finds_counts_as_found() -> None:
    problem = started(example())
    assert problem.start is not None
    rows = [[problem.start[variable] for variable in problem.variables]]
    backend = Scripted(lambda _call, _bqm: rows, frozenset(ConstraintKind), {"bound": -7.0})
    solution = as_it_is(problem, backend)
    assert not solution.repaired
    assert solution.sampleset.info["bound"] == -7.0


def test_native_constraints_are_relaxed_even_if_the_start_keeps_them() -> None:
    backend = Scripted(zeros, frozenset(ConstraintKind))
    solution = as_it_is(started(example()), backend)
    kinds = [ConstraintKind.INEQUALITY in problem.constraint_kinds for problem in backend.problems]
    assert kinds[0]
    assert not any(kinds[1:])
    assert len(solution.calls) == len(kinds) > 1


def test_starts_are_samples_of_the_variables() -> None:
    problem = example()
    for start in ({}, dict.fromkeys(problem.variables, 2), {**dict.fromkeys(problem.variables, 0), "another": 1}):
        with pytest.raises(FormulationError, match="start"):
            replace(problem, start=start)


class Begun(Scripted):
    """Records the states that it is to begin at."""

    def begun_at(self, options: SolveOptions, state: Sample) -> SolveOptions:
        self.states = [*getattr(self, "states", []), dict(state)]
        return options


def test_backends_begin_at_the_best_state_so_far() -> None:
    problem = started(example())
    backend = Begun(worst)
    solve(problem, backend, presolve=False, inequalities="lagrangian")
    assert backend.states
    assert all(state == problem.start for state in backend.states)


def test_parts_begin_at_their_part_of_the_start() -> None:
    graph = nx.disjoint_union(nx.cycle_graph(7), nx.cycle_graph(5))
    problem = compiled("maximum-independent-set", graph)
    backend = Begun(lambda _call, bqm: [[0] * bqm.num_variables])
    solution = solve(problem, backend)
    assert solution.best.objective == 5.0
    assert {len(state) for state in backend.states} <= {7, 5}


def test_slack_variables_leave_the_backend_without_a_start() -> None:
    knapsack = compiled("knapsack", [4, 3, 2], [3, 2, 2], 4)
    backend = Begun(lambda _call, bqm: [[0] * bqm.num_variables])
    solution = solve(knapsack, backend, inequalities="slack", presolve=False)
    assert not hasattr(backend, "states")
    assert solution.best.objective >= 4.0


@pytest.mark.parametrize("name", ["neal", "tabu", "steepest-descent", "path-integral", "exact", "genetic", "pt"])
def test_every_backend_keeps_the_start(name: str) -> None:
    """An independent set that one read of few sweeps does not find."""
    problem = compiled("maximum-independent-set", nx.random_regular_graph(3, 18, seed=1))
    best = solve(problem, get_backend("exact")).sample
    solution = solve(replace(problem, start=best), get_backend(name), {"seed": 1, "num_reads": 2})
    assert solution.best.objective == problem.decode(best).objective


def test_local_answers_begin_at_the_start_too() -> None:
    problem = started(example())
    assert solve_locally(problem).objective == pytest.approx(optimum(problem))


def test_one_read_of_many_begins_at_the_start() -> None:
    """Descents from random states do not end where the start is."""
    matrix = np.triu(np.random.default_rng(0).normal(size=(100, 100)), 1)
    problem = compiled("max-cut", nx.from_numpy_array(matrix + matrix.T))
    descent, tabu = get_backend("steepest-descent"), get_backend("tabu")
    known = tabu.sample(problem.objective, tabu.options_type(num_reads=3, seed=3)).first
    found = solve(replace(problem, start=dict(known.sample)), descent, {"num_reads": 20, "seed": 1}).sampleset
    assert found.first.energy == pytest.approx(known.energy)
    assert sum(np.isclose(found.record.energy, known.energy)) == 1
