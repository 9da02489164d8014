"""
Quadratic assignment
====================

Give every facility a location such that flow times distance is least. Here the facilities are nine wards of a hospital
on a grid of three by three, and the flow counts the walks between two wards in a day.
"""

# %%
# The variable :math:`x_{ip}` is 1 if facility :math:`i` is at location :math:`p`; :math:`f` is the flow and :math:`d`
# the distance.
#
# .. math:: \min \sum_{i, j, p, q} f_{ij} d_{pq} x_{ip} x_{jq}, \quad \sum_p x_{ip} = 1, \quad \sum_i x_{ip} = 1
#
# The formulation is :doc:`quadratic-assignment </reference/formulations/quadratic-assignment>`.
from itertools import combinations, permutations

import matplotlib.pyplot as plt
import numpy as np

import qubo_dnn as qd
from qubo_formulations.quadratic_assignment import QuadraticAssignment

wards = ["emergency", "X-ray", "surgery", "intensive", "laboratory", "pharmacy", "children", "kitchen", "reception"]
walks = {
    **{(0, 1): 40, (0, 2): 25, (0, 3): 20, (0, 4): 30, (0, 8): 45, (1, 2): 15, (1, 8): 20, (2, 3): 35},
    **{(2, 4): 20, (2, 5): 10, (3, 4): 25, (3, 5): 15, (3, 7): 10, (5, 6): 15, (5, 4): 10, (6, 7): 15},
    **{(6, 8): 25, (7, 8): 5, (1, 6): 5, (4, 6): 10},
}
flow = np.zeros((9, 9))
for (i, j), count in walks.items():
    flow[i, j] = flow[j, i] = count
spots = np.array([(place % 3, place // 3) for place in range(9)])
distance = np.abs(spots[:, None] - spots[None]).sum(axis=2)
solution = qd.solve(QuadraticAssignment(flow, distance), seed=1)
place_of = solution.best.value
print(f"walks times distance, in both directions: {solution.best.objective:g}")

# %%
# Every ward has a place of its own. None of the 362,880 arrangements is better.
assert sorted(place_of) == list(range(9))
every = np.array(list(permutations(range(9))), np.int8)
costs = sum(2 * flow[i, j] * distance[every[:, i], every[:, j]] for i, j in combinations(range(9), 2) if flow[i, j])
assert costs.min() == solution.best.objective

# %%
# The thicker a line, the more people walk there. Most thick lines are short.
figure, axes = plt.subplots(figsize=(6.5, 5), layout="constrained")
for (i, j), count in walks.items():
    start, end = spots[place_of[i]], spots[place_of[j]]
    bend = 0.0 if np.abs(start - end).sum() == 1 else 0.18
    style = {"arrowstyle": "-", "linewidth": count / 5, "color": "tab:blue", "alpha": 0.5}
    axes.annotate("", start, end, arrowprops=style | {"connectionstyle": f"arc3,rad={bend}"})
for ward, place in zip(wards, place_of, strict=True):
    box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": "black"}
    axes.text(spots[place][0], spots[place][1], ward, ha="center", va="center", bbox=box)
axes.set_xlim(-0.5, 2.5)
axes.set_ylim(-0.4, 2.4)
axes.set_axis_off()
axes.set_title("Nine wards, arranged for short walks")
plt.show()
