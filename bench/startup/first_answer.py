"""One run of `pt` with default options in a new process, and when it answers.

    python -m bench.startup.first_answer KIND

prints the CPU seconds of the process, interpreter and imports included, until its first answer and until its end.
`bench.startup` runs this with an empty cache of kernels, and with a filled one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from bench.solvers.broad.planted_problems import planted_coloring, random_assignment, strongly_correlated
from bench.solvers.clock import cpu_seconds
from bench.solvers.generators import regular_edges, sherrington_kirkpatrick, weighted
from qubo_backends.parallel_tempering import ParallelTemperingBackend
from qubo_dnn.problem import Problem
from qubo_dnn.solving.solve import solve

KINDS: Mapping[str, Callable[[], Problem[Any]]] = {
    "sparse": lambda: Problem(objective=weighted(200, regular_edges(200, 3, 1), 1), decoder=dict),
    "dense": lambda: Problem(objective=sherrington_kirkpatrick(80, 1), decoder=dict),
    "knapsack": lambda: strongly_correlated(50, 1)[0].compile(),
    "quadratic assignment": lambda: random_assignment(12, 1).compile(),
    "colouring": lambda: planted_coloring(40, 4, 200, 5, 1).compile(),
}
"""Small problems, each of which needs other kernels."""


def main() -> None:
    """See the module."""
    answers: list[float] = []

    def answered(_: object) -> None:
        answers.append(cpu_seconds())

    solve(KINDS[sys.argv[1]](), ParallelTemperingBackend(answered), {"seed": 0})
    # What is solved without sampling answers once.
    answers.append(cpu_seconds())
    print(json.dumps({"first": answers[0], "last": answers[-1]}))


if __name__ == "__main__":
    main()
