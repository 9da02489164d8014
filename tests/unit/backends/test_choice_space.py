"""Energies, changes and repair of many choices at once; operators of the genetic algorithm; steps of the agents."""

from __future__ import annotations

from typing import Any

import dimod
import numpy as np
import pytest

from qubo_backends._choices.best import BestStates
from qubo_backends._choices.repair import repair
from qubo_backends._choices.run import Task
from qubo_backends._choices.space import ChoiceSpace
from qubo_backends._shared import sampling
from qubo_dnn.constraint import Constraint, ConstraintKind
from qubo_dnn.problem import LowRank, Problem
from qubo_dnn.testing.backend_cases.constraints import constrained_problem

BOTH = frozenset({ConstraintKind.ONE_HOT, ConstraintKind.INEQUALITY})


def chain(n: int, seed: int) -> Problem[Any]:
    """Sparse, in pairs that choose, with a factor on all of it."""
    rng = np.random.default_rng(seed)
    objective = dimod.BinaryQuadraticModel(
        {i: rng.normal() for i in range(n)}, {(i, i + 3): rng.normal() for i in range(n - 3)}, 0.5, "BINARY"
    )
    return Problem(
        objective=objective,
        decoder=dict,
        one_hot={f"pair {i}": (i, i + 1) for i in range(0, n // 2, 2)},
        low_rank=LowRank(tuple(range(n)), rng.normal(size=(n, 3)).astype(np.float32)),
    )


PROBLEMS = {
    "dense": constrained_problem(BOTH, 1),
    "dense with a factor": constrained_problem(BOTH, 2, with_form=True),
    "sparse with a factor": chain(40, 3),
    "without interactions": Problem(
        objective=dimod.BinaryQuadraticModel({0: 1.0, 1: -2.0}, {}, 0.0, "BINARY"), decoder=dict
    ),
}


def true_energies(problem: Problem[Any], states: np.ndarray) -> np.ndarray:
    rows = [dict(zip(problem.variables, row, strict=True)) for row in states.tolist()]
    constant = float(problem.objective.offset)
    return np.array([problem.objective.energy(row) + problem.low_rank_energy(row) - constant for row in rows])


@pytest.mark.parametrize("name", PROBLEMS)
def test_energies_are_those_of_the_problem(name: str) -> None:
    space = ChoiceSpace(PROBLEMS[name])
    choices = space.random(20, np.random.default_rng(0))
    assert space.energies(choices) == pytest.approx(
        true_energies(PROBLEMS[name], space.states(choices)), rel=1e-5, abs=1e-5
    )


@pytest.mark.parametrize("name", PROBLEMS)
def test_changes_are_differences_of_energies(name: str) -> None:
    space = ChoiceSpace(PROBLEMS[name])
    choices = space.random(3, np.random.default_rng(1))
    changes, before = space.changes(choices), space.energies(choices)
    for slot, site in enumerate(space.site_of):
        switched = choices.copy()
        switched[:, site] = slot - space.firsts[site]
        assert changes[:, slot] == pytest.approx(space.energies(switched) - before, rel=1e-4, abs=1e-4)


def test_large_models_are_multiplied_in_single_precision_to_its_accuracy() -> None:
    rng = np.random.default_rng(2)
    n = 1600
    rows, columns = np.triu_indices(n, 1)
    objective = dimod.BinaryQuadraticModel.from_numpy_vectors(
        rng.normal(size=n), (rows, columns, rng.normal(size=len(rows))), 0.0, "BINARY"
    )
    problem = Problem(objective=objective, decoder=dict)
    space = ChoiceSpace(problem)
    choices = space.random(4, rng)
    true = objective.energies((space.states(choices), list(problem.variables)))
    assert space.energies(choices) == pytest.approx(true, abs=1e-5 * np.abs(true).max())


def budgeted(limits: dict[str, tuple[str, float]]) -> Problem[Any]:
    rng = np.random.default_rng(4)
    labels = [f"x[{i}]" for i in range(30)]
    rows, columns = np.triu_indices(30, 1)
    objective = dimod.BinaryQuadraticModel.from_numpy_vectors(
        rng.normal(size=30), (rows, columns, rng.normal(size=len(rows))), 0.0, "BINARY", variable_order=labels
    )
    costs = dimod.BinaryQuadraticModel({label: 1.0 + i % 3 for i, label in enumerate(labels)}, {}, 0.0, "BINARY")
    return Problem(
        objective=objective,
        decoder=dict,
        one_hot={f"u{i}": tuple(labels[3 * i : 3 * i + 3]) for i in range(10)},
        constraints={name: Constraint(costs, sense, limit) for name, (sense, limit) in limits.items()},  # type: ignore[arg-type] # a text
    )


def with_products(seed: int, sense: str, share: float) -> Problem[Any]:
    """Groups of three and a few free variables with a quadratic inequality, whose interactions have both signs."""
    rng = np.random.default_rng(seed)
    labels = [f"x[{i}]" for i in range(24)]
    rows, columns = np.triu_indices(24, 1)
    products, objective = (
        dimod.BinaryQuadraticModel.from_numpy_vectors(
            rng.normal(size=24),
            (rows, columns, rng.normal(size=len(rows)) + 0.5),
            0.25,
            "BINARY",
            variable_order=labels,
        )
        for _ in range(2)
    )
    limit = float(np.quantile(products.energies((rng.integers(0, 2, (500, 24)), labels)), share))
    return Problem(
        objective=objective,
        decoder=dict,
        one_hot={f"u{i}": tuple(labels[3 * i : 3 * i + 3]) for i in range(6)},
        constraints={"products": Constraint(products, sense, limit)},  # type: ignore[arg-type] # a text
    )


QUADRATIC = [("<=", 0.05), (">=", 0.5)]


class TestQuadraticInequalities:
    @pytest.mark.parametrize(("sense", "share"), QUADRATIC)
    def test_left_sides_and_their_changes_are_those_of_the_model(self, sense: str, share: float) -> None:
        problem = with_products(0, sense, share)
        space, lhs = ChoiceSpace(problem), problem.constraints["products"].lhs
        choices = space.random(4, np.random.default_rng(1))
        before = space.activities(choices)[:, 0]
        assert before == pytest.approx(lhs.energies((space.states(choices), list(problem.variables))))
        steps = space.steps(choices)
        for slot, site in enumerate(space.site_of):
            switched = choices.copy()
            switched[:, site] = slot - space.firsts[site]
            assert steps[:, slot, 0] == pytest.approx(space.activities(switched)[:, 0] - before)

    @pytest.mark.parametrize(("sense", "share"), QUADRATIC)
    def test_they_are_kept_after_a_repair(self, sense: str, share: float) -> None:
        space = ChoiceSpace(with_products(1, sense, share))
        choices = space.random(50, np.random.default_rng(0))
        assert (space.excess(space.activities(choices)) > 0.0).any()
        assert not space.excess(space.activities(repair(space, choices, space.changes))).any()

    @pytest.mark.parametrize(("sense", "share"), QUADRATIC)
    def test_no_switch_is_cheaper_than_the_least(self, sense: str, share: float) -> None:
        space = ChoiceSpace(with_products(2, sense, share))
        steps = space.steps(space.least(0)[None])
        assert (steps >= -1e-12).all() if sense == "<=" else (steps <= 1e-12).all()

    @pytest.mark.parametrize(("sense", "share"), QUADRATIC)
    def test_agents_keep_them(self, sense: str, share: float) -> None:
        torch = pytest.importorskip("torch", reason="needs the extra torch")
        from qubo_backends._reinforcement.episodes import Walk
        from qubo_backends._reinforcement.policy import Policy

        task = Task(with_products(3, sense, share), 1, 0, sampling.InterruptGuard(None), "test", None)
        walk, generator = Walk(task), torch.Generator().manual_seed(0)
        episodes = walk.run(Policy(walk.observed, 8, walk.sites, walk.options, generator), 100, generator)
        assert not task.space.excess(task.space.activities(episodes.choices)).any()
        assert len(np.unique(episodes.choices, axis=0)) > 50


class TestRepair:
    @pytest.mark.parametrize(
        "limits", [{"a": ("<=", 13.0)}, {"a": (">=", 27.0)}, {"a": ("<=", 15.0), "b": (">=", 15.0)}]
    )
    def test_keeps_all_inequalities(self, limits: dict[str, tuple[str, float]]) -> None:
        space = ChoiceSpace(budgeted(limits))
        choices = space.random(50, np.random.default_rng(0))
        assert (space.excess(space.activities(choices)) > 0.0).any()
        repaired = repair(space, choices, space.changes)
        assert not space.excess(space.activities(repaired)).any()

    def test_leaves_alone_what_keeps_them(self) -> None:
        space = ChoiceSpace(budgeted({"a": ("<=", 20.0)}))
        choices = space.random(50, np.random.default_rng(0))
        kept = space.excess(space.activities(choices)) == 0.0
        assert kept.any()
        assert not kept.all()
        assert np.array_equal(repair(space, choices, space.changes)[kept], choices[kept])

    def test_a_single_switch_is_the_one_that_costs_least_per_unit(self) -> None:
        space = ChoiceSpace(budgeted({"a": ("<=", 19.0)}))
        choices = np.ones((1, 10), np.int32)  # costs 20: one unit of cost 2 has to become one of cost 1
        changes = space.changes(choices)[0]
        site = int(np.argmin(changes[space.firsts]))
        repaired = repair(space, choices, space.changes)[0]
        assert np.flatnonzero(repaired != 1).tolist() == [site]
        assert repaired[site] == 0

    def test_ends_where_nothing_helps(self) -> None:
        space = ChoiceSpace(budgeted({"a": ("<=", 5.0)}))
        repaired = repair(space, space.random(5, np.random.default_rng(0)), space.changes)
        assert not repaired.any()


class TestBest:
    def test_keeps_different_ones_within_the_constraints_first(self) -> None:
        best = BestStates(3, 1)
        rows = np.array([[0], [1], [2], [1], [3]], np.int32)
        best.offer(rows[:3], np.array([0.0, 2.0, 0.0]), np.array([5.0, -9.0, 4.0]))
        assert best.rank == (0.0, 4.0)
        best.offer(rows[3:], np.array([2.0, 0.0]), np.array([-9.0, 6.0]))
        assert best.choices[:, 0].tolist() == [2, 0, 3]
        assert best.feasible == 3

    def test_takes_one_that_was_pushed_out_no_more(self) -> None:
        best = BestStates(1, 1)
        for value, energy in ((0, 1.0), (1, 0.0), (0, 1.0)):
            best.offer(np.array([[value]], np.int32), np.zeros(1), np.array([energy]))
        assert (best.choices.tolist(), best.energies.tolist()) == ([[1]], [0.0])


class TestOperators:
    def test_children_hold_the_genes_of_their_parents(self) -> None:
        operators = pytest.importorskip("qubo_backends._genetic.operators", reason="needs the extra genetic")
        rng = np.random.default_rng(0)
        parents = rng.integers(0, 9, (2, 200, 12)).astype(np.int32)
        for crossover, blocks in ((1.0, 0.0), (1.0, 1.0), (0.0, 0.5)):
            children = operators.exchanged(parents, rng, crossover, blocks)
            assert np.array_equal(np.sort(children, axis=0), np.sort(parents, axis=0))
            moved = children[0] != parents[0]
            assert moved.any() == (crossover > 0.0)
        # One contiguous run: genes that differ between the parents move together.
        distinct = np.stack([np.zeros((200, 12), np.int32), np.ones((200, 12), np.int32)])
        blocks = operators.exchanged(distinct, rng, 1.0, 1.0)[0]
        assert (np.abs(np.diff(blocks, axis=1, prepend=0, append=0)).sum(axis=1) <= 2).all()

    def test_redrawn_genes_are_other_options_of_their_sites(self) -> None:
        operators = pytest.importorskip("qubo_backends._genetic.operators", reason="needs the extra genetic")
        rng, sizes = np.random.default_rng(0), np.array([2, 5, 1, 3])
        genes = rng.integers(0, sizes, (4000, 4), np.int32)
        before = genes.copy()
        operators.redrawn(genes, sizes, rng, 0.25)
        assert ((genes >= 0) & (genes < sizes)).all()
        changed = genes != before
        assert not changed[:, 2].any()
        # A quarter of the genes, and one of four where that would be none.
        assert changed[:, 0].mean() == pytest.approx(0.25 + 0.75**4 / 4, abs=0.03)
        steps = ((genes - before) % sizes)[:, 1]
        assert np.bincount(steps[steps > 0])[1:] == pytest.approx((steps > 0).sum() / 4, rel=0.2)


class TestWalk:
    @pytest.mark.parametrize("limits", [{"a": ("<=", 13.0)}, {"a": (">=", 27.0)}, {"a": ("<=", 10.0)}])
    def test_only_what_keeps_the_budget_reachable_is_open(self, limits: dict[str, tuple[str, float]]) -> None:
        torch = pytest.importorskip("torch", reason="needs the extra torch")
        from qubo_backends._reinforcement.episodes import Walk
        from qubo_backends._reinforcement.policy import Policy

        task = Task(budgeted(limits), 1, 0, sampling.InterruptGuard(None), "test", None)
        walk, generator = Walk(task), torch.Generator().manual_seed(0)
        policy = Policy(walk.observed, 8, walk.sites, walk.options, generator)
        episodes = walk.run(policy, 100, generator)
        activities = task.space.activities(episodes.choices)
        assert not task.space.excess(activities).any()
        # The share of the budget that is left, and then what was chosen before.
        fixed = walk.observed - 1 - 3
        assert episodes.observations[0, :, fixed + 1 :].eq(0).all()
        chosen = torch.nn.functional.one_hot(episodes.actions[:-1], 3)
        assert torch.equal(episodes.observations[1:, :, fixed + 1 :].long(), chosen)

    def test_rewards_rank_what_keeps_the_constraints_first(self) -> None:
        pytest.importorskip("torch", reason="needs the extra torch")
        from qubo_backends._reinforcement.training import advantages

        excess, energies = np.array([0.0, 0.0, 1.0, 2.0]), np.array([1.0, 3.0, -99.0, -99.0])
        gains = advantages(excess, energies, 1.0).tolist()
        assert gains == sorted(gains, reverse=True)
        assert sum(gains) == pytest.approx(0.0, abs=1e-6)
        assert advantages(np.zeros(3), np.full(3, 2.0), 1.0).tolist() == [0.0, 0.0, 0.0]
        lone = advantages(np.array([1.0, 3.0]), np.array([5.0, 0.0]), 1.0).tolist()
        assert lone[0] > lone[1]
        best, *others = advantages(excess, energies, 0.3).tolist()
        assert best > 0.0
        assert others == [0.0, 0.0, 0.0]
