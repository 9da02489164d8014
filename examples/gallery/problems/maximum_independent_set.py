"""
Maximum independent set
=======================

Find the largest set of nodes of a graph of which no two are adjacent. Here the nodes are the fields of a chessboard,
and an edge joins two between which a queen can move: the eight queens puzzle.
"""

# %%
# The variable :math:`x_i` is 1 if node :math:`i` is in the set.
#
# .. math:: \max \sum_i x_i, \quad \sum_{(i, j) \in E} x_i x_j = 0
#
# The formulation is :doc:`maximum-independent-set </reference/formulations/maximum-independent-set>`.
from itertools import combinations

import matplotlib.pyplot as plt
import networkx as nx

import qubo_dnn as qd


def attacks(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether a queen can move from one field, (row, column), to the other."""
    rows, columns = abs(one[0] - other[0]), abs(one[1] - other[1])
    return rows == 0 or columns == 0 or rows == columns


fields = [(row, column) for row in range(8) for column in range(8)]
graph = nx.Graph([pair for pair in combinations(fields, 2) if attacks(*pair)])
solution = qd.solve(graph, formulation="maximum-independent-set", seed=1)
queens = sorted(solution.best.value)
print(f"{len(queens)} queens: {queens}")

# %%
# More than eight are impossible, since every row holds one at most. No two attack each other.
assert len(queens) == 8
assert not any(attacks(*pair) for pair in combinations(queens, 2))

# %%
figure, axes = plt.subplots(figsize=(4.5, 4.5), layout="constrained")
axes.imshow([[(row + column) % 2 for column in range(8)] for row in range(8)], cmap="YlOrBr", vmin=-0.3, vmax=3)
for row, column in queens:
    axes.text(column, row, "\N{BLACK CHESS QUEEN}", fontsize=26, ha="center", va="center_baseline")
axes.set_xticks(range(8), "abcdefgh")
axes.set_yticks(range(8), "87654321")
axes.tick_params(length=0)
axes.set_title("Eight queens that do not attack each other")
plt.show()
