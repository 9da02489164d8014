"""
Pareto sweep
============

How many bytes buy how much precision? A sweep compresses a network to several budgets with one measurement, and shows
which of them are worth their bytes.
"""

# %%
# The network is ``mnist-cnn``, which ships with the package. Its layers share a width each, which is quick. The points
# are beside uniform widths, where every weight has the same number of bits. See :doc:`/how-to/sweeps`.
import matplotlib.pyplot as plt

import qubo_dnn as qd
from qubo_dnn import zoo

digits = zoo.load("mnist-cnn")
swept = qd.sweep(
    digits.module,
    digits.calibration,
    "2.5bits:6bits:0.5bits",
    test=digits.test,
    options="2,3,4,5,6,8",
    granularity="group:16",
    calibration_size=128,
    seed=0,
    baselines=True,
)
for point in swept.points:
    print(f"{point.budget}: {point.bytes:,} bytes, divergence {point.divergence:.1e}, accuracy {point.accuracy:.1%}")

# %%
# Every point keeps its budget, and the points of the front get better with every byte.
assert all(point.bits_per_weight <= float(point.budget.removesuffix("bits")) for point in swept.points)
front = [point.divergence for point in swept.front]
assert front == sorted(front, reverse=True)

# %%
# Lower is closer to the given network, and further left is smaller. The knee is where more bytes begin to buy less.
figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
uniform = [point for point in swept.baselines["uniform"] if point.is_met]
for points, style, label in ((uniform, "s--", "uniform widths"), (swept.front, "o-", "this package")):
    axes.semilogy([point.bytes / 1000 for point in points], [point.divergence for point in points], style, label=label)
if swept.knee is not None:
    axes.plot(swept.knee.bytes / 1000, swept.knee.divergence, "*", color="black", markersize=15, label="knee")
axes.set_xlabel("size of the file (kB)")
axes.set_ylabel("held-out divergence")
axes.set_title("mnist-cnn at several budgets")
axes.legend()
plt.show()
