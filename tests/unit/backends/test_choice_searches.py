"""What `genetic` and `reinforcement` have in common: the same problems, by the model or by a function."""

from __future__ import annotations

import itertools
import logging
import signal
import sys
from typing import Any

import dimod
import numpy as np
import pytest

from qubo_dnn.backend import BlackBoxBackend, make_options
from qubo_dnn.constraint import Constraint, ConstraintKind
from qubo_dnn.errors import BackendFailedError, BackendUnavailableError, OptionError, UnsupportedProblemError
from qubo_dnn.problem import LowRank, Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.testing.backend_cases.constraints import constrained_problem
from qubo_dnn.testing.elsewhere import call_elsewhere

NAMES = ("genetic", "reinforcement")
ENOUGH = {
    "genetic": {"seed": 1, "generations": 40, "population_size": 40},
    "reinforcement": {"seed": 1, "episodes": 1600, "trainings": 2},
}
QUICK = {
    "genetic": {"seed": 1, "generations": 5, "population_size": 20},
    "reinforcement": {"seed": 1, "episodes": 160, "batch_size": 16, "trainings": 1},
}


def units(seed: int, count: int = 6, options: int = 3, with_form: bool = False) -> Problem[Any]:
    """Units that choose an option each, and two free variables, within a budget that binds and a demand."""
    rng = np.random.default_rng(seed)
    groups = {f"u{u}": tuple(f"x[{u}][{k}]" for k in range(options)) for u in range(count)}
    labels = [*itertools.chain(*groups.values()), "y[0]", "y[1]"]
    n = len(labels)
    rows, columns = np.triu_indices(n, 1)
    couplings = (rows, columns, rng.normal(size=len(rows)))
    objective = dimod.BinaryQuadraticModel.from_numpy_vectors(
        rng.normal(size=n), couplings, 1.5, "BINARY", variable_order=labels
    )
    cost = dimod.BinaryQuadraticModel(
        {label: float(1 + position % options) for position, label in enumerate(labels)}, {}, 2.0, "BINARY"
    )
    demand = dimod.BinaryQuadraticModel({groups["u0"][2]: 1.0, groups["u1"][2]: 1.0, "y[0]": 1.0}, {}, 0.0, "BINARY")
    return Problem(
        objective=objective,
        decoder=dict,
        one_hot=groups,
        constraints={"budget": Constraint(cost, "<=", 1.6 * count + 2.0), "demand": Constraint(demand, ">=", 1.0)},
        low_rank=LowRank(tuple(labels[3:9]), rng.normal(size=(6, 2)).astype(np.float32)) if with_form else None,
    )


def optimum(problem: Problem[Any]) -> float:
    """Least energy of all states within the constraints."""
    variables = list(problem.variables)
    free = [v for v in variables if not any(v in group for group in problem.one_hot.values())]
    ways = [[(v,) for v in group] for group in problem.one_hot.values()] + [[(), (v,)] for v in free]
    states = [set(itertools.chain(*chosen)) for chosen in itertools.product(*ways)]
    rows = np.array([[v in state for v in variables] for state in states], np.int8)
    energies = problem.objective.energies((rows, variables))
    for constraint in problem.constraints.values():
        weights = np.array([float(constraint.lhs.linear.get(v, 0.0)) for v in variables])
        energies[constraint.excess(rows @ weights + float(constraint.lhs.offset)) > 0.0] = np.inf
    if problem.low_rank is not None:
        places = [variables.index(v) for v in problem.low_rank.variables]
        energies += np.square(rows[:, places] @ problem.low_rank.factor.astype(float)).sum(axis=1) / 2.0
    return float(energies.min())


def ask(name: str, problem: Problem[Any], **values: Any) -> dimod.SampleSet:
    backend: Any = get_backend(name)
    return backend.sample_constrained(problem, make_options(backend, QUICK[name] | values))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("with_form", [False, True])
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_small_problems_are_solved_to_the_optimum(name: str, seed: int, with_form: bool) -> None:
    problem = units(seed, with_form=with_form)
    found = ask(name, problem, **ENOUGH[name])
    assert found.first.energy == pytest.approx(optimum(problem))


