"""
Bin packing
===========

Put all items into as few bins as possible. Here the bins are boards of 240 cm, and the items are the pieces that a
carpenter has to cut from them.
"""

# %%
# The variable :math:`x_{ib}` is 1 if item :math:`i` is in bin :math:`b`, and :math:`y_b` is 1 if the bin is open.
#
# .. math:: \min \sum_b y_b, \quad \sum_b x_{ib} = 1, \quad \sum_i s_i x_{ib} \le C y_b
#
# The formulation is :doc:`bin-packing </reference/formulations/bin-packing>`.
import matplotlib.pyplot as plt

import qubo_dnn as qd
from qubo_formulations.bin_packing import BinPacking

pieces = [120, 110, 100, 90, 85, 80, 75, 70, 65, 60, 55, 50, 45, 40, 35, 30, 25, 25]  # cm
packing = BinPacking(sizes=pieces, capacity=240)
solution = qd.solve(packing, seed=1)
board_of = solution.best.value
print(f"{solution.best.objective:g} boards; piece -> board: {board_of}")

# %%
# Every piece has a board, and none is too full. Fewer boards are shorter than all the pieces together.
boards = sorted(set(board_of))
loads = [sum(size for size, board in zip(pieces, board_of, strict=True) if board == each) for each in boards]
assert None not in boards
assert max(loads) <= 240
assert len(boards) == solution.best.objective == -(-sum(pieces) // 240)

# %%
figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
for row, board in enumerate(boards):
    left = 0
    for number, size in enumerate(pieces):
        if board_of[number] == board:
            axes.barh(-row, size, left=left, height=0.7, color=f"C{row}", edgecolor="white", linewidth=2)
            axes.text(left + size / 2, -row, str(size), ha="center", va="center", fontsize=9)
            left += size
    axes.barh(-row, 240 - left, left=left, height=0.7, color="white", edgecolor="0.5", hatch="///")
axes.set_yticks([-row for row in range(len(boards))], [f"board {row + 1}" for row in range(len(boards))])
axes.set_xlim(0, 240)
axes.set_xlabel("cm; hatched is waste")
axes.set_title(f"{len(pieces)} pieces from {len(boards)} boards of 240 cm")
plt.show()
