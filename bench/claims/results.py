"""Everything a run of the benchmark found, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bench.claims.runs import TimedSolve
from qubo_formulations.aqc_pruning_quantization import AqcPruningQuantization

MODEL = "pt, on the model"
"""Stands where a rewarded search has its backend, for the one that is not rewarded by the network."""


@dataclass(frozen=True)
class CaseSummary:
    """A problem without its model.

    Attributes:
        name, measure_seconds: see `bench.claims.cases.ClaimCase`.
        formulation: its name.
        units, variables, interactions: of the problem.
        best: least objective that any run found.
        bound: no plan within the budget has a lower one; None where nothing could be proven.
        proof: how, and in how many seconds.
        reference: test accuracy of the network as it was.
    """

    name: str
    formulation: str
    measure_seconds: float
    units: int
    variables: int
    interactions: int
    best: float
    bound: float | None
    proof: str
    reference: float

    @property
    def of_paper(self) -> bool:
        """Whether it is the paper's Hamiltonian, and not this project's formulation."""
        return self.formulation == AqcPruningQuantization.name

    @property
    def gap(self) -> float | None:
        """How far above the optimum the best objective is at most, relative to it."""
        return None if self.bound is None or not self.best else max(0.0, (self.best - self.bound) / abs(self.best))


@dataclass(frozen=True)
class Tuned:
    """One setting of a backend, tried.

    Attributes:
        backend: name.
        settings: options that are not the default.
        reached, runs: how many of how many runs, each with a seed of its own, reached the optimum.
        excess: mean excess over the optimum, relative to it.
    """

    backend: str
    settings: dict[str, Any]
    reached: int
    runs: int
    excess: float


@dataclass(frozen=True)
class NetworkOutcome:
    """A network rewritten by the plan of one backend's first seed.

    Attributes:
        case, backend: names.
        as_given, recovered: test accuracy, 0 to 1, without and with recovery.
    """

    case: str
    backend: str
    as_given: float
    recovered: float


@dataclass(frozen=True)
class Rewarded:
    """A plan found by measuring plans on the network, or on the model for comparison.

    Attributes:
        case, backend, seed: what was searched, by what.
        evaluations: plans measured; 0 on the model, whose measuring is the problem's.
        seconds: wall-clock seconds of the search, and of measuring the model where it is one on the model.
        divergence: of the network from itself as it was, in nats, on the images measured on, without recovery.
        as_given, recovered: test accuracy, 0 to 1.
    """

    case: str
    backend: str
    seed: int
    evaluations: int
    seconds: float
    divergence: float
    as_given: float
    recovered: float


@dataclass
class ClaimResults:
    """All of it.

    Attributes:
        settings: whatever decides the figures.
        cases: in their order.
        tuning: settings of the genetic algorithm and the policy, the best of each first, on the problem of that name.
        runs: of all backends on all problems.
        refused: problem -> backend -> why it did not take it.
        choices: problem -> backend -> option of every unit in the best plan of its first seed.
        outcomes: of the networks that these make.
        rewarded: see there.
        seconds: wall-clock seconds of everything.
    """

    settings: dict[str, Any]
    cases: list[CaseSummary] = field(default_factory=list)
    tuning: dict[str, list[Tuned]] = field(default_factory=dict)
    runs: list[TimedSolve] = field(default_factory=list)
    refused: dict[str, dict[str, str]] = field(default_factory=dict)
    choices: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    outcomes: list[NetworkOutcome] = field(default_factory=list)
    rewarded: list[Rewarded] = field(default_factory=list)
    seconds: float = 0.0

    def best_settings(self, backend: str) -> dict[str, Any]:
        """Those that a backend did best with, empty where none were tried."""
        tried = [each for found in self.tuning.values() for each in found if each.backend == backend]
        return tried[0].settings if tried else {}

    def of(self, case: str, backend: str) -> list[TimedSolve]:
        """The runs of one backend on one problem."""
        return [run for run in self.runs if (run.case, run.backend) == (case, backend)]

    def has(self, case: str, backend: str, seed: int) -> bool:
        """Whether that was run, or refused."""
        return backend in self.refused.get(case, {}) or any(run.seed == seed for run in self.of(case, backend))
