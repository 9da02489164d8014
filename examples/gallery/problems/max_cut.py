"""
Maximum cut
===========

Split the nodes of a graph into two sides, with as many edges between them as possible. Here the nodes are radio
stations, and an edge joins stations that disturb each other; two frequencies are to keep apart as many as possible.
"""

# %%
# The variable :math:`x_i` is 1 if node :math:`i` is on the first side. The number of cut edges,
#
# .. math:: \sum_{(i, j) \in E} x_i + x_j - 2 x_i x_j,
#
# is maximised, without constraints. The formulation is :doc:`max-cut </reference/formulations/max-cut>`.
import matplotlib.pyplot as plt
import networkx as nx

import qubo_dnn as qd

graph = nx.random_geometric_graph(36, 0.26, seed=4)
solution = qd.solve(graph, formulation="max-cut", seed=1)
side = solution.best.value
cut = [(u, v) for u, v in graph.edges if (u in side) != (v in side)]
print(f"{len(cut)} of {graph.number_of_edges()} edges are cut")

# %%
# The count agrees with the objective, and a bound proves that no cut has more edges.
assert solution.best.objective == len(cut)
problem = qd.to_problem(graph, formulation="max-cut")
assert qd.certify(problem, solution, seconds=20).optimal

# %%
# Edges that are cut are dark. The red ones join stations that share a frequency.
figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
place = nx.get_node_attributes(graph, "pos")
kept = [edge for edge in graph.edges if edge not in cut]
nx.draw_networkx_edges(graph, place, edgelist=cut, edge_color="0.35", ax=axes)
nx.draw_networkx_edges(graph, place, edgelist=kept, edge_color="tab:red", width=2, ax=axes)
colors = ["tab:blue" if node in side else "tab:orange" for node in graph]
nx.draw_networkx_nodes(graph, place, node_size=140, node_color=colors, edgecolors="black", ax=axes)
axes.set_title(f"{len(cut)} of {graph.number_of_edges()} edges are cut")
axes.set_axis_off()
plt.show()
