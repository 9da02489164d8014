"""
Maximum clique
==============

Find the largest set of nodes of a graph that are all adjacent to each other. Here the nodes are the characters of
"Les Misérables", and an edge joins two who appear in the same chapter.
"""

# %%
# The variable :math:`x_i` is 1 if node :math:`i` is in the clique.
#
# .. math:: \max \sum_i x_i, \quad \sum_{(i, j) \notin E} x_i x_j = 0
#
# The formulation is :doc:`maximum-clique </reference/formulations/maximum-clique>`.
import matplotlib.pyplot as plt
import networkx as nx

import qubo_dnn as qd

graph = nx.les_miserables_graph()  # of Knuth 1993
solution = qd.solve(graph, formulation="maximum-clique", seed=1)
clique = sorted(solution.best.value)
print(f"{len(clique)} characters meet each other:", ", ".join(clique))

# %%
# All pairs are adjacent, and the list of all cliques, which networkx makes, has none that is larger.
assert all(graph.has_edge(u, v) for u in clique for v in clique if u < v)
assert len(clique) == max(map(len, nx.find_cliques(graph)))

# %%
# The clique is at the right, the rest of the book in grey.
figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
rest = graph.subgraph(set(graph) - set(clique))
place = nx.spring_layout(rest, seed=2, k=0.35)
place |= {name: 0.7 * spot + [2.1, 0.0] for name, spot in nx.circular_layout(clique).items()}
inside = list(graph.subgraph(clique).edges)
nx.draw_networkx_edges(graph, place, edge_color="0.88", ax=axes)
nx.draw_networkx_edges(graph, place, edgelist=inside, edge_color="tab:blue", ax=axes)
nx.draw_networkx_nodes(graph, place, nodelist=list(rest), node_size=25, node_color="0.6", ax=axes)
nx.draw_networkx_nodes(graph, place, nodelist=clique, node_size=90, node_color="tab:orange", ax=axes)
for name in clique:
    offset = 0.12 * (place[name] - [2.1, 0.0])
    side = "left" if offset[0] > 0 else "right"
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
    x, y = place[name] + offset
    axes.text(x, y, name, fontsize=9, ha=side, va="center", bbox=box)
axes.set_title(f"The largest clique: {len(clique)} of {len(graph)} characters")
axes.margins(0.08)
axes.set_axis_off()
plt.show()
