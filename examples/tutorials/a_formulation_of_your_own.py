"""
A formulation of your own
=========================

A problem is stated once, for every backend. The one of this tutorial: speakers are put into rooms, one each, so that
speakers who want to hear each other share none.
"""

# %%
# The class
# ---------
#
# The variable ``x[s][r]`` is 1 if speaker s is in room r. The objective counts clashes. Every speaker has one room, and
# the large room, number 0, takes two at most.
#
# ``compile`` gives the objective without penalties, and the constraints beside it. The backend decides what becomes of
# them. ``decode`` turns a sample back into rooms, and ``cost`` counts clashes without the QUBO.
from collections.abc import Iterator
from itertools import product
from typing import ClassVar, Self

import dimod
import numpy as np
from pyqubo import Binary

import qubo_dnn as qd
from qubo_dnn.problem import Sample
from qubo_dnn.testing.formulations import check_formulation

Rooms = tuple[int | None, ...]


class Conference:
    """Rooms for speakers; see the text."""

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

    def compile(self) -> qd.Problem[Rooms]:
        """The objective without penalties, and the constraints beside it."""
        labels = [[f"x[{s}][{r}]" for r in range(self.rooms)] for s in range(self.speakers)]
        x = [[Binary(label) for label in row] for row in labels]
        objective = sum(x[s][r] * x[t][r] for s, t in self.clashes for r in range(self.rooms)).compile().to_bqm()
        objective.add_linear_from({label: 0.0 for row in labels for label in row})
        full = dimod.BinaryQuadraticModel({row[0]: 1.0 for row in labels}, {}, 0.0, dimod.BINARY)
        return qd.Problem(
            objective=objective,
            decoder=self.decode,
            one_hot={f"speaker {s}": tuple(row) for s, row in enumerate(labels)},
            constraints={"large room": qd.Constraint(full, "<=", float(self.limit))},
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


# %%
# Solve one
# ---------
#
# Any backend takes it; ``neal`` knows no constraints, and gets penalties without being asked.
conference = Conference(8, [(s, t) for s in range(8) for t in range(s) if (s + t) % 3])
for backend in ("pt", "neal"):
    best = qd.solve(conference, backend=backend, seed=1, num_reads=10).best
    print(f"{backend}: {best.objective:g} clashes, rooms {best.value}")
    assert conference.is_feasible(best.value)
    assert conference.cost(best.value) == best.objective

# %%
# Test it
# -------
#
# The conformance kit compares the QUBO with what the class says in plain Python: costs, feasible answers, optima. It
# raises an error that names the fault, and returns the cases that do not apply.
print("the kit passes; these cases do not apply:", ", ".join(sorted(check_formulation(Conference))))

# %%
# To install it, name the class in the ``pyproject.toml`` of your package. ``qubo-dnn solve conference:FILE`` and
# ``formulation="conference"`` then find it. The page :doc:`/contributing/formulation` has the whole checklist.
#
# .. code-block:: toml
#
#     [project.entry-points."qubo_dnn.formulations"]
#     conference = "my_package.conference:Conference"