@pytest.mark.parametrize("name", NAMES)
def test_graphs_without_biases_are_solved_to_the_optimum(name: str) -> None:
    """All sites look alike, but their best options differ."""
    ring = dimod.BinaryQuadraticModel({}, {(i, (i + 1) % 8): 1.0 for i in range(8)}, 0.0, "SPIN")
    backend = get_backend(name)
    assert backend.sample(ring, make_options(backend, ENOUGH[name])).first.energy == -8.0


@pytest.mark.parametrize("name", NAMES)
def test_every_row_is_another_state_within_the_constraints_the_best_first(name: str) -> None:
    problem = units(3)
    found = ask(name, problem, num_reads=15)
    rows = [dict(zip(found.variables, row, strict=True)) for row in found.record.sample.tolist()]
    assert not any(problem.violations(row) for row in rows)
    assert len({tuple(row.values()) for row in rows}) == 15
    assert list(found.record.energy) == sorted(found.record.energy)
    assert found.record.energy == pytest.approx([problem.objective.energy(row) for row in rows])


@pytest.mark.parametrize("name", NAMES)
def test_without_a_state_within_the_constraints_the_row_breaks_them_least(name: str) -> None:
    count = dimod.BinaryQuadraticModel(dict.fromkeys("abc", 1.0), {}, 0.0, "BINARY")
    opposed = {"least": Constraint(count, ">=", 2.0), "most": Constraint(count, "<=", 1.0)}
    problem = Problem(objective=count.copy(), decoder=dict, constraints=opposed)
    found = ask(name, problem)
    assert sum(problem.violations(found.first.sample).values()) == 1.0
    assert set(found.info["best"]) == {None}


@pytest.mark.parametrize("name", NAMES)
def test_a_run_tells_what_it_did(name: str) -> None:
    info = ask(name, units(1)).info
    best = [energy for energy in info["best"] if energy is not None]
    assert best == sorted(best, reverse=True)
    assert best[-1] == pytest.approx(ask(name, units(1)).first.energy)
    assert info["evaluations"] > 0
    assert not info["interrupted"]
    assert info["generations" if name == "genetic" else "episodes"] >= len(info["best"])


def test_trainings_are_half_as_long_again_as_the_one_before() -> None:
    """So much entropy that no training ends early: of 2, 3, 5 and 8 episodes asked, two at a time."""
    options = {"seed": 1, "episodes": 2, "batch_size": 2, "entropy": 1e6, "trainings": 4}
    info = ask("reinforcement", units(1), **options).info
    assert (info["trainings"], info["episodes"]) == (4, 2 + 4 + 6 + 8)


@pytest.mark.parametrize("name", NAMES)
def test_seeds_reproduce_with_constraints_in_another_process_too(name: str) -> None:
    backend = get_backend(name)
    here, again, other = _rows(backend), _rows(backend), call_elsewhere(_rows, backend)
    assert here == again == other


def _rows(backend: Any) -> Any:
    options = make_options(backend, QUICK[backend.name] | {"num_reads": 5})
    found = backend.sample_constrained(units(1), options)
    return found.record.sample.tolist(), found.info["best"]


