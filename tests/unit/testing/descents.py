"""Backends that are right by the contract: random descent, and what is made of it."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import dimod
import numpy as np
from pydantic import Field

from qubo_dnn.backend import Capabilities, SolveOptions, check_kinds, check_model, check_options
from qubo_dnn.constraint import ConstraintKind
from qubo_dnn.problem import Problem, natural_key


class DescentOptions(SolveOptions):
    flips: int = Field(default=1000, ge=0, description="most flips of one read")


class Descent:
    """Steepest descent from random states: weak, but by the contract."""

    name: ClassVar[str] = "descent"
    summary: ClassVar[str] = "steepest descent from random states"
    options_type: ClassVar[type[SolveOptions]] = DescentOptions
    capabilities: Any = Capabilities(max_variables=40)

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        check_options(self, options)
        check_model(self, bqm)
        return self.answer(bqm, self.draw(bqm, options))

    def draw(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> Any:
        """States of the vartype of the model, and the order of their columns."""
        order = sorted(bqm.variables, key=natural_key)
        linear, (row, column, bias), _ = bqm.spin.to_numpy_vectors(variable_order=order)
        matrix = np.zeros((len(order), len(order)))
        matrix[row, column] = bias
        matrix += matrix.T
        rng = np.random.default_rng(self.seed(options))
        start, rows = time.perf_counter(), list[Any]()
        while len(rows) < self.reads(options):
            rows.append(self.read(linear, matrix, rng, options))
            if options.time_limit is not None and time.perf_counter() - start > options.time_limit:
                break
        states = np.array(rows, np.int8).reshape(len(rows), len(order))
        return (states if bqm.vartype is dimod.SPIN else (states + 1) // 2), order

    def read(self, linear: Any, matrix: Any, rng: np.random.Generator, options: SolveOptions) -> Any:
        """One state of spins."""
        state = rng.choice([-1, 1], len(linear))
        for _ in range(self.flips(options) if len(linear) else 0):
            gains = 2 * state * (linear + matrix @ state)
            best = int(gains.argmax())
            if gains[best] <= 1e-12:
                break
            state[best] *= -1
        return state

    def flips(self, options: SolveOptions) -> int:
        return int(getattr(options, "flips", 1000))

    def seed(self, options: SolveOptions) -> int | None:
        return options.seed

    def reads(self, options: SolveOptions) -> int:
        return options.num_reads or 1

    def answer(self, bqm: dimod.BinaryQuadraticModel, rows: Any) -> dimod.SampleSet:
        return dimod.SampleSet.from_samples(rows, energy=bqm.energies(rows), vartype=bqm.vartype)


class Slow(Descent):
    """As `Descent`, with a call that takes long and reads that do."""

    def draw(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> Any:
        time.sleep(0.03)
        return super().draw(bqm, options)

    def read(self, linear: Any, matrix: Any, rng: np.random.Generator, options: SolveOptions) -> Any:
        time.sleep(0.003)
        return super().read(linear, matrix, rng, options)


class Keeps(Descent):
    """Keeps one-hot groups: the best of 10 draws of a member of each, free variables drawn at random."""

    capabilities = Capabilities(native_constraints=frozenset({ConstraintKind.ONE_HOT}), timed=False)

    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        check_kinds(self, problem)
        return self.drawn(problem, options)

    def drawn(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        order = list(problem.variables)
        rng = np.random.default_rng(options.seed)
        bits = rng.integers(0, 2, (10 * self.reads(options), len(order)), dtype=np.int8)
        for group in problem.one_hot.values():
            places = np.array([order.index(variable) for variable in group])
            bits[:, places] = 0
            bits[np.arange(len(bits)), rng.choice(places, len(bits))] = 1
        found = self.answer(problem.objective, (bits, order))
        return found.truncate(self.reads(options), sorted_by="energy")


class KeepsTheForm(Keeps):
    """As `Keeps`, and counts a low-rank form."""

    capabilities = Capabilities(native_constraints=frozenset({ConstraintKind.ONE_HOT}), low_rank=True)

    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        many = options.model_copy(update={"num_reads": 10 * self.reads(options)})
        found = super().sample_constrained(problem, many)
        extra = [problem.low_rank_energy(row.sample) for row in found.data(sorted_by=None)]
        counted = dimod.SampleSet.from_samples(found, energy=found.record.energy + extra, vartype=found.vartype)
        return counted.truncate(self.reads(options), sorted_by="energy")


class Bounded(Keeps):
    """Proves what any model shows at a glance: no energy is below the offset minus the sizes of all biases."""

    capabilities = Capabilities(native_constraints=frozenset({ConstraintKind.ONE_HOT}), timed=False, bounds=True)

    def answer(self, bqm: dimod.BinaryQuadraticModel, rows: Any) -> dimod.SampleSet:
        found = super().answer(bqm, rows)
        found.info.update(bound=self.bound(bqm), optimal=self.optimal(bqm))
        return found

    def bound(self, bqm: dimod.BinaryQuadraticModel) -> float:
        biases = [*bqm.linear.values(), *bqm.quadratic.values()]
        return float(bqm.offset - sum(map(abs, biases)))

    def optimal(self, bqm: dimod.BinaryQuadraticModel) -> bool:
        return not bqm.num_variables


class FlagsCtrlC(Descent):
    """Ctrl-C ends the run with the reads that are done."""

    capabilities = Capabilities(timed=False)

    def draw(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> Any:
        order = sorted(bqm.variables, key=natural_key)
        rows: list[Any] = []
        self.interrupted = False
        try:
            for seed in np.random.SeedSequence(options.seed).generate_state(self.reads(options)):
                one = options.model_copy(update={"seed": int(seed), "num_reads": 1})
                rows.append(super().draw(bqm, one)[0])
        except KeyboardInterrupt:
            if not rows:
                raise
            self.interrupted = True
        return np.concatenate(rows), order

    def answer(self, bqm: dimod.BinaryQuadraticModel, rows: Any) -> dimod.SampleSet:
        found = super().answer(bqm, rows)
        found.info["interrupted"] = self.interrupted
        return found
