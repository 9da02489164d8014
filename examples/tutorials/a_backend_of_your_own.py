"""
A backend of your own
=====================

A solver of your own can stand behind ``backend=`` and ``--backend`` like all others. The one of this tutorial flips
bits, always the one that lowers the energy most, from random starts.
"""

# %%
# The class
# ---------
#
# A backend has a name, typed options, capabilities and ``sample``; nothing has to be subclassed. ``sample`` begins with
# two checks, which refuse options and models that it cannot honour.
import time
from typing import ClassVar

import dimod
import numpy as np
from pydantic import Field

import qubo_dnn as qd
from qubo_dnn.backend import check_model, check_options
from qubo_dnn.problem import natural_key
from qubo_dnn.testing.backends import check_backend
from qubo_formulations.knapsack import Knapsack


class Options(qd.SolveOptions):
    """What `-o name=value` may set, beside reads, seed and time limit."""

    max_flips: int = Field(default=10_000, ge=1, description="flips of one read at most")


class RandomDescent:
    """Flips the bit that lowers the energy most, until none does."""

    name: ClassVar[str] = "random-descent"
    summary: ClassVar[str] = "greedy bit flips from random starts"
    options_type: ClassVar[type[qd.SolveOptions]] = Options
    capabilities = qd.Capabilities()

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: qd.SolveOptions) -> dimod.SampleSet:
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


# %%
# Solve with it
# -------------
#
# It knows nothing of constraints, and yet solves a problem that has some: penalties are added, and answers repaired.
knapsack = Knapsack(values=[6, 5, 4, 3], weights=[30, 20, 20, 11], capacity=50)
for backend in (RandomDescent(), qd.get_backend("exact")):
    solution = qd.solve(knapsack, backend)
    print(f"{solution.backend}: {solution.best.objective:g}, items {sorted(solution.best.value)}")

# %%
# Test it
# -------
#
# The conformance kit asks for what every caller relies on: energies that are true, seeds that count, time limits that
# are kept, options that have an effect. It raises an error that names the fault.
reasons = check_backend(RandomDescent())
print(f"the kit passes; {len(reasons)} cases do not apply:", ", ".join(sorted(reasons)))

# %%
# To install it, name the class in the ``pyproject.toml`` of your package. ``backend="random-descent"`` then finds it.
# The page :doc:`/contributing/backend` has the whole checklist.
#
# .. code-block:: toml
#
#     [project.entry-points."qubo_dnn.backends"]
#     random-descent = "my_package.random_descent:RandomDescent"