class TestBlackBox:
    @pytest.mark.parametrize("name", NAMES)
    def test_a_function_takes_the_place_of_the_objective(self, name: str) -> None:
        problem, asked = units(4), []

        def energies(rows: np.ndarray) -> np.ndarray:
            asked.extend(rows.tolist())
            return 7.0 - np.asarray(problem.objective.energies((rows, list(problem.variables))))

        backend = get_backend(name)
        assert isinstance(backend, BlackBoxBackend)
        found = backend.sample_black_box(problem, energies, make_options(backend, ENOUGH[name]))
        mirrored = Problem(
            objective=7.0 - problem.objective, decoder=dict, one_hot=problem.one_hot, constraints=problem.constraints
        )
        assert found.first.energy == pytest.approx(optimum(mirrored))
        assert found.info["evaluations"] >= len(asked) > 0
        assert not any(problem.violations(dict(zip(problem.variables, row, strict=True))) for row in asked)

    @pytest.mark.parametrize("name", NAMES)
    def test_no_coefficient_of_the_model_is_looked_at(self, name: str) -> None:
        """Another objective, and the same answers."""
        backend: Any = get_backend(name)
        one, other = units(1), units(2)
        options = make_options(backend, QUICK[name])

        def energies(rows: np.ndarray) -> np.ndarray:
            return np.asarray(one.objective.energies((rows, list(one.variables))))

        first, second = (backend.sample_black_box(problem, energies, options) for problem in (one, other))
        assert first.info["best"] == second.info["best"]

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("told", [[np.nan], [np.inf], [1.0, 2.0], 3.0])
    def test_what_is_no_energy_is_refused(self, name: str, told: Any) -> None:
        backend: Any = get_backend(name)
        with pytest.raises(BackendFailedError, match="asked for the energy of one state and was told"):
            backend.sample_black_box(units(1), lambda _: np.array(told), make_options(backend, QUICK[name]))

    @pytest.mark.parametrize("name", NAMES)
    def test_the_time_limit_holds_between_two_energies(self, name: str) -> None:
        """The clock is past the limit after the second state: no third is asked for."""
        asked, backend = [], get_backend(name)
        assert isinstance(backend, BlackBoxBackend)

        def energies(rows: np.ndarray) -> np.ndarray:
            asked.append(rows)
            if len(asked) == 2:
                signal.raise_signal(signal.SIGINT)
            return np.array([float(len(asked))])

        found = backend.sample_black_box(units(1), energies, make_options(backend, QUICK[name]))
        assert len(asked) == 2
        assert found.first.energy == 1.0
        assert found.info["interrupted"]
        assert found.info["best"] == [1.0]


@pytest.mark.parametrize("name", NAMES)
def test_ctrl_c_keeps_the_best_so_far(name: str, caplog: pytest.LogCaptureFixture) -> None:
    ask(name, units(1), **({"generations": 1} if name == "genetic" else {"episodes": 64, "trainings": 1}))
    endless = {"generations": 10**9} if name == "genetic" else {"trainings": 10**9}
    best = optimum(units(1))

    def press(record: logging.LogRecord) -> bool:
        """At the first message that tells of the optimum: on a slow machine that may take a while."""
        told = record.args
        if isinstance(told, tuple) and isinstance(told[-1], float) and told[-1] == pytest.approx(best):
            signal.raise_signal(signal.SIGINT)
        return True

    logger = logging.getLogger(f"qubo_dnn.backend.{name}")
    logger.addFilter(press)
    try:
        with caplog.at_level(logging.DEBUG, "qubo_dnn.backend"):
            found = ask(name, units(1), **endless)
    finally:
        logger.removeFilter(press)
    assert found.info["interrupted"]
    assert found.first.energy == pytest.approx(best)
    assert any(f"{name}: " in text and "best energy" in text for text in caplog.messages)


@pytest.mark.parametrize("name", NAMES)
def test_constraints_of_other_kinds_are_refused_by_name(name: str) -> None:
    problem = constrained_problem(frozenset({ConstraintKind.ASSIGNMENT}), 1)
    with pytest.raises(UnsupportedProblemError, match="'count' is of the kind assignment"):
        ask(name, problem)


