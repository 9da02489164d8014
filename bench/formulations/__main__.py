"""Time and memory of compiling, ours against pyqubo's `compile().to_bqm()`.

    python -m bench.formulations --json bench/formulations/results.json

Every model is made in a process of its own, both ways in turns, from data to the dimod model with penalties; the least
of several runs counts. Memory is the peak of the process beyond its imports.
"""

from __future__ import annotations

from collections.abc import Iterator

import dimod
import numpy as np

from bench.command import finish, make_parser
from bench.formulations.models import MODELS, timed
from bench.processes import measured
from bench.tables import Row, Table
from qubo_dnn.errors import BackendFailedError

TABLE = Table(
    "problem | size | variables | interactions | s | pyqubo, s | times faster | MB | pyqubo, MB",
    "{formulation} | {size} | {variables} | {interactions} | {seconds:.3g} | {pyqubo_seconds:.3g} "
    "| {times_faster:.3g} | {megabytes:.3g} | {pyqubo_megabytes:.3g}",
)


def check(name: str) -> None:
    """Both ways give the same model, up to the names of its variables.

    Raises:
        BackendFailedError: they do not.
    """
    ours, theirs, _ = MODELS[name]
    one, other = (sorted(_biases(make(5))) for make in (ours, theirs))
    if len(one) != len(other) or not np.allclose(one, other):
        raise BackendFailedError(f"the two models of {name} differ")


def _biases(bqm: dimod.BinaryQuadraticModel) -> list[float]:
    return [bqm.offset, *bqm.linear.values(), *(bias for bias in bqm.quadratic.values() if bias)]


def rows(repeats: int) -> Iterator[Row]:
    """One per formulation and size; a pyqubo model that differs ends them."""
    for name, (_, _, sizes) in MODELS.items():
        check(name)
        for size in sizes:
            # In turns, so that both meet the machine in the same state.
            runs = [[measured(timed, name, which, size) for which in (0, 1)] for _ in range(repeats)]
            seconds, theirs = (min(run[which].value[0] for run in runs) for which in (0, 1))
            megabytes = [max(run[which].added_bytes for run in runs) / 2**20 for which in (0, 1)]
            _, variables, interactions = runs[-1][0].value
            yield {
                **{"formulation": name, "size": size, "variables": variables, "interactions": interactions},
                **{"seconds": seconds, "pyqubo_seconds": theirs, "times_faster": theirs / seconds},
                **{"megabytes": megabytes[0], "pyqubo_megabytes": megabytes[1]},
            }


def main() -> None:
    parser = make_parser(__doc__, "--json")
    parser.add_argument("--repeats", type=int, default=3)
    words = parser.parse_args()
    TABLE.print(rows(words.repeats), words.json)


if __name__ == "__main__":
    finish(main)
