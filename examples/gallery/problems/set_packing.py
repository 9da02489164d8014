"""
Set packing
===========

Choose the most valuable sets that share no element. Here the elements are the mornings and afternoons of a meeting
room, and every set is a request for some of them, with the rent that is offered.
"""

# %%
# The variable :math:`x_s` is 1 if set :math:`s` of value :math:`v_s` is chosen.
#
# .. math:: \max \sum_s v_s x_s, \quad \sum_{s \cap t \ne \emptyset} x_s x_t = 0
#
# The formulation is :doc:`set-packing </reference/formulations/set-packing>`.
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np

import qubo_dnn as qd
from qubo_formulations.set_packing import SetPacking

rng = np.random.default_rng(6)
slots = [f"{day}\n{half}" for day in ("Mon", "Tue", "Wed", "Thu", "Fri") for half in ("am", "pm")]
requests = [sorted(rng.choice(10, rng.integers(1, 5), replace=False).tolist()) for _ in range(18)]
rents = [20 * len(request) + int(rng.integers(0, 40)) for request in requests]
solution = qd.solve(SetPacking(requests, rents), seed=1)
accepted = sorted(solution.best.value)
print(f"requests {accepted} bring {solution.best.objective:g}")

# %%
# No slot is let twice, and none of the 262,144 choices without a clash brings more.
assert all(set(requests[s]).isdisjoint(requests[t]) for s, t in combinations(accepted, 2))
choices = ((np.arange(2**18)[:, None] >> np.arange(18)) & 1).astype(np.int16)
uses = np.array([[slot in request for slot in range(10)] for request in requests], np.int16)
assert (choices @ np.array(rents))[(choices @ uses <= 1).all(axis=1)].max() == solution.best.objective

# %%
# One row per request, with its rent; accepted ones are coloured. No column has two coloured squares.
figure, axes = plt.subplots(figsize=(6.5, 6), layout="constrained")
for row, request in enumerate(requests):
    color = f"C{accepted.index(row)}" if row in accepted else "0.85"
    axes.bar(request, 0.8, bottom=row - 0.4, width=0.85, color=color)
axes.set_xticks(range(10), slots)
axes.set_yticks(range(18), [f"{rent} euros" for rent in rents])
for row in accepted:
    axes.get_yticklabels()[row].set_fontweight("bold")
axes.xaxis.tick_top()
axes.set_ylim(17.7, -0.7)
axes.set_xlim(-0.6, 9.6)
axes.set_title(f"{len(accepted)} of 18 requests bring {solution.best.objective:g} euros")
plt.show()
