"""
Graph partitioning
==================

Split the nodes of a graph into two halves with as little weight between them as possible. Here the nodes are the 34
members of a karate club, which broke apart, and a weight counts in how many contexts two members met.
"""

# %%
# The variable :math:`x_i` is 1 if node :math:`i` is in the first half.
#
# .. math:: \min \sum_{(i, j) \in E} w_{ij} (x_i + x_j - 2 x_i x_j), \quad \sum_i x_i = \lfloor n / 2 \rfloor
#
# The formulation is :doc:`graph-partitioning </reference/formulations/graph-partitioning>`.
import matplotlib.pyplot as plt
import networkx as nx

import qubo_dnn as qd

graph = nx.karate_club_graph()  # of Zachary 1977
solution = qd.solve(graph, formulation="graph-partitioning", seed=1)
half = solution.best.value
between = [(u, v) for u, v in graph.edges if (u in half) != (v in half)]
print(f"weight {solution.best.objective:g} between the halves, on {len(between)} edges")

# %%
# The halves have 17 members each, and the weight between them is what the objective says.
assert len(half) == 17
assert sum(graph.edges[edge]["weight"] for edge in between) == solution.best.objective

# %%
# How far is this from what happened? The club split into a group of the teacher and one of the officer.
teacher = {node for node, club in graph.nodes(data="club") if club == "Mr. Hi"}
agree = max(len(half & teacher) + len(set(graph) - half - teacher), len(half - teacher) + len(teacher - half))
print(f"{agree} of {len(graph)} members are in the half that their club suggests")

# %%
# Colours are the halves, shapes are the clubs that the members went to. Dark lines run between the halves.
figure, axes = plt.subplots(figsize=(7.5, 5.5), layout="constrained")
place = nx.spring_layout(graph, seed=7, k=0.45)
nx.draw_networkx_edges(graph, place, edge_color="0.8", ax=axes)
nx.draw_networkx_edges(graph, place, edgelist=between, edge_color="black", width=1.5, ax=axes)
for shape, members in (("o", teacher), ("s", set(graph) - teacher)):
    chosen = sorted(members)
    colors = ["tab:blue" if node in half else "tab:orange" for node in chosen]
    drawn = {"node_color": colors, "node_shape": shape, "edgecolors": "black", "node_size": 170}
    nx.draw_networkx_nodes(graph, place, nodelist=chosen, **drawn, ax=axes)
axes.set_title(f"Two halves with weight {solution.best.objective:g} between them")
axes.set_axis_off()
plt.show()
