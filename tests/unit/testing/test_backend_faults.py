"""Backends with one serious fault each, which the kit names."""

from __future__ import annotations

import secrets
import time
from typing import Any

import dimod
import numpy as np
import pytest
from pydantic import Field

from qubo_dnn.backend import UNSEEN, Capabilities, SolveOptions
from qubo_dnn.testing.backend_cases import time as backend_time
from qubo_dnn.testing.backends import BACKEND_CASES
from tests.unit.testing.descents import Descent, DescentOptions


class ConstantSeed(Descent):
    def seed(self, options: SolveOptions) -> int:  # noqa: ARG002 - ignoring it is the fault
        return 1234


class ZeroIsRandom(Descent):
    def seed(self, options: SolveOptions) -> int:
        return options.seed or secrets.randbits(32)


class ZeroIsOne(Descent):
    def seed(self, options: SolveOptions) -> int:
        return options.seed or 1


class Modulo(Descent):
    def __init__(self, modulus: int) -> None:
        self.modulus = modulus

    def seed(self, options: SolveOptions) -> int | None:
        return None if options.seed is None else options.seed % self.modulus


class Maximises(Descent):
    def read(self, linear: Any, matrix: Any, rng: np.random.Generator, options: SolveOptions) -> Any:
        return super().read(-linear, -matrix, rng, options)


class RandomStates(Descent):
    def read(self, linear: Any, matrix: Any, rng: np.random.Generator, options: SolveOptions) -> Any:  # noqa: ARG002
        return rng.choice([-1, 1], len(linear))


class AllZero(Descent):
    def read(self, linear: Any, matrix: Any, rng: np.random.Generator, options: SolveOptions) -> Any:  # noqa: ARG002
        return np.full(len(linear), -1)


