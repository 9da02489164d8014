"""
Quadratic knapsack
==================

Choose items within a capacity that are worth most, alone and in pairs. Here the items are sites for transmitters; two
sites close to each other are worth more together, because they can hand calls over.
"""

# %%
# The variable :math:`x_i` is 1 if item :math:`i` is taken, and :math:`p_{ij}` is the profit of a pair.
#
# .. math:: \max \sum_i p_{ii} x_i + \sum_{i < j} p_{ij} x_i x_j, \quad \sum_i w_i x_i \le C
#
# The formulation is :doc:`quadratic-knapsack </reference/formulations/quadratic-knapsack>`.
import matplotlib.pyplot as plt
import numpy as np

import qubo_dnn as qd
from qubo_formulations.quadratic_knapsack import QuadraticKnapsack

rng = np.random.default_rng(5)
sites = rng.random((16, 2))
apart = np.hypot(*(sites[:, None] - sites[None]).transpose(2, 0, 1))
profits = np.where(apart < 0.35, np.round(30 * (0.35 - apart)), 0.0)
np.fill_diagonal(profits, rng.integers(2, 9, 16))
costs = rng.integers(3, 12, 16)
knapsack = QuadraticKnapsack(profits, weights=costs, capacity=45)
solution = qd.solve(knapsack, seed=1)
chosen = sorted(solution.best.value)
print(f"profit {solution.best.objective:g} for costs of {costs[chosen].sum()}: sites {chosen}")

# %%
# The costs are within the budget. None of the 65,536 choices that are affordable has a greater profit.
assert costs[chosen].sum() <= 45
choices = (np.arange(2**16)[:, None] >> np.arange(16)) & 1
worth = ((choices @ np.triu(profits)) * choices).sum(axis=1)
assert worth[choices @ costs <= 45].max() == solution.best.objective

# %%
# Chosen sites are orange, and a number is the cost of a site. Lines are pairs with a profit, thick if it is great.
figure, axes = plt.subplots(figsize=(6.5, 5.5), layout="constrained")
for i, j in np.argwhere(np.triu(profits, 1)):
    both = i in chosen and j in chosen
    color, order = ("tab:orange", 1) if both else ("0.85", 0)
    axes.plot(*sites[[i, j]].T, color=color, linewidth=0.6 * profits[i, j], zorder=order)
colors = ["tab:orange" if site in chosen else "lightgrey" for site in range(16)]
axes.scatter(sites[:, 0], sites[:, 1], s=320, color=colors, edgecolors="black", zorder=2)
for spot, cost in zip(sites, costs, strict=True):
    axes.text(spot[0], spot[1], str(cost), ha="center", va="center_baseline", fontsize=9, zorder=3)
axes.set_title(f"{len(chosen)} of 16 sites: profit {solution.best.objective:g} for {costs[chosen].sum()} of 45")
axes.set_axis_off()
plt.show()
