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
    "2.5bits,3bits,3.5bits,4.5bits,6bits",
    test=digits.test,
    options="2,3,4,5,6,8",
    granularity="group:16",
    calibration_size=128,
    seed=0,
    baselines=True,
)
points = [point.to_dict() for point in swept.points]
for each in points:
    print("{budget}: {bytes:,} bytes, divergence {divergence:.1e}, accuracy {accuracy:.1%}".format(**each))

# %%
# Every point keeps its budget, and the points of the front get better with every byte.
assert all(each["bits_per_weight"] <= float(each["budget"].removesuffix("bits")) for each in points)
front = [point.to_dict()["divergence"] for point in swept.front]
assert front == sorted(front, reverse=True)

# %%
# Lower is closer to the given network, and further left is smaller. The knee is where more bytes begin to buy less.
figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
curves = {"uniform widths": swept.baselines["uniform"], "this package": swept.front}
for style, (name, curve) in zip(("s--", "o-"), curves.items(), strict=True):
    figures = [point.to_dict() for point in curve if point.is_met]
    sizes = [each["bytes"] / 1000 for each in figures]
    axes.semilogy(sizes, [each["divergence"] for each in figures], style, label=name)
if swept.knee is not None:
    knee = swept.knee.to_dict()
    axes.plot(knee["bytes"] / 1000, knee["divergence"], "*", color="black", markersize=15, label="knee")
axes.set_xlabel("size of the file (kB)")
axes.set_ylabel("held-out divergence")
axes.set_title("mnist-cnn at several budgets")
axes.legend()
plt.show()
