"""
Number partitioning
===================

Split numbers into two subsets whose sums differ as little as possible. Here the numbers are the weights of crates that
a freighter carries on its two sides.
"""

# %%
# The variable :math:`x_i` is 1 if number :math:`a_i` is in the first subset.
#
# .. math:: \min \Bigl(2 \sum_i a_i x_i - \sum_i a_i\Bigr)^2
#
# The formulation is :doc:`number-partitioning </reference/formulations/number-partitioning>`.
import matplotlib.pyplot as plt

import qubo_dnn as qd
from qubo_formulations.number_partitioning import NumberPartitioning

crates = [938, 871, 764, 703, 655, 592, 541, 487, 433, 390, 352, 318, 276, 229, 187, 143]  # kg
solution = qd.solve(NumberPartitioning(crates), seed=1)
left = solution.best.value
sides = [[crates[i] for i in range(len(crates)) if (i in left) == first] for first in (True, False)]
print(f"{sum(sides[0])} kg and {sum(sides[1])} kg")

# %%
# The objective is the square of the difference. As the total is odd, a difference of 1 is the least there can be.
assert (sum(sides[0]) - sum(sides[1])) ** 2 == solution.best.objective
assert sum(crates) % 2 == 1
assert solution.best.objective == 1

# %%
figure, axes = plt.subplots(figsize=(8, 2.6), layout="constrained")
for row, side in enumerate(sides):
    start = 0
    for weight in side:
        axes.barh(-row, weight, left=start, height=0.7, color=f"C{row}", edgecolor="white", linewidth=2)
        axes.text(start + weight / 2, -row, str(weight), ha="center", va="center", fontsize=8)
        start += weight
axes.set_yticks([0, -1], ["port", "starboard"])
axes.set_xlabel("kilograms")
axes.set_title(f"{sum(sides[0]):,} kg on one side, {sum(sides[1]):,} kg on the other")
plt.show()
