"""
Multiple knapsacks
==================

Put items of the greatest total value into several knapsacks, each with its own capacity. Here the knapsacks are three
vans, and the items are parcels, of which not all can go today.
"""

# %%
# The variable :math:`x_{ik}` is 1 if item :math:`i` is in knapsack :math:`k`.
#
# .. math:: \max \sum_{i, k} v_i x_{ik}, \quad \sum_k x_{ik} \le 1, \quad \sum_i w_i x_{ik} \le C_k
#
# The formulation is :doc:`multi-knapsack </reference/formulations/multi-knapsack>`.
import matplotlib.pyplot as plt
import numpy as np

import qubo_dnn as qd
from qubo_formulations.knapsack import Knapsack
from qubo_formulations.multi_knapsack import MultiKnapsack

rng = np.random.default_rng(3)
weights = rng.integers(4, 22, 20)  # kilograms
fees = weights + rng.integers(1, 16, 20)  # euros
vans = np.array([80, 60, 40])
knapsacks = MultiKnapsack(values=fees, weights=weights, capacities=vans)
solution = qd.solve(knapsacks, seed=1)
van_of = solution.best.value
print(f"fees of {solution.best.objective:g} euros; parcel -> van: {van_of}")

# %%
# No van is overloaded. One large van of the same total capacity could not earn more than this bound.
loads = [sum(weight for weight, van in zip(weights, van_of, strict=True) if van == k) for k in range(3)]
assert all(load <= most for load, most in zip(loads, vans, strict=True))
one = Knapsack(values=fees, weights=weights, capacity=int(vans.sum()))
bound = qd.solve(one, seed=1).best.objective
print(f"{solution.best.objective / bound:.1%} of what one van of {vans.sum()} kg could earn")
assert solution.best.objective <= bound

# %%
# Every bar is a parcel, as wide as it is heavy; its number is the fee. The black line is the capacity.
figure, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
rows = {0: "van 1", 1: "van 2", 2: "van 3", None: "stays"}
for row, van in enumerate(rows):
    left = 0
    for parcel in np.argsort(-fees / weights):
        if van_of[parcel] == van:
            color = "lightgrey" if van is None else f"C{van}"
            axes.barh(-row, weights[parcel], left=left, height=0.7, color=color, edgecolor="white")
            axes.text(left + weights[parcel] / 2, -row, str(fees[parcel]), ha="center", va="center", fontsize=9)
            left += weights[parcel]
    if van is not None:
        axes.plot([vans[van]] * 2, [-row - 0.45, -row + 0.45], color="black", linewidth=3)
axes.set_yticks([0, -1, -2, -3], rows.values())
axes.set_xlabel("kilograms")
axes.set_title(f"Parcels worth {solution.best.objective:g} euros in three vans")
plt.show()
