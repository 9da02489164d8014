"""
A first maximum cut
===================

A QUBO is a quadratic function of variables that are 0 or 1, to be made as small as possible. Many problems can be
written as one: cutting graphs, filling knapsacks, and choosing how many bits each weight of a neural network gets.

This tutorial solves a first problem, proves the answer, and compares solvers.
"""

# %%
# Solve something
# ---------------
#
# The simplest model is a dictionary: a pair of variables has a coefficient, and a pair of equal variables a linear one.
# Equal seeds give equal answers.
import qubo_dnn as qd

solution = qd.solve({("a", "a"): -1.0, ("b", "b"): -2.0, ("a", "b"): 3.0}, backend="pt", seed=1)
print(solution.best.value, solution.best.objective)

# %%
# A matrix would do as well, and so would a model of dimod, pyqubo, Qiskit, docplex or OMMX, or a file.
print(qd.solve([[-1.0, 3.0], [0.0, -2.0]], seed=1).best.value)

# %%
# A graph
# -------
#
# A formulation turns data of a certain kind into a problem. Here, ``max-cut`` splits the nodes of a graph into two
# sides, with as many edges between them as possible. The graph is random; every node has three neighbours.
import networkx as nx

graph = nx.random_regular_graph(3, 30, seed=1)
problem = qd.to_problem(graph, formulation="max-cut")
solution = qd.solve(problem, seed=1)
print(f"{solution.best.objective:g} of {graph.number_of_edges()} edges are cut")

# %%
# ``best.value`` is the answer in terms of the graph: the nodes of one side. Edges between the sides are drawn dark.
import matplotlib.pyplot as plt

side = solution.best.value
cut = [(u, v) for u, v in graph.edges if (u in side) != (v in side)]
place = nx.spring_layout(graph, seed=1)
figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
nx.draw_networkx_edges(graph, place, edge_color="lightgrey", ax=axes)
nx.draw_networkx_edges(graph, place, edgelist=cut, ax=axes)
colors = ["tab:blue" if node in side else "tab:orange" for node in graph]
nx.draw_networkx_nodes(graph, place, node_size=90, node_color=colors, ax=axes)
axes.set_title(f"{len(cut)} of {graph.number_of_edges()} edges are cut")
axes.set_axis_off()
plt.show()

# %%
# A proof
# -------
#
# Is that the best there is? ``certify`` looks for a bound that no answer can exceed. If the answer reaches it, the
# answer is proven to be optimal.
proof = qd.certify(problem, solution, seconds=20)
print("proven to be optimal:", proof.optimal)

# %%
# Another solver
# --------------
#
# Solvers are called backends. The name of the backend is all that changes; ``qd.list_backends()`` has all that are
# installed. Options that they share are the seed, the number of reads, and a limit of time.
for backend in ("pt", "neal", "tabu", "steepest-descent"):
    found = qd.solve(problem, backend=backend, seed=1, num_reads=10)
    print(f"{backend}: {found.best.objective:g}")

# %%
# A fair comparison gives all of them equal times and several seeds.
for record in qd.compare(problem, ["pt", "neal", "tabu"], time_limit=0.2, seeds=[0, 1]):
    print(record.contender.name, [run.objective for run in record.final()])