class Weighs(Descent):
    """Counts quadratic biases with a factor, in the vartype of the model or as spins; reports true energies."""

    def __init__(self, factor: float, as_spins: bool) -> None:
        self.factor, self.as_spins = factor, as_spins

    def draw(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> Any:
        changed = bqm.change_vartype("SPIN", inplace=False) if self.as_spins else bqm.copy()
        for (u, v), bias in dict(changed.quadratic).items():
            changed.set_quadratic(u, v, self.factor * bias)
        return super().draw(changed.change_vartype(bqm.vartype, inplace=False), options)


class CachesByName(Descent):
    def __init__(self) -> None:
        self.kept: dict[Any, Any] = {}

    def draw(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> Any:
        key = (frozenset(bqm.variables), bqm.vartype, options.seed, options.num_reads, self.flips(options))
        if key not in self.kept:
            self.kept[key] = super().draw(bqm, options)
        return self.kept[key]


class CachesByIdentity(CachesByName):
    def draw(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> Any:
        key = (id(bqm), options)
        if key not in self.kept:
            # Kept with the model, so that no other one gets its identity.
            self.kept[key] = (Descent.draw(self, bqm, options), bqm)
        return self.kept[key][0]


class ClaimsExact(Descent):
    """The best of 50 descents, which is the optimum of any ordinary model of 9 variables."""

    capabilities = Capabilities(max_variables=40, exact=True)

    def draw(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> Any:
        rows, order = super().draw(bqm, options.model_copy(update={"num_reads": 50}))
        best = bqm.energies((rows, order)).argsort(kind="stable")
        return rows[best[: self.reads(options)]], order


class TenReadsAtMost(Descent):
    def reads(self, options: SolveOptions) -> int:
        return min(10, super().reads(options))


class OneReadTooFew(Descent):
    def reads(self, options: SolveOptions) -> int:
        wanted = super().reads(options)
        return wanted - (wanted > 10)


class IgnoresFlips(Descent):
    def flips(self, options: SolveOptions) -> int:  # noqa: ARG002 - ignoring it is the fault
        return 1000


class TellsFlipsOnly(IgnoresFlips):
    """Reports an option that it does not use."""

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        found = super().sample(bqm, options)
        found.info["flips"] = getattr(options, "flips", None)
        return found


class SwallowsCtrlC(Descent):
    """Ctrl-C gives a row of zeros, as if it were the answer."""

    flagged = False

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        try:
            return super().sample(bqm, options)
        except KeyboardInterrupt:
            found = self.answer(bqm, self.made_up(bqm))
            found.info["interrupted"] = self.flagged
            return found

    def made_up(self, bqm: dimod.BinaryQuadraticModel) -> Any:
        return np.full((1, bqm.num_variables), min(bqm.vartype.value), np.int8), list(bqm.variables)


class MakesUpZeros(SwallowsCtrlC):
    flagged = True


class MakesUpAnything(MakesUpZeros):
    def made_up(self, bqm: dimod.BinaryQuadraticModel) -> Any:
        drawn = np.random.default_rng(1).choice(sorted(bqm.vartype.value), (1, bqm.num_variables))
        return drawn.astype(np.int8), list(bqm.variables)


class DropsCtrlC(Descent):
    """Ctrl-C ends a read, and the rest is done as if nothing had been pressed."""

    def read(self, linear: Any, matrix: Any, rng: np.random.Generator, options: SolveOptions) -> Any:
        try:
            return super().read(linear, matrix, rng, options)
        except KeyboardInterrupt:
            return rng.choice([-1, 1], len(linear))


class WorksWithLimitOnly(Descent):
    def read(self, linear: Any, matrix: Any, rng: np.random.Generator, options: SolveOptions) -> Any:
        if options.time_limit is None:
            return rng.choice([-1, 1], len(linear))
        return super().read(linear, matrix, rng, options)


class Overruns(Descent):
    """Takes 14 times its limit."""

    factor = 14.0

    def draw(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> Any:
        if options.time_limit is not None:
            self.spend(self.factor * options.time_limit)
        return super().draw(bqm, options.model_copy(update={"num_reads": 1}) if options.time_limit else options)

    def spend(self, seconds: float) -> None:
        time.sleep(seconds)


class WorksTooLong(Overruns):
    factor = 4.0

    def spend(self, seconds: float) -> None:
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass


class OverrunsAlone(Overruns):
    """Takes 14 times its limit where it may choose the number of reads."""

    def draw(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> Any:
        return super().draw(bqm, options) if options.num_reads is None else Descent.draw(self, bqm, options)


FAULTS = {
    "constant-seed": (ConstantSeed, "seeds_differ", "the seed is ignored"),
    "seed-0-random": (ZeroIsRandom, "seed_reproduces", "seed 0 is treated as no seed"),
    "seed-0-default": (ZeroIsOne, "seeds_differ", "seed 0 is treated as no seed"),
    "seed-modulo-4": (lambda: Modulo(4), "seeds_differ", "seeds are taken modulo"),
    "seed-modulo-7": (lambda: Modulo(7), "seeds_differ", "seeds are taken modulo"),
    "seed-modulo-1000": (lambda: Modulo(1000), "seeds_differ", "seeds are taken modulo"),
    "seed-modulo-2^16": (lambda: Modulo(2**16), "seeds_differ", "seeds are taken modulo"),
    "seed-modulo-2^31": (lambda: Modulo(2**31), "seeds_differ", "seeds are taken modulo"),
    "maximises": (Maximises, "low_energies_are_found", "energies are maximised"),
    "random-states": (RandomStates, "low_energies_are_found", "no better than random states"),
    "all-zero": (AllZero, "low_energies_are_found", "no better than random states"),
    "couplings-halved": (lambda: Weighs(0.5, False), "biases_have_their_weights", "couplings weigh too little"),
    "couplings-halved-as-spins": (lambda: Weighs(0.5, True), "biases_have_their_weights", "couplings weigh too little"),
    "couplings-doubled": (lambda: Weighs(2.0, False), "biases_have_their_weights", "couplings weigh too much"),
    "couplings-dropped": (lambda: Weighs(0.0, False), "biases_have_their_weights", "couplings weigh too little"),
    "couplings-negated": (lambda: Weighs(-1.0, True), "biases_have_their_weights", "of the wrong sign"),
    "cache-by-name": (CachesByName, "low_energies_are_found", "states are kept from one call to the next"),
    "cache-by-identity": (CachesByIdentity, "low_energies_are_found", "states are kept from one call to the next"),
    "exact-claimed": (ClaimsExact, "exact_is_exact", "capabilities.exact is True, but"),
    "ten-reads-at-most": (TenReadsAtMost, "num_reads_is_honoured", "num_reads is 11, but 10 samples"),
    "one-read-too-few": (OneReadTooFew, "num_reads_is_honoured", "num_reads is 11, but 10 samples"),
    "option-ignored": (IgnoresFlips, "own_options_have_an_effect", "the option 'flips' is ignored"),
    "option-told-but-ignored": (TellsFlipsOnly, "own_options_have_an_effect", "the option 'flips' is ignored"),
    "ctrl-c-swallowed": (SwallowsCtrlC, "ctrl_c_is_passed_on", "Ctrl-C is swallowed"),
    "ctrl-c-dropped": (DropsCtrlC, "ctrl_c_is_passed_on", "Ctrl-C is swallowed"),
    "ctrl-c-row-of-zeros": (MakesUpZeros, "ctrl_c_is_passed_on", "made-up row"),
    "ctrl-c-row-of-anything": (MakesUpAnything, "ctrl_c_is_passed_on", "made-up row"),
    "no-work-without-limit": (WorksWithLimitOnly, "low_energies_are_found", "without a time limit no work is done"),
    "time-limit-overrun-asleep": (Overruns, "time_limit_is_kept", "the time limit is overrun"),
    "time-limit-overrun-at-work": (WorksTooLong, "time_limit_is_kept", "the time limit is overrun"),
    "time-limit-overrun-alone": (OverrunsAlone, "time_limit_is_kept", "the time limit is overrun"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_fault_is_named(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend_time, "TRIES", 1)
    if fault == "time-limit-overrun-at-work":
        monkeypatch.setattr(backend_time, "SECONDS_OVER", 0.5)
    faulty, case, text = FAULTS[fault]
    with pytest.raises(AssertionError, match=text):
        BACKEND_CASES[case](faulty())


class Declared(IgnoresFlips):
    class Options(DescentOptions):
        flips: int = Field(default=1000, ge=0, json_schema_extra={UNSEEN: "a test"}, description="no effect")

    options_type = Options


class Exemplified(Descent):
    """Its option does something for one value only, which the kit would not guess."""

    class Options(SolveOptions):
        start: str = Field(default="random", examples=["up"], description="random or up")

    options_type = Options

    def read(self, linear: Any, matrix: Any, rng: np.random.Generator, options: SolveOptions) -> Any:
        state = super().read(linear, matrix, rng, options)
        return np.ones(len(linear)) if getattr(options, "start", "") == "up" else state


class Pauses(Descent):
    """Its option shows in the time that a call takes."""

    class Options(SolveOptions):
        pause: float = Field(default=0.0, ge=0, le=0.1, description="seconds")

    options_type = Options

    def draw(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> Any:
        time.sleep(getattr(options, "pause", 0.0))
        return super().draw(bqm, options)


class OnlyWithOther(Descent):
    """One of its options counts only where another is chosen."""

    class Options(SolveOptions):
        limited: bool = Field(default=False, description="whether `flips` counts")
        flips: int = Field(default=1000, ge=0, description="most flips, if limited")

    options_type = Options

    def flips(self, options: SolveOptions) -> int:
        return super().flips(options) if getattr(options, "limited", False) else 1000


@pytest.mark.parametrize("backend", [Declared, Exemplified, Pauses, OnlyWithOther])
def test_options_that_show_otherwise_pass(backend: type[Descent]) -> None:
    BACKEND_CASES["own_options_have_an_effect"](backend())
