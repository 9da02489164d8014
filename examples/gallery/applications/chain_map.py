"""
Chain map of an embedding
=========================

A quantum annealer couples only certain pairs of qubits, so each variable becomes a chain of qubits. The picture shows
where the variables of a problem live on a chip.
"""

# %%
# The problem is a maximum cut of 24 nodes that each have six neighbours. The target is a small chip of the Pegasus
# family, the one of D-Wave's Advantage systems. The page :doc:`/how-to/embedding` says what else a diagnosis tells.
import dwave.graphs
import matplotlib.pyplot as plt
import networkx as nx

import qubo_dnn as qd

graph = nx.random_regular_graph(6, 24, seed=1)
problem = qd.to_problem(graph, formulation="max-cut")
found = qd.diagnose(problem, "pegasus:3", presolve=False, reads=0)
embedding = found.embedding
assert embedding is not None  # it fits
chains = embedding.chains
print(f"{found.verdict}: {embedding.qubits} qubits for {len(chains)} variables")
print(f"the longest chain has {embedding.longest} qubits")

# %%
# Chains are disjoint and connected, and every pair that is coupled has a coupler between its chains.
chip = found.target.graph
assert len({qubit for chain in chains.values() for qubit in chain}) == sum(map(len, chains.values()))
assert all(nx.is_connected(chip.subgraph(chain)) for chain in chains.values())
for u, v in problem.objective.quadratic:
    assert any(chip.has_edge(p, q) for p in chains[u] for q in chains[v])

# %%
# A colour is a variable. Thick lines join the qubits of a chain, thin lines are the couplings of the problem.
place = dwave.graphs.pegasus_layout(chip)
figure, axes = plt.subplots(figsize=(7.5, 7.5), layout="constrained")
nx.draw_networkx_edges(chip, place, edge_color="0.93", width=0.5, ax=axes)
nx.draw_networkx_nodes(chip, place, node_size=15, node_color="0.8", ax=axes)
owner = {qubit: variable for variable, chain in chains.items() for qubit in chain}
between = [(p, q) for p, q in chip.edges if p in owner and q in owner and owner[p] != owner[q]]
coupled = [(p, q) for p, q in between if graph.has_edge(*(list(chains).index(owner[each]) for each in (p, q)))]
nx.draw_networkx_edges(chip, place, edgelist=coupled, edge_color="0.55", width=0.8, ax=axes)
for number, chain in enumerate(chains.values()):
    color = plt.colormaps["gist_rainbow"](number / len(chains))
    inside = chip.subgraph(chain)
    nx.draw_networkx_edges(inside, place, edge_color=[color], width=4, ax=axes)
    nx.draw_networkx_nodes(inside, place, node_size=60, node_color=[color], edgecolors="black", ax=axes)
axes.set_title(f"{len(chains)} variables on {embedding.qubits} of {len(chip)} qubits")
axes.set_axis_off()
plt.show()
