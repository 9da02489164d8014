"""
Binary least squares
====================

Find the bits whose image under a matrix is closest to a target. Here the bits are the bars of a barcode, the matrix is
the blur of a camera, and the target is what the camera saw, with noise.
"""

# %%
# The variable :math:`x_i` is the bit :math:`i`; there are no constraints.
#
# .. math:: \min \lVert A x - b \rVert^2 = x^\top A^\top A x - 2 b^\top A x + b^\top b
#
# The formulation is :doc:`binary-least-squares </reference/formulations/binary-least-squares>`.
import matplotlib.pyplot as plt
import numpy as np

import qubo_dnn as qd
from qubo_formulations.binary_least_squares import BinaryLeastSquares

rng = np.random.default_rng(1)
code = np.concatenate([[1, 0, 1], rng.integers(0, 2, 30), [1, 0, 1]])
places = np.arange(len(code))
blur = np.exp(-0.5 * ((places[:, None] - places) / 1.2) ** 2)
blur /= blur.sum(axis=1, keepdims=True)
seen = blur @ code + rng.normal(0.0, 0.015, len(code))
solution = qd.solve(BinaryLeastSquares(blur, seen), seed=1)
bits = np.array(solution.best.value)

# %%
# A threshold at a half gets many bars wrong, the least squares none.
threshold = seen > 0.5
print(f"wrong bars: {np.sum(threshold != code)} by a threshold, {np.sum(bits != code)} by least squares")
assert np.isclose(np.square(blur @ bits - seen).sum(), solution.best.objective)
assert solution.best.objective <= np.square(blur @ code - seen).sum() + 1e-9
assert (bits == code).all()

# %%
rows = {"the barcode": code, "seen": seen, "by a threshold": threshold, "by least squares": bits}
figure, several = plt.subplots(len(rows), 1, figsize=(8, 3.6), layout="constrained")
for axes, (name, values) in zip(several, rows.items(), strict=True):
    axes.imshow(np.asarray(values, float)[None], cmap="gray_r", vmin=0, vmax=1, aspect="auto")
    axes.set_yticks([0], [name])
    axes.set_xticks([])
    axes.tick_params(length=0)
    if name.startswith("by"):
        wrong = np.flatnonzero(values != code)
        axes.plot(wrong, np.zeros(len(wrong)), "x", color="tab:red", markersize=9, markeredgewidth=2)
several[0].set_title("A barcode, blurred and read again; a red cross is a wrong bar")
plt.show()
