"""For users of D-Wave: the same problem on `pt` and on a quantum annealer.

    python swap_for_a_qpu.py          # offline: Ocean's mock of a QPU stands in for the hardware
    python swap_for_a_qpu.py --live   # the QPU of your dwave.conf or DWAVE_API_TOKEN

An Ocean sampler is a backend of 20 lines.
"""

from __future__ import annotations

import sys
from typing import Any, ClassVar

import dimod
import networkx as nx
from dwave.system import DWaveSampler, EmbeddingComposite
from dwave.system.testing import MockDWaveSampler

from qubo_dnn.backend import Capabilities, SolveOptions, check_model, check_options
from qubo_dnn.registry import get_backend
from qubo_dnn.solve import solve
from qubo_formulations.maximum_independent_set import MaximumIndependentSet


class Qpu:
    """Minor-embeds the model and samples it on a D-Wave machine, or on its mock."""

    name: ClassVar[str] = "qpu"
    summary: ClassVar[str] = "a D-Wave QPU through minor embedding"
    options_type: ClassVar[type[SolveOptions]] = SolveOptions

    def __init__(self, machine: Any) -> None:
        self.sampler = EmbeddingComposite(machine)
        # Hardware takes neither seeds nor seconds: saying so makes `solve` refuse them instead of ignoring them.
        self.capabilities = Capabilities(seeded=False, timed=False, remote=True)

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """See `qubo_dnn.backend.Backend`."""
        check_options(self, options)
        check_model(self, bqm)
        if not bqm.num_variables:
            return dimod.SampleSet.from_samples_bqm([{}], bqm)
        return self.sampler.sample(bqm, num_reads=options.num_reads or 100)


def main() -> None:
    """Solve one problem on both."""
    problem = MaximumIndependentSet(nx.petersen_graph()).compile()
    machine = DWaveSampler() if "--live" in sys.argv else MockDWaveSampler()
    for backend, options in ((get_backend("pt"), {"seed": 1}), (Qpu(machine), {"num_reads": 100})):
        best = solve(problem, backend, options).best
        print(f"{backend.name}: {best.objective:g} nodes, violations {dict(best.violations)}, {sorted(best.value)}")


if __name__ == "__main__":
    main()
