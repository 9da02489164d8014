"""
Job-shop scheduling
===================

Every job is a list of operations, each on a certain machine; find start times such that the last one ends as early as
possible. Here it is the instance ft06 of Fisher and Thompson (1963): six jobs on six machines.
"""

# %%
# The variable :math:`x_{jot}` is 1 if operation :math:`o` of job :math:`j` starts at time :math:`t`, and :math:`y_t` is
# 1 if everything has ended by then. With the horizon :math:`T`,
#
# .. math:: \min T - \sum_t y_t, \quad \sum_t x_{jot} = 1,
#
# and the products of all pairs of variables that exclude each other are 0. The formulation is
# :doc:`job-shop-scheduling </reference/formulations/job-shop-scheduling>`.
from itertools import combinations

import matplotlib.pyplot as plt

import qubo_dnn as qd
from qubo_formulations.job_shop_scheduling import JobShopScheduling

# For every job, machine and duration of its operations.
jobs = [
    [(2, 1), (0, 3), (1, 6), (3, 7), (5, 3), (4, 6)],
    [(1, 8), (2, 5), (4, 10), (5, 10), (0, 10), (3, 4)],
    [(2, 5), (3, 4), (5, 8), (0, 9), (1, 1), (4, 7)],
    [(1, 5), (0, 5), (2, 5), (3, 3), (4, 8), (5, 9)],
    [(2, 9), (1, 3), (4, 5), (5, 4), (0, 3), (3, 1)],
    [(1, 3), (3, 3), (5, 9), (0, 10), (4, 4), (2, 1)],
]
solution = qd.solve(JobShopScheduling(jobs), seed=1)
starts = solution.best.value
print(f"all jobs end at time {solution.best.objective:g}")

# %%
# Operations of a job follow each other, and no machine does two at once. The optimum is known to be 55.
spans = {(j, o): (start, start + jobs[j][o][1]) for (j, o), start in starts.items()}
assert all(spans[j, o][0] >= spans[j, o - 1][1] for j, o in spans if o)
for one, other in combinations(spans, 2):
    if jobs[one[0]][one[1]][0] == jobs[other[0]][other[1]][0]:
        assert spans[one][1] <= spans[other][0] or spans[other][1] <= spans[one][0]
assert solution.best.objective == max(end for _, end in spans.values()) == 55

# %%
# One row per machine, and one colour per job.
figure, axes = plt.subplots(figsize=(9, 3.6), layout="constrained")
for (j, o), (start, end) in spans.items():
    machine = jobs[j][o][0]
    axes.barh(
        machine,
        end - start,
        left=start,
        height=0.75,
        color=f"C{j}",
        edgecolor="white",
        label=f"job {j}" if not o else None,
    )
    axes.text((start + end) / 2, machine, str(j), ha="center", va="center", color="white", fontsize=9)
axes.axvline(solution.best.objective, color="black", linestyle="--")
axes.set_yticks(range(6), [f"machine {machine}" for machine in range(6)])
axes.invert_yaxis()
axes.set_xlabel("time")
axes.set_title(f"Six jobs on six machines, done at time {solution.best.objective:g}")
figure.legend(loc="outside right center", frameon=False)
plt.show()