@pytest.mark.parametrize(("name", "package"), [("genetic", "pymoo"), ("reinforcement", "torch")])
def test_a_missing_package_is_named_with_its_extra(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    extra = {"pymoo": "genetic", "torch": "torch"}[package]
    with pytest.raises(BackendUnavailableError, match=rf"{package} .*pip install 'qubo-dnn\[{extra}\]'"):
        get_backend(name).sample(dimod.BinaryQuadraticModel({"a": 1.0}, {}, 0.0, "BINARY"), extras_free(name))


def extras_free(name: str) -> Any:
    from qubo_backends.genetic import GeneticOptions
    from qubo_backends.reinforcement import ReinforcementOptions

    return GeneticOptions() if name == "genetic" else ReinforcementOptions()


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("genetic", {"population_size": 1}),
        ("genetic", {"mutation_rate": 0.0}),
        ("genetic", {"elitism": 0.0}),
        ("genetic", {"crossover_rat": 0.5}),
        ("reinforcement", {"batch_size": 1}),
        ("reinforcement", {"learning_rate": 0.0}),
        ("reinforcement", {"clip": 1.0}),
        ("reinforcement", {"episode": 3}),
    ],
)
def test_options_out_of_range_are_refused_by_name(name: str, bad: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(bad))):
        make_options(get_backend(name), bad)


def dense(variables: int) -> dimod.BinaryQuadraticModel:
    return dimod.BinaryQuadraticModel(np.random.default_rng(7).normal(size=(variables, variables)), "BINARY")


@pytest.mark.parametrize("name", NAMES)
def test_no_more_states_than_a_batch_are_judged_once_each(name: str) -> None:
    backend = get_backend(name)
    for variables in range(6):
        for reads in (1, 5000):
            found = backend.sample(dense(variables), make_options(backend, {"num_reads": reads, "seed": 1}))
            assert found.info["evaluations"] == 2**variables
            assert len(found) == reads
            assert found.first.energy == pytest.approx(
                dimod.ExactSolver().sample(dense(variables)).first.energy if variables else 0.0
            )


def test_states_of_sites_with_one_option_are_listed_too() -> None:
    groups = {f"g{k}": (f"x{k}",) for k in range(80)} | {"h": ("y0", "y1", "y2")}
    objective = dimod.BinaryQuadraticModel({v: 1.0 for group in groups.values() for v in group}, {}, 0.0, "BINARY")
    objective.set_linear("y1", -1.0)
    for name in NAMES:
        found = ask(name, Problem(objective=objective, decoder=dict, one_hot=groups))
        assert (found.first.energy, found.info["evaluations"]) == (79.0, 3)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_ends_when_every_state_was_judged(name: str) -> None:
    backend, endless = get_backend(name), {"genetic": "generations", "reinforcement": "trainings"}[name]
    size = {"genetic": "population_size", "reinforcement": "batch_size"}[name]
    found = backend.sample(dense(5), make_options(backend, {"seed": 1, endless: 10**6, size: 16}))
    assert found.info["evaluations"] >= 32
    assert found.info[endless] < 10**4
    assert found.first.energy == pytest.approx(dimod.ExactSolver().sample(dense(5)).first.energy)


@pytest.mark.parametrize("name", ["genetic", "reinforcement", "pt"])
def test_more_reads_take_no_more_work_and_give_the_same_best(name: str) -> None:
    backend = get_backend(name)
    one, many = (
        backend.sample(dense(12), make_options(backend, QUICK.get(name, {"seed": 1}) | {"num_reads": reads}))
        for reads in (1, 2000)
    )
    assert len(many) == 2000
    assert many.first.energy == one.first.energy
    counted = [key for key in ("evaluations", "sweeps", "tabu_searches") if key in one.info]
    assert counted
    assert {key: one.info[key] for key in counted} == {key: many.info[key] for key in counted}


@pytest.mark.slow
def test_generations_grow_with_the_model() -> None:
    backend = get_backend("genetic")
    for variables, generations in ((20, 315), (60, 600)):
        rugged = dense(variables)
        assert backend.sample(rugged, make_options(backend, {"seed": 1})).info["generations"] == generations
