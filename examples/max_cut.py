"""For users of networkx: a maximum cut in five lines."""

import networkx as nx

from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.max_cut import MaxCut

graph = nx.random_regular_graph(3, 30, seed=1)
solution = solve(MaxCut(graph).compile(), get_backend("pt"), {"seed": 1})

print(f"{solution.best.objective:g} of {graph.number_of_edges()} edges are cut")
print("one side:", sorted(solution.best.value))
