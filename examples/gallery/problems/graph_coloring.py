"""
Graph colouring
===============

Give every node of a graph a colour such that adjacent nodes differ, with as few colours as possible. Here the nodes
are the states of Germany, and an edge joins two that have a common border.
"""

# %%
# The variable :math:`x_{ic}` is 1 if node :math:`i` has colour :math:`c`, and :math:`y_c` is 1 if the colour is used.
#
# .. math:: \min \sum_c y_c, \quad \sum_c x_{ic} = 1, \quad
#    \sum_{(i, j) \in E} x_{ic} x_{jc} = 0, \quad \sum_i x_{ic} (1 - y_c) = 0
#
# The formulation is :doc:`graph-coloring </reference/formulations/graph-coloring>`.
import matplotlib.pyplot as plt
import networkx as nx

import qubo_dnn as qd

borders = {
    "SH": "HH NI MV",
    "HH": "NI",
    "NI": "HB MV BB ST TH HE NW",
    "NW": "HE RP",
    "HE": "RP BW BY TH",
    "RP": "BW SL",
    "BW": "BY",
    "BY": "TH SN",
    "TH": "SN ST",
    "SN": "ST BB",
    "ST": "BB",
    "BB": "BE MV",
}
graph = nx.Graph([(state, other) for state, others in borders.items() for other in others.split()])
solution = qd.solve(graph, formulation="graph-coloring", seed=1)
color = solution.best.value
print(f"{solution.best.objective:g} colours")

# %%
# No two neighbours agree. Three colours cannot suffice: five states surround Thuringia in a ring.
assert all(color[u] != color[v] for u, v in graph.edges)
ring = graph.subgraph(graph["TH"])
assert len(ring) == 5
assert all(degree == 2 for _, degree in ring.degree)
assert solution.best.objective == 4

# %%
# States are where their largest cities are, by longitude and latitude.
place = {
    **{"SH": (10.1, 54.3), "HH": (10.0, 53.55), "NI": (9.1, 52.6), "HB": (8.5, 53.3), "NW": (7.3, 51.5)},
    **{"HE": (8.9, 50.6), "RP": (7.3, 50.0), "SL": (6.9, 49.3), "BW": (9.0, 48.6), "BY": (11.6, 48.7)},
    **{"TH": (11.0, 50.8), "SN": (13.4, 51.0), "ST": (11.7, 51.9), "BB": (14.0, 52.0), "BE": (13.4, 52.6)},
    "MV": (12.5, 53.8),
}
figure, axes = plt.subplots(figsize=(6, 6.5), layout="constrained")
palette = ["tab:orange", "tab:blue", "tab:green", "gold"]
nx.draw_networkx_edges(graph, place, edge_color="0.6", ax=axes)
nodes = {"node_size": 750, "edgecolors": "black"}
nx.draw_networkx_nodes(graph, place, node_color=[palette[color[state]] for state in graph], **nodes, ax=axes)
nx.draw_networkx_labels(graph, place, font_size=10, font_weight="bold", ax=axes)
axes.set_title(f"{solution.best.objective:g} colours for {len(graph)} states")
axes.set_axis_off()
plt.show()
