"""
Gap over time
=============

How soon is an answer how good? A proven bound makes it a gap: how far an answer is from the optimum, at most.
"""

# %%
# The problem is a maximum cut of a random graph of 200 nodes that have three neighbours each. ``certify`` proves a
# bound that no cut can exceed.
import matplotlib.pyplot as plt
import networkx as nx
import numpy as np

import qubo_dnn as qd

graph = nx.random_regular_graph(3, 200, seed=1)
problem = qd.to_problem(graph, formulation="max-cut")
proof = qd.certify(problem, qd.solve(problem, seed=1), seconds=4)
bound = proof.figures(problem)["bound"]
print(f"no cut has more than {bound:g} edges")

# %%
# Three backends get equal times, on three seeds. Runs are of the given lengths, from the shortest to the longest.
backends = ["steepest-descent", "neal", "pt"]
limits = (0.003, 0.01, 0.03, 0.1, 0.3)
gaps: dict[str, list[list[float]]] = {}
for limit in limits:
    for record in qd.compare(problem, backends, time_limit=limit, seeds=[0, 1, 2]):
        own = [(bound - run.objective) / abs(bound) for run in record.final()]
        gaps.setdefault(record.contender.name, []).append(own)
for name, found in gaps.items():
    print(f"{name}:", ", ".join(f"{np.median(own):.2%}" for own in found))
assert min(map(min, gaps["pt"])) >= -1e-9

# %%
# A line is the median of the seeds, the area around it their range. What is left at the right is the gap that the bound
# leaves open: the answer may be optimal, or not.
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for name, found in gaps.items():
    percent = 100 * np.array(found)
    axes.plot(limits, np.median(percent, axis=1), "o-", label=name)
    axes.fill_between(limits, percent.min(axis=1), percent.max(axis=1), alpha=0.2)
axes.set_xscale("log")
axes.set_xticks(limits, [f"{limit:g}" for limit in limits])
axes.set_ylim(bottom=-0.2)
axes.set_xlabel("time limit (seconds)")
axes.set_ylabel("gap to the proven bound (%)")
axes.set_title("A maximum cut of 200 nodes")
axes.legend()
plt.show()
