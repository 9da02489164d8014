"""
Minimum vertex cover
====================

Find the fewest nodes of a graph that touch all of its edges. Here the edges are the marriages between families of
Florence around 1430: which families must a chronicler visit to hear of every marriage?
"""

# %%
# The variable :math:`x_i` is 1 if node :math:`i` is in the cover.
#
# .. math:: \min \sum_i x_i, \quad \sum_{(i, j) \in E} (1 - x_i) (1 - x_j) = 0
#
# The formulation is :doc:`minimum-vertex-cover </reference/formulations/minimum-vertex-cover>`.
import matplotlib.pyplot as plt
import networkx as nx

import qubo_dnn as qd

graph = nx.florentine_families_graph()  # of Padgett 1994
solution = qd.solve(graph, formulation="minimum-vertex-cover", seed=1)
cover = solution.best.value
print(f"{len(cover)} of {len(graph)} families:", ", ".join(sorted(cover)))

# %%
# Every marriage has a family in the cover. Trying all subsets finds no smaller cover.
assert all(u in cover or v in cover for u, v in graph.edges)
assert qd.solve(graph, formulation="minimum-vertex-cover", backend="exact").best.objective == len(cover)

# %%
figure, axes = plt.subplots(figsize=(7.5, 5), layout="constrained")
place = nx.kamada_kawai_layout(graph)
nx.draw_networkx_edges(graph, place, edge_color="0.5", ax=axes)
colors = ["tab:orange" if family in cover else "lightgrey" for family in graph]
nx.draw_networkx_nodes(graph, place, node_size=320, node_color=colors, edgecolors="black", ax=axes)
for family, (x, y) in place.items():
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}
    axes.annotate(family, (x, y), (0, 13), textcoords="offset points", fontsize=9, ha="center", bbox=box)
axes.set_title(f"{len(cover)} families touch all {graph.number_of_edges()} marriages")
axes.margins(0.1)
axes.set_axis_off()
plt.show()
