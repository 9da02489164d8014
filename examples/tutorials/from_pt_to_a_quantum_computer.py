"""
From pt to a quantum computer
=============================

The same problem on ``pt``, on the emulator of a quantum annealer, on a simulated gate-model computer, and on a real
annealer. Only the name of the backend changes.
"""

# %%
# The problem
# -----------
#
# Most nodes of the Petersen graph, of which no two are adjacent: four of ten.
import networkx as nx

import qubo_dnn as qd

graph = nx.petersen_graph()
problem = qd.to_problem(graph, formulation="maximum-independent-set")
print(qd.solve(problem, backend="pt", seed=1).best)

# %%
# Does it fit?
# ------------
#
# A chip of D-Wave couples only certain pairs of qubits. Each variable becomes a chain of qubits. ``diagnose`` finds the
# chains, emulates some reads, and says what the chains cost.
found = qd.diagnose(problem, "pegasus:4", presolve=False, reads=50)
print(found.verdict)
assert found.embedding is not None
assert found.judged is not None
print(f"{found.embedding.qubits} qubits for {len(found.embedding.chains)} variables")
print(f"reads with a broken chain: {(found.judged.broken > 0).mean():.0%}")

# %%
# An emulated annealer
# --------------------
#
# ``qpu-emulator`` does what the chip would do, offline: limits of its ranges, errors of its coefficients, and broken
# chains. ``pegasus:16`` has the size of an Advantage system.
for name in ("pt", "qpu-emulator:pegasus:16"):
    best = qd.solve(problem, backend=name, seed=1, num_reads=100).best
    print(f"{name}: {best.objective:g} nodes {sorted(best.value)}, violations {dict(best.violations)}")

# %%
# The annealer itself
# -------------------
#
# With a token in ``dwave.conf`` or ``DWAVE_API_TOKEN``, the name ``dwave-qpu`` is all that changes. A QPU takes no
# seed. Here, the call is made only where a token is at hand.
import os

if "DWAVE_API_TOKEN" in os.environ:
    print(qd.solve(problem, backend="dwave-qpu", num_reads=100).best)
else:
    print("no token: see `qubo-dnn backends doctor`")

# %%
# A gate-model computer
# ---------------------
#
# QAOA, the quantum approximate optimization algorithm, is simulated up to about twenty qubits. Its circuit, with the
# angles that were found, can be taken to your own hardware.
ring = qd.to_problem(nx.cycle_graph(6), formulation="max-cut")
answer = qd.solve(ring, backend="qaoa", seed=1, depth=2, presolve=False)
circuit = answer.circuit()
print(f"cut {answer.best.objective:g} by {circuit.num_qubits} qubits and {circuit.count_ops()['rzz']} two-qubit gates")

# %%
# A quantum computer answers at random. How often did the measurements give which cut?
import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(9, 4), layout="constrained")
counts = answer.sampleset.aggregate()
cuts = sorted({-energy for energy in counts.record.energy})
shares = [counts.record.num_occurrences[counts.record.energy == -cut].sum() for cut in cuts]
axes.bar([f"{cut:g}" for cut in cuts], shares)
axes.set_xlabel("edges that are cut")
axes.set_ylabel("measurements")
axes.set_title("What the circuit measures: most often the maximum cut")
plt.show()
