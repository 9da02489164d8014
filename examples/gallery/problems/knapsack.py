"""
Knapsack
========

Choose items of the greatest total value whose total weight does not exceed a capacity. Here the items are reports
that wait for a news programme of 20 minutes, each with a length and an expected number of viewers.
"""

# %%
# The variable :math:`x_i` is 1 if item :math:`i` of value :math:`v_i` and weight :math:`w_i` is taken.
#
# .. math:: \max \sum_i v_i x_i, \quad \sum_i w_i x_i \le C
#
# The formulation is :doc:`knapsack </reference/formulations/knapsack>`.
from itertools import product

import matplotlib.pyplot as plt
import numpy as np

import qubo_dnn as qd
from qubo_formulations.knapsack import Knapsack

# Viewers in thousands, and minutes.
reports = {
    **{"election": (96, 6), "storm": (75, 4), "football": (60, 5), "cinema": (22, 3), "museum": (15, 2)},
    **{"railway": (38, 3), "harvest": (25, 4), "space": (52, 5), "traffic": (30, 2), "weather": (45, 2)},
}
viewers, minutes = np.array(list(reports.values())).T
knapsack = Knapsack(values=viewers, weights=minutes, capacity=20)
solution = qd.solve(knapsack, seed=1)
names = [list(reports)[item] for item in sorted(solution.best.value)]
print(f"{solution.best.objective:g} thousand viewers:", ", ".join(names))

# %%
# The programme is not too long, and none of the 1,024 programmes has more viewers.
assert sum(reports[name][1] for name in names) <= 20
chosen = np.array(list(product((0, 1), repeat=len(reports))))
assert (chosen @ viewers)[chosen @ minutes <= 20].max() == solution.best.objective

# %%
# Above the programme, below what had to wait. The width is the length, and the colour the number of viewers per minute.
figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
shades = plt.colormaps["viridis_r"]
for row, kept in enumerate((True, False)):
    left = 0
    for name, (value, length) in reports.items():
        if (name in names) == kept:
            axes.barh(-row, length, left=left, height=0.75, color=shades(value / length / 26), edgecolor="white")
            dark = value / length > 12
            axes.text(
                left + length / 2,
                -row,
                f"{name}\n{value}",
                ha="center",
                va="center",
                fontsize=8,
                color="w" if dark else "k",
            )
            left += length
axes.axvline(20, color="black", linestyle="--")
axes.set_yticks([0, -1], ["shown", "waits"])
axes.set_xlabel("minutes; numbers are thousands of viewers")
axes.set_title(f"{solution.best.objective:g} thousand viewers in 20 minutes")
plt.show()
