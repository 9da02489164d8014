"""
Set cover
=========

Choose the cheapest sets that together contain every element. Here the elements are 40 towns, and every set holds the
towns that an ambulance can reach in time from one of 20 possible stations.
"""

# %%
# The variable :math:`x_s` is 1 if set :math:`s` of cost :math:`c_s` is chosen.
#
# .. math:: \min \sum_s c_s x_s, \quad \sum_{s \ni e} x_s \ge 1 \text{ for every element } e
#
# The formulation is :doc:`set-cover </reference/formulations/set-cover>`.
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Circle

import qubo_dnn as qd
from qubo_formulations.set_cover import SetCover

rng = np.random.default_rng(8)
reach = 28.0  # kilometres
towns = rng.random((40, 2)) * [100, 80]
corners = np.array([(x, y) for x in range(10, 100, 20) for y in range(10, 80, 20)])
stations = corners + rng.uniform(-6, 6, (20, 2))
costs = rng.integers(3, 9, 20)
apart = np.hypot(*(stations[:, None] - towns[None]).transpose(2, 0, 1))
solution = qd.solve(SetCover([np.flatnonzero(row < reach) for row in apart], costs), seed=1)
built = sorted(solution.best.value)
print(f"stations {built} cost {solution.best.objective:g}")

# %%
# Every town is reached. None of the choices of stations, about a million, is cheaper and does the same.
assert (apart[built] < reach).any(axis=0).all()
choices = ((np.arange(2**20)[:, None] >> np.arange(20)) & 1).astype(np.int8)
cheaper = choices[choices @ costs < solution.best.objective]
assert not ((cheaper @ (apart < reach).astype(np.int8)) > 0).all(axis=1).any()

# %%
# Circles show how far the ambulances of the chosen stations get; a number is the cost of a station.
figure, axes = plt.subplots(figsize=(7, 5.5), layout="constrained")
for order, number in enumerate(built):
    axes.add_patch(Circle(stations[number], reach, color=f"C{order}", alpha=0.2))
axes.plot(*towns.T, "o", color="black", markersize=4, label="town")
axes.plot(*stations.T, "s", color="lightgrey", markeredgecolor="black", markersize=14, label="possible station")
axes.plot(*stations[built].T, "s", color="tab:orange", markeredgecolor="black", markersize=14, label="chosen station")
for spot, cost in zip(stations, costs, strict=True):
    axes.text(spot[0], spot[1], str(cost), ha="center", va="center_baseline", fontsize=8)
axes.set_xlim(-5, 105)
axes.set_ylim(-5, 85)
axes.set_aspect("equal")
axes.set_xlabel("kilometres")
axes.set_title(f"{len(built)} stations of cost {solution.best.objective:g} reach all {len(towns)} towns")
figure.legend(loc="outside lower center", ncols=3, frameon=False, markerscale=0.7)
plt.show()
