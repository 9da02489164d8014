"""
Maximum satisfiability
======================

Choose truth values such that all hard clauses hold, and as much weight of soft ones as possible. Here a truth value
says whether a person works on Saturday; rules of the firm are hard, and wishes are soft.
"""

# %%
# The variable :math:`x_v` is 1 if :math:`v` is true. A clause is violated if all its literals are false, which is a
# product: for "Ada or not Ben", :math:`(1 - x_1) x_2`. With weights :math:`w_c`,
#
# .. math:: \min \sum_{c \text{ soft}} w_c \prod_{l \in c} (1 - l), \quad
#    \sum_{c \text{ hard}} \prod_{l \in c} (1 - l) = 0.
#
# Products of three and more literals get further variables. The formulation is
# :doc:`max-sat </reference/formulations/max-sat>`.
from itertools import product
from math import inf

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

import qubo_dnn as qd
from qubo_formulations.max_sat import MaxSat

people = ["Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gina", "Hugo"]
# What is said, its weight, and the clause: who works, or with "-" who does not; one of them has to be true.
rules = [
    ("one of the cashiers", inf, "Ada Ben Cleo"),
    ("one with a key", inf, "Dan Eva"),
    ("one who drives", inf, "Ben Finn Gina"),
    ("Ada and Dan share a car", inf, "Ada -Dan"),
    ("Eva and Hugo quarrel", inf, "-Eva -Hugo"),
    ("Ada has a wedding", 8, "-Ada"),
    ("Ben works only with Cleo", 3, "-Ben Cleo"),
    ("Cleo would like to rest", 2, "-Cleo"),
    ("Dan needs the money", 4, "Dan"),
    ("Eva works only without Finn", 3, "-Eva -Finn"),
    ("Finn wants to come", 5, "Finn"),
    ("Gina, if Finn does", 2, "-Finn Gina"),
    ("Hugo needs the money", 4, "Hugo"),
    ("Gina and Hugo never both", 3, "-Gina -Hugo"),
    ("Eva would like to rest", 1, "-Eva"),
]


def literals(text: str) -> list[int]:
    """Numbers of the people, from 1; negative for those who do not work."""
    return [(-1 if word[0] == "-" else 1) * (people.index(word.lstrip("-")) + 1) for word in text.split()]


clauses = [literals(text) for _, _, text in rules]
weights = [weight for _, weight, _ in rules]
solution = qd.solve(MaxSat(clauses, weights), seed=1)
works = solution.best.value
print("at work:", ", ".join(name for name, own in zip(people, works, strict=True) if own))


# %%
# No hard clause is violated, and none of the 256 assignments violates less weight.
def violated(values: tuple[bool, ...]) -> float:
    """Weight of the clauses that do not hold; infinite if a hard one is among them."""
    kept = [any(values[abs(each) - 1] == (each > 0) for each in clause) for clause in clauses]
    return sum(weight for weight, holds in zip(weights, kept, strict=True) if not holds)


assert violated(works) == solution.best.objective == min(map(violated, product((False, True), repeat=8)))

# %%
# One row per clause: a green square is a literal that holds, a grey one does not. A red row has none that holds.
figure, axes = plt.subplots(figsize=(8, 5.5), layout="constrained")
for row, clause in enumerate(clauses):
    holds = {abs(each) - 1: works[abs(each) - 1] == (each > 0) for each in clause}
    for column, true in holds.items():
        color = "tab:green" if true else "lightgrey" if any(holds.values()) else "tab:red"
        axes.add_patch(Rectangle((column - 0.45, row - 0.4), 0.9, 0.8, color=color))
        axes.text(column, row, "+" if column + 1 in clause else "\N{MINUS SIGN}", ha="center", va="center")
heads = [f"{name}\n{'works' if own else 'is free'}" for name, own in zip(people, works, strict=True)]
axes.set_xticks(np.arange(8), heads)
axes.set_yticks(range(len(rules)), [f"{name} ({'hard' if weight == inf else weight})" for name, weight, _ in rules])
axes.axhline(4.5, color="black", linewidth=1)
axes.xaxis.tick_top()
axes.set_xlim(-0.6, 7.6)
axes.set_ylim(len(rules) - 0.5, -0.5)
axes.set_title(f"Wishes of weight {solution.best.objective:g} are not met")
plt.show()
