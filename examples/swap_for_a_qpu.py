"""For users of D-Wave: the same problem on `pt`, on the emulator of a quantum annealer, and on the annealer itself.

    python swap_for_a_qpu.py          # offline
    python swap_for_a_qpu.py --live   # the QPU of your dwave.conf or DWAVE_API_TOKEN, too

Only the backend's name changes; what its options are, `qubo-dnn backends show NAME` tells.
"""

from __future__ import annotations

import sys

import networkx as nx

from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.maximum_independent_set import MaximumIndependentSet


def main() -> None:
    """Solve one problem on all of them."""
    problem = MaximumIndependentSet(nx.petersen_graph()).compile()
    for name in ("pt", "qpu-emulator:pegasus:16", "dwave-qpu"):
        backend = get_backend(name)
        if backend.capabilities.remote and "--live" not in sys.argv:
            continue
        # A QPU takes no seed, and says so; `solve` would refuse one.
        options = {"seed": 1} if backend.capabilities.seeded else {}
        found = solve(problem, backend, {"num_reads": 100, **options})
        best, info = found.best, found.sampleset.info
        chains = f", longest chain {info['longest_chain']}" if "longest_chain" in info else ""
        print(f"{name}: {best.objective:g} nodes, violations {dict(best.violations)}, {sorted(best.value)}{chains}")


if __name__ == "__main__":
    main()
