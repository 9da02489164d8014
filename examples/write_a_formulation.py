"""For modellers: a problem of your own, stated once, for every backend.

The problem: speakers are put into rooms, one each, so that speakers who want to hear each other share none.
Variables `x[s][r]`, one-hot over the rooms; objective: clashes; one constraint: the large room takes two at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import ClassVar, Self

import dimod
import numpy as np
from pyqubo import Binary

from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import Problem, Sample
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_dnn.testing.formulations import check_formulation

Rooms = tuple[int | None, ...]


class Conference:
    """Rooms for speakers; see the module."""

    name: ClassVar[str] = "conference"
    summary: ClassVar[str] = "rooms for speakers who want to hear each other"

    def __init__(self, speakers: int, clashes: list[tuple[int, int]], rooms: int = 3, limit: int = 2) -> None:
        self.speakers, self.clashes, self.rooms, self.limit = speakers, clashes, rooms, limit

    @classmethod
    def example(cls, seed: int) -> Self:
        """5 speakers, half of whom clash, and 3 rooms: 15 variables."""
        pairs = [(s, t) for s in range(5) for t in range(s)]
        chosen = np.random.default_rng(seed).permutation(len(pairs))[:5]
        return cls(5, [pairs[k] for k in chosen])

    def compile(self) -> Problem[Rooms]:
        """The objective without penalties, and the constraints beside it: the backend decides what becomes of them."""
        labels = [[f"x[{s}][{r}]" for r in range(self.rooms)] for s in range(self.speakers)]
        x = [[Binary(label) for label in row] for row in labels]
        objective = sum(x[s][r] * x[t][r] for s, t in self.clashes for r in range(self.rooms)).compile().to_bqm()
        objective.add_linear_from({label: 0.0 for row in labels for label in row})
        full = dimod.BinaryQuadraticModel({row[0]: 1.0 for row in labels}, {}, 0.0, dimod.BINARY)
        return Problem(
            objective=objective,
            decoder=self.decode,
            one_hot={f"speaker {s}": tuple(row) for s, row in enumerate(labels)},
            constraints={"large room": Constraint(full, "<=", float(self.limit))},
        )

    def decode(self, sample: Sample) -> Rooms:
        """Every speaker's room, None where there is none."""
        return tuple(next((r for r in range(self.rooms) if sample[f"x[{s}][{r}]"]), None) for s in range(self.speakers))

    def cost(self, value: Rooms) -> float:
        """Clashes, counted without the QUBO."""
        return float(sum(value[s] == value[t] for s, t in self.clashes))

    def is_feasible(self, value: Rooms) -> bool:
        """Whether everyone has a room and the large one is not too full."""
        return None not in value and value.count(0) <= self.limit

    def answers(self) -> Iterator[Rooms]:
        """All of them, by brute force: the conformance kit compares."""
        return filter(self.is_feasible, product(range(self.rooms), repeat=self.speakers))


def main() -> None:
    """Solve one with two backends, and run the conformance kit."""
    conference = Conference(8, [(s, t) for s in range(8) for t in range(s) if (s + t) % 3])
    for backend in ("pt", "neal"):
        solution = solve(conference.compile(), get_backend(backend), {"seed": 1, "num_reads": 10})
        print(f"{backend}: {solution.best.objective:g} clashes, rooms {solution.best.value}")
    print("the conformance kit passes; it cannot apply:", sorted(check_formulation(Conference)))


if __name__ == "__main__":
    main()
