"""For makers of samplers: a sampler of your own behind `--backend`.

Greedy bit flips from random starts. To install it, name it in your package's pyproject.toml:

    [project.entry-points."qubo_dnn.backends"]
    random-descent = "my_package.random_descent:RandomDescent"
"""

from __future__ import annotations

import time
from typing import ClassVar

import dimod
import numpy as np
from pydantic import Field

from qubo_dnn.backend import Capabilities, SolveOptions, check_model, check_options
from qubo_dnn.problem import natural_key
from qubo_dnn.solving.solve import solve
from qubo_dnn.testing.backends import check_backend
from qubo_formulations.max_cut import MaxCut


class Options(SolveOptions):
    """What `-o name=value` may set, beside reads, seed and time limit."""

    max_flips: int = Field(default=10_000, ge=1, description="flips of one read at most")


class RandomDescent:
    """Flips the bit that lowers the energy most, until none does."""

    name: ClassVar[str] = "random-descent"
    summary: ClassVar[str] = "greedy bit flips from random starts"
    options_type: ClassVar[type[SolveOptions]] = Options
    capabilities = Capabilities()

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """See `qubo_dnn.backend.Backend`."""
        check_options(self, options)
        check_model(self, bqm)
        assert isinstance(options, Options)
        rng = np.random.default_rng(options.seed)
        # One fixed order, so that equal seeds give equal samples however the variables came.
        labels = sorted(bqm.variables, key=natural_key)
        binary = bqm.change_vartype(dimod.BINARY, inplace=False)
        linear, (rows, columns, biases), _ = binary.to_numpy_vectors(variable_order=labels)
        couplings = np.zeros((len(labels), len(labels)))
        np.add.at(couplings, (rows, columns), biases)
        couplings += couplings.T
        reads = np.zeros((options.num_reads or 10, len(labels)), np.int8)
        ends = time.perf_counter() + (options.time_limit or np.inf)
        for x in reads:
            x[:] = rng.integers(0, 2, len(labels))
            for _ in range(options.max_flips):
                change = (1 - 2 * x) * (linear + couplings @ x)
                if not len(x) or change.min() >= 0.0 or time.perf_counter() > ends:
                    break
                x[change.argmin()] ^= 1
        spins = reads if bqm.vartype is dimod.BINARY else 2 * reads - 1
        return dimod.SampleSet.from_samples_bqm((spins, labels), bqm)


def main() -> None:
    """Solve with it as with any other, and run the conformance kit."""
    solution = solve(MaxCut.example(seed=1).compile(), RandomDescent(), {"seed": 1})
    print(f"{solution.best.objective:g} by {solution.backend}")
    print("the conformance kit passes; it cannot apply:", sorted(check_backend(RandomDescent())))


if __name__ == "__main__":
    main()
