from __future__ import annotations

from itertools import product

import dimod
import pytest

from qubo_dnn.errors import FormulationError, OptionError, UnsupportedProblemError
from qubo_dnn.models.dimod_models import problem_from_bqm, problem_from_cqm
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve


def program() -> dimod.ConstrainedQuadraticModel:
    """Over a binary, a spin and two integer variables, with a discrete constraint among further binaries."""
    x, s = dimod.Binary("x"), dimod.Spin("s")
    i, j = dimod.Integer("i", lower_bound=-2, upper_bound=3), dimod.Integer("j", lower_bound=1, upper_bound=3)
    cqm = dimod.ConstrainedQuadraticModel()
    cqm.set_objective(i * j - 2 * x * i + s * x + 0.5 * i * i - j + 1.25)
    cqm.add_constraint(i + 2 * j - s <= 4, label="linear")
    cqm.add_constraint(i * x >= -1, label="quadratic")
    cqm.add_discrete(["a", "b", "c"], label="one of three")
    return cqm


@pytest.mark.parametrize("encoding", ["binary", "unary", "one-hot", "domain-wall", "bounded-coefficient:2"])
def test_every_state_means_the_same_in_the_model(encoding: str) -> None:
    cqm = program()
    problem = problem_from_cqm(cqm, integers=encoding)
    assert problem.one_hot["one of three"] == ("a", "b", "c")
    seen = set()
    for k, bits in enumerate(product((0, 1), repeat=len(problem.variables))):
        if k % 7:
            continue
        sample = dict(zip(problem.variables, bits, strict=True))
        decoded = problem.decode(sample)
        if any(label.startswith("values of") for label in decoded.violations):
            continue
        theirs = cqm.violations(decoded.value, skip_satisfied=True)
        assert decoded.objective == pytest.approx(cqm.objective.energy(decoded.value))
        assert decoded.violations.keys() == theirs.keys()
        seen.add((decoded.value["i"], decoded.value["j"]))
    assert len(seen) > 10


@pytest.mark.parametrize(("sense", "best"), [("min", -3.0), ("max", 5.0)])
def test_models_are_solved_in_their_own_sense(sense: str, best: float) -> None:
    i = dimod.Integer("i", lower_bound=-3, upper_bound=5)
    cqm = dimod.ConstrainedQuadraticModel()
    cqm.set_objective(i)
    solution = solve(problem_from_cqm(cqm, sense), get_backend("exact"))  # type: ignore[arg-type]  # a str for brevity
    assert solution.best.objective == best
    assert solution.best.value == {"i": best}


def test_a_spin_model_is_answered_in_spins() -> None:
    bqm = dimod.BinaryQuadraticModel({"a": 1.0, "b": 0.0}, {("a", "b"): 1.0}, 0.0, dimod.SPIN)
    solution = solve(problem_from_bqm(bqm), get_backend("exact"))
    assert (solution.best.value, solution.best.objective) == ({"a": -1, "b": 1}, -2.0)
    assert bqm.vartype is dimod.SPIN


def test_what_has_no_binary_form_is_refused() -> None:
    real, wide = (dimod.ConstrainedQuadraticModel() for _ in range(2))
    real.set_objective(dimod.Real("r"))
    wide.set_objective(dimod.Integer("w"))
    for cqm, words in ((real, "'r' is REAL"), (wide, "'w' has no bounds")):
        with pytest.raises(UnsupportedProblemError, match=words):
            problem_from_cqm(cqm)
    with pytest.raises(OptionError, match="unknown integer encoding"):
        problem_from_cqm(program(), integers="gray")


def test_names_that_clash_with_encoded_bits_are_refused() -> None:
    cqm = dimod.ConstrainedQuadraticModel()
    cqm.set_objective(dimod.Integer("i", upper_bound=3) + dimod.Binary("i[0]"))
    with pytest.raises(FormulationError, match="relabel"):
        problem_from_cqm(cqm)
