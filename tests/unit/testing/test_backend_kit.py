"""The backend kit passes a sound backend, and each fault fails the case that is there for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dimod
import pytest
from pydantic import ConfigDict, Field

from qubo_dnn.backend import Capabilities, SolveOptions, check_model
from qubo_dnn.constraint import ConstraintKind
from qubo_dnn.problem import Problem
from qubo_dnn.testing.backends import BACKEND_CASES, check_backend
from qubo_dnn.testing.common import NotApplicable
from tests.unit.testing.descents import Bounded, Descent, FlagsCtrlC, Keeps, KeepsTheForm, Slow


class WithoutSummary(Descent):
    summary = ""


class UndescribedOption(Descent):
    class Options(SolveOptions):
        beta: float = Field(default=1.0)

    options_type = Options


class VagueOption(Descent):
    class Options(SolveOptions):
        beta: float = Field(default=1.0, description="of the first sweep")

    options_type = Options


class ClaimsConstraints(Descent):
    capabilities = Capabilities(native_constraints=frozenset({ConstraintKind.ONE_HOT}))


class WrongEnergies(Descent):
    def answer(self, bqm: dimod.BinaryQuadraticModel, rows: Any) -> dimod.SampleSet:
        return dimod.SampleSet.from_samples(rows, energy=bqm.energies(rows) - bqm.offset, vartype=bqm.vartype)


class SwappedLabels(Descent):
    def answer(self, bqm: dimod.BinaryQuadraticModel, rows: Any) -> dimod.SampleSet:
        states, order = rows
        return dimod.SampleSet.from_samples(
            (states, order[::-1]), energy=bqm.energies((states, order)), vartype=bqm.vartype
        )


class AlwaysBinary(Descent):
    def answer(self, bqm: dimod.BinaryQuadraticModel, rows: Any) -> dimod.SampleSet:
        return super().answer(bqm, rows).change_vartype("BINARY", inplace=False)


class DropsUnbiased(Descent):
    def answer(self, bqm: dimod.BinaryQuadraticModel, rows: Any) -> dimod.SampleSet:
        states, order = rows
        kept = [i for i, v in enumerate(order) if bqm.get_linear(v) or bqm.degree(v)]
        energies = bqm.energies(rows)
        return dimod.SampleSet.from_samples(
            (states[:, kept], [order[i] for i in kept]), energy=energies, vartype=bqm.vartype
        )


class NoRowsForEmpty(Descent):
    def answer(self, bqm: dimod.BinaryQuadraticModel, rows: Any) -> dimod.SampleSet:
        full = super().answer(bqm, rows)
        return full if bqm.num_variables else dimod.SampleSet.from_samples([], energy=[], vartype=bqm.vartype)


class MutatesInput(Descent):
    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        found = super().sample(bqm, options)
        bqm.change_vartype("SPIN")
        return found.change_vartype("SPIN")


class RemovesOffset(Descent):
    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        found = super().sample(bqm, options)
        bqm.offset = 0
        return found


class Unseeded(Descent):
    def draw(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> Any:
        return super().draw(bqm, options.model_copy(update={"seed": None}))


class CallersOrder(Descent):
    def draw(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> Any:
        rows, _ = super().draw(bqm, options)
        return rows, list(bqm.variables)


class TakesAnySize(Descent):
    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        return self.answer(bqm, self.draw(bqm, options))


class IgnoresUnknownOptions(Descent):
    class Options(SolveOptions):
        model_config = ConfigDict(extra="ignore")

    options_type = Options


class TakesAnyNumberOfReads(Descent):
    class Options(SolveOptions):
        num_reads: int | None = Field(default=None, description="without a lower bound")

    options_type = Options


class IgnoresUnsupportedOptions(Descent):
    capabilities = Capabilities(seeded=False)

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        check_model(self, bqm)
        return self.answer(bqm, self.draw(bqm, options))


class BreaksGroups(Keeps):
    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        return self.sample(problem.objective, options)


class BreaksProducts(Keeps):
    capabilities = Capabilities(
        native_constraints=frozenset({ConstraintKind.ONE_HOT, ConstraintKind.QUADRATIC_INEQUALITY}), timed=False
    )


class TakesAnyConstraint(Keeps):
    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        return self.drawn(problem, options)


class LeavesBudgetsUnused(BreaksProducts):
    """Keeps a budget of products by the worst of the states that it draws."""

    def drawn(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        negated = problem.objective.copy()
        negated.scale(-1.0)
        many = super().drawn(problem.relaxed(negated), options.model_copy(update={"num_reads": 300}))
        within = [row.sample for row in many.data(sorted_by="energy") if not problem.violations(row.sample)]
        return dimod.SampleSet.from_samples_bqm(within[:1], problem.objective)


class LiesAboutExactGroups(Keeps):
    capabilities = Capabilities(native_constraints=frozenset({ConstraintKind.ONE_HOT}), exact=True)


class LosesTheForm(Keeps):
    capabilities = KeepsTheForm.capabilities


class BoundsTooMuch(Bounded):
    def bound(self, bqm: dimod.BinaryQuadraticModel) -> float:
        return super().bound(bqm) * 0.1 if bqm.num_variables > 8 else super().bound(bqm)


class ForgetsTheBound(Bounded):
    def answer(self, bqm: dimod.BinaryQuadraticModel, rows: Any) -> dimod.SampleSet:
        return Keeps.answer(self, bqm, rows)


class CallsAllOptimal(Bounded):
    def optimal(self, bqm: dimod.BinaryQuadraticModel) -> bool:  # noqa: ARG002 - not looking is the fault
        return True


class MaximisesGroups(Keeps):
    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        negated = problem.objective.copy()
        negated.scale(-1.0)
        found = super().sample_constrained(problem.relaxed(negated), options)
        return self.answer(problem.objective, (found.record.sample, list(found.variables)))


SOUND = [Descent, Slow, FlagsCtrlC, Keeps, KeepsTheForm, Bounded]
# A new process takes seconds to start, and what it finds does not depend on these backends' differences.
ONCE = "seed_reproduces_in_another_process"


@pytest.mark.parametrize(
    ("sound", "case"),
    [(sound, case) for sound in SOUND for case in BACKEND_CASES if case != ONCE or sound is Descent],
)
def test_sound_backends_pass(sound: type[Descent], case: str) -> None:
    missing = "capabilities."
    try:
        BACKEND_CASES[case](sound())
    except NotApplicable as reason:
        missing = str(reason)
    assert any(text in missing for text in ("capabilities.", "common options"))


FAULTS = [
    (WithoutSummary, "describes_itself", "summary"),
    (UndescribedOption, "describes_itself", "beta"),
    (VagueOption, "describes_itself", r"preposition .*beta"),
    (ClaimsConstraints, "describes_itself", "sample_constrained"),
    (WrongEnergies, "answers_offset_only", "energies"),
    (WrongEnergies, "both_vartypes", "energies"),
    (SwappedLabels, "both_vartypes", "energies"),
    (AlwaysBinary, "answers_one_spin", "BINARY"),
    (AlwaysBinary, "both_vartypes", "BINARY"),
    (DropsUnbiased, "answers_variable_without_bias", "free"),
    (NoRowsForEmpty, "answers_empty", "no row"),
    (MutatesInput, "answers_one_variable", "changed"),
    (RemovesOffset, "answers_offset_only", "changed"),
    (Unseeded, "seed_reproduces", "equal seeds"),
    (CallersOrder, "order_of_variables_does_not_matter", "order"),
    (TakesAnySize, "too_large_is_refused", "41 variables"),
    (TakesAnySize, "not_finite_is_refused", "nan"),
    (IgnoresUnknownOptions, "bad_options_are_refused", "extra"),
    (TakesAnyNumberOfReads, "bad_options_are_refused", "num_reads"),
    (IgnoresUnsupportedOptions, "unsupported_options_are_refused", "seed"),
    (BreaksGroups, "native_constraints_are_kept", "three"),
    (BreaksProducts, "native_constraints_are_kept", "products"),
    (LeavesBudgetsUnused, "quadratic_budgets_are_met", "are better than the answer"),
    (TakesAnyConstraint, "other_constraints_are_refused", "are taken"),
    (LiesAboutExactGroups, "native_constraints_are_kept", "least feasible"),
    (MaximisesGroups, "native_constraints_are_kept", "energies are maximised"),
    (LosesTheForm, "low_rank_is_kept", "energies"),
    (BoundsTooMuch, "bounds_hold", "above the least energy"),
    (ForgetsTheBound, "bounds_hold", "info"),
    (CallsAllOptimal, "bounds_hold", "called optimal"),
]


@pytest.mark.parametrize(("faulty", "case", "text"), FAULTS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_each_fault_fails_its_case(faulty: Callable[[], Descent], case: str, text: str) -> None:
    with pytest.raises(AssertionError, match=text):
        BACKEND_CASES[case](faulty())


def test_check_backend_runs_all_and_says_what_does_not_apply() -> None:
    skipped = check_backend(Descent())
    assert skipped["exact_is_exact"] == "capabilities.exact is False"
    assert skipped["native_constraints_are_kept"] == "capabilities.native_constraints is empty"
    with pytest.raises(AssertionError):
        check_backend(WrongEnergies())


FROM_A_HASH = """
from typing import ClassVar

