"""
Gap over time
=============

How soon is an answer how good? A proven bound makes it a gap: how far an answer is from the optimum, at most.
"""

# %%
# The problem is a maximum cut of a dense graph of 80 nodes, with weights from -10 to 10. ``certify`` proves a bound that
# no cut can exceed.
import matplotlib.pyplot as plt
import networkx as nx
import numpy as np

import qubo_dnn as qd

rng = np.random.default_rng(1)
graph = nx.gnp_random_graph(80, 0.5, seed=1)
for u, v in graph.edges:
    graph.edges[u, v]["weight"] = int(rng.integers(-10, 11))
problem = qd.to_problem(graph, formulation="max-cut")
proof = qd.certify(problem, qd.solve(problem, seed=1), seconds=8)
bound = proof.figures(problem)["bound"]
print(f"no cut has more than {bound:.1f}; the answer is proven to be optimal: {proof.optimal}")

# %%
# Three backends get equal times, on three seeds. Runs are of the given lengths, from the shortest to the longest.
backends = ["steepest-descent", "neal", "pt"]
limits = (0.01, 0.03, 0.1, 0.3)
gaps = {}
for limit in limits:
    for record in qd.compare(problem, backends, time_limit=limit, seeds=[0, 1, 2]):
        own = [(bound - run.objective) / abs(bound) for run in record.final()]
        gaps.setdefault(record.contender.name, []).append(own)
for name, found in gaps.items():
    print(f"{name}:", ", ".join(f"{np.median(own):.2%} after {limit:g} s" for limit, own in zip(limits, found, strict=True)))
assert min(map(min, gaps["pt"])) >= -1e-9

# %%
# A line is the median of the seeds, the area around it their range.
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
axes.set_title("A maximum cut of 80 nodes")
axes.legend()
plt.show()
