"""Everything that runs of the broad comparison found, as plain data, and what is still to be run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from bench.solvers.run import InstanceSummary, SolverRun


@dataclass(frozen=True)
class BroadInstance:
    """An instance without its model.

    Attributes:
        about: name, family, sizes, sense, and what is known.
        use: "table", or "tuning" where something was tuned on it.
        constrained: whether it has constraints, so that other solvers run.
    """

    about: InstanceSummary
    use: str
    constrained: bool


@dataclass
class BroadResults:
    """All of it.

    Attributes:
        settings: whatever decides the figures: `seconds`, the budget of every run.
        setting: machine and versions of the last run.
        missing: solver -> why it did not run.
        solvers: kind of instance -> solver -> how it is run.
        instances: by their names.
        runs: as they came; one for every instance, solver and seed.
    """

    settings: dict[str, Any]
    setting: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    solvers: dict[str, dict[str, str]] = field(default_factory=dict)
    instances: dict[str, BroadInstance] = field(default_factory=dict)
    runs: list[SolverRun] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """The budget."""
        return float(self.settings["seconds"])

    def lacks(self, instance: str, solver: str, seed: int) -> bool:
        """Whether a run is still to be made."""
        return all((each.instance, each.solver, each.seed) != (instance, solver, seed) for each in self.runs)

    def drop(self, instances: Collection[str], solvers: Collection[str]) -> None:
        """Forget the runs of some solvers on some instances, to make them again."""
        self.runs = [each for each in self.runs if each.instance not in instances or each.solver not in solvers]
