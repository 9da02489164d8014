"""Blocks of a problem are solved by another backend; constraints hold, groups stay whole, and its share can be told."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import dimod
import numpy as np
import pytest

from qubo_backends._shared import embedded
from qubo_backends.decompose import DecomposeBackend
from qubo_backends.exact import ExactBackend
from qubo_backends.neal import NealBackend
from qubo_dnn.backend import SolveOptions, make_options
from qubo_dnn.constraint import Constraint, ConstraintKind
from qubo_dnn.errors import BackendFailedError, OptionError, UnknownBackendError, UnsupportedProblemError
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_dnn.testing.backend_cases.constraints import constrained_problem, product_budget
from qubo_dnn.testing.backends import BACKEND_CASES
from qubo_formulations.quadratic_assignment import QuadraticAssignment

RandomBqm = Callable[..., dimod.BinaryQuadraticModel]
CtrlC = Callable[[float], AbstractContextManager[None]]
BQM: TypeAlias = dimod.BinaryQuadraticModel


class Recorder(ExactBackend):
    """`exact`, which keeps the problems that it is asked, and fails or is interrupted at some of them."""

    def __init__(self, fails_at: int | None = None, interrupted_at: int | None = None) -> None:
        self.asked: list[Problem[Any]] = []
        self.options: list[SolveOptions] = []
        self.fails_at, self.interrupted_at = fails_at, interrupted_at

    def sample(self, bqm: BQM, options: SolveOptions) -> dimod.SampleSet:
        return self._answer(Problem(objective=bqm.copy(), decoder=dict), super().sample(bqm, options), options)

    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        return self._answer(problem, super().sample_constrained(problem, options), options)

    def _answer(self, problem: Problem[Any], found: dimod.SampleSet, options: SolveOptions) -> dimod.SampleSet:
        self.asked.append(problem)
        self.options.append(options)
        if len(self.asked) == self.fails_at:
            raise BackendFailedError("the chip is too warm")
        if len(self.asked) == self.interrupted_at:
            found.info["interrupted"] = True
        return found


def sample(backend: Any, model: BQM | Problem[Any], **values: Any) -> dimod.SampleSet:
    options = make_options(backend, {"seed": 1, **values})
    constrained = isinstance(model, Problem)
    return backend.sample_constrained(model, options) if constrained else backend.sample(model, options)


def least(problem: Problem[Any]) -> float:
    """The least feasible energy, by brute force."""
    states = itertools.product((0, 1), repeat=len(problem.variables))
    samples = (dict(zip(problem.variables, state, strict=True)) for state in states)
    return min(float(problem.objective.energy(each)) for each in samples if not problem.violations(each))


def grouped(n: int, size: int, seed: int, budget: float | None = None) -> Problem[Any]:
    """A random problem of n groups, with a budget of the numbers of their options."""
    rng = np.random.default_rng(seed)
    labels = [(group, option) for group in range(n) for option in range(size)]
    linear = dict(zip(labels, rng.normal(size=len(labels)), strict=True))
    pairs = {pair: rng.normal() for pair in itertools.combinations(labels, 2) if pair[0][0] != pair[1][0]}
    cost = BQM({label: float(label[1]) for label in labels}, {}, 0.0, "BINARY")
    return Problem(
        objective=BQM(linear, pairs, 0.0, "BINARY"),
        decoder=dict,
        one_hot={str(group): tuple(labels[group * size : (group + 1) * size]) for group in range(n)},
        constraints={} if budget is None else {"budget": Constraint(cost, "<=", budget)},
    )


def test_blocks_far_smaller_than_a_model_reach_its_optimum(random_bqm: RandomBqm) -> None:
    for seed in range(3):
        bqm = random_bqm(18, seed)
        optimum = ExactBackend().sample(bqm, make_options(ExactBackend(), {})).first.energy
        options = {"block_size": 6, "restarts": 20, "target": optimum, "seed": seed}
        found = sample(get_backend("decompose:exact"), bqm, **options)
        assert found.first.energy == pytest.approx(optimum)
        assert max(found.info["variables_of_blocks"]) == 6


@pytest.mark.parametrize("wrapped", ["exact", "neal", "random"])
@pytest.mark.parametrize("kind", sorted(DecomposeBackend().capabilities.native_constraints))
def test_small_problems_with_constraints_are_solved(wrapped: str, kind: ConstraintKind) -> None:
    problem = constrained_problem(frozenset({kind, ConstraintKind.ONE_HOT}), seed=2)
    optimum = least(problem)
    options = {"block_size": 6, "block_reads": 30, "restarts": 20, "target": optimum}
    found = sample(get_backend(f"decompose:{wrapped}"), problem, **options)
    assert not problem.violations(found.first.sample)
    assert found.first.energy == pytest.approx(optimum)


def test_quadratic_budgets_are_kept_by_what_the_rest_leaves() -> None:
    for seed in range(3):
        problem = product_budget(seed)
        options = {"block_size": 4, "restarts": 20, "target": least(problem)}
        found = sample(get_backend("decompose:exact"), problem, **options)
        assert not problem.violations(found.first.sample)
        assert found.first.energy == pytest.approx(least(problem))


def test_groups_are_never_split() -> None:
    problem, recorder = grouped(7, 4, 1, budget=9.0), Recorder()
    found = sample(DecomposeBackend(wrapped=recorder), problem, block_size=9, num_reads=3)
    assert len(found) == 3
    assert all(not problem.violations(row) for row in found.samples())
    whole = [each for each in recorder.asked if each.one_hot]
    # Two groups of four fit into nine variables, or nine switches; with groups there are no variables besides.
    assert {len(group) for each in whole for group in each.one_hot.values()} <= {2, 3, 4}
    assert all(sum(map(len, each.one_hot.values())) == len(each.variables) <= 9 for each in whole)
    assert max(len(each.one_hot) for each in whole) >= 2
    assert max(len(each.variables) for each in recorder.asked if not each.one_hot) == 7


def test_a_group_larger_than_a_block_is_solved_by_some_of_its_options() -> None:
    problem = grouped(3, 7, 3)
    found = sample(get_backend("decompose:exact"), problem, block_size=4, restarts=10)
    optimum = ExactBackend().sample_constrained(problem, make_options(ExactBackend(), {})).first.energy
    assert found.first.energy == pytest.approx(optimum)


def test_constraints_rule_out_options_so_that_more_groups_fit() -> None:
    """Four facilities exchange their four locations: sixteen variables, though each has seven options."""
    rng = np.random.default_rng(1)
    assignment = QuadraticAssignment(rng.integers(0, 9, (7, 7)), rng.integers(1, 9, (7, 7)))
    recorder = Recorder()
    best = min(map(assignment.cost, assignment.answers()))
    options = {"seed": 1, "restarts": 50, "block_size": 16, "target": best}
    solution = solve(assignment.compile(), DecomposeBackend(wrapped=recorder), options)
    assert solution.best.feasible
    assert solution.best.objective == best
    assert max(len(each.one_hot) for each in recorder.asked) == 4


def test_the_states_are_those_of_the_wrapped_backend(random_bqm: RandomBqm) -> None:
    """A backend that always returns the present state, or nothing usable, improves nothing."""

    class Stuck(NealBackend):
        def sample(self, bqm: BQM, options: SolveOptions) -> dimod.SampleSet:
            found = super().sample(bqm, options)
            return dimod.SampleSet.from_samples_bqm(dict.fromkeys(found.variables, 0), bqm)

    # In a block, 0 stands for what a free variable is now.
    stuck, other = (sample(DecomposeBackend(wrapped=each), random_bqm(30, 1)) for each in (Stuck(), NealBackend()))
    assert stuck.info["improved"] == 0 < other.info["improved"]
    assert other.first.energy < stuck.first.energy


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda found: found.slice(0, 0), "'neal' returned no sample"),
        (lambda found: found.change_vartype("SPIN", inplace=False), "samples of another model"),
        (lambda found: found.relabel_variables({0: "other"}, inplace=False), "samples of another model"),
    ],
)
def test_an_answer_that_is_none_is_refused(
    random_bqm: RandomBqm, answer: Callable[[dimod.SampleSet], dimod.SampleSet], told: str
) -> None:
    class Wrong(NealBackend):
        def sample(self, bqm: BQM, options: SolveOptions) -> dimod.SampleSet:
            return answer(super().sample(bqm, options))

    with pytest.raises(BackendFailedError, match=told):
        sample(DecomposeBackend(wrapped=Wrong()), random_bqm(10, 1), block_size=4)


def test_most_states_keep_groups_that_are_penalties() -> None:
    rng = np.random.default_rng(0)
    assignment = QuadraticAssignment(rng.integers(0, 9, (8, 8)), rng.integers(1, 9, (8, 8)))
    found = sample(get_backend("decompose:neal"), assignment.compile(), block_size=36, max_blocks=12, block_reads=10)
    assert found.info["rows"] == 120
    assert found.info["rows_with_whole_groups"] > 100


def test_states_that_break_groups_are_discarded() -> None:
    class Breaking(NealBackend):
        def sample(self, bqm: BQM, options: SolveOptions) -> dimod.SampleSet:
            found = super().sample(bqm, options)
            return dimod.SampleSet.from_samples_bqm(dict.fromkeys(found.variables, 1), bqm)

    problem = grouped(6, 4, 1, budget=9.0)
    found = sample(DecomposeBackend(wrapped=Breaking()), problem, block_size=8, max_blocks=40)
    assert not problem.violations(found.first.sample)
    assert 0 < found.info["rows_with_whole_groups"] < found.info["rows"]


def test_the_control_draws_as_many_states_and_looks_at_no_bias(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(60, 2, density=0.2)
    options = {"block_size": 12, "block_reads": 50, "max_blocks": 30}
    control, exact = (sample(get_backend(f"decompose:{each}"), bqm, **options) for each in ("random", "exact"))
    # Brute force has no more states of the last block of a round than there are.
    assert exact.info["rows"] <= control.info["rows"] == 30 * 50
    assert control.info["blocks"] == exact.info["blocks"] == 30
    assert exact.first.energy < control.first.energy


def test_info_tells_what_was_done(random_bqm: RandomBqm) -> None:
    info = sample(get_backend("decompose:exact"), random_bqm(30, 3), block_size=8, restarts=1).info
    assert info["wrapped"] == "exact"
    assert info["starts"] == 2
    assert info["blocks"] == sum(blocks for blocks, _ in info["strategies"].values())
    assert info["improved"] == sum(improved for _, improved in info["strategies"].values()) > 0
    assert {"coupling", "impact", "walk", "random"} <= info["strategies"].keys()
    assert 0.0 < info["wrapped_seconds"] < info["seconds"]
    least_size, mean, largest = info["variables_of_blocks"]
    assert 1 <= least_size <= mean <= largest == 8


def test_a_strategy_may_be_chosen(random_bqm: RandomBqm) -> None:
    for strategy in ("impact", "coupling", "walk", "random"):
        info = sample(get_backend("decompose:exact"), random_bqm(20, 1), block_size=6, strategy=strategy).info
        assert set(info["strategies"]) == {strategy}


def test_the_block_size_is_that_of_the_wrapped_backend(random_bqm: RandomBqm) -> None:
    for name, size in (("exact", 16), ("qaoa", 14), ("qpu-emulator:zephyr:2", 24), ("neal", 100)):
        backend = get_backend(f"decompose:{name}")
        found = sample(backend, random_bqm(4, 1), max_blocks=1, block_reads=1)
        assert found.info["block_size"] == size


def test_chains_of_a_complete_graph_are_found_once(random_bqm: RandomBqm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_found", {})
    bqm = random_bqm(40, 1, density=0.3)
    options = {"block_size": 8, "block_reads": 5, "max_blocks": 12, "strategy": "random"}
    found = sample(get_backend("decompose:qpu-emulator:chimera:4"), bqm, **options)
    assert found.info["blocks"] == 12
    # Blocks have other interactions each; five of eight variables hold all sites.
    assert len(embedded._found) == 1


def test_options_of_the_wrapped_backend_are_passed_on(random_bqm: RandomBqm) -> None:
    recorder = Recorder()
    sample(DecomposeBackend(wrapped=recorder), random_bqm(10, 1), block_size=4, block_reads=7)
    assert {each.num_reads for each in recorder.options} == {7}
    assert len({each.seed for each in recorder.options}) == len(recorder.options)
    found = sample(get_backend("decompose:neal"), random_bqm(20, 1), block_options="num_sweeps=1;beta_range=0.1,1")
    other = sample(get_backend("decompose:neal"), random_bqm(20, 1), block_options={"num_sweeps": 1000})
    assert found.info["wrapped_seconds"] < other.info["wrapped_seconds"]
    with pytest.raises(OptionError, match="no option 'sweeps'"):
        sample(get_backend("decompose:neal"), random_bqm(4, 1), block_options="sweeps=3")
    with pytest.raises(OptionError, match="block_options cannot set 'num_reads'"):
        sample(get_backend("decompose:neal"), random_bqm(4, 1), block_options={"num_reads": 3})


def test_a_target_and_a_number_of_blocks_end_the_run(random_bqm: RandomBqm) -> None:
    bqm, backend = random_bqm(60, 4, density=0.2), get_backend("decompose:exact")
    whole = sample(backend, bqm, block_size=8)
    target = whole.first.energy + 1.0
    found = sample(backend, bqm, block_size=8, target=target)
    assert found.first.energy <= target
    assert found.info["blocks"] < whole.info["blocks"]
    assert sample(backend, bqm, block_size=8, max_blocks=3).info["blocks"] == 3


def test_a_time_limit_ends_restarts(random_bqm: RandomBqm) -> None:
    found = sample(get_backend("decompose:exact"), random_bqm(40, 5), block_size=6, time_limit=0.5)
    # That it returns is what the limit does: without one, as many restarts would take for ever.
    assert found.info["starts"] >= 1
    assert found.info["interrupted"] is False
    two = sample(get_backend("decompose:exact"), random_bqm(40, 5), block_size=6, time_limit=0.5, num_reads=2)
    assert len(two) == 2


def test_ctrl_c_returns_the_best_state_so_far(random_bqm: RandomBqm, ctrl_c: CtrlC) -> None:
    with ctrl_c(0.3):
        found = sample(get_backend("decompose:exact"), random_bqm(60, 6), block_size=8, restarts=10**6)
    assert found.info["interrupted"] is True
    assert found.info["improved"] > 0


def test_ctrl_c_inside_the_wrapped_backend_ends_the_run(random_bqm: RandomBqm) -> None:
    recorder = Recorder(interrupted_at=5)
    found = sample(DecomposeBackend(wrapped=recorder), random_bqm(60, 6), block_size=8)
    assert found.info["interrupted"] is True
    assert len(recorder.asked) == found.info["blocks"] == 5


def test_a_failure_keeps_what_was_found_and_the_first_one_is_raised(random_bqm: RandomBqm) -> None:
    found = sample(DecomposeBackend(wrapped=Recorder(fails_at=9)), random_bqm(60, 6), block_size=8)
    assert found.info["failed"] == "the chip is too warm"
    assert found.info["blocks"] == 8
    assert found.info["improved"] > 0
    with pytest.raises(BackendFailedError, match="too warm"):
        sample(DecomposeBackend(wrapped=Recorder(fails_at=1)), random_bqm(60, 6), block_size=8)


def test_a_start_is_never_lost() -> None:
    problem = grouped(6, 3, 4, budget=7.0)
    best = sample(get_backend("decompose:exact"), problem, block_size=9, max_blocks=60).first
    again = sample(get_backend("decompose:random"), problem, initial_state=best.sample, block_reads=1, max_blocks=60)
    assert again.first.energy <= best.energy + 1e-9
    with pytest.raises(OptionError, match="initial_state: not a value for every variable"):
        sample(get_backend("decompose:exact"), problem, initial_state={})


def test_wrong_names_and_sizes_are_refused(random_bqm: RandomBqm) -> None:
    for name in ("decompose:decompose", "decompose:decompose:exact"):
        with pytest.raises(OptionError, match="cannot wrap itself"):
            get_backend(name)
    with pytest.raises(UnknownBackendError, match="neal"):
        get_backend("decompose:neel")
    with pytest.raises(OptionError, match="no variants"):
        get_backend("decompose:neal:fast")
    with pytest.raises(OptionError, match="not both"):
        DecomposeBackend("neal", wrapped=NealBackend())
    for size in (-1, 0, 1):
        with pytest.raises(OptionError, match="block_size: Input should be greater than or equal to 2"):
            sample(get_backend("decompose:neal"), random_bqm(4, 1), block_size=size)
    with pytest.raises(UnsupportedProblemError, match="'exact' takes at most 26 variables, the problem has 27"):
        sample(get_backend("decompose:exact"), random_bqm(40, 1), block_size=27)


def test_a_backend_without_seed_makes_none() -> None:
    qpu = get_backend("decompose:dwave-qpu").capabilities
    assert not qpu.seeded
    assert qpu.remote
    assert not qpu.fills_time


@pytest.mark.parametrize("case", sorted(BACKEND_CASES))
@pytest.mark.slow
def test_conformance_with_neal(case: str) -> None:
    BACKEND_CASES[case](get_backend("decompose:neal"))
