"""
A first maximum cut
===================

Split the nodes of a graph into two sides, with as many edges between them as possible.
"""

# %%
# A random graph in which every node has three neighbours.
import matplotlib.pyplot as plt
import networkx as nx

import qubo_dnn as qd

graph = nx.random_regular_graph(3, 30, seed=1)
solution = qd.solve(graph, formulation="max-cut", backend="pt", seed=1)
print(f"{solution.best.objective:g} of {graph.number_of_edges()} edges are cut")

# %%
# The two sides, with the edges between them drawn dark.
side = solution.best.value
cut = [(u, v) for u, v in graph.edges if (u in side) != (v in side)]
place = nx.spring_layout(graph, seed=1)
nx.draw_networkx_nodes(graph, place, node_size=80, node_color=["C0" if node in side else "C1" for node in graph])
nx.draw_networkx_edges(graph, place, edge_color="lightgrey")
nx.draw_networkx_edges(graph, place, edgelist=cut)
plt.axis("off")
plt.show()
