"""
Exact cover
===========

Choose sets that together contain every element exactly once. Here the elements are the squares of a board and the
pieces of a puzzle, and every set is one way to lay a piece.
"""

# %%
# The variable :math:`x_s` is 1 if set :math:`s` of cost :math:`c_s` is chosen.
#
# .. math:: \min \sum_s c_s x_s, \quad \sum_{s \ni e} x_s = 1 \text{ for every element } e
#
# The formulation is :doc:`exact-cover </reference/formulations/exact-cover>`.
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

import qubo_dnn as qd
from qubo_formulations.exact_cover import ExactCover

# Pentominoes: the five squares of a piece, (row, column).
pieces = {
    "I": [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)],
    "L": [(0, 0), (1, 0), (2, 0), (3, 0), (3, 1)],
    "P": [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)],
    "W": [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2)],
    "Y": [(0, 0), (1, 0), (2, 0), (3, 0), (1, 1)],
}
height, width = 5, 5


def placements(squares: list[tuple[int, int]]) -> set[frozenset[tuple[int, int]]]:
    """All ways to lay a piece on the board, turned and mirrored."""
    found = set()
    for mirrored in (1, -1):
        turned = np.array(squares) * [1, mirrored]
        for _ in range(4):
            turned = turned[:, ::-1] * [1, -1]
            shape = turned - turned.min(axis=0)
            for row in range(height - shape[:, 0].max()):
                for column in range(width - shape[:, 1].max()):
                    found.add(frozenset((int(r) + row, int(c) + column) for r, c in shape))
    return found


ways = [(name, way) for name, squares in pieces.items() for way in sorted(placements(squares), key=sorted)]
cover = ExactCover([[name, *way] for name, way in ways])
solution = qd.solve(cover, seed=1)
laid = [ways[number] for number in sorted(solution.best.value)]
print(f"{len(ways)} ways to lay the pieces; the answer lays {[name for name, _ in laid]}")

# %%
# Every piece is used once, and every square is covered once.
assert sorted(name for name, _ in laid) == sorted(pieces)
assert sorted(square for _, way in laid for square in way) == [(r, c) for r in range(height) for c in range(width)]

# %%
figure, axes = plt.subplots(figsize=(4.5, 4.5), layout="constrained")
for number, (name, way) in enumerate(laid):
    for row, column in way:
        axes.add_patch(Rectangle((column, row), 1, 1, color=f"C{number}"))
        axes.text(column + 0.5, row + 0.5, name, ha="center", va="center", color="white", fontsize=14)
        # A border where the neighbour belongs to another piece.
        for (down, right), ends in {
            (-1, 0): ((0, 0), (1, 0)),
            (1, 0): ((0, 1), (1, 1)),
            (0, -1): ((0, 0), (0, 1)),
            (0, 1): ((1, 0), (1, 1)),
        }.items():
            if (row + down, column + right) not in way:
                axes.plot(*zip(*((column + x, row + y) for x, y in ends), strict=True), color="black", linewidth=3)
axes.set_xlim(-0.05, width + 0.05)
axes.set_ylim(height + 0.05, -0.05)
axes.set_aspect("equal")
axes.set_axis_off()
axes.set_title("Five pieces cover the board")
plt.show()