import dimod
import numpy as np

from qubo_dnn.backend import Capabilities, SolveOptions
from qubo_dnn.problem import natural_key


class Backend:
    name: ClassVar[str] = "hashed"
    summary: ClassVar[str] = "random states"
    options_type: ClassVar[type[SolveOptions]] = SolveOptions
    capabilities = Capabilities()

    def sample(self, bqm, options):
        order = sorted(bqm.variables, key=natural_key)
        rng = np.random.default_rng(SEED)
        rows = rng.integers(0, 2, (options.num_reads or 1, len(order)), dtype=np.int8)
        rows = rows if bqm.vartype is dimod.BINARY else 2 * rows - 1
        return dimod.SampleSet.from_samples((rows, order), energy=bqm.energies((rows, order)), vartype=bqm.vartype)
"""


@pytest.mark.parametrize("sound", [True, False])
def test_a_seed_from_a_hash_fails_in_another_process(
    sound: bool, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = "options.seed" if sound else "hash(f'seed {options.seed}') % 2**32"
    (tmp_path / f"hashed_{sound}.py").write_text(FROM_A_HASH.replace("SEED", seed))
    monkeypatch.syspath_prepend(tmp_path)
    backend = __import__(f"hashed_{sound}").Backend()
    BACKEND_CASES["seed_reproduces"](backend)
    if sound:
        BACKEND_CASES["seed_reproduces_in_another_process"](backend)
    else:
        with pytest.raises(AssertionError, match="another process"):
            BACKEND_CASES["seed_reproduces_in_another_process"](backend)
